"""The real `hubupdate`, whose pauses pass faster, and with a short trial."""

from __future__ import annotations

import sys
from pathlib import Path

from hubcore.update.health import GRACE_SECONDS, LAPSE_SECONDS, Spans
from hubsim.update.updater import update

SPEED = 60.0
TRIAL_SECONDS = 2.0
LONGEST_SECONDS = 240.0
"""Grace and lapse are the real ones: a hub that starts again may take as long."""


def main() -> None:
    """Update the machine that the file names."""
    spans = Spans(
        grace=GRACE_SECONDS * SPEED,
        lapse=LAPSE_SECONDS * SPEED,
        trial=TRIAL_SECONDS * SPEED,
        longest=LONGEST_SECONDS * SPEED,
    )
    update(Path(sys.argv[1]), SPEED, spans)


if __name__ == "__main__":
    main()
