"""The arguments of calls at the bridge's socket.

Law: an argument is what it should be, or the call is refused with a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hubcore.backend.uplink.words import UINT16_MAX
from hublocal.calls import CallRefused

Arguments = Mapping[str, object]
TEXT_CHARS_MAX = 64
BYTES_MAX = 512
POINTS_MAX = 32
_HEX = re.compile(r"([0-9a-f]{2})+", re.ASCII)
_NUMBERS = re.compile(r"[0-9]{1,5}(,[0-9]{1,5})*", re.ASCII)


def text(arguments: Arguments, name: str) -> str | None:
    """Return a text; None where there is none. Raise CallRefused."""
    value = arguments.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_CHARS_MAX:
        raise CallRefused("bad-argument", f"`{name}` is a text of 1 to {TEXT_CHARS_MAX} characters")
    return value


def needed_text(arguments: Arguments, name: str) -> str:
    """Return a text that must be there. Raise CallRefused."""
    value = text(arguments, name)
    if value is None:
        raise CallRefused("bad-argument", f"`{name}` is missing")
    return value


def whole(arguments: Arguments, name: str, lowest: int, highest: int) -> int | None:
    """Return a whole number; None where there is none. Raise CallRefused."""
    value = arguments.get(name)
    if value is None:
        return None
    if type(value) is not int or not lowest <= value <= highest:
        raise CallRefused("bad-argument", f"`{name}` is a whole number of {lowest} to {highest}")
    return value


def yes(arguments: Arguments, name: str) -> bool:
    """Return a yes or no that must be there. Raise CallRefused."""
    value = arguments.get(name)
    if not isinstance(value, bool):
        raise CallRefused("bad-argument", f"`{name}` is true or false")
    return value


def access_point(arguments: Arguments) -> int | None:
    """Return the number of an access point; None for all. Raise CallRefused."""
    return whole(arguments, "point", 1, UINT16_MAX)


def points(arguments: Arguments) -> tuple[int, ...]:
    """Return the numbers of access points: a text with commas between. Raise CallRefused."""
    given = arguments.get("points")
    if isinstance(given, str) and len(given) <= 6 * POINTS_MAX and _NUMBERS.fullmatch(given):
        found = [int(one) for one in given.split(",")]
        are_points = all(1 <= one <= UINT16_MAX for one in found)
        if are_points and len(set(found)) == len(found) <= POINTS_MAX:
            return tuple(found)
    raise CallRefused(
        "bad-argument", f"`points` is 1 to {POINTS_MAX} numbers of access points: 1,2,3"
    )


def hexadecimal(arguments: Arguments, name: str, most: int = BYTES_MAX) -> bytes:
    """Return bytes that were written in hexadecimal digits. Raise CallRefused."""
    value = arguments.get(name)
    if isinstance(value, str) and 0 < len(value) <= 2 * most and _HEX.fullmatch(value):
        return bytes.fromhex(value)
    raise CallRefused("bad-argument", f"`{name}` is 1 to {most} bytes in hexadecimal digits")
