"""What a hub keeps of the site's orders: the signed documents, each with the mandate of its key.

Laws:
1. What is kept proves itself: an order by its mandate, a mandate by the issuer. What does not is
   left out, and counted.
2. Of two orders about one subject the newer is kept.
3. An order is kept while it stands, and while an older one about its subject could be in time.
4. An order whose mandate was followed by another stands if it shuts, and does not if it opens. So
   does one whose mandate has ended.
5. What stands at a door is worked out from all that is kept: the end of one order gives back what
   another one orders there.
6. An order that opens is believed after a start only if the log names the digest of all that is
   kept.

Shape of one item: `[0, mandate]`, or `[n, order]`, an order by the n-th mandate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hubcore.access.precedence import DoorOrder
from hubcore.access.words import HubName
from hubcore.bridge.mandate import Mandate, Use, prove_mandate
from hubcore.bridge.site.order import (
    ONCE,
    TAKE_SECONDS_MAX,
    AdmittedGuest,
    CredentialDisabled,
    DoorsOrder,
    GuestAdmitted,
    SiteOrder,
    prove_site_order,
)
from hubcore.bridge.site.orders import AHEAD_SECONDS
from hubcore.bridge.words import DOCUMENT_BYTES
from hubcore.codec import cbor
from hubcore.codec.cbor import Cursor
from hubcore.codec.cose import VerifyKey
from hubcore.errors import FrameError, ProofError

DISABLED_MAX = 384
"""Credentials that a site has disabled, or enabled again lately, at once."""
MANDATES_MAX = 16
"""Of keys for orders whose orders are kept: the newest, and those before it."""
REMEMBERED_SECONDS = TAKE_SECONDS_MAX + AHEAD_SECONDS


@dataclass(frozen=True, slots=True)
class ProvenMandate:
    """A mandate, and the document that proves it."""

    mandate: Mandate
    document: bytes


@dataclass(frozen=True, slots=True)
class HeldOrder:
    """An order that was taken, its document, and the mandate of its key."""

    order: SiteOrder
    document: bytes
    key: ProvenMandate

    @property
    def until(self) -> int | None:
        """When it ends by itself, in Unix seconds; None: nothing stands by it."""
        return self.order.until


@dataclass(frozen=True, slots=True)
class HeldGuest:
    """A guest who is let in, and the key that signed his grant."""

    guest: AdmittedGuest
    key: VerifyKey


@dataclass(frozen=True, slots=True)
class Held:
    """All that is kept, the order taken last at the end; `key` is the newest mandate."""

    key: ProvenMandate | None = None
    orders: tuple[HeldOrder, ...] = ()

    def with_key(self, key: ProvenMandate) -> Held:
        """Return what is kept with a newer mandate; the oldest goes where there are too many."""
        older = [one for one in self.keys() if one != key]
        older.sort(key=lambda one: -one.mandate.version)
        gone = older[MANDATES_MAX - 1 :]
        return Held(key, tuple(one for one in self.orders if one.key not in gone))

    def keys(self) -> list[ProvenMandate]:
        """Return the mandates of all that is kept, the newest first, each once."""
        found = {} if self.key is None else {self.key.document: self.key}
        for one in self.orders:
            found[one.key.document] = one.key
        return list(found.values())

    def with_order(self, new: HeldOrder, now: int | None) -> Held:
        """Return what is kept with one more order; `now` None: the clock is not trusted."""
        kept: list[HeldOrder] = []
        for one in self.orders:
            if one.order.subject != new.order.subject and not _is_stale(one, now):
                kept.append(one)
        return Held(self.key, (*kept, new))

    def in_force(self, now: int | None) -> Iterable[HeldOrder]:
        """Return the orders that stand if their own end has not come (law 4)."""
        for one in self.orders:
            if one.until is not None and not (one.order.opens and self._key_ended(one, now)):
                yield one

    def without_ended(self, now: int | None) -> Held:
        """Return what is kept without what opened by a key that has ended."""
        ended = [
            one
            for one in self.orders
            if one.until is not None and one.order.opens and self._key_ended(one, now)
        ]
        return Held(self.key, tuple(one for one in self.orders if one not in ended))

    def without_opening(self) -> Held:
        """Return what is kept without orders by which a door stands open (law 6)."""
        return Held(
            self.key,
            tuple(one for one in self.orders if one.until is None or not one.order.opens),
        )

    def holds_subject(self, order: SiteOrder) -> bool:
        """Tell whether an order about the same subject is kept."""
        return any(one.order.subject == order.subject for one in self.orders)

    def disabled(self) -> Mapping[str, int]:
        """Return until when each credential is disabled."""
        found: dict[str, int] = {}
        for one in self.orders:
            what = one.order.what
            if isinstance(what, CredentialDisabled) and what.until is not None:
                found[what.credential] = what.until
        return found

    def credentials(self) -> int:
        """Return how many credentials are kept."""
        return sum(isinstance(one.order.what, CredentialDisabled) for one in self.orders)

    def guests_max(self) -> int:
        """Return how many guests the newest mandate allows at once."""
        ceiling = None if self.key is None else self.key.mandate.guests
        return 0 if ceiling is None else ceiling.guests

    def guests(self, now: int | None) -> Sequence[HeldGuest]:
        """Return the guests whose orders stand."""
        found: list[HeldGuest] = []
        for one in self.in_force(now):
            is_over = one.until is None or (now is not None and one.until <= now)
            what = one.order.what
            if isinstance(what, GuestAdmitted) and what.guest is not None and not is_over:
                found.append(HeldGuest(what.guest, one.key.mandate.key))
        return found

    def at_doors(
        self, doors_of: Callable[[int | None], Sequence[str]], now: int | None
    ) -> dict[tuple[str, DoorOrder], int]:
        """Return what stands at each door, until the latest end that was ordered (law 5).

        `doors_of` returns the doors of an access point, or all.
        """
        found: dict[tuple[str, DoorOrder], int] = {}
        for one in self.in_force(now):
            what = one.order.what
            if not isinstance(what, DoorsOrder) or what.until is None:
                continue
            for door in doors_of(what.access_point):
                place = (door, what.order)
                found[place] = max(what.until, found.get(place, 0))
        return found

    def _key_ended(self, one: HeldOrder, now: int | None) -> bool:
        return one.key != self.key or (now is not None and not one.key.mandate.holds(now))


def _is_stale(one: HeldOrder, now: int | None) -> bool:
    """Tell whether an order neither stands nor can meet an older one about its subject."""
    if now is None or one.order.issued_ms // 1000 >= now - REMEMBERED_SECONDS:
        return False
    return one.until is None or one.until <= now


def write_held(held: Held) -> list[bytes]:
    """Return the items to be kept."""
    keys = held.keys()
    items = [cbor.encode([0, key.document]) for key in keys]
    for one in held.orders:
        items.append(cbor.encode([keys.index(one.key) + 1, one.document]))
    return items


def read_held(items: Sequence[bytes], hub: HubName, issuer: VerifyKey) -> tuple[Held, int]:
    """Read and prove what was kept; return how many items did not prove themselves, too."""
    keys: list[ProvenMandate | None] = []
    orders: list[HeldOrder] = []
    left_out = 0
    for item in items:
        try:
            number, document = _take_apart(item)
            if number == 0:
                keys.append(None)
                keys[-1] = prove_key(document, hub, issuer)
            else:
                orders.append(_prove_order(number, document, hub, keys))
        except (FrameError, ProofError):
            left_out += 1
    known = [key for key in keys if key is not None]
    newest = max(known, key=lambda one: one.mandate.version, default=None)
    return Held(newest, tuple(orders)), left_out


def digest_of(held: Held) -> bytes:
    """Return the digest of all that is kept, as the log names it. What is done once is no part.

    So a release or a command, which has a record of its own, needs no second one.
    """
    named = [] if held.key is None else [held.key.document]
    for one in held.orders:
        if not isinstance(one.order.what, ONCE):
            named.extend((one.key.document, one.document))
    return hashlib.sha256(cbor.encode(named)).digest()


def _take_apart(item: bytes) -> tuple[int, bytes]:
    cursor = Cursor(item)
    if cursor.array() != 2:
        raise FrameError("an item is [number, document]")
    number = cursor.uint(MANDATES_MAX + 1)
    document = cursor.string(1, DOCUMENT_BYTES)
    cursor.end()
    return number, document


def prove_key(document: bytes, hub: HubName, issuer: VerifyKey) -> ProvenMandate:
    """Read a mandate for orders. Raise ProofError."""
    mandate = prove_mandate(document, hub.site, issuer)
    if mandate.use is not Use.ORDERS:
        raise ProofError("mandate: it is not for orders")
    return ProvenMandate(mandate, document)


def _prove_order(
    number: int, document: bytes, hub: HubName, keys: Sequence[ProvenMandate | None]
) -> HeldOrder:
    key = keys[number - 1] if number <= len(keys) else None
    if key is None:
        raise ProofError("site order: its mandate is not there")
    return HeldOrder(prove_site_order(document, hub, key.mandate), document, key)
