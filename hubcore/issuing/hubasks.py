"""What a site's server may ask about hubs of what signs: a token, a yes, a no, a renewal, an end.

How it works: who has the keys also has an office for hubs. The server never writes what makes a
hub. It asks, and each ask is judged (`hubcore.issuing.hubrules`), logged, and only then done.

Laws:
1. An ask that exists is checked, whoever made it.
2. What is no ask gives FrameError, which says what was expected.
3. A yes names the whole fingerprint that somebody has compared
   (`hubcore.backend.enrolment.proofs.fingerprint`).

Shape: [act, operator, hub, [[access point, name]…], time zone, fingerprint, replaces].
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from hubcore.backend.enrolment.messages import DOORS_MAX, NAME_BYTES_MAX, ZONE_BYTES_MAX
from hubcore.backend.uplink.fields import check_text, check_uint
from hubcore.backend.uplink.words import MAX_TEXT_BYTES, UINT16_MAX
from hubcore.codec import cbor
from hubcore.errors import FrameError

ASK_BYTES_MAX = 4096
_HUB = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_FINGERPRINT = re.compile(r"([0-9A-Z]{4}-){4}[0-9A-Z]{4}")
_DEPTH = 3
_ITEMS = 16 + 3 * DOORS_MAX


class HubAct(IntEnum):
    """What is to be done. The numbers stand in messages, the words in logs."""

    TOKEN = 1
    """Promise a hub to whoever comes with a token."""
    APPROVE = 2
    """Take the machine in that has this fingerprint."""
    REFUSE = 3
    """Give the machine nothing that asks."""
    RENEW = 4
    """Sign newer certificates for the same keys and doors."""
    END = 5
    """End a hub for good."""

    @property
    def word(self) -> str:
        """Return what people and logs call it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class HubAsk:
    """An ask of the operator `by`; `doors` are (access point, name), for a token alone."""

    act: HubAct
    by: str
    hub: str
    doors: tuple[tuple[int, str], ...] = ()
    time_zone: str = ""
    fingerprint: str = ""
    replaces: bool = False

    def __post_init__(self) -> None:
        """Raise FrameError for what is no ask (law 1)."""
        check_text("operator", self.by, MAX_TEXT_BYTES)
        if type(self.hub) is not str or not _HUB.fullmatch(self.hub):
            raise FrameError("hub: an id is 1 to 32 letters, digits, - and _")
        is_token = self.act is HubAct.TOKEN
        if type(self.replaces) is not bool or (self.replaces and not is_token):
            raise FrameError("replaces: a token alone says it")
        _check_doors(self.doors, is_token, self.replaces)
        check_text("time_zone", self.time_zone, ZONE_BYTES_MAX, int(is_token))
        if self.time_zone and not is_token:
            raise FrameError("time_zone: a token alone has one")
        wanted = self.act is HubAct.APPROVE
        if type(self.fingerprint) is not str or bool(self.fingerprint) is not wanted:
            raise FrameError("fingerprint: a yes has one, and nothing else has")
        if wanted and not _FINGERPRINT.fullmatch(self.fingerprint):
            raise FrameError("fingerprint: it is five groups of four characters")

    @property
    def points(self) -> tuple[int, ...]:
        """Its access points."""
        return tuple(point for point, _ in self.doors)


def written_fingerprint(typed: str) -> str:
    """Return a fingerprint as it is shown, of what a person typed; "" for what is none."""
    plain = "".join(typed.split()).replace("-", "").upper()
    groups = "-".join(plain[place : place + 4] for place in range(0, len(plain), 4))
    return groups if _FINGERPRINT.fullmatch(groups) else ""


def write_ask(ask: HubAsk) -> bytes:
    """Return the bytes of an ask."""
    doors = [list(door) for door in ask.doors]
    said = [int(ask.act), ask.by, ask.hub, doors, ask.time_zone, ask.fingerprint, ask.replaces]
    return cbor.encode(said)


def read_ask(data: bytes) -> HubAsk:
    """Read what `write_ask` wrote, whoever did. Raise FrameError (law 2)."""
    if len(data) > ASK_BYTES_MAX:
        raise FrameError(f"hub: an ask has at most {ASK_BYTES_MAX} bytes")
    match cbor.decode(data, max_depth=_DEPTH, max_items=_ITEMS, booleans=True):
        case [int() as act, by, hub, list() as doors, zone, fingerprint, replaces]:
            if type(act) is not int or act not in set(HubAct):
                raise FrameError(f"hub: nobody does act {act} here")
            return HubAsk(HubAct(act), by, hub, _doors(doors), zone, fingerprint, replaces)
    raise FrameError("hub: expected [act, operator, hub, doors, time zone, fingerprint, replaces]")


def _doors(rows: Sequence[Any]) -> tuple[tuple[int, str], ...]:
    found = []
    for row in rows:
        match row:
            case [point, name]:
                found.append((point, name))
            case _:
                raise FrameError("doors: each is [access point, name]")
    return tuple(found)


def _check_doors(doors: tuple[tuple[int, str], ...], is_token: bool, replaces: bool) -> None:
    if len(doors) > DOORS_MAX or (doors and not is_token):
        raise FrameError(f"doors: a token alone has some, {DOORS_MAX} at most")
    if is_token and not doors and not replaces:
        raise FrameError(f"doors: a hub has 1 to {DOORS_MAX} access points")
    for point, name in doors:
        check_uint("access point", point, UINT16_MAX, 1)
        check_text("name", name, NAME_BYTES_MAX)
    if len({point for point, _ in doors}) != len(doors):
        raise FrameError("doors: an access point stands there twice")
