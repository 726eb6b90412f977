"""One machine in a folder, with a power switch.

Laws:
1. `cut_power` kills every process of the machine at the same moment (SIGKILL to their group). What
   the kernel has in memory is not lost by that: a real power cut may lose more, and what guards
   against that (fsync, and the order of writes) is tried in `tests/unit/update/test_power_cuts.py`.
2. What is in `run` goes with the power, as on a tmpfs. What is in `var` stays.
3. The machine's scripts are those that `install-update.sh` lays.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hubcore.errors import HubError, StoreError
from hubcore.update.slots import Phase, Slots
from hubsim.update.manager import TOOLS
from hubsim.update.shop import Shop
from hubsim.update.standin import Nature, image_of
from hubupdate.disk import Disk
from hubupdate.running.daemon import ask_status
from hubupdate.running.first import begin_slots
from hubupdate.trust import Repository

SCRIPTS = Path(__file__).parents[3] / "systemd"
NAMES = ("hubd-slot.sh", "hubd-mount.sh", "hubd-orders.sh")
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.02
BY_HAND = "0.9-by-hand"
"""The version that was installed before there were slots."""


class LateError(HubError):
    """What was waited for did not come: the machine does not come back."""


class Box:
    """A machine below `folder` (a short path: it holds a socket), which fetches from a carrier."""

    patience_seconds = PATIENCE_SECONDS
    """How long what is waited for may take."""

    def __init__(self, folder: Path, shop: Shop, carrier: str = "") -> None:
        self.folder = folder
        self._shop = shop
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("scripts", "tools", "var", "var/slots", "var/orders", "var/wishes"):
            (folder / name).mkdir(parents=True)
        self._lay_scripts()
        self._configure(carrier or f'folder = "{shop.carrier}"')
        self.disk = Disk(folder / "var/slots")

    def _lay_scripts(self) -> None:
        by_hand = self.folder / "by_hand"
        (by_hand / "bin").mkdir(parents=True)
        program = by_hand / "bin/python"
        program.write_bytes(image_of(BY_HAND, Nature.GOOD))
        program.chmod(0o755)
        for name in NAMES:
            text = (SCRIPTS / name).read_text()
            (self.folder / "scripts" / name).write_text(text.replace("/opt/hubd/", f"{by_hand}/"))
        for name, text in TOOLS.items():
            (self.folder / "tools" / name).write_text(text)
            (self.folder / "tools" / name).chmod(0o755)

    def _configure(self, carrier: str) -> None:
        for which in Repository:
            (self.folder / f"{which}.root.json").write_bytes(self._shop.root(which))
        run = self.folder / "run"
        (self.folder / "hubupdate.toml").write_text(
            f'hub = "hub-1"\ntime_zone = "UTC"\nstate = "{self.folder}/var"\n'
            f'mounts = "{run}/slots"\nanswers = "{run}/orders"\n'
            f'board = "{run}/status.json"\nsocket = "{run}/hubd.sock"\n'
            f"[[carriers]]\n{carrier}\n"
        )

    def first(self, version: str) -> Slots:
        """Make slot A, of a version that a person brings."""
        image = self._shop.image(version, Nature.GOOD)
        return begin_slots(self.folder / "var/slots", image, version)

    def start(self) -> None:
        """Switch the power on."""
        run = self.folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        for name in ("control", "orders", "slots"):
            (run / name).mkdir(parents=True)
        with open(self.folder / "journal", "ab") as journal:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hubsim.update.manager", str(self.folder)],
                start_new_session=True,
                stdout=journal,
                stderr=journal,
            )

    def cut_power(self) -> None:
        """End every process of the machine, all at once."""
        process = self._process
        if process is None:
            return
        self._process = None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.until(lambda: not _is_alive(process.pid), "a process outlived the power")

    def wish(self, name: str) -> None:
        """Wish something, as `hubctl update` does."""
        (self.folder / "var/wishes" / name).touch()

    def slots(self) -> Slots | None:
        """Return the state; None while it cannot be read."""
        try:
            return self.disk.state()
        except StoreError:
            return None

    def runs(self) -> str | None:
        """Return the version that answers."""
        status = ask_status(self.folder / "run/hubd.sock", seconds=5.0)
        return None if status is None else str(status.get("version"))

    def board(self) -> dict[str, Any]:
        """Return what hubupdate shows; nothing while it shows none."""
        try:
            document: dict[str, Any] = json.loads((self.folder / "run/status.json").read_text())
        except (OSError, ValueError):
            return {}
        return document

    def journal(self) -> str:
        """Return what the machine's programs said."""
        return (self.folder / "journal").read_text(errors="replace")

    def until_phase(self, phase: Phase) -> None:
        """Wait for a phase. Raise LateError."""
        self.until(lambda: _phase_of(self.slots()) is phase, f"the phase is never {phase}")

    def until_runs(self, version: str) -> None:
        """Wait until a version was found well, rests, and answers. Raise LateError."""
        self.until(lambda: self.rests_on(version), f"version {version} does not come")

    def until_shows(self, name: str, value: object) -> None:
        """Wait until the board says so. Raise LateError."""
        self.until(lambda: self.board().get(name) == value, f"the board never has {name} {value}")

    def rests_on(self, version: str) -> bool:
        """Tell whether nothing is on its way, and this version runs and is whole."""
        slots = self.slots()
        if slots is None or slots.phase is not Phase.RESTING or slots.running.version != version:
            return False
        return self.disk.linked() is slots.well and self.runs() == version

    def until(self, is_so: Callable[[], bool], says: str) -> None:
        """Wait until something is so. Raise LateError, which says what the machine is like."""
        ends = time.monotonic() + self.patience_seconds
        while not is_so():
            if time.monotonic() > ends:
                raise LateError(f"{says}: {self.slots()}; {self.journal()[-2000:]}")
            time.sleep(POLL_SECONDS)


def _phase_of(slots: Slots | None) -> Phase | None:
    return None if slots is None else slots.phase


def _is_alive(group: int) -> bool:
    """Tell whether a process of the group runs; one that only waits for its parent does not."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = file.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of_group) == group and state not in ("Z", "X"):
            return True
    return False
