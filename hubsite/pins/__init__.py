"""Pins: the keys by which others' servers are known, beside authority and name."""
