"""What all questions about a hub's records share: its row, its hashes, and a doubt of the disk.

Law: a record that is missing or damaged here is no fork of the hub. Before a hub is said to have
one, what is held of it is proven. What does not prove itself goes, and the rule is asked once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hubbridge.rules.kept import HashOf
from hubbridge.store import rows
from hubbridge.store.jobs import Batch
from hubbridge.store.rows import HubRow
from hubcore.bridge import witness
from hubcore.errors import StoreError

NUMBER_MAX = (1 << 63) - 1
_T = TypeVar("_T")


def check_number(number: int) -> None:
    """Raise ValueError for no record's number."""
    if not 0 <= number <= NUMBER_MAX:
        raise ValueError(f"{number} is no record's number")


def row_of(batch: Batch, hub: str) -> HubRow | None:
    """Return a hub's row, a new one for a new hub; None where there is no place for one more."""
    row = batch.hubs.get(hub)
    if row is None and len(batch.hubs) < batch.limits.hubs_max:
        row = rows.add_hub(batch.connection, hub)
        batch.hubs[hub] = row
    return row


def seen_hash(batch: Batch, row: HubRow) -> witness.HashOf:
    """Return what looks up a hash of this hub, None where it is not held (any more)."""
    known = lookup(batch, row)

    def hash_of(number: int) -> bytes | None:
        try:
            return known(number)
        except StoreError:
            return None

    return hash_of


def lookup(batch: Batch, row: HubRow) -> HashOf:
    """Return what looks up a hash of this hub. It raises StoreError for one that is not held."""
    return rows.hashes_of(batch.connection, row)


def asked(
    batch: Batch,
    row: HubRow,
    ask: Callable[[HubRow], _T],
    is_fork: Callable[[_T], bool],
) -> tuple[HubRow, _T]:
    """Ask a rule about a hub; if the disk may be at fault, prove and ask again (the law).

    The hub that is returned is the one that the answer is about.
    """
    try:
        answer = ask(row)
    except StoreError:
        pass
    else:
        if not is_fork(answer):
            return row, answer
    proven = rows.without_damaged(batch.connection, row)
    return proven, ask(proven)
