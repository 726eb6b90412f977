"""One machine with a real hubd in its slots, and a power switch.

Laws:
1. The slots' images are small programs that run hubd of this tree from the slot's own folder. All
   else that an update meets is `hubsim.update.box`'s: the real scripts, lists and hubupdate.
2. A power cut kills every process of the machine. Its strikes fall; what is in `run` goes.
3. What the kernel has in memory is not lost by that, and bluetoothd stays.
"""

from __future__ import annotations

import os
import shutil
import signal
import site as python_site
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

from hubcore.update.image import Image
from hubcore.update.slots import Phase, Slots
from hubsim import site as sites
from hubsim.door.lines import Bank, Level
from hubsim.site import DeskDoor
from hubsim.update.box import BY_HAND, NAMES, SCRIPTS, Box
from hubsim.update.manager import MOUNTPOINT, TOOLS
from hubsim.update.shop import Shop
from hubupdate.running.daemon import ask, ask_status
from hubupdate.running.first import begin_slots
from hubupdate.trust import Repository
from tests.handing.updates.manager import MAIN
from tests.handing.updates.unit import processes_of, processes_with

ROOT = Path(__file__).parents[3]
STRIKE_SECONDS = 0.5
DOOR = DeskDoor("front", "Front door", 1, strike_seconds=STRIKE_SECONDS, strikes=("front",))
ANSWER_SECONDS = 5.0
TAKES_OVER = b"--take-over"
HUB = b"tests.handing.hub_process"
GUARD = b"drivers.strike.guard"
UPDATER = b"tests.handing.updates.updater"


class Kind(Enum):
    """What a version is like; the words are those of `tests.handing.hub_process`."""

    GOOD = ""
    FAILS_ITS_TEST = "fails its test"
    NEVER_STARTS = "does not start"
    NO_PARTS = "no parts"
    OTHER_LINES = "other lines"
    """It cannot take over the strikes. Started afresh it is a good one."""
    DIES = "dies when it drives"


BAD = tuple(kind for kind in Kind if kind is not Kind.GOOD)
PADDING_BYTES = 100_000

_PROGRAM = """#!/bin/sh
# hubd {version}
[ "$1" != -P ] || shift 3
export HUB_FAULT="{fault}"
case "$*" in
    *--selftest*)
        [ "$HUB_FAULT" != "fails its test" ] || exit 78
        {tests_itself} || exit 0
        cd "$(dirname "$HUB_CONFIG")" || exit 75
        exec "$(dirname "$0")/python3" -P -m hubd --selftest --config "$HUB_CONFIG"
        ;;
esac
exec "$(dirname "$0")/python3" -P -m tests.handing.hub_process "$HUB_BANK" "$HUB_FOLDER" "$@"
"""
_MOUNT = """#!/bin/sh
# mount -t squashfs -o OPTIONS IMAGE PLACE: the image is a program, which becomes PLACE/bin/python.
# The image is held: what is written later is another file.
mkdir -p "$6/bin" && ln -f "$5" "$6/image" && ln -sfn {python} "$6/bin/python3" &&
    echo "home = {home}" >"$6/pyvenv.cfg" &&
    cp "$5" "$6/bin/python.new" && chmod 755 "$6/bin/python.new" &&
    mv "$6/bin/python.new" "$6/bin/python"
"""
_SYSTEMCTL_TAKE = """    "start hubd-mount@take.service")
        status=0
        sh "$BOX/scripts/hubd-mount.sh" "$BOX/var/slots" "$BOX/run/slots" take "$BOX/root" ||
            status=$?
        echo "$status" >"$control/taken"
        [ "$status" = 0 ]
        ;;
    "show -P ExecMainStatus hubd-mount@take.service") cat "$control/taken" ;;
esac"""


class Machine(Box):
    """`hubsim.update.box.Box` with real hubds on the bus at `address`."""

    manager = "tests.handing.updates.manager"
    patience_seconds = 300.0

    def __init__(self, folder: Path, shop: Shop, address: str) -> None:
        self._address = address
        self.site = sites.init(folder.parent / "site", points=[1], for_show=True)
        config = sites.write_config(self.site, "tcp://127.0.0.1:9", [DOOR])
        config.write_text(config.read_text().replace("dps = ", "# dps = "))
        self.config = config
        self.bank = Bank.create(folder.parent / "bank", ["front"])
        super().__init__(folder, shop)

    def image(self, version: str, kind: Kind = Kind.GOOD, tests_itself: bool = True) -> Path:
        """Make a version's image. hubd's own self-test takes longer than all the rest."""
        path = self.folder.parent / f"hubd_{version}_all.img"
        tests = "true" if tests_itself else "false"
        text = _PROGRAM.format(version=version, fault=kind.value, tests_itself=tests)
        path.write_text(text + f"# {version}\n" * (PADDING_BYTES // (len(version) + 3)))
        return path

    def first_slot(self, version: str) -> Slots:
        """Make slot A."""
        return begin_slots(self.folder / "var/slots", self.image(version), version)

    def change_configuration(self) -> None:
        """Change what only a start brings into force."""
        file = self.folder / "root/etc/hubd/hubd.toml"
        with file.open("a") as config:
            config.write("# changed\n")

    def _lay_scripts(self) -> None:
        by_hand = self.folder / "by_hand"
        (by_hand / "bin").mkdir(parents=True)
        program = by_hand / "bin/python"
        program.write_bytes(self.image(BY_HAND).read_bytes())
        program.chmod(0o755)
        (by_hand / "bin/python3").symlink_to(_base_python())
        (self.folder / "root/etc/hubd").mkdir(parents=True)
        for name in NAMES:
            text = (SCRIPTS / name).read_text()
            (self.folder / "scripts" / name).write_text(text.replace("/opt/hubd/", f"{by_hand}/"))
        python = _base_python()
        for name, text in {
            **TOOLS,
            "mount": _MOUNT.format(python=python, home=python.parent),
            "mountpoint": MOUNTPOINT,
            "findmnt": '#!/bin/sh\necho "$4"\n',
            "losetup": '#!/bin/sh\nstat -c %i "$4/image"\n',
            "systemctl": TOOLS["systemctl"].replace("\nesac", "\n" + _SYSTEMCTL_TAKE),
        }.items():
            (self.folder / "tools" / name).write_text(text)
            (self.folder / "tools" / name).chmod(0o755)

    def _configure(self, carrier: str) -> None:
        for which in Repository:
            (self.folder / f"{which}.root.json").write_bytes(self._shop.root(which))
        run = self.folder / "run"
        (self.folder / "hubupdate.toml").write_text(
            f'hub = "hub-1"\ntime_zone = "UTC"\nstate = "{self.folder}/var"\n'
            f'mounts = "{run}/slots"\nanswers = "{run}/orders"\n'
            f'board = "{run}/status.json"\nsocket = "{self.socket}"\n'
            f"[[carriers]]\n{carrier}\n"
        )

    @property
    def socket(self) -> Path:
        """Return hubd's local socket."""
        return self.config.parent / "hubd.sock"

    def _environment(self) -> Mapping[str, str]:
        packages = os.pathsep.join(python_site.getsitepackages())
        return {
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'hardware-sim'}:{packages}",
            "DBUS_SYSTEM_BUS_ADDRESS": self._address,
            "HUB_CONFIG": str(self.config),
            "HUB_BANK": str(self.bank.path),
            "HUB_FOLDER": str(self.folder / "run/slots"),
            "BOX": str(self.folder),
        }

    def start(self) -> None:
        """Switch the power on."""
        run = self.folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        for name in ("control", "orders", "slots"):
            (run / name).mkdir(parents=True)
        with open(self.folder / "journal", "ab") as journal:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.manager, str(self.folder)],
                start_new_session=True,
                stdout=journal,
                stderr=journal,
                env=self._environment(),
            )

    def cut_power(self) -> None:
        """End every process of the machine, all at once; a strike without power falls."""
        process = self._process
        if process is None:
            return
        self._process = None
        process.kill()
        while left := processes_with(f"BOX={self.folder}".encode()):
            for number in left:
                kill(number)
        process.wait()
        level = self.bank.level(0)
        self.bank.write(0, Level(False, level.rises, 0, level.changed_ns))

    def main(self) -> int:
        """Return the main process of hubd's unit, 0 for none."""
        try:
            return int((self.folder / "run/control" / MAIN).read_text())
        except (OSError, ValueError):
            return 0

    def processes(self, what: bytes) -> list[int]:
        """Return the processes of hubd's unit with this in their command."""
        return [one for one in processes_of(str(self.folder)) if what in command_of(one)]

    def updaters(self) -> list[int]:
        """Return the processes of hubupdate."""
        word = f"BOX={self.folder}".encode()
        return [one for one in processes_with(word) if UPDATER in command_of(one)]

    def tell(self) -> dict[str, Any]:
        """Return what whoever drives says of its change of hands; nothing for no answer."""
        reply = ask(self.socket, "takeover-status", {}, ANSWER_SECONDS)
        return dict(reply.result or {})

    def drives_from_its_slot(self) -> bool:
        """Tell whether one hub drives alone, from the slot that was found well, and is on air."""
        slots = self.slots()
        told = self.tell()
        if slots is None or told.get("standing") != "alone":
            return False
        if told.get("place") != str(self.folder / "run/slots" / slots.well):
            return False
        status = ask_status(self.socket, ANSWER_SECONDS)
        if status is None or not status["ready"]:
            return False
        radio = status["radio"]
        if not radio["on_air"] or not radio["epoch_key"]:
            return False
        hubs = self.processes(HUB)
        return len(hubs) == 1 and hubs == [self.main()] and len(self.processes(GUARD)) == 2

    def is_judged(self, version: str) -> bool:
        """Tell whether a version runs or counts as bad, and nothing is on its way."""
        slots = self.slots()
        if slots is None or slots.phase is not Phase.RESTING:
            return False
        return slots.running.version == version or self.blames(slots.other, version)

    def blames(self, other: Image | None, version: str) -> bool:
        """Tell whether this is the version, and counts as bad."""
        slots = self.slots()
        if slots is None or other is None or other.version != version:
            return False
        return other.digest in slots.quarantine


def command_of(number: int) -> bytes:
    """Return the command of a process, nothing when it has gone."""
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return b""


def kill(number: int) -> None:
    """Kill a process that may have gone."""
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)


def _base_python() -> Path:
    return Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
