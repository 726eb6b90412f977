"""What libosdp is told and what it tells, in words of the panel: signs, cards and keys.

Laws:
1. A card or key of another reader number than 0 is left out: the second reader of a device may hang
   on the other side of the door.
2. A card has the same bytes whatever the reader put behind its last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.osdp.library import Colour, CommandKind, Event
from drivers.osdp.wire.reports import Card, Keys
from hubcore.ports.reader import CARD_BITS_MAX, KEYS_MAX, Sign

KEY_CODES = {
    **{code: chr(code) for code in b"0123456789*#"},
    0x7F: "*",
    0x0D: "#",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How a sign looks and sounds: a colour for tenths of a second, and so many beeps."""

    colour: Colour
    tenths: int
    beeps: int


LOOKS = {
    Sign.GRANTED: Look(Colour.GREEN, tenths=20, beeps=1),
    Sign.DENIED: Look(Colour.RED, tenths=20, beeps=2),
    Sign.WAIT: Look(Colour.AMBER, tenths=50, beeps=0),
}


def led(look: Look) -> Mapping[str, object]:
    """Return the command that shows a colour for a while, then what the reader showed before."""
    return {
        "command": int(CommandKind.LED),
        "reader": 0,
        "led_number": 0,
        "temporary": True,
        "control_code": 2,  # show it and start the timer
        "on_count": look.tenths,
        "off_count": 0,
        "on_color": int(look.colour),
        "off_color": int(Colour.OFF),
        "timer_count": look.tenths,
    }


def buzzer(look: Look) -> Mapping[str, object]:
    """Return the command that beeps."""
    return {
        "command": int(CommandKind.BUZZER),
        "reader": 0,
        "control_code": 2,  # the default tone
        "on_count": 1,
        "off_count": 1,
        "rep_count": look.beeps,
    }


def card_of(number: int, event: Event, now: float) -> Card | None:
    """Return the card in an event of libosdp; None for one that is none, or of a second reader."""
    data = bytes(event.get("data", b""))
    bits = int(event.get("length", len(data) * 8))
    if event.get("reader_no") != 0 or not 1 <= bits <= CARD_BITS_MAX:
        return None
    size = (bits + 7) // 8
    if len(data) < size:
        return None
    spare_bits = size * 8 - bits
    last = data[size - 1] >> spare_bits << spare_bits  # bits past the end mean nothing
    canonical = data[: size - 1] + bytes([last])
    return Card(number=number, bits=bits, at=now, data=canonical)


def keys_of(number: int, event: Event, now: float) -> list[Keys]:
    """Return the keys in an event of libosdp, at most KEYS_MAX in one; other codes are left out."""
    if event.get("reader_no") != 0:
        return []
    codes = bytes(event.get("data", b""))
    text = "".join(KEY_CODES[code] for code in codes if code in KEY_CODES)
    starts = range(0, len(text), KEYS_MAX)
    pieces = [text[start : start + KEYS_MAX] for start in starts]
    return [Keys(number=number, at=now, keys=piece) for piece in pieces]
