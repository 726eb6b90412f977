"""What all messages of the uplink share, and the checks of their fields.

Law: a message object that exists is checked, whoever made it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from hubcore.backend.uplink.words import INT64_MAX, MAX_DETAIL_BYTES, MAX_DEVICES, MAX_SMALL_BYTES
from hubcore.device.command import DEVICE_ID
from hubcore.errors import FrameError


def check_uint(name: str, value: object, highest: int = INT64_MAX, lowest: int = 0) -> None:
    """Raise FrameError for what is no whole number within the bounds."""
    if type(value) is not int or not lowest <= value <= highest:
        raise FrameError(f"uplink: {name} is no whole number within {lowest}..{highest}")


def check_bytes(name: str, value: object, shortest: int, longest: int) -> None:
    """Raise FrameError for what is no byte string of such a length."""
    if type(value) is not bytes or not shortest <= len(value) <= longest:
        raise FrameError(f"uplink: {name} is no string of {shortest}..{longest} bytes")


def check_text(name: str, value: object, longest: int, shortest: int = 1) -> None:
    """Accept only what a terminal prints: no control characters, no lone surrogates."""
    match value:
        case str() if value.isprintable() and shortest <= len(value.encode()) <= longest:
            return
    raise FrameError(f"uplink: {name} is no printable text of {shortest}..{longest} bytes")


def check_device(value: object) -> None:
    """Raise FrameError for what is no id of a device."""
    if type(value) is not str or not DEVICE_ID.fullmatch(value):
        raise FrameError("uplink: device is no id of a device")


def rows_of(name: str, value: object, width: int) -> list[list[Any]]:
    """Return a list of lists of one width, as CBOR gives them. Raise FrameError."""
    match value:
        case list() if len(value) <= MAX_DEVICES and all(
            type(row) is list and len(row) == width for row in value
        ):
            return value
    raise FrameError(f"uplink: {name} is no list of at most {MAX_DEVICES} lists of {width}")


@dataclass(frozen=True, slots=True)
class Message:
    """What all messages share.

    `TYPE` is below 256. `CEILING` bounds the bytes, `ITEMS` the CBOR heads,
    `DEPTH` the nesting with the outer array.
    """

    TYPE: ClassVar[int] = 0
    CEILING: ClassVar[int] = MAX_SMALL_BYTES
    DEPTH: ClassVar[int] = 1
    ITEMS: ClassVar[int] = 16

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make the message from its fields as CBOR gives them; their count is right.

        Raise FrameError.
        """
        return cls(*values)


def sentence(text: str) -> str:
    """Cut a person's sentence to what a `detail` holds: printable, at most 200 bytes."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    data = plain.encode("utf-8", "replace")
    return data[:MAX_DETAIL_BYTES].decode("utf-8", "ignore")
