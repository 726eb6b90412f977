"""The real `hubupdate`, whose pauses and trials pass SPEED times as fast: ten minutes in 2 s."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from hubcore.errors import HubError
from hubcore.update.health import Spans
from hubupdate.config import load
from hubupdate.running.app import Time, make_folders, run, tell

SPEED = 300.0


def main() -> None:
    """Update the machine that the file names."""
    update(Path(sys.argv[1]), SPEED, Spans())


def update(file: Path, speed: float, spans: Spans) -> None:
    """Update a machine; `spans` are those of a trial, before they pass so fast."""

    def monotonic() -> float:
        return time.monotonic() * speed

    def rest(seconds: float) -> None:
        time.sleep(seconds / speed)

    try:
        config = load(file)
        make_folders(config)
        run(config, file, Time(monotonic, rest, spans=spans))
    except HubError as error:
        tell(str(error))
        sys.exit(75)


if __name__ == "__main__":
    main()
