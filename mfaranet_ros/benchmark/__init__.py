"""How fast networks are on this machine, and how that compares with the network as published."""
