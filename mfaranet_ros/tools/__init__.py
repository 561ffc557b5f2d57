"""The command `mfaranet`: one verb per file."""
