"""The heads of hubs in a bridge's file: which are kept, how many, and how long."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbridge.rules.proven import ProvenHead
from hubbridge.rules.room import RoomLimits
from hubbridge.store.leaving import TakeReceipt
from hubbridge.store.meeting import Meet
from hubbridge.store.offering import Offer
from hubbridge.store.reading import ReadStretches
from hubbridge.store.writer import Writer
from hubcore.bridge.backend.words import BATCH_RECORDS
from hubcore.bridge.stretch import Stretch
from hubcore.evidence.records import BODY_BYTES, Head, StoredRecord, chain_hash
from tests.fakes.bridgedhub import head_of, make_log

HUB = "hub-1"
KEY = b"k" * 32
NEW_KEY = b"n" * 32
LOG = make_log(400)
LIMITS = RoomLimits(budget_bytes=64 << 20, hubs_max=4)


def row(number: int, key: bytes = KEY, log: list[StoredRecord] = LOG) -> ProvenHead:
    head = Head(number, log[number - 1].hash)
    return ProvenHead(head, key, b"head %d" % number)


class Disk:
    """A bridge's file with one hub, opened and opened again."""

    def __init__(self, path: Path, log: list[StoredRecord] = LOG) -> None:
        self.path = path
        self.log = log
        self.writer = Writer(path, LIMITS)
        self.meet(KEY)

    def again(self) -> None:
        self.writer.close()
        self.writer = Writer(self.path, LIMITS)

    def meet(self, key: bytes, turn: int = 1) -> int:
        (met,) = self.writer.write([Meet(HUB, turn, Head(), head_of(self.log), key)])
        return int(met.signed)

    def hold(self, last: int) -> None:
        self.writer.write([Offer(HUB, tuple(self.log[:last]))])

    def sign(self, *numbers: int, key: bytes = KEY) -> str:
        heads = tuple(row(number, key, self.log) for number in numbers)
        (offered,) = self.writer.write([Offer(HUB, (), heads)])
        return str(offered.unfit)

    def read(self, after: int) -> Stretch | None:
        (found,) = self.writer.write([ReadStretches(HUB, after, 1)])
        return found[0] if found else None

    def numbers(self) -> list[int]:
        with closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute("SELECT number FROM heads ORDER BY number").fetchall()
        return [number for (number,) in rows]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "bridge.db")
    yield made
    made.writer.close()


def test_records_go_up_to_a_head_of_their_hub_and_no_further(disk: Disk) -> None:
    disk.hold(100)
    assert disk.read(0) is None
    assert disk.sign(64) == ""
    assert disk.read(0) == Stretch(tuple(LOG[:64]), b"head 64")
    assert disk.read(40) == Stretch(tuple(LOG[40:64]), b"head 64")
    assert disk.read(64) is None
    disk.again()
    assert disk.writer.covered(HUB) == 64
    assert disk.sign(100) == ""
    assert disk.read(64) == Stretch(tuple(LOG[64:100]), b"head 100")
    assert disk.read(100) is None


@pytest.mark.parametrize(
    ("signed", "why"),
    [
        ((101,), "not what is held"),
        ((64, 101), "not what is held"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(disk: Disk, signed: tuple[int, ...], why: str) -> None:
    """heads, laws 1 and 2; records, law 3"""
    disk.hold(100)
    assert why in disk.sign(*signed)
    assert disk.numbers() == list(signed[:-1])


def test_a_hub_that_has_let_records_go_signs_what_follows(disk: Disk) -> None:
    """heads, law 2: it is not cut off for ever, with a bridge that hears no receipt"""
    disk.hold(300)
    assert disk.sign(64, 264) == ""
    disk.again()
    assert disk.writer.covered(HUB) == 264
    assert disk.read(0) == Stretch(tuple(LOG[:64]), b"head 64")
    assert disk.read(64) is None
    assert disk.read(199) is None
    assert disk.read(200) == Stretch(tuple(LOG[200:264]), b"head 264")


def test_a_head_of_another_record_is_refused(disk: Disk) -> None:
    """heads, law 1"""
    disk.hold(10)
    other = ProvenHead(Head(10, bytes(32)), KEY, b"other")
    (offered,) = disk.writer.write([Offer(HUB, (), (other,))])
    assert "not what is held" in offered.unfit
    assert disk.numbers() == []


def test_a_hub_that_signs_each_record_fills_nothing(disk: Disk) -> None:
    """heads, law 3"""
    for number in range(1, 301):
        disk.writer.write([Offer(HUB, (LOG[number - 1],), (row(number),))])
        assert len(disk.numbers()) <= 2 * (number // BATCH_RECORDS) + 2
    assert disk.numbers()[-1] == 300
    after = 0
    while (found := disk.read(after)) is not None:
        assert found.records == tuple(LOG[after : after + len(found.records)])
        after = found.records[-1].number
    assert after == 300


def test_a_receipt_lets_heads_go(disk: Disk) -> None:
    disk.hold(300)
    assert disk.sign(64, 128, 192, 256, 300) == ""
    disk.writer.write([TakeReceipt(HUB, Head(200, LOG[199].hash), b"receipt")])
    assert disk.numbers() == [256, 300]
    disk.writer.write([TakeReceipt(HUB, head_of(LOG[:300]), b"receipt")])
    assert disk.numbers() == []
    assert disk.writer.covered(HUB) == 300
    disk.hold(310)
    assert disk.sign(290, 310) == ""  # an old one is of no use, and no fault
    assert disk.numbers() == [310]


def test_a_hub_with_another_key_signs_again(disk: Disk) -> None:
    """heads, law 4"""
    disk.hold(100)
    assert disk.sign(64, 100) == ""
    assert disk.meet(KEY, 2) == 100
    assert disk.meet(NEW_KEY, 3) == 0
    assert disk.read(0) is None
    assert disk.sign(64, key=NEW_KEY) == ""
    assert disk.sign(100, key=KEY) == ""  # of the older connection: it counts no more
    assert disk.numbers() == [64]
    disk.again()
    assert disk.meet(NEW_KEY, 1) == 64


def test_a_hub_in_doubt_signs_nothing_and_keeps_what_it_has_signed(disk: Disk) -> None:
    disk.hold(100)
    assert disk.sign(64) == ""
    (met,) = disk.writer.write([Meet(HUB, 2, Head(), Head(50, bytes(32)), NEW_KEY)])
    assert met.doubt is not None
    assert disk.sign(100, key=NEW_KEY) == ""
    assert disk.numbers() == [64]


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.integers(1, BODY_BYTES), min_size=1, max_size=60),
    st.lists(st.integers(1, 60), max_size=20),
)
def test_whatever_is_kept_goes_up_in_one_message_each(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], signs: list[int]
) -> None:
    """heads, laws 2 and 3: with records of any size, and heads of any"""
    log: list[StoredRecord] = []
    for number, length in enumerate(lengths, 1):
        before = log[-1].hash if log else Head().hash
        body = bytes(length)
        log.append(StoredRecord(number, body, chain_hash(before, number, body)))
    disk = Disk(tmp_path_factory.mktemp("heads") / "bridge.db", log)
    try:
        disk.hold(len(log))
        covered = 0
        for number in signs:
            if number <= len(log) and disk.sign(number) == "":
                covered = max(covered, number)
        assert disk.writer.covered(HUB) == covered
        for after in range(covered):
            found = disk.read(after)
            assert found is not None
            assert found.records == tuple(log[after : after + len(found.records)])
    finally:
        disk.writer.close()
