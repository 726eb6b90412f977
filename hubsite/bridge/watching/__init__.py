"""Follows the bridge of this building, and keeps the alarms that it tells."""
