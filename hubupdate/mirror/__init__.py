"""A cache of updates for a site: what the hubs of a building fetch comes over its line once."""
