"""Uses of a grant: who gets the last one, what spends, what gives back, what a disk keeps."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.claim import Claim, ClaimOutcome, Strength
from hubcore.access.grant import USES_MAX, Grant, read_grant
from hubcore.access.words import Action, Denial
from hubcore.errors import AuditError, ProofError
from hubcore.evidence.records import Record, RecordKind, Value
from hubcore.evidence.uses import (
    ENDS_A_USE,
    FORGET_SECONDS,
    USES,
    GivenBack,
    Spent,
    Use,
    UseChange,
    UseTable,
    read_change,
)
from hubcore.ports.clock import ClockState
from hubctl.main import hubctl
from hubd.adapters.sqlite.audit import AuditStore
from hubd.doors.uses import USES_KEPT_MAX, Allowance, Uses
from hubsim import site
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import FakeClock
from tests.pair import SITE, DeskHub, make_wallet
from tests.vectors import world

GRANT = b"grant-01"
END = 2_000_000_000


@pytest.fixture
def hub() -> DeskHub:
    return DeskHub(site.make_key())


def guest(hub: DeskHub, uses: int | None = 2) -> Grant:
    wallet = make_wallet(hub.issuer, "guest", uses=uses)
    return read_grant(wallet.grant, hub.issuer.verify_key, SITE)


def claim_of(hub: DeskHub, grant: Grant, number: int, action: Action = Action.OPEN) -> Claim:
    return Claim.under(
        grant,
        access_point=1,
        action=action,
        op=number.to_bytes(8, "big"),
        strength=Strength.FULL,
        arrived=hub.clock.monotonic(),
    )


async def ask(
    hub: DeskHub, grant: Grant, number: int, action: Action = Action.OPEN
) -> ClaimOutcome:
    return await hub.unlock.present(claim_of(hub, grant, number, action), lambda: True)


def restart(hub: DeskHub) -> None:
    hub.start_unlock().remember(hub.log.newest(hub.log.last() + 1, 10_000))


def spends(hub: DeskHub) -> list[Value]:
    return [one.detail["use"] for one in hub.records() if one.detail.get("allowed") is True]


# The grant.


def test_a_grant_with_uses_is_read_as_it_was_issued_and_one_without_keeps_its_bytes() -> None:
    assert world.grant_with_uses(3) != world.grant()
    read = read_grant(world.grant_with_uses(3), world.signer("issuer").verify_key, world.SITE)
    assert read.uses == 3
    without = read_grant(world.grant(), world.signer("issuer").verify_key, world.SITE)
    assert without.uses is None


@pytest.mark.parametrize("uses", [0, -1, USES_MAX + 1, "3", None, b"\x03", [3]])
def test_a_number_of_uses_that_is_none_is_refused(uses: object) -> None:
    claims = {**world.grant_claims(), -65550: uses}
    with pytest.raises(ProofError):
        read_grant(world.document("grant", claims), world.signer("issuer").verify_key, world.SITE)


def test_records_and_grants_know_the_same_numbers() -> None:
    assert range(1, USES_MAX + 1) == USES


# At the door.


async def test_a_guest_is_let_in_so_often_and_then_denied_also_after_a_restart(
    hub: DeskHub,
) -> None:
    grant = guest(hub)
    for number in (1, 2):
        assert (await ask(hub, grant, number)).allowed
        hub.clock.advance(30.0)
    assert (await ask(hub, grant, 3)).why is Denial.USES_SPENT
    restart(hub)
    assert (await ask(hub, grant, 4)).why is Denial.USES_SPENT
    assert hub.strikes == 2
    assert spends(hub) == [1, 2]
    assert (await ask(hub, grant, 5, Action.QUERY)).allowed


async def test_a_query_spends_nothing(hub: DeskHub) -> None:
    grant = guest(hub, 1)
    assert (await ask(hub, grant, 1, Action.QUERY)).allowed
    assert hub.log.uses() == []
    assert (await ask(hub, grant, 2)).allowed


async def test_of_two_claims_of_one_moment_one_gets_the_last_use(hub: DeskHub) -> None:
    grant = guest(hub, 1)
    hub.log.hold()
    both = [asyncio.ensure_future(ask(hub, grant, number)) for number in (1, 2)]
    await asyncio.sleep(0)
    hub.log.move_on()
    outcomes = await asyncio.gather(*both)
    assert [one.why for one in outcomes] == [None, Denial.USES_SPENT]
    assert hub.strikes == 1


async def test_a_repeated_operation_spends_nothing_more_and_hears_its_answer(hub: DeskHub) -> None:
    grant = guest(hub, 1)
    assert (await ask(hub, grant, 1)).allowed
    assert (await ask(hub, grant, 1)).allowed
    assert hub.strikes == 1
    restart(hub)
    assert (await ask(hub, grant, 1)).why is Denial.DOOR_FAULT
    assert (hub.strikes, len(hub.log.uses())) == (1, 1)


async def test_an_old_id_used_again_is_a_new_operation(hub: DeskHub) -> None:
    """A phone that keeps to one id gets no more than its uses."""
    grant = guest(hub, 1)
    assert (await ask(hub, grant, 1)).allowed
    hub.clock.advance(1000.0)
    assert (await ask(hub, grant, 1)).why is Denial.USES_SPENT
    assert hub.strikes == 1


async def test_what_moved_nothing_gives_its_use_back(hub: DeskHub) -> None:
    grant = guest(hub, 1)
    left = hub.unlock.present(claim_of(hub, grant, 1), lambda: False)
    assert (await left).why is Denial.TOO_LATE
    there = [True]
    hub.log.hold()
    going = asyncio.ensure_future(hub.unlock.present(claim_of(hub, grant, 2), lambda: there[0]))
    await asyncio.sleep(0)
    there[0] = False
    hub.log.move_on()
    assert (await going).why is Denial.TOO_LATE
    assert hub.log.uses() == []
    restart(hub)
    assert (await ask(hub, grant, 3)).allowed


async def test_what_may_have_moved_gives_nothing_back(hub: DeskHub) -> None:
    grant = guest(hub, 1)
    hub.doors["front"].faults.broken = "the guard does not answer"
    assert (await ask(hub, grant, 1)).why is Denial.DOOR_FAULT
    hub.doors["front"].faults.broken = ""
    assert (await ask(hub, grant, 2)).why is Denial.USES_SPENT
    assert len(hub.log.uses()) == 1


async def test_a_record_that_fails_spends_nothing(hub: DeskHub) -> None:
    grant = guest(hub, 1)
    hub.log.hold()
    going = asyncio.ensure_future(ask(hub, grant, 1))
    await asyncio.sleep(0)
    hub.log.step(durable=False)
    for _ in range(5):
        await asyncio.sleep(0)
    hub.log.step(durable=False)
    assert (await going).why is Denial.DOOR_FAULT
    hub.log.move_on()
    assert (await ask(hub, grant, 2)).allowed


async def test_a_log_that_takes_nothing_spends_nothing(hub: DeskHub) -> None:
    grant = guest(hub, 1)
    hub.log.failing = AuditError("the disk is full")
    assert (await ask(hub, grant, 1)).why is Denial.DOOR_FAULT
    hub.log.failing = None
    assert (await ask(hub, grant, 2)).allowed


async def test_grants_do_not_share_their_uses(hub: DeskHub) -> None:
    mine = guest(hub, 1)
    yours = guest(hub, 1)
    assert (await ask(hub, mine, 1)).allowed
    hub.clock.advance(30.0)
    assert (await ask(hub, yours, 2)).allowed


# What is kept, with a ceiling.


def allowance(number: int, uses: int = 1, grant: bytes = GRANT, expires: int = END) -> Allowance:
    return Allowance(grant, number.to_bytes(8, "big"), uses, expires)


def test_there_is_a_ceiling_and_a_grant_that_ended_makes_room() -> None:
    clock = FakeClock()
    now = int(clock.wall())
    full = [Use(number.to_bytes(8, "big"), 1, bytes(8), now) for number in range(USES_KEPT_MAX)]
    uses = Uses(full, clock)
    assert uses.take(allowance(1, grant=b"new-grant")) is None
    clock.advance(FORGET_SECONDS + 1)
    clock.trust = ClockState.BEFORE_BUILD
    assert uses.take(allowance(1, grant=b"new-grant")) is None
    clock.trust = ClockState.TRUSTED
    assert uses.take(allowance(1, grant=b"new-grant")) is not None


def test_no_number_is_given_twice_and_one_given_back_is_given_again() -> None:
    uses = Uses((), FakeClock())
    taken = [uses.take(allowance(number, 3)) for number in range(4)]
    assert [use.number if use else None for use in taken] == [1, 2, 3, None]
    second = taken[1]
    assert second is not None
    uses.recorded(second, durable=True)
    uses.gives_back(second)
    assert uses.take(allowance(9, 3)) is None
    uses.gave_back(second, durable=True)
    again = uses.take(allowance(9, 3))
    assert again is not None
    assert again.number == 2
    uses.gave_back(second, durable=True)  # it is another's by now
    assert uses.take(allowance(10, 3)) is None


def test_a_use_whose_giving_back_is_lost_stays_spent() -> None:
    uses = Uses((), FakeClock())
    use = uses.take(allowance(1))
    assert use is not None
    uses.recorded(use, durable=True)
    uses.gives_back(use)
    uses.gave_back(use, durable=False)
    assert uses.take(allowance(2)) is None


# What records say.


def spent(number: int, op: bytes = bytes(8), at: int = 0, expires: int = END) -> Record:
    detail: dict[str, Value] = {
        "grant": GRANT,
        "use": number,
        "op": op,
        "expires": expires,
        "allowed": True,
    }
    return Record(RecordKind.ACCESS, at * 1000, 0, detail)


def back(number: int, op: bytes = bytes(8), moved: Value = False) -> Record:
    detail: dict[str, Value] = {"grant": GRANT, "use": number, "of": op, "moved": moved}
    return Record(RecordKind.FAULT, 0, 0, detail)


def test_a_record_says_what_it_does_to_a_use() -> None:
    use = Use(GRANT, 2, bytes(8), END)
    assert read_change(spent(2, at=FORGET_SECONDS + 7)) == Spent(use, 7)
    assert read_change(back(2)) == GivenBack(GRANT, 2, bytes(8))


@pytest.mark.parametrize(
    "record",
    [
        spent(0),
        spent(USES_MAX + 1),
        spent(1, expires=-1),
        back(1, moved=None),
        back(1, moved=True),
        Record(RecordKind.ACCESS, 0, 0, {**spent(1).detail, "allowed": False}),
        Record(RecordKind.REMOTE, 0, 0, spent(1).detail),
        Record(RecordKind.DOOR, 0, 0, back(1).detail),
        Record(RecordKind.ACCESS, 0, 0, {**spent(1).detail, "use": True}),
        Record(RecordKind.ACCESS, 0, 0, {}),
    ],
)
def test_any_other_record_does_nothing_to_uses(record: Record) -> None:
    assert read_change(record) is None


def test_a_clock_that_is_not_believed_makes_nothing_forgotten() -> None:
    record = Record(RecordKind.ACCESS, 10**15, 0, {**spent(1).detail, "clock": "before-build"})
    change = read_change(record)
    assert isinstance(change, Spent)
    assert change.forget_before is None


def test_uses_of_grants_that_ended_are_forgotten() -> None:
    ended = Use(b"ended-01", 1, bytes(8), 10)
    table = UseTable([ended])
    table.take(Spent(Use(GRANT, 1, bytes(8), END), 10))
    assert len(table) == 2
    table.take(Spent(Use(GRANT, 2, bytes(8), END), 11))
    assert ended.key not in table.standing()


def test_what_was_given_back_takes_no_room() -> None:
    table = UseTable([Use(GRANT, 1, bytes(8), END)])
    for number in range(1000):
        use = Use(GRANT, 2 + number % 7, number.to_bytes(8, "big"), END)
        table.take(Spent(use, None))
        table.take(GivenBack(GRANT, use.number, use.op))
        assert table.ends_kept <= ENDS_A_USE * (len(table) + 1)
    assert len(table) == 1
    table.take(Spent(Use(b"other-01", 1, bytes(8), END + 10), END + 1))
    assert table.standing().keys() == {(b"other-01", 1)}


# On the disk.

FULL = "CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT RAISE(FAIL, 'no'); END"


def sql(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


async def filled(path: Path, others: int = 0) -> None:
    """Uses 1 and 2 are spent, 3 was given back; then so many other records."""
    async with await AuditStore.open(path) as store:
        for record in (spent(1), spent(2), spent(3), back(3)):
            await store.append(record)
        many = [Record(RecordKind.DOOR, 0, 0, {"door": "front"}) for _ in range(others)]
        await asyncio.gather(*(store.append(record) for record in many))


def numbers(uses: Sequence[Use]) -> list[int]:
    return sorted(use.number for use in uses)


EDITS = [
    ("DELETE FROM uses WHERE use = 1", 1),
    ("DELETE FROM uses", 2),
    ("UPDATE uses SET use = 9 WHERE use = 1", 2),
    ("UPDATE uses SET number = 4 WHERE use = 1", 1),
    ("UPDATE uses SET expires = 1", 2),
    ("UPDATE uses SET op = x'01'", 2),
    ("INSERT INTO uses SELECT grant_id, 7, op, expires, number FROM uses WHERE use = 1", 1),
]


@pytest.mark.parametrize(("edit", "wrong"), EDITS)
async def test_rows_that_were_edited_are_made_again_from_the_records(
    tmp_path: Path, edit: str, wrong: int
) -> None:
    path = tmp_path / "audit.db"
    await filled(path)
    sql(path, edit)
    verified = CliRunner().invoke(hubctl, ["audit", "verify", "--file", str(path)])
    if "number = 4" not in edit:  # the number alone says nothing of what was spent
        assert verified.exit_code == 1
        assert "spent uses was edited" in verified.output
    async with await AuditStore.open(path) as store:
        assert store.uses_mended == wrong
        assert numbers(store.uses()) == [1, 2]
    async with await AuditStore.open(path) as store:
        assert store.uses_mended == 0
    assert CliRunner().invoke(hubctl, ["audit", "verify", "--file", str(path)]).exit_code == 0


async def test_a_row_taken_away_long_after_its_record_is_found_by_verify_alone(
    tmp_path: Path,
) -> None:
    """What a start does not see, and says that it does not (threat model)."""
    path = tmp_path / "audit.db"
    await filled(path, others=1000)
    sql(path, "DELETE FROM uses WHERE use = 1")
    async with await AuditStore.open(path) as store:
        assert (store.uses_mended, numbers(store.uses())) == (0, [2])
    assert CliRunner().invoke(hubctl, ["audit", "verify", "--file", str(path)]).exit_code == 1


async def test_an_edited_row_is_found_however_old_its_record_is(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    await filled(path, others=1000)
    sql(path, "UPDATE uses SET use = 9 WHERE use = 1")
    async with await AuditStore.open(path) as store:
        assert (store.uses_mended, numbers(store.uses())) == (2, [1, 2])


async def test_a_commit_that_fails_neither_spends_nor_gives_back(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    await filled(path)
    async with await AuditStore.open(path) as store:
        sql(
            path, "CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT RAISE(FAIL, 'no'); END"
        )
        for record in (spent(3), back(1)):
            with pytest.raises(Exception, match="no"):
                await store.append(record)
        assert numbers(store.uses()) == [1, 2]
        sql(path, "DROP TRIGGER full")


uses_of_a_log = st.lists(
    st.tuples(
        st.sampled_from(["spend", "back"]),
        st.integers(1, 3),
        st.sampled_from([bytes(8), b"\x01" * 8]),
        st.integers(0, 3).map(lambda days: days * FORGET_SECONDS),
    ),
    max_size=12,
)


@given(uses_of_a_log)
def test_the_fold_of_the_table_is_the_fold_of_the_rows(
    steps: list[tuple[str, int, bytes, int]],
) -> None:
    """SQL and the pure fold say the same, step by step, also of grants that end."""
    from hubd.adapters.sqlite.schema import read_steps
    from hubd.adapters.sqlite.tables.uses import change_uses, standing_uses

    table = UseTable()
    with closing(sqlite3.connect(":memory:")) as connection:
        for step in read_steps("audit"):
            connection.executescript(step)
        for number, (what, use, op, at) in enumerate(steps, start=1):
            record = spent(use, op, at, expires=at + 5) if what == "spend" else back(use, op)
            change: UseChange | None = read_change(record)
            assert change is not None
            table.take(change)
            change_uses(connection, [(number, change)])
            rows = {use.key: use for use in standing_uses(connection)}
            assert rows == table.standing()


async def test_the_fake_and_the_disk_say_the_same(tmp_path: Path) -> None:
    fake = FakeAudit()
    async with await AuditStore.open(tmp_path / "audit.db") as store:
        for record in (spent(1), spent(2), back(1), back(2, b"\x01" * 8), spent(3)):
            await store.append(record)
            await fake.append(record)
            assert set(store.uses()) == set(fake.uses())
    assert numbers(fake.uses()) == [2, 3]
