"""One door: what it is in, what is done to it, and who would open it."""
