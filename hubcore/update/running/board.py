"""The board of `hubupdate`, a JSON file: where it lies, how long it is, and when it is old."""

from __future__ import annotations

from hubcore.update.slots import Phase

BOARD = "/run/hubupdate/status.json"
BOARD_VARIABLE = "HUBD_UPDATE_BOARD"
"""Names another file in the environment of a program that reads it."""
BYTES_MAX = 65_536
LATE_SECONDS = 3600.0
"""How long after its next step was due a board counts as old: a step may fetch an image."""
FETCH_SECONDS = 24 * 3600.0


def late_seconds(phase: object) -> float:
    """Return how long after its next step was due a board in this phase counts as old."""
    return FETCH_SECONDS if phase == Phase.WRITING else LATE_SECONDS


CACHE_BOARD = "/var/lib/hubupdate-mirror/status.json"
"""What a site's cache of updates shows. It lies on the disk: a cache that never looks again after a
restart of its machine is seen, too."""
CACHE_VARIABLE = "HUBD_CACHE_BOARD"
CACHE_LATE_SECONDS = 6 * 3600.0
"""Without a look for so long a cache has stopped: a timer calls it every 15 minutes."""
