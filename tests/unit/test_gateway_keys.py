"""A hub's keys at several gateways: whatever the order of their steps, they agree."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.uplink.from_backend import KeyTaken
from hubcore.backend.uplink.from_hub import NewKey, RetireKey
from hubcore.codec.keyproof import proof_of
from hubcore.errors import StoreError
from hubd.adapters.keys.uplinkkeys import OwnPair, make_pair
from hubgateway.keychanges import CHANGES_AT_ONCE, KeyChanges
from hubgateway.rules import keyring, zap
from hubgateway.rules.keyindex import KeyIndex
from hubgateway.rules.keyring import RETIRED_MAX, Ring
from hubgateway.rules.names import KEYS_BUCKET, RINGS_BUCKET
from tests.fakes.table import FakeTable, Stepped, Steps

HUB = "hub-1"
GATEWAY, OLD, NEW, NEWER, STRANGER = (make_pair() for _ in range(5))


def digits(pair: OwnPair) -> str:
    return pair.public.hex()


def new_key(new: OwnPair, over: OwnPair = OLD, hub: str = HUB) -> NewKey:
    proof = proof_of(
        new.secret,
        GATEWAY.public,
        hub=hub,
        old=over.public,
        new=new.public,
        backend=GATEWAY.public,
    )
    return NewKey(new.public, proof)


def begun() -> FakeTable:
    table = FakeTable()
    table.put(KEYS_BUCKET, digits(OLD), b"enrolled hub-1")
    table.put(KEYS_BUCKET, digits(STRANGER), b"enrolled hub-2")
    return table


def changes(table: FakeTable, way: Stepped | None = None) -> KeyChanges:
    own = (GATEWAY.secret, GATEWAY.public)
    return KeyChanges(way or table, own, lambda hub: table.enrolled(hub))


async def ask(
    table: FakeTable, message: NewKey | RetireKey, over: OwnPair = OLD
) -> KeyTaken | None:
    return await changes(table).answer(HUB, digits(over), message, 0.0)


async def test_a_change_from_its_beginning_to_its_end() -> None:
    table = begun()
    assert await ask(table, RetireKey(OLD.public)) == KeyTaken(OLD.public, 1, "")
    assert table.writes == 0  # the usual Hello writes nothing
    for _ in range(2):  # the same again is answered again
        assert await ask(table, new_key(NEW)) == KeyTaken(NEW.public, 2, "")
        assert table.enrolled(HUB) == {digits(OLD), digits(NEW)}
    for _ in range(2):
        assert await ask(table, RetireKey(OLD.public), NEW) == KeyTaken(NEW.public, 1, "")
        assert table.enrolled(HUB) == {digits(NEW)}
    assert table.said_of(digits(OLD)) == b"retired hub-1"
    assert await ask(table, RetireKey(OLD.public)) is None
    taken = await ask(table, new_key(OLD, NEW), NEW)
    assert taken is not None
    assert "in use before" in taken.refused


async def test_a_third_key_takes_the_place_of_the_second() -> None:
    table = begun()
    await ask(table, new_key(NEW))
    assert await ask(table, new_key(NEWER)) == KeyTaken(NEWER.public, 2, "")
    assert table.enrolled(HUB) == {digits(OLD), digits(NEWER)}


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (new_key(OLD), "the key of this connection"),
        (new_key(STRANGER), "another hub has this key"),
        (new_key(NEW, hub="hub-2"), "nothing proves"),
        (new_key(NEW, over=NEWER), "nothing proves"),
        (NewKey(bytes(32), bytes(32)), "nothing proves"),
    ],
)
async def test_what_is_refused_changes_nothing(message: NewKey, why: str) -> None:
    table = begun()
    taken = await ask(table, message)
    assert taken is not None
    assert (taken.keys, why in taken.refused) == (1, True)
    assert table.writes == 0


async def test_a_key_that_is_revoked_meanwhile_brings_no_other() -> None:
    table = begun()

    class Revoking(FakeTable):
        async def swap(self, bucket: str, key: str, value: bytes | None, revision: int) -> int:
            if key == digits(NEW):
                table.put(KEYS_BUCKET, digits(OLD), b"revoked hub-1")
            return await table.swap(bucket, key, value, revision)

        async def at(self, bucket: str, key: str) -> tuple[bytes | None, int]:
            return await table.at(bucket, key)

    own = (GATEWAY.secret, GATEWAY.public)
    keys = KeyChanges(Revoking(), own, table.enrolled)
    assert await keys.answer(HUB, digits(OLD), new_key(NEW), 0.0) is None
    assert table.enrolled(HUB) == set()


async def test_a_ring_that_cannot_be_read_changes_nothing() -> None:
    table = begun()
    table.put(RINGS_BUCKET, HUB, b"held what")
    with pytest.raises(StoreError, match="cannot be read"):
        await ask(table, new_key(NEW))
    assert table.writes == 0


async def test_a_hub_changes_its_keys_at_a_pace_and_few_retired_ones_are_kept() -> None:
    table = begun()
    keys = changes(table)
    now = 0.0
    pairs = [OLD, *(make_pair() for _ in range(RETIRED_MAX + 4))]
    for before, after in pairwise(pairs):
        now += 1e6
        await keys.answer(HUB, digits(before), new_key(after, before), now)
        await keys.answer(HUB, digits(after), RetireKey(before.public), now)
    assert table.enrolled(HUB) == {digits(pairs[-1])}
    remembered = {key for (_, key), (row, _) in table.rows.items() if row == b"retired hub-1"}
    assert remembered == {digits(one) for one in pairs[-1 - RETIRED_MAX : -1]}
    said = [
        await keys.answer(HUB, digits(pairs[-1]), new_key(make_pair(), pairs[-1]), now)
        for _ in range(CHANGES_AT_ONCE + 1)
    ]
    assert said[-1] is None


ASKS = [
    (OLD, new_key(NEW)),
    (OLD, new_key(NEWER)),
    (OLD, RetireKey(OLD.public)),
    (NEW, RetireKey(OLD.public)),
    (NEW, new_key(NEWER, NEW)),
]
STEPS_MAX = 11
"""Of one change. Each order of two runs here that changes over twice, at every pair of places."""


@pytest.mark.parametrize("begins_with_two", [False, True])
@pytest.mark.parametrize("first", range(len(ASKS)))
@pytest.mark.parametrize("second", range(len(ASKS)))
def test_whatever_the_order_of_steps_what_is_said_is_so(
    begins_with_two: bool, first: int, second: int
) -> None:
    asks = (ASKS[first], ASKS[second])

    async def every_order() -> None:
        for before in range(STEPS_MAX):
            for between in range(1, STEPS_MAX):
                order = [*(0 for _ in range(before)), *(1 for _ in range(between))]
                order += [0] * STEPS_MAX
                await _two_gateways(begins_with_two, asks, order, 1000)
            await _two_gateways(begins_with_two, asks, [], before)

    asyncio.run(every_order())


@given(
    asks=st.tuples(st.sampled_from(ASKS), st.sampled_from(ASKS)),
    order=st.lists(st.integers(0, 1), max_size=40),
    dies_at=st.integers(0, 12),
)
def test_also_when_one_of_them_dies_at_any_step(
    asks: tuple[tuple[OwnPair, NewKey | RetireKey], ...], order: list[int], dies_at: int
) -> None:
    asyncio.run(_two_gateways(True, asks, order, dies_at))


async def _two_gateways(
    begins_with_two: bool,
    asks: tuple[tuple[OwnPair, NewKey | RetireKey], ...],
    order: list[int],
    dies_at: int,
) -> None:
    table = begun()
    if begins_with_two:
        await ask(table, new_key(NEW))
    steps = Steps(order)
    asked = [
        pair
        for pair in asks
        if table.said_of(digits(pair[0])) == b"enrolled hub-1"  # else it could not have connected
    ]

    async def one(who: int, over: OwnPair, message: NewKey | RetireKey) -> None:
        way = Stepped(table, steps, who, dies_at if who else 1000)
        try:
            taken = await changes(table, way).answer(HUB, digits(over), message, 0.0)
        except StoreError:
            return
        if taken is not None and not taken.refused:
            held = {digits(over), taken.key.hex()}
            assert len(held) == taken.keys
            assert table.enrolled(HUB) == held

    tasks = {
        who: asyncio.create_task(one(who, over, message))
        for who, (over, message) in enumerate(asked)
    }
    await steps.run(tasks)
    for task in tasks.values():
        if not task.cancelled():
            task.result()
    # Whoever is left comes again, and is known by this key alone.
    left = [pair for pair in (OLD, NEW, NEWER) if digits(pair) in table.enrolled(HUB)]
    assert left
    taken = await ask(table, RetireKey(left[0].public), left[0])
    if taken is not None:
        assert taken == KeyTaken(left[0].public, 1, "")
        assert table.enrolled(HUB) == {digits(left[0])}
    assert table.enrolled("hub-2") == {digits(STRANGER)}


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["", "enrolled", "revoked", "x"]))))
def test_the_index_is_what_the_bucket_says(said: list[tuple[int, str]]) -> None:
    index = KeyIndex()
    rows: dict[str, str] = {}
    for number, standing in said:
        key = f"{number:064x}"
        rows[key] = standing
        index.changed(key, f"{standing} hub-1".encode() if standing else None)
    assert index.of("hub-1") == {key for key, row in rows.items() if row == "enrolled"}


def test_a_retired_key_is_let_wait_and_told_of() -> None:
    class Book:
        fresh = True

        @property
        def values(self) -> Mapping[str, bytes]:
            return {"ab" * 32: b"retired hub-1"}

    request = [b"1.0", b"1", b"hub", b"", b"", b"CURVE", bytes.fromhex("ab" * 32)]
    assert zap.answer(Book(), request)[2] == b"300"
    assert zap.hub_of_retired(Book(), request) == "hub-1"
    assert zap.hub_of_retired(Book(), [*request[:-1], bytes(32)]) is None
    assert not zap.holds(Book(), "hub-1", "ab" * 32)


def test_a_ring_is_read_as_it_was_written() -> None:
    ring = Ring(("aa" * 32,), ("bb" * 32,), ("cc" * 32,), ("dd" * 32, "ee" * 32))
    assert keyring.read_ring(keyring.write_ring(ring)) == ring
    assert keyring.read_ring(None) == Ring()
