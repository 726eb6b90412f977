"""Who is connected to a port that anybody can reach, and what each of them costs.

A transport of messages in parts (ZMTP) keeps all parts of a message in memory until the last one
has come, and every connection takes a descriptor of the process. Neither has a bound of its own.

Laws:
1. At most `connections` callers are there. When one more comes, one of those that have proven
   nothing goes: of the address that has most of these, the one that has been there longest. Who
   has proven something stays.
2. A caller whose bytes have come and are not handed over as messages goes, once they are more than
   `unread_bytes`. Of what a caller sends, `silent_bytes_a_second` counts for nothing: heartbeats,
   which nobody hands over.
3. Addresses count by what one person has of them: IPv4 whole, IPv6 by its first 64 bits.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from hubcore.backend.uplink.words import SEALED_BYTES

_SHORT_BYTES = 255
_SHORT_HEAD_BYTES = 2
_LONG_HEAD_BYTES = 9
"""Of a frame of ZMTP, up to `_SHORT_BYTES` and beyond (RFC 23)."""
_IPV6_SHARED_BITS = 64
ADDRESSES_KEPT = 1024
"""So many addresses are read once, and not each time that they come."""


@dataclass(frozen=True, slots=True)
class CallerLimits:
    """What the callers of one port may cost."""

    connections: int
    unread_bytes: int
    silent_bytes_a_second: float = 1024.0


@dataclass(slots=True)
class _Caller:
    """`received` as it was at the last look, `unread` since."""

    address: str
    looked_at: float
    proven: bool = False
    received: int = 0
    handed_over: int = 0
    unread: float = 0.0


class Callers:
    """The callers of a port, by the numbers of their connections. Times are monotonic seconds."""

    def __init__(self, limits: CallerLimits) -> None:
        self._limits = limits
        self._callers: dict[int, _Caller] = {}
        """Who has been there longest comes first."""

    def __len__(self) -> int:
        return len(self._callers)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Those that are there."""
        return tuple(self._callers)

    def came(self, number: int, address: str, now: float) -> int | None:
        """Take a caller in; return the one that must go, None when there is room."""
        self._callers.pop(number, None)
        self._callers[number] = _Caller(_shared(address), looked_at=now)
        if len(self._callers) <= self._limits.connections:
            return None
        return self._one_too_many()

    def gone(self, number: int) -> None:
        """A caller is gone."""
        self._callers.pop(number, None)

    def proved(self, number: int) -> None:
        """A caller has proven who it is."""
        caller = self._callers.get(number)
        if caller is not None:
            caller.proven = True

    def handed_over(self, number: int, part_bytes: int) -> None:
        """A part of a message of this caller was handed over."""
        caller = self._callers.get(number)
        if caller is not None:
            caller.handed_over += _on_the_wire(part_bytes)

    def sent(self, number: int, received_bytes: int, now: float) -> bool:
        """So many bytes have come from a caller in all; tell whether it may stay."""
        caller = self._callers.get(number)
        if caller is None:
            return True
        silent = (now - caller.looked_at) * self._limits.silent_bytes_a_second
        caller.unread += received_bytes - caller.received - caller.handed_over
        caller.unread = max(0.0, caller.unread - silent)
        caller.received = received_bytes
        caller.handed_over = 0
        caller.looked_at = now
        return caller.unread <= self._limits.unread_bytes

    def _one_too_many(self) -> int | None:
        """Return who makes room, None when all have proven who they are."""
        unproven = {number: one for number, one in self._callers.items() if not one.proven}
        if not unproven:
            return None
        most = Counter(one.address for one in unproven.values()).most_common(1)[0][0]
        return next(number for number, one in unproven.items() if one.address == most)


def _on_the_wire(part_bytes: int) -> int:
    sealed = part_bytes + SEALED_BYTES
    return sealed + (_SHORT_HEAD_BYTES if sealed <= _SHORT_BYTES else _LONG_HEAD_BYTES)


@lru_cache(ADDRESSES_KEPT)
def _shared(address: str) -> str:
    """Return what one person has of an address, the text itself of one that is none."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, _IPV6_SHARED_BITS), strict=False))
