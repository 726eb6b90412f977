"""What changes hands with a hub, and how each part takes it up and leaves it.

Laws:
1. A descriptor has one owner, who closes it. A part owns what it has taken up.
2. What a part leaves is where it stood. What it could not leave is missing, and begins anew.
3. Nothing is taken up before it is known to be this hub's own: the guard's lines, the bluetoothd
   that has the hub's table, the file that a socket is bound to. A part says so by `taken`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from hubcore.update.packets import Connection, Descriptor, DescriptorKind, Holdings

BUS = Descriptor(DescriptorKind.BUS)
GUARD = Descriptor(DescriptorKind.GUARD)
SPARE = Descriptor(DescriptorKind.SPARE)
TICKETS = Descriptor(DescriptorKind.TICKETS)


@dataclass(frozen=True, slots=True)
class Belongings:
    """Descriptors by what they are, and where the talk on D-Bus stands if its connection is one."""

    descriptors: Mapping[Descriptor, int] = field(default_factory=dict)
    connection: Connection | None = None

    @classmethod
    def of(cls, holdings: Holdings, descriptors: tuple[int, ...]) -> Belongings:
        """Return what a packet has brought."""
        named = dict(zip(holdings.descriptors, descriptors, strict=True))
        return cls(named, holdings.connection)

    def holdings(self) -> tuple[Holdings, tuple[int, ...]]:
        """Return what a packet brings."""
        named = tuple(self.descriptors)
        return Holdings(named, self.connection), tuple(self.descriptors[one] for one in named)

    def copy(self) -> Belongings:
        """Return the same with descriptors of their own."""
        return Belongings(
            {one: os.dup(fd) for one, fd in self.descriptors.items()}, self.connection
        )

    def without(self, *named: Descriptor) -> Belongings:
        """Close these, and return the rest."""
        left = dict(self.descriptors)
        for one in named:
            if one in left:
                close(left.pop(one))
        return Belongings(left, self.connection if BUS in left else None)

    def joined(self, more: Belongings) -> Belongings:
        """Return these and more."""
        named = {**self.descriptors, **more.descriptors}
        return Belongings(named, self.connection or more.connection)

    def renewed(self, newer: Belongings) -> Belongings:
        """Return these with what `newer` has in their place; the older of two is closed.

        The radio's connection and the tickets are the newer ones or none: the older ones are not
        what they were.
        """
        kept = self.without(BUS, TICKETS)
        for one in newer.descriptors.keys() & kept.descriptors.keys():
            close(kept.descriptors[one])
        return Belongings({**kept.descriptors, **newer.descriptors}, newer.connection)

    def close(self) -> None:
        """Close all."""
        for descriptor in self.descriptors.values():
            close(descriptor)


def close(descriptor: int) -> None:
    """Close a descriptor, also one that is closed already."""
    with suppress(OSError):
        os.close(descriptor)


class Handed(Protocol):
    """A part of a hub that can change hands."""

    def take_up(self, given: Belongings) -> frozenset[Descriptor]:
        """Begin with what is one's own of it; return that."""
        ...

    async def taken(self) -> None:
        """Return once that is done. Raise HubError when it cannot be."""
        ...

    def half_done(self) -> int:
        """Return how much is half done, and must be whole before the hub changes hands."""
        ...

    def hand_on(self) -> None:
        """Begin nothing more, and leave at the end what can be handed on."""
        ...

    def alone(self) -> None:
        """Know that this process drives alone: whoever had it before is not to have it again."""
        ...

    def left(self) -> Belongings:
        """Return it after the end; its descriptors are the caller's."""
        ...
