"""Keys as files: the hub's own, those of its uplink, its readers and its networks."""
