"""Connections to D-Bus that can change hands."""
