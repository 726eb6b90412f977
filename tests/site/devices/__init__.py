"""Devices: what they say, and what they are told."""
