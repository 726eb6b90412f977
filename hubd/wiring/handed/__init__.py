"""What changes hands with a hub."""
