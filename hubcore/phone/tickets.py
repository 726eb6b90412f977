"""Tickets: a phone that was let in lately takes the short path with one, once.

Laws:
1. Tickets are in memory only, also when the hub changes hands.
2. A ticket is used once. So it is with one process at most: who hands tickets over keeps none.
3. There are at most TICKETS_A_CREDENTIAL for one credential, so no user can push out another's.
4. There are at most TICKETS_MAX and WEIGHT_MAX in all: the oldest goes first.
5. A chain of tickets ends at the latest CHAIN_SECONDS after its full path.
6. A ticket carries the grant that was verified. The decision is taken again each time.
7. The newest HANDED_MAX change hands. What is no ticket, or too long, brings none of them: phones
   then take the full path.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hubcore.access.grant import Grant, read_scope, write_scope
from hubcore.codec import cbor, cose
from hubcore.codec.cose import Aead
from hubcore.errors import FrameError
from hubcore.phone.messages import NewTicket

TICKETS_MAX = 10_000
TICKETS_A_CREDENTIAL = 2
WEIGHT_MAX = 1_000_000
"""Of all grants kept, in units of some 40 bytes."""
KEY_WEIGHT = 80
HANDED_MAX = 1000
HANDED_BYTES_MAX = 4 << 20
_ROW_ITEMS = 32
IDLE_SECONDS = 72 * 3600
CHAIN_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Ticket:
    """`expires` and `chain_began` in Unix seconds; `secret` is the ratchet's 32 bytes."""

    id: bytes
    secret: bytes
    aead: Aead
    grant: Grant
    chain_began: int
    expires: int


class TicketTable:
    """The live tickets of one hub, the oldest first."""

    def __init__(self, hub_expires: int) -> None:
        self._hub_expires = hub_expires
        self._tickets: OrderedDict[bytes, Ticket] = OrderedDict()
        self._by_credential: dict[str, list[bytes]] = {}
        self._weight = 0

    def __len__(self) -> int:
        return len(self._tickets)

    def hub_lives_until(self, expires: int) -> None:
        """Let new tickets live as long as the hub's newer certificate."""
        self._hub_expires = expires

    def issue(
        self,
        id_: bytes,
        secret: bytes,
        aead: Aead,
        grant: Grant,
        at: int,
        chain_began: int,
    ) -> NewTicket | None:
        """Keep a new ticket and return what the phone gets; None when it would have no life."""
        expires = min(
            at + IDLE_SECONDS,
            chain_began + CHAIN_SECONDS,
            grant.expires,
            self._hub_expires,
        )
        if expires <= at:
            return None
        ticket = Ticket(
            id=id_,
            secret=secret,
            aead=aead,
            grant=grant,
            chain_began=chain_began,
            expires=expires,
        )
        self._keep(ticket)
        return NewTicket(id_, expires)

    def _keep(self, ticket: Ticket) -> None:
        self._make_room(ticket.grant)
        self._weight += _weight(ticket.grant)
        self._tickets[ticket.id] = ticket
        self._by_credential.setdefault(ticket.grant.credential, []).append(ticket.id)

    def hand_over(self) -> bytes:
        """Return the newest tickets, the oldest of them first, and keep none."""
        rows: list[bytes] = []
        left = HANDED_BYTES_MAX - len(cbor.encode([b""] * HANDED_MAX))
        for ticket in reversed(self._tickets.values()):
            row = cbor.encode(_write(ticket))
            left -= len(row) + 4
            if len(rows) == HANDED_MAX or left < 0:
                break
            rows.append(row)
        for id_ in list(self._tickets):
            self.drop(id_)
        return cbor.encode(rows[::-1])

    def take_over(self, data: bytes) -> None:
        """Keep the tickets that another process has handed over.

        Raise FrameError or ProofError for any other bytes; then nothing is kept of them.
        """
        if len(data) > HANDED_BYTES_MAX:
            raise FrameError("more tickets than change hands")
        rows = cbor.decode(data, max_items=HANDED_MAX + 1)
        if not isinstance(rows, list):
            raise FrameError("no tickets")
        tickets = [_read(_decode_row(row)) for row in rows]
        if len({ticket.id for ticket in tickets} | set(self._tickets)) != len(tickets) + len(self):
            raise FrameError("a ticket twice")
        for ticket in tickets:
            self._keep(ticket)

    def _make_room(self, grant: Grant) -> None:
        """Drop tickets until one more of this grant is within the ceilings."""
        same_credential = self._by_credential.get(grant.credential, [])
        if len(same_credential) >= TICKETS_A_CREDENTIAL:
            self.drop(same_credential[0])
        weight_left = WEIGHT_MAX - _weight(grant)
        while len(self._tickets) >= TICKETS_MAX or self._weight > weight_left:
            oldest = next(iter(self._tickets))
            self.drop(oldest)

    def find(self, id_: bytes, at: float) -> Ticket | None:
        """Return the live ticket of that id; an expired one is dropped."""
        ticket = self._tickets.get(id_)
        if ticket is not None and ticket.expires < at:
            self.drop(id_)
            return None
        return ticket

    def drop(self, id_: bytes) -> None:
        """Forget the ticket and its secret; do nothing when there is none."""
        ticket = self._tickets.pop(id_, None)
        if ticket is None:
            return
        self._weight -= _weight(ticket.grant)
        credential = ticket.grant.credential
        same_credential = self._by_credential[credential]
        same_credential.remove(id_)
        if not same_credential:
            del self._by_credential[credential]

    def grants_of(self, beginning: str) -> list[Grant]:
        """Return the grants of the credentials that begin so, the newest of each credential."""
        return [
            self._tickets[ids[-1]].grant
            for credential, ids in self._by_credential.items()
            if credential.startswith(beginning)
        ]

    def ids(self) -> list[bytes]:
        """Return the ids of all tickets, the oldest first."""
        return list(self._tickets)

    def drop_where(
        self, unwanted: Callable[[Grant], bool], among: Iterable[bytes] | None = None
    ) -> int:
        """Forget the tickets of all grants that are `unwanted`; return how many.

        `among`: look at the tickets of these ids alone, as far as they are there.
        """
        ids = self._tickets if among is None else among
        gone = [id_ for id_ in ids if id_ in self._tickets and unwanted(self._tickets[id_].grant)]
        for id_ in gone:
            self.drop(id_)
        return len(gone)


def _write(ticket: Ticket) -> list[Any]:
    grant = ticket.grant
    return [
        ticket.id,
        ticket.secret,
        int(ticket.aead),
        ticket.chain_began,
        ticket.expires,
        grant.site,
        grant.credential,
        grant.not_before,
        grant.expires,
        grant.grant_id,
        cbor.encode(cose.write_key(grant.key.public)),
        write_scope(grant.access),
        grant.uses,
        grant.site_digest,
    ]


def _decode_row(row: Any) -> Any:
    """Raise FrameError."""
    if not isinstance(row, bytes):
        raise FrameError("no ticket")
    return cbor.decode(row, max_items=_ROW_ITEMS)


def _read(row: Any) -> Ticket:
    """Raise FrameError or ProofError."""
    match row:
        case [
            bytes(id_),
            bytes(secret),
            int(aead),
            int(chain_began),
            int(expires),
            str(site),
            str(credential),
            int(not_before),
            int(grant_expires),
            bytes(grant_id),
            bytes(key),
            bytes(scope),
            int() | None as uses,
            bytes(site_digest),
        ] if aead in set(Aead):
            grant = Grant(
                site=site,
                credential=credential,
                not_before=not_before,
                expires=grant_expires,
                grant_id=grant_id,
                key=cose.read_key(cbor.decode(key)),
                access=read_scope(scope),
                uses=uses,
                site_digest=site_digest,
            )
            return Ticket(
                id=id_,
                secret=secret,
                aead=Aead(aead),
                grant=grant,
                chain_began=chain_began,
                expires=expires,
            )
        case _:
            raise FrameError("no ticket")


def _weight(grant: Grant) -> int:
    entries = sum(2 + len(entry.rules) for entry in grant.access)
    return KEY_WEIGHT + entries
