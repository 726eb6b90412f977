"""The Device Bridge of a site at a desk: its files."""
