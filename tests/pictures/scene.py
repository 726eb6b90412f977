"""A simulated site on which something has happened, and what hubctl shows of it.

Laws:
1. Each text is what the program hubctl printed, and nothing was written by hand.
2. No text holds a path of this machine: the folder of the site is called FOLDER.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

from hubcore.access.grant import Access
from hubcore.calendar.recurrence import MINUTES_A_DAY
from hubcore.calendar.schedule import Rule
from hubsim.phone import wallet as wallets
from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.site import OPEN_AND_QUERY, DeskDoor, Site
from hubsim.site.building import READER
from hubsim.site.readers import add_reader
from hubsim.stage import Stage, StageError
from tests.fakes.zwave import FakeService, any_value, battery_value, lock_values, node
from tests.pictures.drawing import cells
from tests.pictures.week import write_week
from tests.terminal import at_terminal

FRONT = DeskDoor(strike_seconds=1.0)
BACK = DeskDoor(id="back", name="Back door", access_point=2, strike_seconds=1.0)
UNLOCKS = 4
COLUMNS = 104
SCREEN_LINES = 17
SECONDS = 60.0
FOLDER = "desk"
ON_SCREEN = ("Front door", "Back door", "granted", "out-of-schedule")
"""What stands on the screen once it is whole."""

WHILE_WELL: Mapping[str, tuple[str, ...]] = {
    "hubctl status": ("status",),
    "hubctl why": ("why",),
    "hubctl why --last 1": ("why", "--last", "1"),
    "hubctl hub": ("hub",),
    "hubctl clock": ("clock",),
    "hubctl doors": ("doors",),
    "hubctl door front": ("door", "front"),
    "hubctl trace back": ("trace", "back"),
}
WHILE_AWAY: Mapping[str, tuple[str, ...]] = {
    "hubctl uplink": ("uplink",),
    "hubctl osdp": ("osdp",),
    "hubctl zwave": ("zwave",),
}
"""What is shown while the backend is away, a card reader too, and a node of Z-Wave is dead."""
NETWORK = """
[zwave]
socket = "{socket}"

[[devices]]
kind = "zwave"
id = "archive-lock"
name = "Archive"
node = 2
capability = "lock"

[[devices]]
kind = "zwave"
id = "hall-light"
name = "Hall light"
node = 3
capability = "switch"
"""
LOCK = 2
LIGHT = 3
BINARY_SWITCH = 37


@dataclass
class Taken:
    """What was shown, by what a technician types; a screen; and the page of `hubctl report`."""

    screen: list[Text]
    report: Path
    texts: dict[str, str] = field(default_factory=dict)


async def take(path: Path) -> Taken:
    """Let it happen in a new folder, and take what hubctl shows. Raise StageError."""
    network = _network(path)
    config = NETWORK.format(socket=network.socket)
    stage = Stage(path, [FRONT, BACK], extra_config=config)
    _grant(stage.site)
    add_reader(stage.site, stage.site.first_hub, READER, FRONT.access_point)
    texts: dict[str, str] = {}
    report = path / "report.html"
    week = path / "week" / "audit.db"
    week.parent.mkdir()
    await write_week(week, int(time.time() * 1000))
    async with network, stage:
        await stage.start_readers()
        await _come(stage)
        await stage.until(lambda: _is_quiet(stage), "the doors are shut and no problem stands")
        for typed, words in WHILE_WELL.items():
            texts[typed] = await printed(stage, *words)
        screen = await _on_screen(stage, "top")
        await printed(stage, "report", "--file", str(week), "--html", str(report))
        await stage.stop("backend")
        await stage.stop("readers")
        await network.say(source="node", event="dead", nodeId=LIGHT)
        await stage.until(lambda: _is_away(stage), "the hub notices that all three are away")
        for typed, words in WHILE_AWAY.items():
            texts[typed] = await printed(stage, *words)
    return Taken(screen, report, texts)


def _network(path: Path) -> FakeService:
    """A Z-Wave service with a lock and a light."""
    service = FakeService(path.absolute() / "zwave-js.sock")
    light = [
        any_value(BINARY_SWITCH, "currentValue", value=False),
        any_value(BINARY_SWITCH, "targetValue", value=False, writeable=True),
    ]
    lock = [*lock_values(255), battery_value(80)]
    service.nodes = [node(1, []), node(LOCK, lock), node(LIGHT, light)]
    for one in service.nodes:
        one["lastSeen"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    service.handlers |= {
        "endpoint.invoke_cc_api": lambda _: {"response": {"currentMode": 255}},
        "node.poll_value": lambda _: {"value": False},
    }
    return service


def _grant(site: Site) -> None:
    """Give anna a good grant, bert one for another day, and carl one that is revoked later."""
    points = (FRONT.access_point, BACK.access_point)
    always = [Access(point, OPEN_AND_QUERY, ()) for point in points]
    site.grant("anna", always)
    site.grant("carl", always)
    another_day = Rule(1 << (datetime.now(UTC).weekday() + 3) % 7, 0, MINUTES_A_DAY)
    site.grant("bert", [Access(BACK.access_point, OPEN_AND_QUERY, (another_day,))])


async def _come(stage: Stage) -> None:
    """Let phones come to the doors."""
    site = stage.site
    new = site.revoke(site.credential("carl"))
    await stage.backend("policy", path=str((site.path / "policy.cbor").absolute()))

    async def in_force() -> bool:
        return bool((await stage.hub("status"))["policy_version"] == new.version)

    await stage.until(in_force, "the policy is in force")
    async with on_air(stage.transport) as device:
        for name, door in (
            *[("anna", FRONT)] * UNLOCKS,
            ("anna", BACK),
            ("carl", FRONT),
            ("bert", BACK),
        ):
            async with connect(device) as link:
                session = Session(link, wallets.load(site.phone(name)))
                report = await session.run(door.access_point)
                if report.verdict is None:
                    raise StageError(f"{name} got no verdict at {door.id}: {report.why}")
            await stage.until(lambda: not stage.strike().active, "the strike rests")


async def _is_quiet(stage: Stage) -> bool:
    status = await stage.hub("status")
    shut = all(door["state"] == "secured" for door in status["doors"])
    return shut and not status["problems"] and status["records"]["waiting"] == 0


async def _is_away(stage: Stage) -> bool:
    status = await stage.hub("status")
    backend = status["backend"]
    reader = any(problem["id"].startswith("reader") for problem in status["problems"])
    nodes = (await stage.hub("zwave"))["zwave"]["nodes"] or []
    is_dead = any(one["state"] == "dead" for one in nodes)
    away = not backend["connected"] and bool(backend["why"] and backend["failures"])
    return away and reader and is_dead


def _hubctl(stage: Stage) -> tuple[str, ...]:
    socket = str((stage.site.hub / "hubd.sock").absolute())
    return (sys.executable, "-P", "-m", "hubctl", "--socket", socket)


async def _on_screen(stage: Stage, *words: str) -> list[Text]:
    """Return the screen of a program that goes on, once all that it shows is there."""
    async with at_terminal(*_hubctl(stage), *words, size=(COLUMNS, SCREEN_LINES)) as terminal:
        await terminal.until(lambda text: all(part in text for part in ON_SCREEN))
        shown = cells(terminal.screen)
        terminal.type("q")
        await terminal.ended()
    return shown


async def printed(stage: Stage, *words: str) -> str:
    """Return what a command prints for people. Raise StageError for one that ends otherwise."""
    process = await asyncio.create_subprocess_exec(
        *_hubctl(stage), *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    if process.returncode not in (0, 1) or err:
        raise StageError(f"hubctl {' '.join(words)} ended with {process.returncode}: {err!r}")
    return out.decode().replace(str(stage.path.absolute()), FOLDER)
