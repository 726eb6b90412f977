"""The steps of this room's tables."""
