"""A hub in the guest: a site's keys where `hubd.service` expects them, its lines, its journal.

Law: the unit is the one that is shipped, unchanged; what the lab knows of the hub it reads where a
technician would.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from hubsim.site import Site
from lab.errors import LabError
from lab.guest import PYTHON, Guest

STRIKE_SECONDS = 1.0
START_SECONDS = 20.0
CHIP = "/dev/gpiochip0"
LINES = "/sys/devices/platform/gpio-sim.0/gpiochip0"
CREDENTIALS = "/etc/credstore/hubd."
KEYS = {
    "identity": "identity.key",
    "certificate": "certificate.cbor",
    "issuer": "issuer.cbor",
    "curve_secret": "curve.secret",
    "backend_public": "backend.pub",
}
"""What the unit hands over from CREDENTIALS, and how a site's folder calls it."""


_WAIT = """
import json, socket, sys, time
ends = time.monotonic() + float(sys.argv[1])
while time.monotonic() < ends:
    try:
        with socket.socket(socket.AF_UNIX) as api:
            api.settimeout(5)
            api.connect("/run/hubd/hubd.sock")
            api.sendall(b'{"id": 1, "call": "status", "args": {}}\\n')
            told = json.loads(api.makefile().readline())["result"]
        if told["ready"] and told["radio"]["on_air"] and told["radio"]["epoch_key"]:
            sys.exit(0)
    except (OSError, ValueError):
        pass
    time.sleep(0.1)
sys.exit(1)
"""


class LabHub:
    """The hub of `site` in `guest`, with one door for each of `points`: strike on line i, contact
    on line i + 4.

    `backend` is its backend's endpoint, "" for none.
    """

    strike_seconds = STRIKE_SECONDS

    def __init__(
        self,
        guest: Guest,
        site: Site,
        points: Sequence[int] = (1,),
        adapter: str = "default",
        backend: str = "",
    ) -> None:
        self.guest = guest
        self.site = site
        self._points = points
        self._adapter = adapter
        self._backend = backend

    async def install(self) -> None:
        """Put the configuration and the keys in place."""
        for target, source in KEYS.items():
            await self.guest.put(CREDENTIALS + target, (self.site.hub / source).read_bytes(), 0o600)
        await self.guest.put("/etc/hubd/hubd.toml", self._config().encode())
        await self.guest.run("systemctl", "daemon-reload")

    async def start(self) -> None:
        """Start the unit; return when it can do its work: strikes held, radio on air, an epoch key
        made.
        """
        await self.guest.run("systemctl", "reset-failed", "hubd", check=False)
        done = await self.guest.run("systemctl", "start", "hubd", check=False)
        if done.status:
            raise LabError(f"hubd did not start: {done.err}\n{await self.journal()}")
        for index in range(len(self._points)):
            await self.contact(index, door_open=False)
        waiting = (PYTHON, "-IS", "-c", _WAIT, str(START_SECONDS))
        if (await self.guest.run(*waiting, seconds=START_SECONDS * 2, check=False)).status:
            raise LabError(f"hubd is not ready:\n{await self.journal()}")

    async def pid(self) -> int:
        """Return the daemon's process id, 0 when it does not run."""
        return await self.guest.main_pid("hubd")

    async def journal(self, lines: int = 60) -> str:
        """Return the end of the hub's journal, with all that has been said until now."""
        await self.guest.run("journalctl", "--sync")
        argv = ("journalctl", "-u", "hubd", "-n", str(lines), "-o", "cat", "--no-pager")
        return (await self.guest.run(*argv)).out

    async def journal_ends(self) -> str:
        """Return the cursor of the hub's last line as it is now, "" when it has said nothing yet.

        It must be a line of the hub's own: from another's journalctl of systemd 252 skips the hub's
        next line, too.
        """
        await self.guest.run("journalctl", "--sync")
        said = (
            await self.guest.run(
                "journalctl", "-u", "hubd", "-n", "1", "--show-cursor", "--no-pager"
            )
        ).out
        return said.rpartition("-- cursor: ")[2].strip() if "-- cursor: " in said else ""

    async def journal_after(self, cursor: str) -> str:
        """Return what the hub's journal holds beyond a cursor, with all that has been said until
        now.
        """
        await self.guest.run("journalctl", "--sync")
        after = (f"--after-cursor={cursor}",) if cursor else ()
        return (
            await self.guest.run("journalctl", "-u", "hubd", *after, "-o", "cat", "--no-pager")
        ).out

    async def story(self, lines: int = 40) -> str:
        """Return the end of the whole journal, for a case that failed."""
        await self.guest.run("journalctl", "--sync")
        return (
            await self.guest.run(
                "journalctl", "-b", "-n", str(lines), "-o", "short-precise", "--no-pager"
            )
        ).out

    async def contact(self, index: int, door_open: bool) -> None:
        """Open or close a door: a closed contact pulls its line to ground.

        Requesting the line pulls it up again.
        """
        pull = "pull-up" if door_open else "pull-down"
        await self.guest.run("sh", "-c", f"echo {pull} > {LINES}/sim_gpio{index + 4}/pull")

    async def strike(self, index: int = 0) -> bool:
        """Tell whether a strike's line is driven, as the kernel's simulator sees it."""
        return (await self.guest.run("cat", f"{LINES}/sim_gpio{index}/value")).out.strip() == "1"

    async def strike_seen(self, seconds: float, index: int = 0) -> bool:
        """Tell whether the line is driven within so many seconds."""
        script = (
            f"i=0; while [ $i -lt {int(seconds * 50)} ]; do read v < "
            f"{LINES}/sim_gpio{index}/value; "
        )
        script += "[ $v = 1 ] && exit 0; sleep 0.02; i=$((i+1)); done; exit 1"
        return (
            await self.guest.run("sh", "-c", script, seconds=seconds * 4 + 10, check=False)
        ).status == 0

    def _config(self) -> str:
        names = json.loads((self.site.path / "site.json").read_text())
        parts = [
            f'[hub]\nid = "{names["hub"]}"\nsite = "{names["site"]}"\ntime_zone = '
            '"Europe/Berlin"\n\n[keys]\n',
            *(f'{name} = "credential:{name}"\n' for name in ("identity", "certificate", "issuer")),
        ]
        if self._backend:
            parts.append(
                'curve_secret = "credential:curve_secret"\nbackend_public = '
                '"credential:backend_public"\n'
            )
            parts.append(f'\n[backend]\nendpoint = "{self._backend}"\n')
        parts.append(f'\n[radio]\nadapter = "{self._adapter}"\n')
        for index, point in enumerate(self._points):
            strike, contact = (
                f'{{ chip = "{CHIP}", line = {line} }}' for line in (index, index + 4)
            )
            parts.append(
                f'\n[[doors]]\nid = "door-{index}"\nname = "Door {index}"\nstrike_seconds = '
                f"{self.strike_seconds}\n"
                f"strike = {strike}\ndps = {contact}\n"
                f'\n[[doors.access_points]]\nnumber = {point}\nname = "Door {index}, inwards"\n'
            )
        return "".join(parts)
