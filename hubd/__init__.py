"""hubd: the daemon on an access hub, the box in a building that opens doors for phones."""
