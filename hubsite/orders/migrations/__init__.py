"""Steps of this room's tables."""
