"""A state that was lost, replaced or edited: on real files, from one start to the next."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from pathlib import Path

import pytest

from hubcore.access.words import Mode
from hubcore.checks import CheckId, Severity, Topic
from hubcore.errors import AuditError, RollbackError, StoreError
from hubcore.evidence.records import Record, RecordKind, Value
from hubcore.evidence.statecheck import (
    Doubt,
    LoggedState,
    carried_facts,
    is_about_state,
    read_logged_state,
)
from hubcore.evidence.timefloor import TimeFloor
from hubcore.phone.messages import Reason
from hubcore.phone.tickets import TicketTable
from hubcore.policy import document as policies
from hubcore.policy.policy import ALL_RIGHTS, Operator, Policy
from hubd.adapters.sqlite.audit import AuditStore
from hubd.adapters.sqlite.tables.records import ABOUT_STATE, newest
from hubd.evidence.reporting import ReportingLog
from hubd.policy.proven import ProvenPolicy
from hubd.stores import open_stores
from hubd.upkeep.health import Health
from hubsim import site
from tests.crafted import fill_under_another_schema
from tests.fakes.clock import NOON, FakeClock
from tests.pair import SITE, DeskHub, Phone, make_wallet
from tests.policies import put

ISSUER = site.make_key()
PROVE = partial(policies.prove, issuer=ISSUER.verify_key, site=SITE)
REVOKED = "c0ffee00c0ffee00"


class Start:
    """A hub from its start on, as `app.serve` makes it, with phones in memory and both files on the
    disk.
    """

    def __init__(
        self,
        audit: AuditStore,
        policy: ProvenPolicy,
        health: Health,
        hub: DeskHub,
        log: ReportingLog,
    ) -> None:
        self.audit = audit
        self.policy = policy
        self.health = health
        self.hub = hub
        hub.start_unlock(policy, log)
        self._new = hub.policy_intake(PROVE, TicketTable(int(NOON) + 10**7))

    async def send(self, *versions: int) -> None:
        """Let the backend send policies: 2 revokes the phone, 3 locks its door down as well."""
        for version in versions:
            await self._new.accept(document(version))

    async def knock(self) -> Reason:
        """Let the phone ask for access point 1; return what it is told."""
        visit = await Phone(self.hub, make_wallet(self.hub.issuer, REVOKED)).visit()
        assert visit.verdict is not None
        assert self.hub.strikes == (visit.verdict.reason is Reason.OK)
        return visit.verdict.reason

    def check(self) -> CheckId | None:
        return next((p.check for p in self.health.problems() if p.id is Topic.STATE), None)

    def problem(self) -> tuple[Severity, str] | None:
        found = [p for p in self.health.problems() if p.id is Topic.STATE]
        return (found[0].severity, found[0].what) if found else None


def document(version: int) -> bytes:
    revoked = frozenset({REVOKED}) if version >= 2 else frozenset[str]()
    modes = {1: Mode.LOCKDOWN} if version >= 3 else {}
    operators = {"boss": Operator(ALL_RIGHTS)}
    policy = Policy(SITE, version, int(NOON), revoked, modes=modes, operators=operators)
    return policies.issue(policy, ISSUER)


@asynccontextmanager
async def started(state: Path) -> AsyncIterator[Start]:
    clock = FakeClock()
    async with AsyncExitStack() as stack:
        stores = await open_stores(state, SITE, PROVE, stack)
        log = ReportingLog(stores.audit, TimeFloor())
        health = Health(clock, {}, ())
        proven = ProvenPolicy(
            file=stores.policy,
            log=log,
            clock=clock,
            tell=lambda _event, _facts: None,
            health=health,
            found=stores.found,
            told=stores.told,
            edited=stores.policy.found.edited,
            why=stores.policy.found.why,
        )
        await log.append(Record.at(RecordKind.STARTED, clock.wall(), 0.0, proven.carried()))
        await proven.begin()
        yield Start(stores.audit, proven, health, DeskHub(ISSUER, clock), log)


async def records(state: Path) -> list[Mapping[str, Value]]:
    async with await AuditStore.open(state / "audit.db") as audit:
        found = [Record.decode(stored.body) for stored in await audit.unacknowledged(0, 1000)]
    return [record.detail for record in found if record.kind is RecordKind.STATE]


def sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def keep(state: Path, aside: Path) -> None:
    shutil.copytree(state, aside, ignore=shutil.ignore_patterns("*.lock"))


def put_back(name: str, aside: Path, state: Path) -> None:
    (state / f"{name}-wal").unlink(missing_ok=True)
    shutil.copy(aside / name, state / name)


@pytest.fixture
async def state(tmp_path: Path) -> Path:
    """The state of a hub that has served for a while: `old` is a copy from version 1, `state` has
    version 3.
    """
    state = tmp_path / "state"
    async with started(state) as hub:
        await hub.send(1)
        assert await hub.knock() is Reason.OK
    keep(state, tmp_path / "old")
    async with started(state) as hub:
        await hub.send(2, 3)
        assert await hub.knock() is Reason.REVOKED
    return state


def emptied(state: Path, _old: Path) -> None:
    (state / "policy.db").write_bytes(b"")


def missing(state: Path, _old: Path) -> None:
    (state / "policy.db").unlink()


def older(state: Path, old: Path) -> None:
    put_back("policy.db", old, state)


def without_document(state: Path, _old: Path) -> None:
    sql(
        state / "policy.db",
        "DELETE FROM document",
        "DELETE FROM twigs",
        "DELETE FROM modes",
    )


def without_log(state: Path, _old: Path) -> None:
    (state / "audit.db").unlink()


def without_log_and_lock(state: Path, _old: Path) -> None:
    (state / "audit.db").unlink()
    (state / "hubd.lock").unlink()


def older_log(state: Path, old: Path) -> None:
    put_back("audit.db", old, state)


def older_log_and_no_head_noted(state: Path, old: Path) -> None:
    older_log(state, old)
    sql(state / "policy.db", "DELETE FROM noted")


def older_log_and_the_head_of_none(state: Path, old: Path) -> None:
    older_log(state, old)
    sql(state / "policy.db", "UPDATE noted SET number = 0, hash = zeroblob(32)")


def both_gone(state: Path, _old: Path) -> None:
    (state / "audit.db").unlink()
    (state / "policy.db").unlink()


CHECK_OF = {
    Doubt.POLICY_MISSING: CheckId.POLICY_MISSING,
    Doubt.POLICY_OLDER: CheckId.POLICY_OLDER,
    Doubt.POLICY_UNPROVEN: CheckId.POLICY_UNPROVEN,
    Doubt.LOG_MISSING: CheckId.LOG_MISSING,
    Doubt.LOG_REPLACED: CheckId.LOG_REPLACED,
}
DOUBTS: Mapping[Callable[[Path, Path], None], Doubt] = {
    emptied: Doubt.POLICY_MISSING,
    missing: Doubt.POLICY_MISSING,
    older: Doubt.POLICY_OLDER,
    without_document: Doubt.POLICY_UNPROVEN,
    without_log: Doubt.LOG_MISSING,
    without_log_and_lock: Doubt.LOG_MISSING,
    older_log: Doubt.LOG_REPLACED,
    older_log_and_no_head_noted: Doubt.LOG_REPLACED,
    older_log_and_the_head_of_none: Doubt.LOG_REPLACED,
    both_gone: Doubt.POLICY_MISSING,
}


async def test_a_hub_fresh_from_its_install_starts_without_alarm_and_again(tmp_path: Path) -> None:
    for _ in range(3):
        async with started(tmp_path / "state") as hub:
            assert (hub.policy.doubt, hub.problem()) == (None, None)
            assert await hub.knock() is Reason.OK
    assert await records(tmp_path / "state") == []


async def test_a_hub_that_nobody_touched_starts_without_alarm(state: Path) -> None:
    for _ in range(2):
        async with started(state) as hub:
            assert (hub.policy.version(), hub.policy.doubt, hub.problem()) == (3, None, None)
    assert await records(state) == []


@pytest.mark.parametrize("harm", DOUBTS, ids=lambda harm: harm.__name__)
async def test_what_is_missing_or_older_opens_no_door_and_stands_as_an_error(
    tmp_path: Path, state: Path, harm: Callable[[Path, Path], None]
) -> None:
    harm(state, tmp_path / "old")
    for _ in range(3):  # a restart does not make it good
        async with started(state) as hub:
            assert hub.policy.doubt is DOUBTS[harm]
            problem = hub.problem()
            assert problem is not None
            assert problem[0] is Severity.ERROR
            assert hub.check() is CHECK_OF[DOUBTS[harm]]
            assert hub.policy.version() == 0  # so that the backend sends its policy
            assert hub.policy.mode(1) is Mode.LOCKDOWN
            assert hub.policy.mode(2) is Mode.LOCKDOWN
            assert hub.policy.operator("boss") is None  # proven, law 4
            assert await hub.knock() in (Reason.LOCKED, Reason.REVOKED)
            assert hub.hub.strikes == 0
    (said,) = await records(state)  # once, not at each start
    assert said["found"] == str(DOUBTS[harm])


@pytest.mark.parametrize("harm", DOUBTS, ids=lambda harm: harm.__name__)
async def test_the_backend_s_policy_ends_the_doubt_for_good(
    tmp_path: Path, state: Path, harm: Callable[[Path, Path], None]
) -> None:
    harm(state, tmp_path / "old")
    async with started(state) as hub:
        await hub.send(3)
        assert (hub.policy.doubt, hub.problem(), hub.policy.version()) == (None, None, 3)
        assert hub.policy.operator("boss") == Operator(ALL_RIGHTS)
        assert await hub.knock() is Reason.REVOKED
    async with started(state) as hub:
        assert (hub.policy.doubt, hub.policy.version()) == (None, 3)


@pytest.mark.parametrize(
    "harm", [emptied, missing, older, without_log, older_log], ids=lambda harm: harm.__name__
)
async def test_a_policy_older_than_the_hub_knows_does_not_end_it(
    tmp_path: Path, state: Path, harm: Callable[[Path, Path], None]
) -> None:
    harm(state, tmp_path / "old")
    async with started(state) as hub:
        with pytest.raises(RollbackError):
            await hub.send(2)
        assert hub.policy.doubt is DOUBTS[harm]
        assert hub.policy.mode(1) is Mode.LOCKDOWN


@pytest.mark.parametrize(
    "harm", [h for h in DOUBTS if h is not without_document], ids=lambda harm: harm.__name__
)
async def test_root_s_word_ends_the_doubt_for_good_and_is_recorded(
    tmp_path: Path, state: Path, harm: Callable[[Path, Path], None]
) -> None:
    harm(state, tmp_path / "old")
    async with started(state) as hub:
        kept = hub.policy._file.version()
        assert await hub.policy.accept("technician", 1000) is DOUBTS[harm]
        assert (hub.policy.doubt, hub.problem(), hub.policy.version()) == (None, None, kept)
        assert await hub.policy.accept("technician", 1000) is None
    async with started(state) as hub:
        assert (hub.policy.doubt, hub.policy.version()) == (None, kept)
    said = (await records(state))[-1]
    assert (said["found"], said["was"], said["policy"]) == ("accepted", str(DOUBTS[harm]), kept)
    assert said["accepted_by"] == "technician"


async def test_nobody_s_word_makes_rows_true_that_no_signature_proves(
    tmp_path: Path, state: Path
) -> None:
    without_document(state, tmp_path)
    async with started(state) as hub:
        with pytest.raises(StoreError, match=r"move policy\.db aside"):
            await hub.policy.accept("technician", 1000)
        assert hub.policy.mode(1) is Mode.LOCKDOWN
    (state / "policy.db").unlink()
    async with started(state) as hub:
        await hub.policy.accept("technician", 1000)
        assert hub.policy.doubt is None


async def test_a_word_that_cannot_be_recorded_ends_nothing(tmp_path: Path, state: Path) -> None:
    missing(state, tmp_path)
    async with started(state) as hub:
        await hub.audit.aclose()
        with pytest.raises(AuditError):
            await hub.policy.accept("technician", 1000)
        assert hub.policy.doubt is Doubt.POLICY_MISSING
        assert hub.policy.mode(1) is Mode.LOCKDOWN


async def test_the_right_files_put_back_end_the_doubt(tmp_path: Path, state: Path) -> None:
    keep(state, tmp_path / "right")
    older(state, tmp_path / "old")
    async with started(state) as hub:
        assert hub.policy.doubt is Doubt.POLICY_OLDER
    put_back("policy.db", tmp_path / "right", state)
    async with started(state) as hub:
        assert (hub.policy.doubt, hub.policy.version()) == (None, 3)


async def test_two_deletes_change_nothing_for_the_phone_and_are_told(state: Path) -> None:
    sql(state / "policy.db", "DELETE FROM operators", "DELETE FROM modes")
    async with started(state) as hub:
        assert hub.policy.doubt is None
        assert hub.policy.mode(1) is Mode.LOCKDOWN
        assert await hub.knock() is Reason.REVOKED
        problem = hub.problem()
        assert problem is not None
        assert problem[0] is Severity.WARNING
    assert [said["found"] for said in await records(state)] == ["rows-edited"]
    async with started(state) as hub:
        assert (hub.problem(), hub.policy.version()) == (None, 3)


HASH = "hash BLOB NOT NULL CHECK (length(hash) = 32)"
VERSION = "version INTEGER NOT NULL CHECK (version > 0)"
TYPES = (
    ("noted", HASH, "hash BLOB", "UPDATE noted SET hash = NULL"),
    ("noted", HASH, "hash TEXT", "UPDATE noted SET hash = 'x'"),
    ("noted", "number INTEGER NOT NULL", "number ANY", "UPDATE noted SET number = 'x'"),
    ("noted", "number INTEGER NOT NULL", "number ANY", "UPDATE noted SET number = NULL"),
    ("document", "bytes BLOB NOT NULL", "bytes TEXT", "UPDATE document SET bytes = 'abc'"),
    (
        "document",
        "bytes BLOB NOT NULL",
        "bytes TEXT",
        "UPDATE document SET bytes = CAST(x'ff' AS TEXT)",
    ),
    ("document", "bytes BLOB NOT NULL", "bytes ANY", "UPDATE document SET bytes = NULL"),
    ("document", "bytes BLOB NOT NULL", "bytes ANY", "UPDATE document SET bytes = 5"),
    ("meta", "site TEXT NOT NULL", "site TEXT", "UPDATE meta SET site = NULL"),
    ("meta", VERSION, "version ANY", "UPDATE meta SET version = 'x'"),
    ("modes", "mode INTEGER NOT NULL", "mode ANY", "UPDATE modes SET mode = 'x'"),
    ("schedules", "rules BLOB NOT NULL", "rules ANY", "INSERT INTO schedules VALUES (1, 5)"),
)


@pytest.mark.parametrize("with_document", [True, False])
@pytest.mark.parametrize(("table", "ours", "theirs", "edit"), TYPES)
async def test_values_of_any_type_end_in_a_start_that_lets_nobody_in(
    state: Path, table: str, ours: str, theirs: str, edit: str, with_document: bool
) -> None:
    fill_under_another_schema(state / "policy.db", table, ours, theirs, edit)
    if not with_document:
        sql(state / "policy.db", "DELETE FROM document")
    async with started(state) as hub:
        assert hub.problem() is not None
        assert (hub.policy.doubt is Doubt.POLICY_UNPROVEN) == (
            table == "document" or not with_document
        )
        assert hub.policy.mode(1) is Mode.LOCKDOWN
        assert await hub.knock() in (Reason.LOCKED, Reason.REVOKED)


async def test_a_policy_whose_record_a_crash_prevented_is_recorded_at_the_next_start(
    state: Path,
) -> None:
    async with started(state) as hub:
        hub.policy._log = hub.audit  # as if the daemon died between the policy and its record
        await put(hub.policy, PROVE(document(4)))
    async with started(state) as hub:
        assert (hub.policy.doubt, hub.policy.version()) == (None, 4)
    (state / "policy.db").unlink()
    async with started(state) as hub:
        assert hub.policy.doubt is Doubt.POLICY_MISSING
        problem = hub.problem()
        assert problem is not None
        assert "version 4" in problem[1]


async def test_the_newest_word_on_the_state_is_found_among_others_that_look_like_it(
    tmp_path: Path,
) -> None:
    async with await AuditStore.open(tmp_path / "audit.db") as audit:
        await audit.append(Record(RecordKind.POLICY, 1, 1, {"version": 7, "tickets_dropped": 0}))
        await audit.append(
            Record(RecordKind.STARTED, 2, 2, {"version": "of before starts carried what was said"})
        )
        for n in range(50):
            await audit.append(
                Record(
                    RecordKind.ACCESS,
                    n,
                    n,
                    {"asker": "somebody", "op": bytes(16)},
                )
            )
        found = audit.newest_about_state()
        assert found is not None
        assert (found.kind, found.detail["version"]) == (RecordKind.POLICY, 7)
    with closing(sqlite3.connect(tmp_path / "audit.db")) as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {ABOUT_STATE}", (1 << 62,))
        plan = " ".join(map(str, rows))
    assert "INDEX" not in plan
    assert "TEMP B-TREE" not in plan  # read from the newest back, to the first that says it


@pytest.mark.parametrize("records", [20, 2000])
async def test_the_search_for_it_reads_no_further_however_long_the_log_is(
    tmp_path: Path, records: int
) -> None:
    """What a start reads of a log that ends as each start lets it end."""
    async with await AuditStore.open(tmp_path / "audit.db") as audit:
        await audit.append(Record(RecordKind.POLICY, 1, 1, {"version": 7, "tickets_dropped": 0}))
        for _ in range(records // 20):
            access = (Record(RecordKind.ACCESS, n, n, {"asker": "somebody"}) for n in range(20))
            await asyncio.gather(*map(audit.append, access))
        await audit.append(Record(RecordKind.STARTED, 2, 2, carried_facts(LoggedState(7))))
    with closing(sqlite3.connect(tmp_path / "audit.db")) as connection:
        steps = 0

        def step() -> int:
            nonlocal steps
            steps += 1
            return 0

        connection.set_progress_handler(step, 1)
        found = newest(connection, ABOUT_STATE, is_about_state)
    assert found is not None
    assert found.number == records + 2
    assert steps < 200


async def test_each_start_carries_on_what_was_said_before_it(tmp_path: Path, state: Path) -> None:
    older(state, tmp_path / "old")
    for _ in range(3):  # the doubt is recorded once; the starts carry it
        async with started(state) as hub:
            assert hub.policy.doubt is Doubt.POLICY_OLDER
    async with await AuditStore.open(state / "audit.db") as audit:
        newest = audit.newest_about_state()
        assert newest is not None
        assert newest.kind is RecordKind.STARTED
        assert read_logged_state(newest) == LoggedState(3, Doubt.POLICY_OLDER, 1)


async def test_an_index_without_the_newest_policy_is_not_asked(tmp_path: Path, state: Path) -> None:
    older(state, tmp_path / "old")
    ours = "WHERE instr"
    fill_under_another_schema(
        state / "audit.db",
        "records_about_state",
        ours,
        "WHERE number < 0 AND instr",
        "REINDEX records_about_state",
    )
    async with started(state) as hub:
        assert hub.policy.doubt is Doubt.POLICY_OLDER
        assert await hub.knock() is Reason.LOCKED


async def test_a_log_of_one_life_with_the_journal_of_another_is_asked_itself(
    tmp_path: Path,
) -> None:
    """All records are there, while pages of the index are of before the newest policy."""
    state = tmp_path / "state"
    mixed = tmp_path / "mixed"
    async with started(state) as hub:
        await hub.send(1)
    keep(state, tmp_path / "old")
    async with started(state) as hub:
        await hub.send(2)
        keep(state, tmp_path / "running")
    async with started(state):
        keep(state, tmp_path / "later")
    mixed.mkdir(mode=0o700)
    shutil.copy(tmp_path / "old" / "policy.db", mixed)
    shutil.copy(tmp_path / "running" / "audit.db", mixed)
    shutil.copy(tmp_path / "later" / "audit.db-wal", mixed)
    async with started(mixed) as hub:
        assert hub.policy.doubt is Doubt.POLICY_OLDER
        assert await hub.knock() is Reason.LOCKED


# proven, law 5
async def test_a_damaged_page_denies_is_told_and_comes_again(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with started(state) as hub:
        await hub.send(2)
    sql(state / "policy.db", "UPDATE pages SET bytes = x'83404040'")
    async with started(state) as hub:
        assert (hub.policy.version(), hub.problem()) == (2, None)
        assert await hub.knock() is Reason.FAULT
        problem = hub.problem()
        assert problem is not None
        assert (problem[0], "page of policy.db" in problem[1]) == (Severity.ERROR, True)
        assert (hub.policy.version(), hub.policy.digest()) == (0, bytes(32))
        await hub.send(2)
        assert (hub.policy.version(), hub.problem()) == (2, None)
        assert await hub.knock() is Reason.REVOKED
