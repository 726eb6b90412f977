"""A second step before each order: a form that counts for itself alone.

Laws:
1. What was confirmed is what was shown: the form carries it signed, and nothing else counts.
2. It counts for who asked, for CONFIRM_SECONDS, and once: the key of the order is in it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from django.core import signing

from hubcore.backend.uplink.words import ID_BYTES
from hubcore.device.command import Command, Verb
from hubsite.orders.words import OrderKind, Told, Wish

CONFIRM_SECONDS = 120
_SALT = "hubsite.orders.confirm"


@dataclass(frozen=True, slots=True)
class Asked:
    """What waits for its confirmation. For an end: `of` is the order, `seen` its end known then.

    For an order that goes by the bridge, too, `of` is the one beside which it goes.
    `more` are access points of the same door at other hubs: each gets an order of its own.
    """

    key: str
    by: str
    wish: Wish
    of: str = ""
    seen: str = ""
    more: tuple[int, ...] = ()

    @property
    def is_beside(self) -> bool:
        """Tell whether it goes beside another order."""
        return bool(self.of) and self.wish.on


def new_key() -> str:
    """Return the id of a new order."""
    return secrets.token_hex(ID_BYTES)


def write(asked: Asked) -> str:
    """Return what the form carries."""
    wish = asked.wish
    said = [asked.key, asked.by, str(wish.kind), wish.on, wish.point, wish.until]
    said += [asked.of, asked.seen, _written(wish.told), *asked.more]
    return signing.dumps(said, salt=_SALT)


def read(text: str, by: str) -> Asked | None:
    """Return what was asked by this operator; None for a form that counts no more, or never did."""
    try:
        said = signing.loads(text, salt=_SALT, max_age=CONFIRM_SECONDS)
    except signing.BadSignature:
        return None
    key, asker, kind, on, point, until, of, seen, told, *more = said
    if asker != by:
        return None
    wish = Wish(OrderKind(kind), on, point, until, _told(told))
    return Asked(key, asker, wish, of, seen, tuple(more))


def _written(told: Told | None) -> list[str | int | None] | None:
    if told is None:
        return None
    return [told.hub, told.command.device, int(told.command.verb), told.command.level]


def _told(written: list[Any] | None) -> Told | None:
    if written is None:
        return None
    hub, device, verb, level = written
    return Told(hub, Command(device, Verb(verb), level))
