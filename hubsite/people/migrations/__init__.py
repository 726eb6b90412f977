"""The steps by which this room's table came to be."""
