"""How a hub changes hands from one process of hubd to another, while phones are connected."""
