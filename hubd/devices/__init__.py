"""Devices: the use case that commands them and knows how they stand."""
