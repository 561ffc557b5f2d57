"""The zoo: networks as published, their registry and their weights (torch only)."""
