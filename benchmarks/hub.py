"""The hub of a bench: what `hubsim hub` runs, with a radio and a door that note times.

A note is one line to a pipe: `ready`, `frame` (a write came), `taken` (hubd had taken it), `order`
(a release of the backend came), `release` or `driven`, and nanoseconds of CLOCK_MONOTONIC.

Laws:
1. It is hubd's own `run` with the desk's own parts. The wrappers only note times and pass all on:
   no product code knows that it is measured.
2. Notes leave only when nothing is under way: a system call would give other threads their turn.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from drivers.lock.commands import Commands
from drivers.strike.strike import Strike
from hubcore.backend.uplink.from_backend import Release
from hubcore.door.state import BoltState
from hubcore.ports.doors import Mover
from hubcore.ports.radio import LinkId, PkocListener, Radio, RadioListener
from hubcore.ports.uplink import Uplink, UplinkListener
from hubd.__main__ import run
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.config.file import Config
from hubd.wiring.parts import MadeMovers, Parts, TellPart
from hubsim.desk import desk_parts

Note = Callable[[str, int], None]
_RELEASE = bytes([Release.TYPE])
"""The second byte of a release: its type stands first in the array."""


class NotingListener:
    """`ports.radio.RadioListener` around another: notes when each frame came in."""

    def __init__(self, listener: RadioListener, note: Note) -> None:
        self._listener = listener
        self._note = note
        self.opened = listener.opened
        self.info = listener.info
        self.closed = listener.closed
        self.next_frame = listener.next_frame

    def frame(self, link: LinkId, data: bytes, mtu: int) -> None:
        """See `ports.radio.RadioListener.frame`."""
        at = time.monotonic_ns()
        self._listener.frame(link, data, mtu)
        self._note("frame", at)
        self._note("taken", time.monotonic_ns())


class NotingRadio:
    """`ports.radio.Radio` around another: notes when it is on air."""

    def __init__(self, radio: Radio, note: Note) -> None:
        self._radio = radio
        self._note = note
        self.notify = radio.notify
        self.notify_pkoc = radio.notify_pkoc
        self.drop = radio.drop
        self.adapter = radio.adapter
        self.rssi = radio.rssi

    async def serve(
        self,
        listener: RadioListener,
        ready: Callable[[bool], None],
        pkoc: PkocListener | None = None,
    ) -> None:
        """See `ports.radio.Radio.serve`."""

        def tell(up: bool) -> None:
            self._note("ready" if up else "lost", time.monotonic_ns())
            ready(up)

        await self._radio.serve(NotingListener(listener, self._note), tell, pkoc)


class NotingOrders:
    """`ports.uplink.UplinkListener` around another: notes when a release came in."""

    def __init__(self, listener: UplinkListener, note: Note) -> None:
        self._listener = listener
        self._note = note
        self.connected = listener.connected
        self.disconnected = listener.disconnected

    def received(self, message: bytes) -> None:
        """See `ports.uplink.UplinkListener.received`."""
        if message[1:2] == _RELEASE:
            self._note("order", time.monotonic_ns())
        self._listener.received(message)


class NotingUplink:
    """`ports.uplink.Uplink` around another: its listener notes when a release came in."""

    def __init__(self, uplink: Uplink, note: Note) -> None:
        self._uplink = uplink
        self._note = note
        self.send = uplink.send
        self.place = uplink.place
        self.leave = uplink.leave

    async def serve(self, listener: UplinkListener) -> None:
        """See `ports.uplink.Uplink.serve`."""
        await self._uplink.serve(NotingOrders(listener, self._note))


class NotingDoor:
    """A `Mover` around a strike: notes when it was asked, and when the guard drove the line."""

    def __init__(self, strike: Strike, note: Note) -> None:
        self._strike = strike
        self._note = note
        self.secure = strike.secure
        self.must_rest_seconds = strike.must_rest_seconds

    @property
    def driven(self) -> bool:
        """See `ports.doors.Mover.driven`."""
        return self._strike.driven

    @property
    def bolt_state(self) -> BoltState:
        """See `ports.doors.Mover.bolt_state`."""
        return self._strike.bolt_state

    async def release(self, seconds: float) -> None:
        """See `ports.doors.Mover.release`."""
        at = time.monotonic_ns()
        await self._strike.release(seconds)
        self._note("release", at)
        self._note("driven", self._strike.last_drive_ns)


def parts(
    transport: str,
    note: Note,
    config: Config,
    keys: HubKeys,
    tell: TellPart,
) -> Parts:
    """Make a desk's parts that note times; nobody pulls the door."""
    made = desk_parts(
        transport=transport,
        person=False,
        config=config,
        keys=keys,
        tell=tell,
    )

    def movers_of(commands: Commands) -> MadeMovers:
        movers = made.make_movers(commands)
        doors: dict[str, Mover] = {}
        for name, door in movers.doors.items():
            if isinstance(door, Strike):
                doors[name] = NotingDoor(door, note)
        return replace(movers, doors=doors)

    return replace(
        made,
        radio=NotingRadio(made.radio, note),
        uplink=None if made.uplink is None else NotingUplink(made.uplink, note),
        make_movers=movers_of,
    )


def main() -> None:
    """Run in the hub's folder: `python -m benchmarks.hub TRANSPORT PIPE`."""
    transport = sys.argv[1]
    pipe = int(sys.argv[2])

    waiting: list[str] = []

    def note(what: str, at: int) -> None:
        waiting.append(f"{what} {at}\n")
        if what in ("ready", "lost", "driven"):
            os.write(pipe, "".join(waiting).encode())
            waiting.clear()

    sys.exit(run(Path("hub.toml"), partial(parts, transport, note)))


if __name__ == "__main__":
    main()
