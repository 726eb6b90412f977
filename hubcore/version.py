"""Which hubd this is, and when it was built: the same for every program of the distribution."""

__version__ = "0.1.0+clone"
"""What is run from a clone.

`make install` writes the commit in place of the label: 0.1.0+g1a2b3c4d5e6f.
"""

BUILD_TIME = 1_795_305_600
"""2026-11-22T00:00:00Z: a wall clock before this moment is wrong
(ports.clock.ClockState.BEFORE_BUILD).
"""
