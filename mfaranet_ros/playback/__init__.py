"""Recorded pictures to play, and what belongs to them; shared by the player and the tools."""
