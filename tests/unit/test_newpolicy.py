"""What a policy costs before it is proven, and that a refused one leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from hubcore.access.factors import Demand, Factor
from hubcore.access.passback import PassbackKind, PassbackRule
from hubcore.access.words import Mode
from hubcore.calendar.codec import DAYS_A_GROUP, RULES_A_SCHEDULE, SPECIALS_A_SCHEDULE
from hubcore.calendar.schedule import Rule, Schedule, SpecialDays
from hubcore.codec import cbor, cwt
from hubcore.codec.cose import SigningKey
from hubcore.errors import (
    FrameError,
    HardwareError,
    RollbackError,
    SignatureError,
    StoreError,
    TrustError,
)
from hubcore.evidence.statecheck import FoundState, LogFound, LoggedState, OnDisk
from hubcore.phone.tickets import TicketTable
from hubcore.policy import document as policies
from hubcore.policy.cache import RULES_MAX, SCHEDULES_MAX
from hubcore.policy.lists import MAX_ITEMS, SCHEDULE_ITEMS
from hubcore.policy.policy import HoldOpen, Operator, OperatorRight, PointRules, Policy
from hubcore.policy.root import Root, RootHead
from hubcore.policy.tree import Table, Tree
from hubd.adapters.sqlite.policy import PolicyDatabase
from hubd.policy.new import PolicyIntake
from hubd.policy.proven import ProvenPolicy
from hubd.threads import Start, start_thread
from hubd.upkeep.health import Health
from hubsim import site
from tests.fakes.clock import NOON
from tests.pair import SITE, DeskHub
from tests.threads import Scarce

ISSUER = site.make_key()
MIB = 1024 * 1024
BOMB = b"\x9a\x00\x3f\xff\x00" + b"\xa0" * 0x3FFF00
"""Four megabytes of empty maps: 900 MiB when they are built."""


def unproven(payload: bytes = b"") -> dict[str, bytes]:
    """Documents whose signature nobody has checked, each with four million items somewhere."""
    protected = cbor.encode(cwt.header(-7, policies.TYPE))
    return {
        "in place of the four": b"\xd2\x81" + BOMB,
        "in the protected header": b"\xd2\x84" + BOMB + b"\xa0\x40\x40",
        "in the unprotected header": b"\xd2\x84" + protected + b"\xa1\x04" + BOMB + b"\x40\x40",
        "in the payload, unsigned": b"\xd2\x84"
        + protected
        + b"\xa0"
        + cbor.encode(BOMB)
        + b"\x58\x40"
        + bytes(64),
        "as the payload": b"\xd2\x84" + protected + b"\xa0" + BOMB + b"\x40",
        "behind the signature": b"\xd2\x84" + protected + b"\xa0\x40\x40" + BOMB,
    }


@contextlib.contextmanager
def costs_at_most(bytes_max: int) -> Iterator[None]:
    """Hold what is allocated within to a ceiling above what stood before."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < bytes_max
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("where", unproven())
def test_unproven_bytes_cost_no_more_than_themselves(where: str) -> None:
    document = unproven()[where][: policies.MAX_BYTES]
    with costs_at_most(3 * len(document)), pytest.raises(SignatureError):
        policies.prove(document, ISSUER.verify_key, SITE)


def signed(payload: bytes, issuer: SigningKey = ISSUER) -> bytes:
    """A document with a true signature over any payload."""
    protected = cwt.header(issuer.alg, policies.TYPE)
    body = cbor.encode(["Signature1", protected, b"", payload])
    return cbor.encode(
        cbor.Tag(18, [protected, {4: issuer.verify_key.kid}, payload, issuer.sign(body)])
    )


CLAIMS: dict[int, object] = {
    1: SITE,
    6: 0,
    -65538: 5,
    -65539: [0, bytes(32)],
    -65540: [1, bytes(32)],
    -65541: {7: [[[127, 0, 1440]], [[0, [[0, 720]]]]]},
    -65542: {1: 1},
    -65543: {0: [20_000, 20_001]},
    -65544: None,
    -65545: [12, bytes(32)],
    -65546: [4, b"\x01" * 32],
    -65547: {1: [[7, 1], [[None, [5, 8], 2]], [3, 0, 1, 60]]},
    -65548: [["operator-7", [1, [1, 2]]]],
    -65549: {1: ["shutter-1", "shutter-2"]},
}


def root_of(document: bytes) -> Root:
    return policies.prove(document, ISSUER.verify_key, SITE).root()


def test_the_claims_of_these_cases_are_a_policy() -> None:
    payload = cbor.encode(CLAIMS)
    document = signed(payload)
    special = SpecialDays(frozenset({20_000, 20_001}), ((0, 720),))
    demand = Demand((Factor.PHONE | Factor.CARD, Factor.PIN), persons=2)
    assert root_of(document) == Root(
        head=RootHead(
            site=SITE,
            version=5,
            issued_at=0,
            digest=sha256(payload).digest(),
            document=document,
        ),
        trees={
            Table.CREDENTIALS: Tree(0, bytes(32)),
            Table.GRANTS: Tree(1, bytes(32)),
            Table.EXTENDED_TIME: Tree(12, bytes(32)),
            Table.CARDS: Tree(4, b"\x01" * 32),
        },
        schedules={7: Schedule((Rule(127, 0, 1440),), (special,))},
        modes={1: Mode.LOCKDOWN},
        points={
            1: PointRules(
                hold_open=HoldOpen(7, first_person_in=True),
                demands=(demand,),
                passback=PassbackRule(PassbackKind.TIMED, 0, 1, 60),
            )
        },
        operators={"operator-7": Operator(OperatorRight.RELEASE, frozenset({1, 2}))},
        groups={1: ("shutter-1", "shutter-2")},
    )


def test_what_is_read_is_signed_again_as_the_same_claims() -> None:
    small = {label: CLAIMS[label] for label in CLAIMS}
    small.update(dict.fromkeys((-65539, -65540, -65544, -65545, -65546)))
    document = signed(cbor.encode(small))
    read = policies.read(document, ISSUER.verify_key, SITE)
    assert policies.issue(read, ISSUER)[:-64] == document[:-64]


@pytest.mark.parametrize(
    "changed",
    [
        *(
            {-65541: {7: [rules, []]}}
            for rules in (
                [bytes.fromhex("7f0010")],
                bytes.fromhex("7f0010"),
                [[127, 0]],
                [[127, 0, 1440, 0]],
                [[128, 0, 1440]],
                [[127, 0, 1441]],
                [[127, -1, 1440]],
                [["7", 0, 1440]],
                [[127, 0, 1440]] * (RULES_A_SCHEDULE + 1),
                [[0, [], 20_000, 0, 60, 1, None, []]],
                [[1, [1], 20_000, 0, 60, 1, None, []]],
                [[1, [], 20_000, 0, 60, 0, None, []]],
                [[1, [], 20_000, 0, 0, 1, None, []]],
                [[1, [], 20_000, 1440, 60, 1, None, []]],
                [[1, [], 20_000, 0, 60, 1, 19_999, []]],
                [[1, [], 20_000, 0, 60, 1, None, [20_001, 20_001]]],
                [[2, [0], 20_000, 0, 60, 1, None, []]],
                [[2, [127, 3], 20_000, 0, 60, 1, None, []]],
                [[3, [0], 20_000, 0, 60, 1, None, []]],
                [[5, [13], 20_000, 0, 60, 1, None, []]],
                [[6, [], 20_000, 0, 60, 1, None, []]],
            )
        ),
        {-65541: {7: [[127, 0, 1440]]}},
        {-65541: {7: [[], [[4, []]]]}},
        {-65541: {7: [[], [[0, [[60, 60]]]]]}},
        {-65541: {7: [[], [[0, [[0, 1441]]]]]}},
        {-65541: {7: [[], [[0]]]}},
        {-65541: {7: [[], [[0, []]] * 17]}},
        {-65541: {-1: [[], []]}},
        {-65541: {"7": [[], []]}},
        {-65541: [7]},
        {-65543: {0: [20_001, 20_000]}},
        {-65543: {0: [-1]}},
        {-65543: {0: [1 << 40]}},
        {-65543: {0: list(range(1001))}},
        *(
            {label: tree}
            for label in (-65539, -65540, -65544, -65545, -65546)
            for tree in (
                [],
                ["a"],
                [0],
                [0, bytes(32), 0],
                [21, bytes(32)],
                [-1, bytes(32)],
                ["0", bytes(32)],
                [0, bytes(31)],
                [0, bytes(33)],
                [0, None],
                {0: bytes(32)},
                bytes(32),
                0,
            )
        ),
        {-65546: [18, bytes(32)]},
        *(
            {-65547: {1: rules}}
            for rules in (
                [None, []],
                [[7], [], None],
                [[7, 2], [], None],
                [[-1, 0], [], None],
                [None, [[None, [], 1]], None],
                [None, [[None, [0], 1]], None],
                [None, [[None, [16], 1]], None],
                [None, [[None, [1], 0]], None],
                [None, [[None, [1], 3]], None],
                [None, [[None, [1] * 9, 1]], None],
                [None, [[None, [1], 1]] * 17, None],
                [None, [], [0, 0, 1, 0]],
                [None, [], [4, 0, 1, 0]],
                [None, [], [1, 1, 1, 0]],
                [None, [], [1, 0, 1, 5]],
                [None, [], [3, 0, 1, 0]],
                [None, [], [3, 0, 1, 86_401]],
                [None, [], [1, 0, 65_536, 0]],
            )
        ),
        *(
            {-65548: operators}
            for operators in (
                {"operator-7": [1, []]},
                [["operator-7", [16, []]]],
                [["operator-7", [1, [2, 1]]]],
                [["operator-7", [1, [1, 1]]]],
                [["operator-7", [1]]],
                [["", [1, []]]],
                [["operator-7"]],
                [["operator-7", [1, []]]] * 2,
                [["operator-7", [1, list(range(257))]]],
            )
        ),
        {-65549: {1: [1]}},
        {-65549: {1: [""]}},
        {-65549: {1: ["x" * 33]}},
        {-65549: {1: ["a"] * 257}},
        {-65542: {1: 3}},
        {-65542: {1: -1}},
        {-65542: {1: None}},
        {-65542: {b"1": 1}},
        {-65542: [1, 1]},
        {-65538: 0},
        {-65538: -1},
        {-65538: 1 << 63},
        {-65538: "5"},
        {6: -1},
        {6: None},
        {1: "another site"},
        {1: SITE.encode()},
        {8: 1},
        {-65550: 1},
    ],
    ids=repr,
)
def test_a_signed_policy_of_any_other_shape_is_refused(changed: dict[int, object]) -> None:
    with pytest.raises(SignatureError):
        root_of(signed(cbor.encode({**CLAIMS, **changed})))


@pytest.mark.parametrize("missing", CLAIMS)
def test_a_signed_policy_without_one_of_its_claims_is_refused(missing: int) -> None:
    rest = {label: value for label, value in CLAIMS.items() if label != missing}
    with pytest.raises(SignatureError):
        root_of(signed(cbor.encode(rest)))


def test_four_megabytes_of_the_shortest_entries_are_over_the_ceiling_on_items() -> None:
    head, _ = cbor.encode(CLAIMS).split(cbor.encode(-65541), 1)
    maps = (-65542, -65543, -65547, -65549)
    empty = {label: b"\xa0" if label in maps else b"\xf6" for label in range(-65542, -65550, -1)}
    empty[-65548] = b"\x80"
    end = b"".join(cbor.encode(label) + value for label, value in empty.items())
    spans = b"\xa1\x07\x82\x99\x04\x00" + b"\x83\x00\x00\x00" * RULES_A_SCHEDULE + b"\x80"
    assert root_of(signed(head + cbor.encode(-65541) + spans + end)).schedules
    count = MAX_ITEMS + 1
    schedules = (
        b"\xba"
        + count.to_bytes(4, "big")
        + b"".join(cbor.encode(n) + b"\x82\x80\x80" for n in range(count))
    )
    document = signed(head + cbor.encode(-65541) + schedules + end)
    assert len(document) <= policies.MAX_BYTES
    with costs_at_most(4 * len(document)), pytest.raises(SignatureError, match="more than"):
        root_of(document)


# policy lists, law 4
def test_special_days_count_in_each_schedule_that_names_them() -> None:
    """Two megabytes of a policy could be 1.4 GB of rows, and 48 kB to read at each claim."""
    days = frozenset(range(20_000, 20_000 + DAYS_A_GROUP))
    named = Schedule((), (SpecialDays(days, ()),) * SPECIALS_A_SCHEDULE)
    once = (1 + DAYS_A_GROUP) * SPECIALS_A_SCHEDULE
    fitting = SCHEDULE_ITEMS // once
    for count in (fitting, fitting + 1):
        policy = Policy(SITE, 1, 0, schedules=dict.fromkeys(range(count), named))
        document = policies.issue(policy, ISSUER)
        if count == fitting:
            assert policies.read(document, ISSUER.verify_key, SITE) == policy
        else:
            with pytest.raises(SignatureError, match="in all schedules"):
                policies.read(document, ISSUER.verify_key, SITE)


def test_the_cache_holds_all_schedules_of_a_policy() -> None:
    assert SCHEDULE_ITEMS + SCHEDULES_MAX <= RULES_MAX


async def let_go(bytes_max: int) -> None:
    """Return once less than this is held; a thread that has just answered still holds its work for
    a moment.
    """
    async with asyncio.timeout(5):
        while tracemalloc.get_traced_memory()[0] >= bytes_max:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)


def large(version: int, revoked: int = 100_000) -> bytes:
    grants = frozenset(number.to_bytes(8, "big") for number in range(revoked))
    return policies.issue(Policy(SITE, version, 0, revoked_grants=grants), ISSUER)


async def worst_pause(work: object) -> float:
    """Return the longest time, in seconds, that the event loop did not come round while `work` was
    done.
    """
    longest = 0.0
    going = True

    async def beat() -> None:
        nonlocal longest
        while going:
            before = time.monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - before)

    async with asyncio.TaskGroup() as group:
        group.create_task(beat())
        try:
            await work  # type: ignore[misc]
        finally:
            going = False
    return longest


PAUSE_SHARE_MAX = 0.25
"""Of the whole time that a policy takes, so that a busy machine proves nothing."""
PROVE = partial(policies.prove, issuer=ISSUER.verify_key, site=SITE)


@contextlib.asynccontextmanager
async def taker(
    directory: Path, start: Start = start_thread, prove: Callable[[bytes], policies.Proven] = PROVE
) -> AsyncIterator[tuple[PolicyIntake, PolicyDatabase]]:
    hub = DeskHub(site.make_key())
    async with await PolicyDatabase.open(directory / "policy.db", SITE, PROVE) as store:
        in_force = ProvenPolicy(
            file=store,
            log=hub.log,
            clock=hub.clock,
            tell=lambda _event, _facts: None,
            health=Health(hub.clock, {}, ()),
            found=FoundState(OnDisk.NONE, 0, LogFound.EMPTY),
            told=LoggedState(),
        )
        hub.start_unlock(in_force)
        yield hub.policy_intake(prove, TicketTable(int(NOON) + 1), start), store


@pytest.mark.asyncio
async def test_the_loop_comes_round_while_a_large_policy_is_read_and_put_in_force(
    tmp_path: Path,
) -> None:
    document = large(2, 100_000)
    assert len(document) > 2_500_000
    async with taker(tmp_path) as (new, store):
        began = time.monotonic()
        pause_seconds = await worst_pause(new.accept(document))
        assert pause_seconds < PAUSE_SHARE_MAX * (time.monotonic() - began)
        assert store.version() == 2


@pytest.mark.asyncio
async def test_a_machine_without_a_thread_refuses_a_policy_and_takes_it_the_next_time(
    tmp_path: Path,
) -> None:
    async with taker(tmp_path, Scarce(missing=1)) as (new, store):
        with pytest.raises(
            HardwareError, match=r"cannot start a thread for policy-reader.*systemctl status hubd"
        ):
            await new.accept(large(2, 1))
        assert store.version() == 0
        assert await new.accept(large(2, 1)) == 2


def _forged(document: bytes) -> bytes:
    """The document with another signature."""
    brought = policies.split(document)
    return brought.root[:-1] + b"\x00" + document[len(brought.root) :]


REFUSED = {
    "old": (large(1, 50_000), RollbackError),
    "forged": (_forged(large(9, 50_000)), TrustError),
    "unproven": (unproven()["in place of the four"][: policies.MAX_BYTES], TrustError),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", REFUSED)
async def test_a_refused_policy_is_not_kept_however_often_it_comes(
    tmp_path: Path, name: str
) -> None:
    document, error = REFUSED[name]
    async with taker(tmp_path) as (new, _store):
        await new.accept(large(3, 1))
        gc.disable()  # what is let go is let go at once, not when a collector comes by
        try:
            with costs_at_most(6 * len(document)):
                for _ in range(8):
                    with pytest.raises(error):
                        await new.accept(bytes(bytearray(document)))
            tracemalloc.start()
            for _ in range(8):
                with contextlib.suppress(TrustError):
                    await new.accept(bytes(bytearray(document)))
            await let_go(MIB)
        finally:
            tracemalloc.stop()
            gc.enable()


@pytest.mark.asyncio
async def test_a_policy_that_the_disk_refuses_is_not_kept(tmp_path: Path) -> None:
    async with taker(tmp_path) as (new, store):
        store._connection.execute("DROP TABLE staged_twigs")
        document = large(2, 20_000)
        gc.disable()
        tracemalloc.start()
        try:
            for _ in range(4):
                with pytest.raises(StoreError):
                    await new.accept(bytes(bytearray(document)))
            await let_go(MIB)
        finally:
            tracemalloc.stop()
            gc.enable()


@pytest.mark.asyncio
async def test_a_policy_for_which_there_is_no_memory_is_refused_and_nothing_ends(
    tmp_path: Path,
) -> None:
    def hungry(_document: bytes) -> policies.Proven:
        raise MemoryError

    async with taker(tmp_path, prove=hungry) as (new, store):
        with pytest.raises(StoreError, match="memory"):
            await new.accept(b"\x00" * 100)
        assert store.version() == 0


def test_a_proven_policy_with_a_broken_rest_is_refused_when_its_rest_is_read() -> None:
    proven = policies.prove(
        signed(cbor.encode({**CLAIMS, -65542: {1: 9}})), ISSUER.verify_key, SITE
    )
    assert proven.version == 5
    with pytest.raises(SignatureError, match="policy 5"):
        proven.root()


def test_the_cursor_and_the_decoder_keep_the_same_rules() -> None:
    for wrong in (b"\x18\x17", b"\x1f", b"\x19\x00\xff", b"", b"\x18"):
        with pytest.raises(FrameError):
            cbor.Cursor(wrong).uint()
        with pytest.raises(FrameError):
            cbor.decode(wrong)
