"""The large tables of a policy: what of it lies in trees, and the rows of each.

Laws:
1. The row of a name or a grant is its id; the row of a card is its CBOR.
2. A row says its own id. A look-up that finds another id under its key has found damage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hubcore.access.cards import DIGEST_BYTES, Card
from hubcore.access.grant import GRANT_ID_BYTES
from hubcore.codec import cbor
from hubcore.codec.cbor import Cursor
from hubcore.codec.cwt import NAME_BYTES
from hubcore.errors import FrameError
from hubcore.policy import rows
from hubcore.policy.page import key_of
from hubcore.policy.policy import Policy
from hubcore.policy.tree import Table

NAMES = (Table.CREDENTIALS, Table.DISABLED, Table.EXTENDED_TIME)
"""The tables of names alone."""


def content_of(policy: Policy) -> Mapping[Table, list[tuple[bytes, bytes]]]:
    """Return (id, row) of all rows of each table."""
    return {
        Table.CREDENTIALS: _named(policy.revoked_credentials),
        Table.GRANTS: [(grant, grant) for grant in policy.revoked_grants],
        Table.DISABLED: _named(policy.disabled),
        Table.EXTENDED_TIME: _named(policy.extended_time),
        Table.CARDS: [
            (digest, cbor.encode(rows.write_card(card))) for digest, card in policy.cards.items()
        ],
    }


def _named(names: Iterable[str]) -> list[tuple[bytes, bytes]]:
    found = [name.encode() for name in names]
    return [(name, name) for name in found]


def is_listed(identity: bytes, row: bytes | None) -> bool:
    """Tell whether a look-up for an id among ids alone has found it. Raise FrameError."""
    if row is not None and row != identity:
        raise FrameError("a row that stands under another's key")
    return row is not None


def read_card(data: bytes) -> Card:
    """Read the row of a card. Raise FrameError or ValueError."""
    cursor = Cursor(data)
    card = rows.read_card(cursor, _any_count)
    cursor.end()
    return card


def read_holder(data: bytes) -> tuple[str, bytes]:
    """Read whose a card is, and its digest, from the begin of its row. Raise FrameError."""
    cursor = Cursor(data)
    cursor.array()
    digest = cursor.string(DIGEST_BYTES, DIGEST_BYTES)
    return cursor.text(1, NAME_BYTES), digest


class Gathered:
    """Rows of the tables that come in any order, for who reads a policy whole."""

    def __init__(self) -> None:
        self.names: Mapping[Table, set[str]] = {table: set() for table in NAMES}
        self.grants: set[bytes] = set()
        self.cards: dict[bytes, Card] = {}

    def add(self, table: Table, key: bytes, row: bytes) -> None:
        """Read one row. Raise FrameError or ValueError."""
        if table is Table.CARDS:
            card = read_card(row)
            identity = card.digest
            self.cards[card.digest] = card
        elif table is Table.GRANTS:
            identity = row
            if len(row) not in GRANT_ID_BYTES:
                raise FrameError("a grant's id of another length")
            self.grants.add(row)
        else:
            identity = row
            self.names[table].add(_name(row))
        if key_of(identity) != key:
            raise FrameError("a row that stands under another's key")


def _name(row: bytes) -> str:
    if not 1 <= len(row) <= NAME_BYTES:
        raise FrameError("a name of another length")
    try:
        return row.decode()
    except UnicodeDecodeError as error:
        raise FrameError("a name that is no UTF-8") from error


def _any_count(count: int) -> int:
    """Take any count: a row is no longer than its page."""
    return count
