"""A hub in the guest: a site's keys where `hubd.service` expects them, its lines, its journal.

Laws:
1. The unit is the shipped one, unchanged.
2. The lab reads what it knows of the hub where a technician would.
"""

from __future__ import annotations

from collections.abc import Sequence

from hubsim.site import Site
from lab.errors import LabError
from lab.guest import PYTHON, Guest

STRIKE_SECONDS = 1.0
START_SECONDS = 60.0
LOOKS_A_SECOND = 50
CHIP = "/dev/gpiochip0"
CONTACTS_BEGIN = 4
LINES = "/sys/devices/platform/gpio-sim.0/gpiochip0"
CREDENTIALS = "/etc/credstore/hubd."
KEYS = {
    "identity": "identity.key",
    "certificate": "certificate.cbor",
    "issuer": "issuer.cbor",
    "curve_secret": "curve.secret",
    "backend_public": "backend.pub",
}
"""By the unit's credential: the file in a site's folder."""

_WAIT = """
import json, socket, sys, time
ends = time.monotonic() + float(sys.argv[1])
while time.monotonic() < ends:
    try:
        with socket.socket(socket.AF_UNIX) as api:
            api.settimeout(5)
            api.connect("/run/hubd/hubd.sock")
            api.sendall(b'{"id": 1, "call": "status", "args": {}}\\n')
            status = json.loads(api.makefile().readline())["result"]
        radio = status["radio"]
        if status["ready"] and radio["on_air"] and radio["epoch_key"]:
            sys.exit(0)
    except (OSError, ValueError):
        pass
    time.sleep(0.1)
sys.exit(1)
"""


class LabHub:
    """The hub of `site` in `guest`, with one door for each of `points`.

    Door i has its strike on line i and its contact on line i + 4. `backend` is its backend's
    endpoint, "" for none.
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
            secret = (self.site.hub / source).read_bytes()
            await self.guest.put(CREDENTIALS + target, secret, mode=0o600)
        await self.guest.put("/etc/hubd/hubd.toml", self._config().encode())
        await self.guest.run("systemctl", "daemon-reload")

    async def start(self) -> None:
        """Start the unit; return when it holds its strikes, is on air and has an epoch key."""
        await self.guest.run("systemctl", "reset-failed", "hubd", check=False)
        done = await self.guest.run("systemctl", "start", "hubd", check=False)
        if done.status:
            raise LabError(f"hubd did not start: {done.err}\n{await self.journal()}")
        for index in range(len(self._points)):
            await self.contact(index, door_open=False)
        wait = (PYTHON, "-IS", "-c", _WAIT, str(START_SECONDS))
        waited = await self.guest.run(*wait, seconds=START_SECONDS * 2, check=False)
        if waited.status:
            raise LabError(f"hubd is not ready:\n{await self.story(120)}")

    async def pid(self) -> int:
        """Return the daemon's process id, 0 when it does not run."""
        return await self.guest.main_pid("hubd")

    async def journal(self, lines: int = 60) -> str:
        """Return the end of the hub's journal, with all that it said until now."""
        return await self._journalctl("-u", "hubd", "-n", str(lines), "-o", "cat")

    async def journal_ends(self) -> str:
        """Return the cursor of the hub's last line as it is now, "" when it has said nothing yet.

        It must be a line of the hub's own: from another unit's line journalctl of systemd 252 skips
        the hub's next line, too.
        """
        shown = await self._journalctl("-u", "hubd", "-n", "1", "--show-cursor")
        _, marker, cursor = shown.rpartition("-- cursor: ")
        return cursor.strip() if marker else ""

    async def journal_after(self, cursor: str) -> str:
        """Return the hub's journal after a cursor, with all that it said until now."""
        after = (f"--after-cursor={cursor}",) if cursor else ()
        return await self._journalctl("-u", "hubd", *after, "-o", "cat")

    async def story(self, lines: int = 40) -> str:
        """Return the end of the whole journal, for a case that failed."""
        return await self._journalctl("-b", "-n", str(lines), "-o", "short-precise")

    async def _journalctl(self, *arguments: str) -> str:
        await self.guest.run("journalctl", "--sync")
        return (await self.guest.run("journalctl", *arguments, "--no-pager")).out

    async def contact(self, index: int, door_open: bool) -> None:
        """Open or close a door: a closed contact pulls its line to ground.

        Requesting the line pulls it up again.
        """
        pull = "pull-up" if door_open else "pull-down"
        await self.guest.run(
            "sh", "-c", f"echo {pull} > {LINES}/sim_gpio{index + CONTACTS_BEGIN}/pull"
        )

    async def strike(self, index: int = 0) -> bool:
        """Tell whether a strike's line is driven, as the kernel's simulator sees it."""
        value = await self.guest.run("cat", f"{LINES}/sim_gpio{index}/value")
        return value.out.strip() == "1"

    async def strike_seen(self, seconds: float, index: int = 0) -> bool:
        """Tell whether the line is driven within so many seconds."""
        looks = int(seconds * LOOKS_A_SECOND)
        script = (
            f"i=0; while [ $i -lt {looks} ]; do read v < {LINES}/sim_gpio{index}/value; "
            "[ $v = 1 ] && exit 0; sleep 0.02; i=$((i+1)); done; exit 1"
        )
        limit_seconds = seconds * 4 + 10
        done = await self.guest.run("sh", "-c", script, seconds=limit_seconds, check=False)
        return done.status == 0

    def _config(self) -> str:
        text = f"""[hub]
id = "{self.site.first_hub}"
site = "{self.site.name}"
time_zone = "Europe/Berlin"

[keys]
identity = "credential:identity"
certificate = "credential:certificate"
issuer = "credential:issuer"
"""
        if self._backend:
            text += f"""curve_secret = "credential:curve_secret"
backend_public = "credential:backend_public"

[backend]
endpoint = "{self._backend}"
"""
        text += f"""
[radio]
adapter = "{self._adapter}"
"""
        for index, point in enumerate(self._points):
            text += f"""
[[doors]]
id = "door-{index}"
name = "Door {index}"
strike_seconds = {self.strike_seconds}
strike = {{ chip = "{CHIP}", line = {index} }}
dps = {{ chip = "{CHIP}", line = {index + CONTACTS_BEGIN} }}

[[doors.access_points]]
number = {point}
name = "Door {index}, inwards"
"""
        return text
