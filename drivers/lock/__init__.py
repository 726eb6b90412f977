"""Locks as what moves a door, whatever wire they are on."""
