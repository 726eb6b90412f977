"""An installed hub renews itself from signed lists, by real images, while phones are connected; a
version that does not stay is undone.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hubsim.phone.attempt import Session
from hubsim.phone.radio import BumbleLink, connect, on_air
from hubsim.site import Site
from hubsim.update.shop import Shop
from hubupdate.trust import Repository
from lab.guest import Guest
from lab.handover import ask
from lab.hub import LabHub
from lab.slots import Version, image_of, installed
from lab.visitors import visitor
from tests.lab.conftest import ROOT, AirAddress, allowed, booted
from tests.lab.unitfile import drop_in, tells

OLD = Version("0.2.0")
NEW = Version("0.3.0")
DYING = Version(
    "0.4.0",
    fault=(
        "hubd/takeover/changing.py",
        "        self.standing = Standing.ON_TRIAL\n",
        "        self.standing = Standing.ON_TRIAL\n"
        "        asyncio.get_running_loop().call_later(3.0, __import__('os')._exit, 1)\n",
    ),
)
"""It takes the hub over, and dies soon after."""
STARTED = Version("0.5.0")
NEVER_READY = Version(
    "0.6.0",
    fault=(
        "hubd/serve.py",
        "    async with asyncio.TaskGroup() as tasks:\n        process =",
        "    await asyncio.sleep(6.0)\n"
        "    raise SystemExit(1)\n"
        "    async with asyncio.TaskGroup() as tasks:\n        process =",
    ),
)
"""It passes its self-test, and ends before it is ready: long enough to be seen at its start."""
CARRIER = "/run/media/updates"
INSTALL_SECONDS = 120
PATIENCE_SECONDS = 150.0
CASE_SECONDS = 900.0
VISIT_SECONDS = 30.0
CONFIG = """hub = "hub-1"
time_zone = "Europe/Berlin"

[[carriers]]
folder = "/run/media/updates"
"""


@dataclass
class RenewedHub:
    """A hub in a guest that looks for updates at `shop`."""

    hub: LabHub
    shop: Shop

    @property
    def guest(self) -> Guest:
        return self.hub.guest

    async def board(self) -> dict[str, Any]:
        """Return what hubupdate shows."""
        done = await self.guest.run("cat", "/run/hubupdate/status.json", check=False)
        told: dict[str, Any] = json.loads(done.out or "{}")
        return told

    async def until(self, is_so: Callable[[], Awaitable[bool]], says: str) -> None:
        ends = time.monotonic() + PATIENCE_SECONDS
        while not await is_so():
            if time.monotonic() > ends:
                pytest.fail(f"{says}: {await self.board()}\n{await self.hub.story(150)}")
            await asyncio.sleep(0.3)

    async def until_shows(self, **expected: Any) -> None:
        async def shows() -> bool:
            board = await self.board()
            return all(board.get(name) == value for name, value in expected.items())

        await self.until(shows, f"the board never shows {expected}")

    async def offer(self, version: Version) -> None:
        """Release a version, and let the hub look now."""
        self.shop.offer(await asyncio.to_thread(image_of, version), version.number)
        await self.guest.run("hubctl", "update", "check", check=False)  # 1: of one in quarantine

    async def slots(self) -> dict[str, str]:
        """Return where the links of the slots and of the mounts point."""
        told = await self.guest.run("readlink", "/var/lib/hubupdate/slots/current")
        now = await self.guest.run("readlink", "/run/hubd-slots/now")
        return {"current": told.out.strip(), "now": now.out.strip()}

    async def guard(self) -> str:
        """Return the processes of the strikes' guards."""
        return (await self.guest.run("pgrep", "-f", "drivers.*guard", check=False)).out


@asynccontextmanager
async def a_renewed_hub(folder: Path, air: AirAddress, site: Site) -> AsyncIterator[RenewedHub]:
    """A guest whose hub was installed with updates, and runs from slot A."""
    hub_files = await asyncio.to_thread(installed)
    first = await asyncio.to_thread(image_of, OLD)
    shop = Shop(folder / "shop")
    shop.offer(first, OLD.number)
    async with booted(folder, bluez="", hub=hub_files) as guest:
        await guest.plug_in(air.host, air.port)
        hub = LabHub(guest, site)
        await hub.install()
        await guest.run("mkdir", "-p", CARRIER)
        await guest.run("mount", "-r", "-t", "hostfs", "none", CARRIER, "-o", str(shop.carrier))
        await guest.run("systemctl", "start", "hubd")
        install = str(ROOT / "systemd/install-update.sh")
        await guest.run(install, "install", str(first), OLD.number, seconds=INSTALL_SECONDS)
        await hub.start()
        for which in Repository:
            await guest.put(f"/etc/hubupdate/{which}.root.json", shop.root(which))
        await guest.put("/etc/hubupdate/hubupdate.toml", CONFIG.encode())
        await guest.run("hubctl", "trust-clock", check=False)
        await guest.run("systemctl", "start", "hubupdate")
        yield RenewedHub(hub, shop)


async def _pulling(link: BumbleLink, spans: list[float], stop: asyncio.Event) -> None:
    """Read TXR all the time, and note how long each answer took."""
    while not stop.is_set():
        began = time.monotonic()
        await link.pull()
        spans.append(time.monotonic() - began)


@dataclass
class Holder:
    """A person whose phone stays connected and asks all the time, visit after visit."""

    hub: LabHub
    site: Site
    air: AirAddress
    spans: list[float] = field(default_factory=list)
    """How long each request took in the visit that went through the change."""
    went_through: bool = False

    async def visits(self, change: asyncio.Event, visiting: asyncio.Event) -> None:
        """Visit until `change` came; the visit amid which it came ends with another unlock."""
        while not change.is_set():
            async with on_air(self.air.transport) as device, connect(device) as link:
                await self._visit(link, change, visiting)

    async def _visit(
        self, link: BumbleLink, change: asyncio.Event, visiting: asyncio.Event
    ) -> None:
        wallet = visitor(self.site)
        assert allowed(await Session(link, wallet).run(1))
        told = await ask(self.hub.guest, "takeover-status")
        began_before = told is not None and told["version"] == OLD.number
        visiting.set()
        spans: list[float] = []
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_pulling(link, spans, stop))
            with suppress(TimeoutError):
                async with asyncio.timeout(VISIT_SECONDS):
                    await change.wait()
            stop.set()
        if change.is_set() and began_before:
            second = await Session(link, wallet).run(1)
            assert allowed(second)
            assert second.short, "the ticket has changed hands"
            self.went_through = True
            self.spans = spans


@pytest.mark.long
@pytest.mark.timeout(CASE_SECONDS)
async def test_a_version_takes_over_while_phones_are_connected_and_a_bad_one_is_undone(
    own_air: AirAddress, site: Site, tmp_path: Path
) -> None:
    async with a_renewed_hub(tmp_path, own_air, site) as renewed:
        await _it_runs_from_its_slot(renewed)
        await _a_version_takes_over_while_phones_are_connected(renewed, site, own_air)
        await _a_version_that_dies_on_its_trial_is_undone(renewed)
        await _a_changed_unit_comes_into_force_by_a_start(renewed)
        await _a_version_that_is_never_ready_is_undone_without_hubupdate(renewed)
        await _a_strike_moves_all_the_same(renewed, site, own_air)


async def _it_runs_from_its_slot(renewed: RenewedHub) -> None:
    guest = renewed.guest
    status = await ask(guest, "takeover-status")
    assert status["place"] == "/run/hubd-slots/A", await renewed.hub.story(150)
    assert status["version"] == OLD.number
    command = (await guest.run("cat", f"/proc/{await renewed.hub.pid()}/cmdline")).out.split("\0")
    assert command[0] == "/run/hubd-slots/A/bin/python"
    await renewed.until_shows(phase="resting", slot="A")
    assert await tells(guest, "ActiveState", "hubupdate") == "active"


async def _drives_from(renewed: RenewedHub, slot: str, standing: str) -> None:
    async def so() -> bool:
        told = await ask(renewed.guest, "takeover-status")
        expected = {"place": f"/run/hubd-slots/{slot}", "standing": standing}
        return told is not None and expected.items() <= told.items()

    await renewed.until(so, f"slot {slot} never drives, {standing}")


async def _a_version_takes_over_while_phones_are_connected(
    renewed: RenewedHub, site: Site, own_air: AirAddress
) -> None:
    guest = renewed.guest
    restarts = await tells(guest, "NRestarts")
    old = await renewed.hub.pid()
    guard = await renewed.guard()
    assert guard
    holders = [Holder(renewed.hub, site, own_air) for _ in range(2)]
    change = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for holder in holders:  # the second comes before the first has left
            visiting = asyncio.Event()
            tasks.create_task(holder.visits(change, visiting))
            await visiting.wait()
        await renewed.offer(NEW)
        await _drives_from(renewed, "B", "on-trial")
        change.set()
    through = [holder for holder in holders if holder.went_through]
    assert through, "somebody was connected when it changed hands"
    for holder in through:
        spans = holder.spans
        usual = statistics.median(spans) * 1000
        print(f"{len(spans)} requests, longest {max(spans) * 1000:.0f} ms, usual {usual:.1f} ms")
    assert await renewed.hub.pid() == old
    # the next hubupdate goes on with the trial
    await guest.run("systemctl", "kill", "--signal=KILL", "hubupdate")
    await renewed.until_shows(phase="resting", slot="B")
    await _drives_from(renewed, "B", "alone")
    assert (await renewed.board())["running"]["version"] == NEW.number
    assert await renewed.slots() == {"current": "B", "now": "B"}
    await _its_guards_are_of_slot(renewed, "B", guard)
    assert await tells(guest, "NRestarts") == restarts
    assert await tells(guest, "ActiveState") == "active"
    said = (await guest.run("hubctl", "update", check=False)).out
    assert NEW.number in said


async def _its_guards_are_of_slot(renewed: RenewedHub, slot: str, former: str) -> None:
    """The guard at work and the one that waits are renewed, once the doors rest."""

    async def so() -> bool:
        said = (await renewed.guest.run("pgrep", "-af", "drivers.*guard", check=False)).out
        guards = said.splitlines()
        return len(guards) == 2 and all(f"/run/hubd-slots/{slot}/bin/" in one for one in guards)

    await renewed.until(so, "the guards of the version before are never renewed")
    assert not set((await renewed.guard()).split()) & set(former.split())


async def _a_version_that_dies_on_its_trial_is_undone(renewed: RenewedHub) -> None:
    guest = renewed.guest
    restarts = await tells(guest, "NRestarts")
    old = await renewed.hub.pid()
    await renewed.hub.contact(0, door_open=False)
    await renewed.offer(DYING)

    async def is_undone() -> bool:
        board = await renewed.board()
        return bool(board.get("quarantine")) and board["phase"] == "resting"

    await renewed.until(is_undone, "it never comes into quarantine")
    await _drives_from(renewed, "B", "alone")
    assert await renewed.slots() == {"current": "B", "now": "B"}
    assert await renewed.hub.pid() == old
    assert await tells(guest, "NRestarts") == restarts
    said = (await guest.run("hubctl", "update", check=False)).out
    assert NEW.number in said
    assert "quarantine" in said


async def _a_changed_unit_comes_into_force_by_a_start(renewed: RenewedHub) -> None:
    guest = renewed.guest
    old = await renewed.hub.pid()
    await drop_in(guest, "[Service]\nEnvironment=CASE=1\n")
    await renewed.offer(STARTED)
    await renewed.until_shows(phase="resting", slot="A")
    await _drives_from(renewed, "A", "alone")
    assert await renewed.slots() == {"current": "A", "now": "A"}
    new = await renewed.hub.pid()
    assert new != old
    environment = (await guest.run("cat", f"/proc/{new}/environ")).out.split("\0")
    assert "CASE=1" in environment, "systemd has started it"
    command = (await guest.run("cat", f"/proc/{new}/cmdline")).out.split("\0")
    assert "--take-over" not in command


async def _a_version_that_is_never_ready_is_undone_without_hubupdate(renewed: RenewedHub) -> None:
    """The helper before each start counts three, and the slot that was found well comes back."""
    guest = renewed.guest
    await drop_in(guest, "[Service]\nEnvironment=CASE=2\n")
    await renewed.offer(NEVER_READY)

    async def is_started() -> bool:
        state = await guest.run("cat", "/var/lib/hubupdate/slots/state", check=False)
        return "phase trial" in state.out

    await renewed.until(is_started, "it is never started")
    await guest.run("systemctl", "stop", "hubupdate")
    await _drives_from(renewed, "A", "alone")
    assert await renewed.slots() == {"current": "A", "now": "A"}
    state = (await guest.run("cat", "/var/lib/hubupdate/slots/state")).out
    assert "phase returning" in state
    await guest.run("systemctl", "start", "hubupdate")
    await renewed.until_shows(phase="resting", slot="A")
    assert (await renewed.board())["running"]["version"] == STARTED.number
    assert len((await renewed.board())["quarantine"]) == 2


async def _a_strike_moves_all_the_same(renewed: RenewedHub, site: Site, air: AirAddress) -> None:
    """Its guard went through a take-over that came to nothing."""
    hub = renewed.hub
    async with (
        on_air(air.transport) as device,
        connect(device) as link,
        asyncio.TaskGroup() as tasks,
    ):
        seen = tasks.create_task(hub.strike_seen(20))
        assert allowed(await Session(link, visitor(site)).run(1))
    assert seen.result()
