"""The orders that stand, found again at a start in a real log: whatever came after them, and never
in rows that somebody edited.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from hubcore.access.precedence import DoorOrder
from hubcore.errors import AuditError
from hubcore.evidence.carried_orders import CarriedOrder, write_orders
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import Record, RecordKind, Value
from hubcore.policy.policy import Policy
from hubd.adapters.sqlite.audit import AuditStore
from hubd.adapters.sqlite.audit_start import CHECKED_AT_START
from hubd.orders.carried import MARK_RECORDS
from hubd.stores import open_stores

HOLD = CarriedOrder(1, DoorOrder.HOLD_OPEN, None, "boss")
LOCKDOWN = CarriedOrder(0, DoorOrder.LOCKDOWN, 2_000_000_000, "boss")


def carrying(kind: RecordKind, *orders: CarriedOrder) -> Record:
    detail: dict[str, Value] = {Fact.ORDERS: write_orders(orders)}
    return Record(kind, 1, 1, detail)


async def write(state: Path, *records: Record, others: int = 0) -> None:
    """Let a hub write records, and others after them that say nothing of orders."""
    other: Mapping[str, Value] = {Fact.DOOR: "kind: order, started", Fact.WHAT: "closed"}
    async with await AuditStore.open(state / "audit.db") as audit:
        for record in records:
            await audit.append(record)
        for _ in range(others):
            await audit.append(Record(RecordKind.DOOR, 1, 1, other))


async def found(state: Path) -> set[CarriedOrder]:
    def unread(_document: bytes) -> Policy:
        raise AssertionError("there is no policy")

    async with AsyncExitStack() as stack:
        stores = await open_stores(state, "site-1", unread, stack)
        return set(stores.orders)


async def test_the_newest_record_about_orders_counts_and_a_start_carries_them_on(
    tmp_path: Path,
) -> None:
    await write(tmp_path, carrying(RecordKind.ORDER, HOLD), carrying(RecordKind.STARTED, LOCKDOWN))
    assert await found(tmp_path) == {LOCKDOWN}
    await write(tmp_path, carrying(RecordKind.ORDER, HOLD, LOCKDOWN), others=50)
    assert await found(tmp_path) == {HOLD, LOCKDOWN}
    await write(tmp_path, carrying(RecordKind.ORDER))
    assert await found(tmp_path) == set()


async def test_a_start_that_says_nothing_of_orders_ends_no_search(tmp_path: Path) -> None:
    """An older hubd ran in between."""
    older = Record(RecordKind.STARTED, 1, 1, {Fact.VERSION: "0.1.0"})
    await write(tmp_path, carrying(RecordKind.ORDER, LOCKDOWN), older)
    assert await found(tmp_path) == {LOCKDOWN}


# carried orders, law 3
async def test_an_order_that_opens_is_believed_only_from_records_that_were_checked(
    tmp_path: Path,
) -> None:
    assert MARK_RECORDS < CHECKED_AT_START  # so a hub's own marks keep it among those
    both = carrying(RecordKind.ORDER, HOLD, LOCKDOWN)
    await write(tmp_path, both, others=CHECKED_AT_START - 1)
    assert await found(tmp_path) == {HOLD, LOCKDOWN}
    await write(tmp_path, others=1)
    assert await found(tmp_path) == {LOCKDOWN}


async def found_digest(state: Path) -> bytes | None:
    def unread(_document: bytes) -> Policy:
        raise AssertionError("there is no policy")

    async with AsyncExitStack() as stack:
        return (await open_stores(state, "site-1", unread, stack)).site_orders_digest


def naming(digest: bytes) -> Record:
    return Record(RecordKind.ORDER, 1, 1, {Fact.SITE_ORDERS: digest})


# orders of the site: held, law 6
async def test_the_digest_of_the_sites_orders_counts_while_its_record_is_checked(
    tmp_path: Path,
) -> None:
    assert await found_digest(tmp_path) is None
    await write(tmp_path, naming(bytes(32)), naming(b"n" * 32), others=CHECKED_AT_START - 1)
    assert await found_digest(tmp_path) == b"n" * 32
    await write(tmp_path, others=1)
    assert await found_digest(tmp_path) is None


async def test_while_the_state_is_in_doubt_no_digest_counts(tmp_path: Path) -> None:
    policy = Record(RecordKind.POLICY, 1, 1, {Fact.VERSION: 7, Fact.TICKETS_DROPPED: 0})
    await write(tmp_path, policy, naming(b"n" * 32))
    assert await found_digest(tmp_path) is None


# carried orders, law 2
async def test_an_order_that_was_edited_into_the_rows_starts_no_hub(tmp_path: Path) -> None:
    await write(tmp_path, carrying(RecordKind.ORDER, LOCKDOWN), others=10)
    forged = carrying(RecordKind.ORDER, HOLD).encode()
    with closing(sqlite3.connect(tmp_path / "audit.db")) as connection:
        connection.execute("UPDATE records SET body = ? WHERE number = 1", (forged,))
        connection.commit()
    with pytest.raises(AuditError, match="record 1"):
        await found(tmp_path)


# carried orders, law 3
async def test_while_the_state_is_in_doubt_no_order_opens(tmp_path: Path) -> None:
    await write(
        tmp_path,
        Record(RecordKind.POLICY, 1, 1, {Fact.VERSION: 7, Fact.TICKETS_DROPPED: 0}),
        carrying(RecordKind.ORDER, HOLD, LOCKDOWN),
    )
    assert await found(tmp_path) == {LOCKDOWN}  # the log knows a policy that is not there
