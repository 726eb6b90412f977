"""hubd: the daemon on an access hub, the box in a building that opens doors for phones."""

__version__ = "0.1.0"

BUILD_TIME = 1_795_305_600
"""2026-11-22T00:00:00Z: a wall clock before this moment is wrong (ports.ClockState.BEFORE_BUILD)."""
