"""What moves a door: `[[doors.movers]]`, and the GPIO line that any part of a door may be on.

Each kind of mover has an `id`, unique in the hub, `cap_seconds`, `rest_seconds`, `continuous` (it
may be held open) and `at_door`.
"""

from __future__ import annotations

from typing import Annotated, Self

from msgspec import Meta, structs

from hubcore.device.command import DEVICE_ID
from hubd.config.section import KIND, Id, Section

Chip = Annotated[
    str,
    Meta(
        pattern=r"\A(/dev(/[A-Za-z0-9_:+-][A-Za-z0-9_:+.-]{0,63}){1,4}|[!-.0-~]{1,64})\Z",
        description="a GPIO chip as gpiodetect (apt install gpiod) shows it: "
        'a name such as "gpiochip0", a label, or a path in /dev',
    ),
]
LineNumber = Annotated[int, Meta(ge=0, le=65535)]
LineName = Annotated[str, Meta(pattern=r"\A[!-~]{1,64}\Z")]

DeviceId = Annotated[
    str,
    Meta(
        pattern=rf"\A{DEVICE_ID.pattern}\Z",
        description="1 to 32 characters of a-z, 0-9 and -, the first one a letter",
    ),
]

STRIKES_MAX = 32
"""As many lines as the strike guard holds (`drivers.strike.wire.MAX_LINES`)."""
AS_ITS_DOOR = 0.0
"""A cap or a rest that the file does not give: the mover has that of its door."""


class Line(Section, frozen=True):
    """One GPIO line, by its number or by its name.

    `active_low`: the line is active at low level.
    """

    chip: Chip
    line: Annotated[
        LineNumber | LineName,
        Meta(description="a line number of 0 to 65535 or a line name"),
    ]
    active_low: bool = False


class InputLine(Line, frozen=True):
    """One GPIO line of an input, and how long a new level must last before it counts."""

    debounce_ms: Annotated[int, Meta(ge=1, le=1000, description="1 to 1000")] = 20


class Strike(Line, frozen=True, kw_only=True, tag_field=KIND, tag="strike"):
    """An electric strike on a GPIO line.

    `cap_seconds` and `rest_seconds`: its own, in place of its door's.
    `continuous`: its coil stands being driven for ever, so it may be held open. The cap is then
    that of one release.
    """

    id: Id
    cap_seconds: Annotated[
        float,
        Meta(ge=0.2, le=60, description="strike_seconds to 60"),
    ] = AS_ITS_DOOR
    rest_seconds: Annotated[
        float,
        Meta(ge=0.5, le=600, description="0.5 to 600"),
    ] = AS_ITS_DOOR
    continuous: bool = False

    def at_door(self, cap_seconds: float, rest_seconds: float) -> Strike:
        """Return it as it is at a door of this cap and this rest: with none left open."""
        return structs.replace(
            self,
            cap_seconds=self.cap_seconds or cap_seconds,
            rest_seconds=self.rest_seconds or rest_seconds,
        )


class Maglock(Line, frozen=True, kw_only=True, tag_field=KIND, tag="maglock"):
    """A magnet that holds the door while it has power: the line is active then.

    It is released by taking its power. `cap_seconds`: the longest release, in place of its door's.
    """

    id: Id
    cap_seconds: Annotated[
        float,
        Meta(ge=0.2, le=60, description="strike_seconds to 60"),
    ] = AS_ITS_DOOR

    @property
    def continuous(self) -> bool:
        """A magnet without power wears nothing out."""
        return True

    @property
    def rest_seconds(self) -> float:
        """It never rests."""
        return 0.0

    def at_door(self, cap_seconds: float, rest_seconds: float) -> Maglock:
        """Return it as it is at a door of this cap."""
        return structs.replace(self, cap_seconds=self.cap_seconds or cap_seconds)


class RelayStrike(Section, frozen=True, kw_only=True, tag_field=KIND, tag="relay_strike"):
    """A strike on a relay of a board that ends a pulse by itself (`[[relay_boards]]`)."""

    id: DeviceId
    board: Id
    relay: Annotated[int, Meta(ge=1, le=32, description="1 to 32, a relay of its board")]
    cap_seconds: Annotated[
        float,
        Meta(ge=0.2, le=60, description="strike_seconds to 60"),
    ] = AS_ITS_DOOR
    rest_seconds: Annotated[
        float,
        Meta(ge=0.5, le=600, description="0.5 to 600"),
    ] = AS_ITS_DOOR

    @property
    def continuous(self) -> bool:
        """Its board ends each pulse, so it may not be held open."""
        return False

    def at_door(self, cap_seconds: float, rest_seconds: float) -> RelayStrike:
        """Return it as it is at a door of this cap and this rest: with none left open."""
        return structs.replace(
            self,
            cap_seconds=self.cap_seconds or cap_seconds,
            rest_seconds=self.rest_seconds or rest_seconds,
        )


class _NetworkLock(Section, frozen=True, kw_only=True):
    """A door lock in a network.

    `cap_seconds` and `rest_seconds`: its own, in place of its door's.
    """

    id: DeviceId
    endpoint: Annotated[int, Meta(ge=0, le=127, description="0 to 127")] = 0
    cap_seconds: Annotated[
        float,
        Meta(ge=0.2, le=60, description="strike_seconds to 60"),
    ] = AS_ITS_DOOR
    rest_seconds: Annotated[
        float,
        Meta(ge=0.5, le=600, description="0.5 to 600"),
    ] = AS_ITS_DOOR

    @property
    def continuous(self) -> bool:
        """It is unlocked for a release alone, so it may not be held open."""
        return False

    def at_door(self, cap_seconds: float, rest_seconds: float) -> Self:
        """Return it as it is at a door of this cap and this rest: with none left open."""
        return structs.replace(
            self,
            cap_seconds=self.cap_seconds or cap_seconds,
            rest_seconds=self.rest_seconds or rest_seconds,
        )


class ZwaveLock(_NetworkLock, frozen=True, kw_only=True, tag_field=KIND, tag="zwave_lock"):
    """A door lock on Z-Wave: `node` is its number, as the Z-Wave service knows it."""

    node: Annotated[int, Meta(ge=2, le=4000, description="a node number of 2 to 4000")]

    @property
    def place(self) -> tuple[str, str, int, int]:
        """What no device may be, as `hubd.config.devices.ZwaveNode.place`."""
        return ("zwave", "lock", self.node, self.endpoint)


class OpenZwaveLock(_NetworkLock, frozen=True, kw_only=True, tag_field=KIND, tag="openzwave_lock"):
    """A door lock behind OpenZWave (`[openzwave]`), on S0 by the installer's word."""

    node: Annotated[int, Meta(ge=2, le=232, description="2 to 232, the node's number")]
    accept_s0: bool = False

    @property
    def place(self) -> tuple[str, str, int, int]:
        """What no device may be, as `hubd.config.devices.OpenZwaveNode.place`."""
        return ("openzwave", "lock", self.node, self.endpoint)


DoorLock = ZwaveLock | OpenZwaveLock
"""Movers that are devices, too: each is supervised as one."""
Mover = Strike | Maglock | RelayStrike | ZwaveLock | OpenZwaveLock
"""A union of all kinds of movers."""
ON_POWER_LOSS = {
    Strike: "fail_secure",
    Maglock: "fail_safe",
    RelayStrike: "fail_secure",
    ZwaveLock: "fail_secure",
    OpenZwaveLock: "fail_secure",
}
"""What a door does when its mover has no power: it stays locked, or it is open."""
