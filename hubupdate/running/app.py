"""The parts of the program, joined: the only place that knows which kinds there are."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hubcore.errors import StoreError
from hubcore.update.health import Spans
from hubupdate.config import Config, carriers_of, roots_of
from hubupdate.disk import Disk
from hubupdate.duties import Duties, Place
from hubupdate.fetcher import CarrierFetcher
from hubupdate.running.board import Board
from hubupdate.running.clock import HubClock
from hubupdate.running.daemon import ask, ask_status
from hubupdate.running.machine import Machine, Passing
from hubupdate.running.orders import Orders
from hubupdate.running.service import Service, World
from hubupdate.running.wishes import Wishes
from hubupdate.trust import Trust
from hubupdate.turns import InTurn

SLOTS = "slots"
LISTS = "lists"
ORDERS = "orders"
WISHES = "wishes"


@dataclass(frozen=True, slots=True)
class Time:
    """The time of pauses and trials: the machine's, or a faster one; `rest` lets it pass.

    What is asked of the machine and of carriers takes the machine's own time in any case.
    """

    monotonic: Callable[[], float] = time.monotonic
    rest: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    spans: Spans = field(default_factory=Spans)
    """Of a trial, in the seconds of `monotonic`."""


def run(config: Config, config_file: Path, passing: Time | None = None) -> None:
    """Update this hub for ever, or until a version was found well.

    Raise ConfigError, and StoreError when another is at work.
    """
    passing = passing or Time()
    disk = Disk(Path(config.state) / SLOTS)
    service = _service(config, config_file, disk, passing)
    with disk.locked():
        _ = disk.state()
        service.run()


def make_folders(config: Config) -> None:
    """Make this program's own folders where they are missing. Raise StoreError."""
    try:
        for name in (SLOTS, LISTS, ORDERS):
            (Path(config.state) / name).mkdir(mode=0o755, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{config.state}: {error.strerror or error}") from error


def _service(config: Config, config_file: Path, disk: Disk, passing: Time) -> Service:
    state = Path(config.state)
    status = partial(ask_status, Path(config.socket))
    real = Time()
    fetcher = CarrierFetcher(InTurn(carriers_of(config, config_file)), real.monotonic)
    trust = Trust(state / LISTS, roots_of(config, config_file), fetcher)
    orders = Orders(state / ORDERS, Path(config.answers), real.monotonic, real.rest)
    machine = Machine(
        Path(config.mounts),
        orders,
        status,
        call=partial(ask, Path(config.socket)),
        passing=Passing(real.monotonic, real.rest),
    )
    clock = HubClock(status, monotonic=passing.monotonic)
    place = Place(config.hub, config.channel, config.zone, config.rules())
    return Service(
        disk=disk,
        duties=Duties(disk, trust, machine, clock, place, passing.spans),
        wishes=Wishes(state / WISHES),
        board=Board(Path(config.board)),
        world=World(clock, passing.rest, passing.chance, tell),
    )


def tell(line: str) -> None:
    """Say a line to the journal."""
    print(f"hubupdate: {line}", file=sys.stderr, flush=True)  # noqa: T201
