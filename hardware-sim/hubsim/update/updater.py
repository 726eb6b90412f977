"""The real `hubupdate`, whose pauses and trials pass SPEED times as fast: ten minutes in 2 s."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from hubcore.errors import HubError
from hubupdate.config import load
from hubupdate.running.app import Time, make_folders, run, tell

SPEED = 300.0


def main() -> None:
    """Update the machine that the file names."""
    file = Path(sys.argv[1])
    try:
        config = load(file)
        make_folders(config)
        run(config, file, Time(_monotonic, _rest))
    except HubError as error:
        tell(str(error))
        sys.exit(75)


def _monotonic() -> float:
    return time.monotonic() * SPEED


def _rest(seconds: float) -> None:
    time.sleep(seconds / SPEED)


if __name__ == "__main__":
    main()
