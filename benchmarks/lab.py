"""The figures of the lab: a hub as shipped, in a guest with a real kernel, systemd, BlueZ and GPIO.

Laws:
1. The last byte, the strike and the echo have one clock, the guest's. They are seen where the
   radio's bytes enter and leave its kernel.
2. Connections are timed with phones as slow as real ones (`lab.paced`), the hub alone with phones
   that are not.
3. Every kind is measured in turns with the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bumble.core import UUID
from bumble.device import Peer

from benchmarks.restarts import SHOWN, RestartPart, parts
from benchmarks.start import IMPORTS
from benchmarks.traced import Packet, answered, last_request
from hubcore.access.once import OPS_AN_ASKER
from hubcore.phone import gatt
from hubcore.update.gap import GapStep
from hubsim import site as sites
from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from hubsim.site import Site
from lab.air import AirAddress, an_air
from lab.errors import LabError
from lab.guest import Guest, kernel_path
from lab.handover import ask, change_in_mid_visit, stands, steps
from lab.hub import LINES, LabHub
from lab.paced import Paced
from lab.touch import touch
from lab.visitors import visitor

ROUNDS_A_PHONE = (OPS_AN_ASKER - 1) // 4
"""Rounds of four connections, after one more: nobody is let in more often by one phone."""
ROUNDS_A_LINK = (OPS_AN_ASKER - 1) // 2
"""Rounds of two opens, and one before: each link is another phone's."""
REST_SECONDS = 1.0
"""After each link, so that the strike comes to rest long before its cap."""
TRACED_MAX = 4000
FALL_SECONDS = 5.0
TRY_SECONDS = 1.5
TRY_WHOLE_SECONDS = 8.0
PATIENCE_SECONDS = 60.0
AWAY_SECONDS = 0.5
RESTARTED = "hubd restarted"
READ_REQUEST = 0x0A
READ_RESPONSE = 0x0B


class QuickHub(LabHub):
    """A hub whose releases are short, so that many fit in a minute."""

    strike_seconds = 0.3


@dataclass(slots=True)
class LabRounds:
    """Seconds of each round, by kind."""

    ready: list[float] = field(default_factory=list)
    connected: dict[str, list[float]] = field(default_factory=dict)
    strike: dict[str, list[float]] = field(default_factory=dict)
    echo: list[float] = field(default_factory=list)
    info: list[float] = field(default_factory=list)
    recovery: dict[str, list[float]] = field(default_factory=dict)
    requests: list[list[float]] = field(default_factory=list)
    """Of a phone that is connected, for each change of hands."""
    steps: list[Mapping[GapStep, float]] = field(default_factory=list)
    restarts: list[Mapping[RestartPart, float]] = field(default_factory=list)
    """The parts of each restart of hubd."""
    imports: list[float] = field(default_factory=list)
    """A bare import of hubd's libraries in the guest, after each restart."""
    about: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lab:
    """A hub in a guest, and a phone that may open its door."""

    guest: Guest
    hub: LabHub
    air: AirAddress
    site: Site
    ready_seconds: float
    """From the start of the guest's kernel until the hub in it is READY and on air."""


@asynccontextmanager
async def booted(directory: Path) -> AsyncIterator[Lab]:
    """Boot a guest with a hub in it. Raise LabError."""
    kernel = kernel_path()
    if kernel is None:
        raise LabError("the lab's kernel is not built: make lab")
    site = sites.init(directory / "site")
    (directory / "guest").mkdir()
    guest = Guest(directory / "guest")
    async with an_air() as air:
        began = time.monotonic()
        try:
            await guest.boot(kernel)
            await guest.plug_in(air.host, air.port)
            hub = QuickHub(guest, site)
            await hub.install()
            await hub.start()
            yield Lab(
                guest=guest,
                hub=hub,
                air=air,
                site=site,
                ready_seconds=time.monotonic() - began,
            )
        finally:
            await guest.stop()


async def measure(
    directory: Path,
    rounds: int,
    falls: int,
    boots: int,
) -> LabRounds:
    """Boot so often, each time from nothing; measure the rounds and falls in the last guest."""
    made = LabRounds()
    for boot in range(1, boots + 1):
        folder = directory / f"boot-{boot}"
        folder.mkdir()
        async with booted(folder) as lab:
            made.ready.append(lab.ready_seconds)
            if boot == boots:
                await _rounds(lab, rounds, falls, made)
    return made


async def _rounds(
    lab: Lab,
    rounds: int,
    falls: int,
    made: LabRounds,
) -> None:
    made.about = await _about(lab)
    async with on_air(lab.air.transport) as device:
        await touch(device, visitor(lab.site))
    await _connections(lab, rounds, made)
    await _strikes(lab, rounds, made)
    await _hand_overs(lab, falls, made)
    await _recoveries(lab, falls, made)


async def _hand_overs(lab: Lab, times: int, made: LabRounds) -> None:
    """Have the hub change hands, with a phone connected that asks all the time."""
    for _ in range(times):
        seen = await change_in_mid_visit(lab.hub, lab.air, lab.site)
        await ask(lab.guest, "takeover-end", well=True)
        await stands(lab.hub, "alone")
        made.requests.append(list(seen.requests))
        made.steps.append(await steps(lab.hub))


async def _about(lab: Lab) -> dict[str, str]:
    """Return the versions of what runs in the guest."""

    async def first_line(*argv: str) -> str:
        done = await lab.guest.run(*argv)
        return done.out.split("\n")[0]

    systemd = await first_line("systemctl", "--version")
    return {
        "guest kernel": await first_line("uname", "-r"),
        "BlueZ": await first_line("/usr/libexec/bluetooth/bluetoothd", "--version"),
        "systemd": systemd.split()[1],
    }


async def _connections(lab: Lab, rounds: int, made: LabRounds) -> None:
    """Time from the connection to the verdict, with the table known or not, by both paths."""
    async with on_air(lab.air.transport, Paced) as device:
        async with connect(device) as known:
            pass
        for done in range(rounds):
            if done % ROUNDS_A_PHONE == 0:
                phone = visitor(lab.site)
                await touch(device, phone, known)
            for path in ("short", "full"):
                for table, kept in (("known", known), ("unknown", None)):
                    if path == "full":
                        phone.tickets.clear()
                    one = await touch(device, phone, kept)
                    kind = f"{path} path, GATT {table}"
                    seconds = one.prepared + one.decided
                    made.connected.setdefault(kind, []).append(seconds)


async def _strikes(lab: Lab, rounds: int, made: LabRounds) -> None:
    """Time from the last byte of a request to the strike's line, and the two echoes."""
    changes: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    await lab.guest.watch({"0": f"{LINES}/sim_gpio0/value"}, changes.put_nowait)
    if await lab.hub.strike():  # of the last connection
        assert (await changes.get())["held"] == "0"
    async with on_air(lab.air.transport) as device:
        for begin in range(0, rounds, ROUNDS_A_LINK):
            phone = visitor(lab.site)
            await touch(device, phone)
            await _fallen(changes)
            await asyncio.sleep(REST_SECONDS)
            async with connect(device) as link:
                services = await Peer(link.connection).discover_service(UUID(gatt.SERVICE))
                declaration = services[0].handle
                info = link._of(gatt.INFO).handle
                for _ in range(min(ROUNDS_A_LINK, rounds - begin)):
                    await _open(lab, Session(link, phone), "short", changes, made)
                    phone.tickets.clear()
                    await _open(lab, Session(link, phone), "full", changes, made)
                    await lab.guest.traced(TRACED_MAX)
                    await services[0].client.read_value(declaration, no_long_read=True)
                    await link.read_info()
                    packets = await _traced(lab)
                    made.echo.append(answered(packets, READ_REQUEST, READ_RESPONSE, declaration))
                    made.info.append(answered(packets, READ_REQUEST, READ_RESPONSE, info))


async def _traced(lab: Lab) -> list[Packet]:
    return [Packet(*packet) for packet in await lab.guest.traced(0)]


async def _fallen(changes: asyncio.Queue[dict[str, Any]]) -> dict[str, Any]:
    """Wait until the strike was driven and has fallen back; return the first of the two changes."""
    async with asyncio.timeout(FALL_SECONDS):
        driven = await changes.get()
        fallen = await changes.get()
    assert (driven["held"], fallen["held"]) == ("1", "0")
    return driven


async def _open(
    lab: Lab,
    session: Session,
    path: str,
    changes: asyncio.Queue[dict[str, Any]],
    made: LabRounds,
) -> None:
    """Open once, and wait until the line has fallen back."""
    await lab.guest.traced(TRACED_MAX)
    report = await session.run(1)
    assert report.verdict is not None, report.why
    assert report.verdict.allowed, report.verdict
    assert report.short is (path == "short")
    driven = await _fallen(changes)
    seen = (driven["before"] + driven["at"]) / 2
    request = last_request(await _traced(lab), before=driven["at"])
    made.strike.setdefault(path, []).append(seen - request)


async def _recoveries(lab: Lab, falls: int, made: LabRounds) -> None:
    """Time from each damage until a phone has been let in again."""
    run = lab.guest.run
    damages: dict[str, Callable[[], Awaitable[object]]] = {
        "bluetoothd killed": partial(run, "systemctl", "kill", "-s", "KILL", "bluetooth"),
        "bluetoothd restarted": partial(run, "systemctl", "restart", "bluetooth"),
        "adapter pulled, and back after 0.5 s": partial(_pull, lab),
        "system bus and bluetoothd restarted": partial(
            run, "systemctl", "restart", "dbus", "bluetooth"
        ),
        "adapter blocked by rfkill, and let go after 0.5 s": partial(_block, lab),
        "adapter powered off by somebody": partial(run, "bluetoothctl", "power", "off"),
        RESTARTED: partial(run, "systemctl", "restart", "hubd"),
    }
    for _ in range(falls):
        for name, damage in damages.items():
            async with on_air(lab.air.transport) as device:
                phone = visitor(lab.site)
                await touch(device, phone)
                began = time.monotonic()
                await damage()
                await _let_in(lab, phone, began)
                whole = time.monotonic() - began
                made.recovery.setdefault(name, []).append(whole)
                if name == RESTARTED:
                    await _take_apart(lab, whole, made)


async def _take_apart(lab: Lab, whole: float, made: LabRounds) -> None:
    """Note the parts of the restart that just was, and a bare import beside it."""
    shown = await lab.guest.run("systemctl", "show", "hubd", "-p", ",".join(SHOWN))
    made.restarts.append(parts(shown.out, whole))
    began = time.monotonic()
    await lab.guest.run("/opt/hubd/bin/python", "-P", "-c", IMPORTS)
    made.imports.append(time.monotonic() - began)


async def _pull(lab: Lab) -> None:
    await lab.guest.pull_out()
    await asyncio.sleep(AWAY_SECONDS)
    await lab.guest.plug_in(lab.air.host, lab.air.port)


async def _block(lab: Lab) -> None:
    switches = "for switch in /sys/class/rfkill/rfkill*; do echo %d >$switch/soft; done"
    await lab.guest.run("sh", "-c", f"{switches % 1}; sleep {AWAY_SECONDS}; {switches % 0}")


async def _let_in(lab: Lab, phone: Wallet, began: float) -> None:
    """Try until a phone is let in: while the hub comes back, a try may fail at any step."""
    while True:
        try:
            async with on_air(lab.air.transport) as device:
                async with asyncio.timeout(TRY_WHOLE_SECONDS):
                    await touch(device, phone, seconds=TRY_SECONDS)
            return
        except Exception as error:
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise LabError("the hub does not come back") from error
