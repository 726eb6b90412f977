"""What operators did: an append-only table whose rows are chained like a hub's records."""
