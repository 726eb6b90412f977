"""The policy in force, on real files: whole or not at all, only upwards, one snapshot between two
awaits.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sqlite3
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from hubcore.access.words import Mode
from hubcore.calendar.schedule import ALWAYS as ALL_DAY
from hubcore.calendar.schedule import Rule, Schedule
from hubcore.errors import FrameError, RollbackError, StoreError, TrustError
from hubcore.evidence.records import Head
from hubcore.evidence.statecheck import OnDisk
from hubcore.policy import document as policies
from hubcore.policy.page import PAGE_BEGIN_BYTES, key_of, rows_in, write_page
from hubcore.policy.policy import ALL_RIGHTS, Operator, Policy
from hubcore.policy.root import Root, RootHead
from hubcore.policy.tree import Table
from hubd.adapters.sqlite.audit import AuditStore
from hubd.adapters.sqlite.database import POLICY
from hubd.adapters.sqlite.policy import PolicyDatabase
from hubd.adapters.sqlite.room import warm
from hubd.stores import read_policy_contents
from hubsim.site import make_key
from tests.crafted import fill_under_another_schema
from tests.policies import bring, proven, put_file

SITE = "site-1"
ISSUER = make_key()
OFFICE = Schedule((Rule(0b11111, 480, 1020), Rule(0b100000, 540, 720)))
NEVER = Schedule(())
ALWAYS = Schedule(ALL_DAY)


def policy(version: int, *revoked: str, site: str = SITE, **fields: object) -> Policy:
    return Policy(site, version, 1_790_000_000 + version, frozenset(revoked), **fields)  # type: ignore[arg-type]


async def open_store(path: Path, site: str = SITE) -> PolicyDatabase:
    return await PolicyDatabase.open(
        path, site, partial(policies.prove, issuer=ISSUER.verify_key, site=site)
    )


async def put(store: PolicyDatabase, new: Policy, again: bool = False) -> None:
    """Put a policy in force, as its issuer has signed it."""
    await put_file(store, proven(new, ISSUER), again=again)


def root(version: int, site: str = SITE, **fields: object) -> Root:
    """A root that nobody signed, and that no document may hold."""
    head = RootHead(site, version, 0, bytes(32), b"signed")
    return Root(head, **fields)  # type: ignore[arg-type]


@contextlib.contextmanager
def files_capped(size_bytes: int) -> Iterator[None]:
    """Let the kernel refuse this process every write beyond `size_bytes` of a file, as a failing
    disk would.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def sql(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()


@pytest.mark.asyncio
async def test_without_a_policy_nothing_is_revoked_or_ordered(tmp_path: Path) -> None:
    path = tmp_path / "state" / "policy.db"
    async with await open_store(path) as store:
        assert store.version() == 0
        assert not store.revoked("c1", b"grant-01")
        assert store.schedule(1) is None
        assert store.mode(1) is Mode.NORMAL
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


@pytest.mark.asyncio
async def test_a_policy_is_in_force_at_once_and_after_a_restart(tmp_path: Path) -> None:
    first = policy(
        3,
        "c1",
        "c2",
        revoked_grants=frozenset({b"grant-01", b"grant-02"}),
        schedules={1: OFFICE, 2: NEVER, 7: ALWAYS},
        modes={4: Mode.LOCKDOWN, 5: Mode.NO_ENTRY},
    )
    store = await open_store(tmp_path / "policy.db")
    await put(store, first)
    for _ in range(2):
        assert store.version() == 3
        assert store.revoked("c1", b"x")
        assert store.revoked("c9", b"grant-01")
        assert store.revoked("c9", b"grant-02")
        assert not store.revoked("g1", b"c1")
        assert not store.revoked("C1", b"x")
        assert [store.schedule(number) for number in (1, 2, 3, 7)] == [OFFICE, NEVER, None, ALWAYS]
        assert [store.mode(point) for point in (3, 4, 5)] == [
            Mode.NORMAL,
            Mode.LOCKDOWN,
            Mode.NO_ENTRY,
        ]
        await store.aclose()
        store = await open_store(tmp_path / "policy.db")
    await store.aclose()


@pytest.mark.asyncio
async def test_a_new_policy_replaces_all_of_the_old(tmp_path: Path) -> None:
    async with await open_store(tmp_path / "policy.db") as store:
        await put(store, policy(1, "c1", "c2", schedules={1: OFFICE}, modes={4: Mode.LOCKDOWN}))
        await put(
            store,
            policy(2, "c2", "c3", revoked_grants=frozenset({b"grant-03"}), schedules={2: ALWAYS}),
        )
        assert [store.revoked(credential, b"") for credential in ("c1", "c2", "c3")] == [
            False,
            True,
            True,
        ]
        assert (store.schedule(1), store.schedule(2)) == (None, ALWAYS)
        assert store.mode(4) is Mode.NORMAL
        await put(store, policy(3))
        assert not store.revoked("c2", b"g")


@pytest.mark.asyncio
@pytest.mark.parametrize("version", [5, 4, 0, -1])
async def test_only_a_higher_version_is_accepted(tmp_path: Path, version: int) -> None:
    async with await open_store(tmp_path / "policy.db") as store:
        await put(store, policy(5, "c1"))
        with pytest.raises(RollbackError, match=f"policy {version} is not newer than 5"):
            await put_file(store, root(version))
        assert (store.version(), store.revoked("c1", b""), store.revoked("c2", b"")) == (
            5,
            True,
            False,
        )
    async with await open_store(tmp_path / "policy.db") as store:
        with pytest.raises(RollbackError):
            await put_file(store, root(version))
        await put(store, policy(6))


@pytest.mark.asyncio
async def test_the_policy_of_another_site_is_refused(tmp_path: Path) -> None:
    async with await open_store(tmp_path / "policy.db") as store:
        await put(store, policy(1, "c1"))
        with pytest.raises(TrustError, match="site 'other', this hub is of 'site-1'"):
            await put_file(store, root(2, site="other"))
        assert store.version() == 1
    with pytest.raises(
        TrustError, match="holds the policy of the site 'site-1', this hub is of 'other'"
    ):
        await open_store(tmp_path / "policy.db", "other")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "fields",
    [
        {"schedules": {1 << 63: ALWAYS}},
        {"modes": {1 << 64: Mode.LOCKDOWN}},
        {"operators": {"\ud800": Operator(ALL_RIGHTS)}},
        {"version": 1 << 63},
    ],
)
async def test_what_cannot_be_kept_is_refused_whole(
    tmp_path: Path, fields: dict[str, object]
) -> None:
    async with await open_store(tmp_path / "policy.db") as store:
        await put(store, policy(1, "c1"))
        whole: dict[str, object] = {"version": 2, **fields}
        with pytest.raises(TrustError, match="holds what cannot be kept"):
            await put_file(store, root(**whole))  # type: ignore[arg-type]
        assert (store.version(), store.revoked("c1", b""), store.revoked("", b"g")) == (
            1,
            True,
            False,
        )
        await put(store, policy(2, "c2"))
        assert (store.version(), store.revoked("c1", b"")) == (2, False)


@pytest.mark.asyncio
async def test_numbers_that_no_policy_can_hold_are_answered(tmp_path: Path) -> None:
    async with await open_store(tmp_path / "policy.db") as store:
        assert store.schedule(1 << 64) is None
        assert store.mode(-1 << 64) is Mode.NORMAL


@pytest.mark.asyncio
async def test_lookups_see_the_old_policy_or_the_new_and_never_a_mix(tmp_path: Path) -> None:
    def seen(store: PolicyDatabase) -> tuple[int, bool, bool, bool, Mode, bool]:
        return (
            store.version(),
            store.revoked("old-17", b""),
            store.revoked("new-17", b""),
            store.revoked("", b"grant-04"),
            store.mode(1),
            store.schedule(1) is None,
        )

    old = policy(1, *(f"old-{n}" for n in range(20_000)), schedules={1: ALWAYS})
    new = policy(
        2,
        *(f"new-{n}" for n in range(20_000)),
        revoked_grants=frozenset({b"grant-04"}),
        modes={1: Mode.LOCKDOWN},
    )
    async with await open_store(tmp_path / "policy.db") as store:
        await put(store, old)
        views = []
        replacing = asyncio.ensure_future(put(store, new))
        while not replacing.done():
            views.append(seen(store))
            await asyncio.sleep(0)
        await replacing
        views.append(seen(store))
        before = (1, True, False, False, Mode.NORMAL, False)
        after = (2, False, True, True, Mode.LOCKDOWN, True)
        assert views[0] == before
        assert views[-1] == after
        assert views == sorted(views)
        assert set(views) == {before, after}
        assert views.count(before) > 10  # the loop went on while the thread worked


@pytest.mark.asyncio
async def test_the_snapshot_stands_when_the_commit_is_on_the_disk_but_not_yet_told(
    tmp_path: Path,
) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put(store, policy(1, "c1"))
        sql(path, "DELETE FROM pages")  # a commit that the loop has not been told of
        assert store.revoked("c1", b"")


@pytest.mark.asyncio
async def test_what_a_cancelled_caller_began_still_ends_whole(tmp_path: Path) -> None:
    unexpected: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unexpected.append(context))
    async with await open_store(tmp_path / "policy.db") as store:
        await staged(store, policy(1, *(f"c{n}" for n in range(5000))))
        switching = asyncio.ensure_future(store.put_in_force(Head()))
        await asyncio.sleep(0)
        switching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await switching
        assert store.version() == 0
        with pytest.raises(RollbackError):  # comes after it
            await put(store, policy(1))
        assert (store.version(), store.revoked("c1", b"")) == (1, True)
    assert unexpected == []


@pytest.mark.asyncio
async def test_close_waits_for_what_is_under_way(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "policy.db")
    await staged(store, policy(1, *(f"c{n}" for n in range(5000))))
    switching = asyncio.ensure_future(store.put_in_force(Head()))
    await asyncio.sleep(0)
    await store.aclose()
    await switching
    with pytest.raises(StoreError, match="closed"):
        await put(store, policy(2))
    async with await open_store(tmp_path / "policy.db") as again:
        assert (again.version(), again.revoked("c4999", b"")) == (1, True)


async def staged(store: PolicyDatabase, new: Policy) -> None:
    """Stage a policy whole."""
    signed = proven(new, ISSUER)
    await store.stage(signed.root())
    await bring(store, list(signed.pieces()))


@pytest.mark.asyncio
async def test_a_failing_disk_keeps_the_old_policy_and_the_next_attempt_succeeds(
    tmp_path: Path,
) -> None:
    async with await open_store(tmp_path / "policy.db") as store:
        await put(store, policy(1, "c1"))
        large = policy(2, *(f"c{n}" for n in range(2, 5000)), modes={1: Mode.LOCKDOWN})
        with files_capped(8192):
            with pytest.raises(StoreError, match="see `dmesg`"):
                await put(store, large)
            assert (store.version(), store.revoked("c1", b""), store.mode(1)) == (
                1,
                True,
                Mode.NORMAL,
            )
        await put(store, large)
        assert (store.version(), store.revoked("c1", b""), store.mode(1)) == (
            2,
            False,
            Mode.LOCKDOWN,
        )
    async with await open_store(tmp_path / "policy.db") as store:
        assert (store.version(), store.revoked("c4999", b"")) == (2, True)


@pytest.mark.asyncio
async def test_one_more_revocation_writes_a_few_pages_and_the_journal_does_not_grow(
    tmp_path: Path,
) -> None:
    path = tmp_path / "policy.db"
    revoked = [f"credential-{n:08}" for n in range(20_000)]
    async with await open_store(path) as store:
        await put(store, policy(1, *revoked))
    async with await open_store(path) as store:
        for version in range(2, 12):
            revoked.append(f"extra-{version}")
            await put(store, policy(version, *revoked))
            assert store.revoked(revoked[-1], b"")
            assert path.with_name("policy.db-wal").stat().st_size < 40 * 4096


@pytest.mark.asyncio
async def test_a_second_hubd_is_refused(tmp_path: Path) -> None:
    async with await open_store(tmp_path / "policy.db"):
        with pytest.raises(StoreError, match="another hubd"):
            await open_store(tmp_path / "policy.db")
    async with (
        await open_store(tmp_path / "policy.db"),
        await AuditStore.open(tmp_path / "audit.db"),
    ):
        pass


@pytest.mark.asyncio
async def test_damaged_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put(store, policy(1, schedules={1: ALWAYS, 2: ALWAYS}, modes={1: Mode.LOCKDOWN}))
    sql(path, "PRAGMA user_version = 5")
    with pytest.raises(StoreError, match="newer hubd"):
        await open_store(path)
    path.write_bytes(b"x" * 8192)
    with pytest.raises(StoreError, match="the backend sends the policy again"):
        await open_store(path)
    async with await AuditStore.open(tmp_path / "audit.db"):
        pass
    with pytest.raises(StoreError, match="not of this kind"):
        await open_store(tmp_path / "audit.db")


@pytest.mark.asyncio
async def test_a_value_that_no_hubd_writes_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put(store, policy(1, schedules={1: ALWAYS}))
    longer = str(POLICY.value_bytes_max + 1)
    sql(path, "UPDATE schedules SET rules = zeroblob(N)".replace("N", longer))
    with pytest.raises(StoreError, match="too big"):
        await open_store(path)


LARGE = policy(
    3,
    "c1",
    "c2",
    revoked_grants=frozenset({b"grant-01"}),
    schedules={1: OFFICE, 2: ALWAYS},
    modes={4: Mode.LOCKDOWN, 5: Mode.NO_ENTRY},
)
EDITS = {
    "no lockdown": "DELETE FROM modes",
    "a mode that is none": "UPDATE modes SET mode = 99",
    "a schedule that is longer": "UPDATE schedules SET rules = (SELECT rules FROM schedules "
    "WHERE number = 2)",
    "a schedule that is none": "UPDATE schedules SET rules = x'ff'",
    "another version": "UPDATE meta SET version = 7",
    "another site": "UPDATE meta SET site = 'site-2'",
    "a site that is no text": "UPDATE meta SET site = CAST(x'ff' AS TEXT)",
    "no version": "DELETE FROM meta",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("edit", EDITS)
async def test_edited_rows_are_built_again_from_the_signed_document(
    tmp_path: Path, edit: str
) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put(store, LARGE)
    sql(path, EDITS[edit])
    async with await open_store(path) as store:
        assert (store.found.policy, store.found.version, store.found.edited) == (
            OnDisk.PROVEN,
            3,
            True,
        )
        assert store.version() == 3
        assert [store.revoked(credential, b"") for credential in ("c1", "c2", "c3")] == [
            True,
            True,
            False,
        ]
        assert store.revoked("", b"grant-01")
        assert [store.schedule(number) for number in (1, 2)] == [OFFICE, ALWAYS]
        assert [store.mode(point) for point in (4, 5)] == [Mode.LOCKDOWN, Mode.NO_ENTRY]
    async with await open_store(path) as store:
        assert not store.found.edited


@pytest.mark.asyncio
async def test_a_policy_that_nobody_touched_is_proven_and_the_log_s_head_noted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        assert (store.found.policy, store.found.noted) == (OnDisk.NONE, Head())
        await put(store, LARGE)
        await store.note(Head(9, bytes(range(32))))
    async with await open_store(path) as store:
        assert (store.found.policy, store.found.edited) == (OnDisk.PROVEN, False)
        assert store.found.noted == Head(9, bytes(range(32)))


CRAFTED = {
    "a mode as text": (
        "modes",
        "mode INTEGER",
        "mode TEXT",
        "UPDATE modes SET mode = CAST(mode AS TEXT)",
    ),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("proven", [True, False], ids=["with its document", "without"])
@pytest.mark.parametrize("craft", CRAFTED)
async def test_rows_that_only_look_right_are_made_again(
    tmp_path: Path, craft: str, proven: bool
) -> None:
    """All of them are there for who reads them all, and none for who looks for one."""
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put(store, LARGE)
    table, ours, theirs, *statements = CRAFTED[craft]
    fill_under_another_schema(path, table, ours, theirs, *statements)
    if not proven:
        sql(path, "DELETE FROM document")
    async with await open_store(path) as store:
        if not proven:
            assert store.found.policy is OnDisk.UNPROVEN
            await put(store, LARGE)
        else:
            assert (store.found.policy, store.found.edited) == (OnDisk.PROVEN, True)
        assert [store.revoked(credential, b"") for credential in ("c1", "c2", "c3")] == [
            True,
            True,
            False,
        ]
        assert store.revoked("", b"grant-01")
        assert [store.mode(point) for point in (4, 5)] == [Mode.LOCKDOWN, Mode.NO_ENTRY]
    async with await open_store(path) as store:
        assert (store.found.policy, store.found.edited) == (OnDisk.PROVEN, False)


def test_what_is_left_of_a_reserve_is_part_of_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "policy.db"
    POLICY.prepare(path)
    with contextlib.closing(POLICY.open(path)) as connection:
        warm(connection, 4096)
        connection.execute("CREATE TABLE filler (data BLOB)")  # as a crash in `warm` leaves it
    POLICY.open(path).close()


FORGERIES = {
    "no document": "DELETE FROM document",
    "another document": "UPDATE document SET bytes = x'd28440a04040'",
    "a document above the ceiling": "UPDATE document SET bytes = zeroblob(4194305)",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_policy_without_its_signed_document_is_not_proven(
    tmp_path: Path, forgery: str
) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put(store, LARGE)
    sql(path, FORGERIES[forgery])
    sql(path, "UPDATE meta SET version = 1000000")
    async with await open_store(path) as store:
        assert store.found.policy is OnDisk.UNPROVEN
        assert store.found.why
        assert store.version() == 0
        # what nobody proved, its version least of all, keeps out no policy that is proven
        await put(store, LARGE)
        assert (store.version(), store.revoked("c1", b"")) == (3, True)
    async with await open_store(path) as store:
        assert store.found.policy is OnDisk.PROVEN


@pytest.mark.asyncio
async def test_a_policy_of_the_earlier_schema_is_asked_for_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put(store, LARGE)
    for table in ("pages", "twigs", "staged_twigs", "staged"):
        sql(path, f"DROP TABLE {table}")
    for table in ("revoked_credentials", "disabled", "extended_time"):
        sql(path, f"CREATE TABLE {table} (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID")
    sql(path, "CREATE TABLE revoked_grants (id BLOB PRIMARY KEY) STRICT, WITHOUT ROWID")
    sql(path, "CREATE TABLE cards (id BLOB PRIMARY KEY, row BLOB NOT NULL) STRICT, WITHOUT ROWID")
    sql(path, "PRAGMA user_version = 3")
    async with await open_store(path) as store:
        assert (store.found.policy, store.version()) == (OnDisk.NONE, 0)


@pytest.mark.asyncio
async def test_a_document_of_another_issuer_is_not_proven(tmp_path: Path) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put_file(store, proven(LARGE, make_key()))
    async with await open_store(path) as store:
        assert (store.found.policy, store.version()) == (OnDisk.UNPROVEN, 0)


@pytest.mark.asyncio
async def test_rows_that_cannot_be_built_again_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "policy.db"
    schedules = dict.fromkeys(range(5000), OFFICE)
    async with await open_store(path) as store:
        await put(store, policy(3, schedules=schedules))
    sql(path, "DELETE FROM schedules")
    with files_capped(65536):
        store = await open_store(path)
    assert store.found.policy is OnDisk.UNPROVEN
    assert store.version() == 0
    await store.aclose()


SPOILED = {
    "a page is gone": "DELETE FROM pages",
    "a page is another": "UPDATE pages SET bytes = x'83404040'",
    "a page lacks its last byte": "UPDATE pages SET bytes = substr(bytes, 1, length(bytes) - 1)",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("harm", SPOILED)
async def test_a_page_that_was_not_signed_answers_nothing(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put(store, LARGE)
    sql(path, SPOILED[harm])
    async with await open_store(path) as store:
        assert (store.found.policy, store.version()) == (OnDisk.PROVEN, 3)
        for credential in ("c1", "c3"):
            with pytest.raises(StoreError, match="the backend sends the policy again"):
                store.revoked(credential, b"")
        assert store.mode(4) is Mode.LOCKDOWN


HASHES = {
    "none": "DELETE FROM twigs",
    "one is gone": "DELETE FROM twigs WHERE place = (SELECT max(place) FROM twigs)",
    "others": "UPDATE twigs SET hashes = zeroblob(length(hashes))",
    "too long": "UPDATE twigs SET hashes = zeroblob(1 + length(hashes))",
    "too short": "UPDATE twigs SET hashes = x''",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("harm", HASHES)
async def test_hashes_that_do_not_lead_to_the_root_prove_no_policy(
    tmp_path: Path, harm: str
) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put(store, LARGE)
    sql(path, HASHES[harm])
    async with await open_store(path) as store:
        assert (store.found.policy, store.version()) == (OnDisk.UNPROVEN, 0)
        await put(store, LARGE)
        assert store.revoked("c1", b"")
    async with await open_store(path) as store:
        assert (store.found.policy, store.version()) == (OnDisk.PROVEN, 3)


@pytest.mark.asyncio
async def test_slots_that_were_swapped_answer_nothing_old(tmp_path: Path) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put(store, policy(1))
        await put(store, policy(2, "c1"))
        await put(store, policy(3, "c1", "c2"))
    sql(path, "UPDATE twigs SET slots = 1 - slots")
    async with await open_store(path) as store:
        with pytest.raises(StoreError):
            store.revoked("c2", b"")


@pytest.mark.asyncio
async def test_the_same_policy_is_taken_again_only_when_it_is_asked_for(tmp_path: Path) -> None:
    async with await open_store(tmp_path / "policy.db") as store:
        await put(store, LARGE)
        with pytest.raises(RollbackError):
            await put(store, LARGE)
        await put(store, LARGE, again=True)
        with pytest.raises(RollbackError):
            await put(store, policy(2), again=True)
        assert store.version() == 3


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER gone AFTER INSERT ON modes BEGIN DELETE FROM modes; END",
        "CREATE VIEW more AS SELECT 1",
        "CREATE TABLE more (x)",
        "CREATE TRIGGER filler AFTER INSERT ON meta BEGIN DELETE FROM modes; END",
        "CREATE TABLE filler (id INTEGER PRIMARY KEY)",
        "DROP TABLE modes",
    ],
)
async def test_a_schema_that_was_changed_is_refused(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put(store, LARGE)
    sql(path, statement)
    with pytest.raises(StoreError, match=r"its schema was changed: (gone|more|modes|filler)"):
        await open_store(path)


async def test_the_rows_of_the_policy_in_force_are_counted_without_a_look_at_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        assert read_policy_contents(path) is None
        for version, many in ((1, 700), (2, 650), (3, 40_000)):
            names = [f"credential-{number:05}" for number in range(many)]
            new = policy(version, *names, disabled=frozenset(names[:3]))
            await put(store, new)
            counted = read_policy_contents(path)
            assert counted is not None
            assert (counted.version, counted.digest) == (version, store.digest())
            assert counted.issued_at == new.issued_at
            assert {table: rows for table, rows in counted.rows.items() if rows} == {
                Table.CREDENTIALS: many,
                Table.DISABLED: 3,
            }


@pytest.mark.parametrize("rows", [1, 2, 15, 16, 100, 3000])
def test_a_page_says_at_its_begin_how_many_rows_it_has(rows: int) -> None:
    keyed = sorted((key_of(str(number).encode()), b"") for number in range(rows))
    assert rows_in(write_page(keyed)[:PAGE_BEGIN_BYTES]) == rows


@pytest.mark.parametrize("begin", ["", "83", "8358", "835811", "8250", "8341", "8300", "8399"])
def test_what_begins_as_no_page_has_no_rows(begin: str) -> None:
    with pytest.raises(FrameError):
        rows_in(bytes.fromhex(begin))
