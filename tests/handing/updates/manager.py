"""The service manager of a machine with a real hubd: `hubsim.update.manager`, and the unit's rules.

`python -m tests.handing.updates.manager BOX`. What it needs beside the machine's folder comes by
the environment: see `tests.handing.updates.machine`.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from drivers.strike.wire import StrikeLine
from hubcore.errors import HardwareError
from hubsim.door.lines import open_lines
from hubsim.update.manager import Manager
from tests.handing.updates.unit import POLL_SECONDS, Unit

AGAIN_SECONDS = 0.5
"""RestartSec= of this unit; the real one waits for 5 s."""
MAIN = "main"
"""Where the main process's number lies."""


class UnitManager(Manager):
    """Keeps the programs of one machine, hubd as a unit."""

    updater = "tests.handing.updates.updater"

    def __init__(self, box: Path) -> None:
        super().__init__(box)
        self._config = Path(os.environ["HUB_CONFIG"])
        self._unit = Unit(
            name=str(box),
            notify=box / "run/notify",
            environment=self._environment,
            post=self._secure,
            told=self._note_main,
        )

    def _start(self) -> bool:
        if not self._unit.has_ended():
            self._unit.stop()
        root = self._box / "root"
        self._script("hubd-slot.sh", self._slots)
        self._script("hubd-mount.sh", self._slots, self._mounts, "now", root)
        program = (self._mounts / "now").resolve() / "bin/python"
        command = [str(program), "--config", self._config.name]
        if self._unit.start(command, self._config.parent):
            _say(f"{program} is ready")
            return True
        _say(f"{program} does not get ready")
        self._unit.stop()
        return False

    def _has_ended(self) -> bool:
        if not self._unit.has_ended():
            return False
        _say("the main process has ended")
        self._unit.stop()
        time.sleep(AGAIN_SECONDS - POLL_SECONDS)
        return True

    def _secure(self) -> None:
        """ExecStopPost: drive each strike inactive. A line that is held is left to its holder."""
        try:
            open_lines([StrikeLine(os.environ["HUB_BANK"], "front")]).close()
        except HardwareError as error:
            _say(f"secure: {error}")

    def _note_main(self, number: int) -> None:
        fresh = self._control / f"{MAIN}.new"
        fresh.write_text(str(number))
        fresh.rename(self._control / MAIN)


def _say(line: str) -> None:
    sys.stderr.write(f"unit: {time.strftime('%H:%M:%S')} {line}\n")


if __name__ == "__main__":
    UnitManager(Path(sys.argv[1])).run()
