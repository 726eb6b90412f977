"""What is looked at of the databases before a start: it spares work, and hides nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.errors import AuditError
from hubcore.evidence.records import Head, Record, RecordKind
from hubcore.policy import document as policies
from hubcore.policy.document import Proven
from hubd.adapters.keys.renewed import RENEWED
from hubd.adapters.keys.unchanged import ReadKeys
from hubd.adapters.sqlite.audit import AuditStore
from hubd.adapters.sqlite.audit_start import OpenedLog, SeenLog, open_log
from hubd.adapters.sqlite.looks.log import LogLook, look_at_log
from hubd.adapters.sqlite.looks.policy import look_at_policy
from hubd.adapters.sqlite.policy import PolicyDatabase
from hubd.ahead import Ahead
from hubd.config.file import Config, load
from hubd.stores import LOG, POLICY_FILE, StoresLook, look_at_stores, open_stores
from hubsim import site as sites
from tests.handing.site import DOOR
from tests.unit.test_policy_store import ISSUER, SITE, policy, put
from tests.unit.test_uses import back, spent

pytestmark = pytest.mark.once

NORMAL = 1
FULL = 2
PATIENCE_SECONDS = 20.0
"""SQLite, PRAGMA synchronous."""
PROVE = partial(policies.prove, issuer=ISSUER.verify_key, site=SITE)


def door(number: int) -> Record:
    return Record(RecordKind.DOOR, number, number, {"door": "front"})


async def filled(path: Path, records: Sequence[Record]) -> None:
    async with await AuditStore.open(path) as store:
        for record in records:
            await store.append(record)


def sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def seen_of(look: LogLook) -> SeenLog:
    assert look.seen is not None
    return look.seen


def said(opened: OpenedLog) -> tuple[object, ...]:
    """Close a log, and return what was found of it."""
    opened.connection.close()
    os.close(opened.lock)
    return (
        opened.head,
        opened.waiting,
        opened.acknowledged,
        opened.mended,
        opened.uses_mended,
        opened.checkpoint,
    )


async def do(store: AuditStore, act: int) -> None:
    """Do what a hub does with its log."""
    last = store.last()
    match act:
        case 0 | 1 | 2:
            await store.append(door(last))
        case 3 | 4:
            await store.append(spent(act))
        case 5:
            await store.append(back(3))
        case 6 if last:
            await store.acknowledge([max(1, last - 1)])
        case 7 if last:
            await store.acknowledge(range(1, last + 1))
        case 8:
            await store.take_back(max(0, last - 3), 10)


ACTS = st.lists(st.integers(0, 8), max_size=8)


# audit_start, law 5
@given(before=ACTS, after=ACTS)
@settings(max_examples=12, deadline=None)
async def test_a_log_that_was_looked_at_is_opened_as_one_that_was_not(
    tmp_path_factory: pytest.TempPathFactory, before: list[int], after: list[int]
) -> None:
    path = tmp_path_factory.mktemp("log") / LOG
    async with await AuditStore.open(path) as store:
        for act in before:
            await do(store, act)
        look = look_at_log(path)
        for act in after:
            await do(store, act)
        await store.hand_on()
    went_on = said(open_log(path, seen=seen_of(look)))
    look.end()
    assert went_on == said(open_log(path))


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        ("UPDATE records SET body = x'00' WHERE number = 7", "record 7 was edited"),
        ("DELETE FROM records WHERE number = 7", "record 7 is missing"),
        ("DELETE FROM records WHERE number > 4", "record 5 is missing"),
        ("UPDATE records SET hash = zeroblob(32) WHERE number = 5", "record 5 is not the one"),
        ("UPDATE acknowledged SET hash = zeroblob(32)", "record 2 is not the one"),
        ("INSERT INTO outbox VALUES (99)", "99 waits for the backend"),
    ],
)
async def test_what_is_edited_after_a_look_is_refused(tmp_path: Path, edit: str, why: str) -> None:
    path = tmp_path / LOG
    await filled(path, [door(number) for number in range(5)])
    async with await AuditStore.open(path) as store:
        await store.acknowledge([1, 2])
    look = look_at_log(path)
    await filled(path, [door(number) for number in range(5)])
    sql(path, edit)
    with pytest.raises(AuditError, match=why):
        open_log(path, seen=seen_of(look))
    look.end()


async def test_what_is_lost_after_a_look_is_mended(tmp_path: Path) -> None:
    path = tmp_path / LOG
    await filled(path, [spent(1), spent(2)])
    look = look_at_log(path)
    await filled(path, [spent(3), door(1)])
    sql(path, "DELETE FROM outbox WHERE number > 3", "DELETE FROM uses WHERE use = 1")
    opened = open_log(path, seen=seen_of(look))
    assert (opened.waiting, opened.mended, opened.uses_mended) == (4, 1, 1)
    said(opened)
    look.end()


async def test_what_a_start_would_mend_is_not_seen(tmp_path: Path) -> None:
    for edit in ("DELETE FROM outbox WHERE number = 1", "DELETE FROM uses"):
        path = tmp_path / edit[12:15] / LOG
        await filled(path, [spent(1), spent(2)])
        sql(path, edit)
        look = look_at_log(path)
        assert look.seen is None
        look.end()


async def test_another_file_of_that_name_is_checked_whole(tmp_path: Path) -> None:
    path = tmp_path / LOG
    await filled(path, [door(number) for number in range(5)])
    look = look_at_log(path)
    other = tmp_path / "other.db"
    shutil.copy(path, other)
    other.chmod(0o600)
    sql(other, "UPDATE records SET at_ms = 7 WHERE number = 1")
    other.rename(path)
    with pytest.raises(AuditError, match="record 1 is filed under"):
        open_log(path, seen=seen_of(look))
    look.end()


async def test_a_look_that_is_too_old_spares_nothing(tmp_path: Path) -> None:
    path = tmp_path / LOG
    await filled(path, [door(number) for number in range(5)])
    look = look_at_log(path)
    await filled(path, [door(number) for number in range(4)])
    sql(path, "DELETE FROM records WHERE number = 2")
    said(open_log(path, checked=4, seen=seen_of(look)))
    with pytest.raises(AuditError, match="record 2 is missing"):
        open_log(path, checked=3, seen=seen_of(look))
    look.end()


# looks.log, laws 1 and 4; audit_writer
async def test_who_hands_a_log_on_folds_nothing_and_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / LOG
    journal = tmp_path / f"{LOG}-wal"
    store = await AuditStore.open(path)
    await store.append(door(1))
    look = look_at_log(path)
    waiting = store.append(door(2))
    before = path.read_bytes()
    await store.hand_on()
    assert waiting.done()
    assert path.read_bytes() == before
    assert journal.stat().st_size > 0
    with pytest.raises(AuditError, match="closed"):
        store.append(door(3))
    await store.aclose()
    next_one = look.go_on(path)
    next_one.begin()
    assert next_one.last() == 2
    assert await next_one.append(door(3)) == 3
    assert [one.number for one in next_one.newest(9, 9)] == [1, 2, 3]
    await next_one.aclose()
    look.end()
    assert not journal.exists(), "the last one folds"
    said(open_log(path))


# audit, law 6
async def test_the_last_record_of_who_hands_on_is_told_once_it_is_on_the_disk(
    tmp_path: Path,
) -> None:
    path = tmp_path / LOG
    store = await AuditStore.open(path)
    await store.append(door(1))
    seen = store.head()
    look = look_at_log(path)
    assert synchronous(store) == FULL
    store.relax()
    await store.append(door(2))
    assert synchronous(store) == NORMAL, "phones do not wait for the disk"
    await store.hand_on()
    next_one = look.go_on(path)
    assert synchronous(next_one) == FULL
    assert (next_one.last(), next_one.head()) == (2, seen)
    asked = asyncio.create_task(next_one.unacknowledged(0, 9))
    await asyncio.wait([asked], timeout=0.05)
    assert not asked.done()
    next_one.begin()
    await next_one.append(door(3))
    assert [one.number for one in await asked] == [1, 2, 3]
    assert next_one.head().number == 3
    await next_one.aclose()


@pytest.mark.parametrize("refuses", [False, True])
async def test_it_is_told_also_when_no_commit_comes_or_the_disk_takes_none(
    tmp_path: Path, refuses: bool
) -> None:
    path = tmp_path / LOG
    store = await AuditStore.open(path)
    look = look_at_log(path)
    store.relax()
    await store.append(door(1))
    await store.hand_on()
    next_one = look.go_on(path)
    next_one.begin()
    if refuses:
        writes = next_one._writer._connection
        assert writes is not None
        writes.execute("PRAGMA query_only = ON")
        with pytest.raises(AuditError, match=r"read-?only"):
            await next_one.append(door(2))
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert [one.number for one in await next_one.unacknowledged(0, 9)] == [1]
    assert next_one.head().number == 1
    await next_one.aclose()
    look.end()


def synchronous(store: AuditStore) -> int:
    connection = store._writer._connection
    assert connection is not None
    (found,) = connection.execute("PRAGMA synchronous").fetchone()
    return int(found)


async def test_who_goes_on_writes_once_it_begins_and_what_came_before_that_is_first(
    tmp_path: Path,
) -> None:
    path = tmp_path / LOG
    store = await AuditStore.open(path)
    look = look_at_log(path)
    await store.hand_on()
    next_one = look.go_on(path)
    waiting = [next_one.append(door(number)) for number in range(3)]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM records").fetchone() == (0,)
    next_one.begin()
    next_one.begin()
    assert await asyncio.gather(*waiting) == [1, 2, 3]
    await next_one.aclose()


@pytest.mark.parametrize("closes", [False, True])
async def test_who_goes_on_writes_also_when_nobody_tells_him_to(
    tmp_path: Path, closes: bool
) -> None:
    path = tmp_path / LOG
    store = await AuditStore.open(path)
    look = look_at_log(path)
    await store.hand_on()
    next_one = look.go_on(path)
    waiting = next_one.append(door(1))
    if closes:
        await next_one.aclose()
        assert waiting.done()
    assert await waiting == 1
    await next_one.aclose()


async def test_who_opens_a_log_without_a_look_has_it_on_the_disk_first(tmp_path: Path) -> None:
    """Also after the kill of one who was to go on."""
    path = tmp_path / LOG
    store = await AuditStore.open(path)
    store.relax()
    await store.append(door(1))
    await store.hand_on()
    async with await AuditStore.open(path) as again:
        assert again.head().number == 1
        assert [one.number for one in await again.unacknowledged(0, 9)] == [1]


async def test_a_log_to_which_nothing_came_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / LOG
    store = await AuditStore.open(path)
    await store.append(door(1))
    look = look_at_log(path)
    await store.hand_on()
    async with look.go_on(path) as next_one:
        assert [one.number for one in await next_one.unacknowledged(0, 9)] == [1]


async def test_a_look_hinders_nobody_who_writes(tmp_path: Path) -> None:
    path = tmp_path / LOG
    async with await AuditStore.open(path) as store:
        await store.append(door(1))
        look = look_at_log(path)
        await store.append(door(2))
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert busy == (0, 0, 0)
        look.end()


def test_a_log_that_no_start_opens_is_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / LOG
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(AuditError):
        look_at_log(path)


class Counted:
    """Proves, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, document: bytes) -> Proven:
        self.times += 1
        return PROVE(document)


# looks.policy, law 3
async def test_a_policy_that_was_proven_is_proven_again_after_a_commit(tmp_path: Path) -> None:
    path = tmp_path / POLICY_FILE
    prove = Counted()

    async def noted(store: PolicyDatabase) -> None:
        await store.note(Head(3, bytes(32)))

    async def renewed(store: PolicyDatabase) -> None:
        await put(store, policy(2, "mallory"))

    changes: list[tuple[Callable[[PolicyDatabase], object] | None, int]] = [
        (None, 0),
        (noted, 1),
        (renewed, 1),
    ]
    store = await PolicyDatabase.open(path, SITE, prove)
    await put(store, policy(1))
    for change, proofs in changes:
        look = look_at_policy(path, prove)
        assert look.seen is not None
        if change is not None:
            done = change(store)
            assert asyncio.iscoroutine(done)
            await done
        await store.hand_on()
        prove.times = 0
        store = look.go_on(path, SITE, prove)
        look.end()
        assert prove.times == proofs
        assert store.version() == (2 if change is renewed else 1)
        assert store.revoked("mallory", b"") == (change is renewed)
    assert store.found.noted == Head(3, bytes(32)) or store.version() == 2
    await put(store, policy(3))
    assert store.version() == 3
    await store.aclose()


async def test_a_policy_that_was_edited_after_a_look_is_mended(tmp_path: Path) -> None:
    path = tmp_path / POLICY_FILE
    async with await PolicyDatabase.open(path, SITE, PROVE) as store:
        await put(store, policy(1))
    look = look_at_policy(path, PROVE)
    assert look.seen is not None
    sql(path, "UPDATE meta SET version = 9")
    async with look.go_on(path, SITE, PROVE) as store:
        assert (store.version(), store.found.edited) == (1, True)
    look.end()


async def test_a_policy_whose_rows_are_wrong_is_not_seen_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / POLICY_FILE
    async with await PolicyDatabase.open(path, SITE, PROVE) as store:
        await put(store, policy(1))
    sql(path, "UPDATE meta SET version = 9")
    before = path.read_bytes()
    look = look_at_policy(path, PROVE)
    assert look.seen is None
    look.end()
    assert path.read_bytes() == before


async def test_stores_that_were_looked_at_are_opened_as_others(
    tmp_path: Path, keys: ReadKeys
) -> None:
    ahead = Ahead()
    ahead.end()
    async with AsyncExitStack() as stack:
        stores = await open_stores(tmp_path, SITE, PROVE, stack)
        await stores.audit.append(door(1))
        ahead.put(keys, look_at_stores(tmp_path, PROVE))
        ahead.put(keys, look_at_stores(tmp_path, PROVE))
        await asyncio.gather(stores.audit.hand_on(), stores.policy.hand_on())
    look = ahead.look()
    assert isinstance(look, StoresLook)
    assert ahead.look() is None
    async with AsyncExitStack() as stack:
        stack.callback(look.end)
        stores = await open_stores(tmp_path, SITE, PROVE, stack, look=look)
        assert await stores.audit.append(door(2)) == 2


# keys.unchanged, laws 1 and 2
def test_keys_that_were_read_count_while_their_files_are_as_they_were(config: Config) -> None:
    assert ReadKeys(config).take() is not None
    read = ReadKeys(config)
    assert read.take() is not None
    assert read.take() is None
    newer = config.hub.state_directory / RENEWED
    for change in (
        lambda: os.utime(config.keys.issuer.path),
        lambda: config.keys.identity.path.chmod(0o400),
        lambda: newer.write_bytes(b"newer"),
        lambda: newer.write_bytes(b"other"),
        newer.unlink,
    ):
        read = ReadKeys(config)
        change()
        assert read.take() is None
    ahead = Ahead()
    assert ahead.keys(config).certificate == config.keys.certificate.path.read_bytes()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    site = sites.init(tmp_path / "site", points=[1], for_show=True)
    path = sites.write_config(site, "tcp://127.0.0.1:9", [DOOR])
    monkeypatch.chdir(path.parent)
    found = load(path)
    found.hub.state_directory.mkdir(exist_ok=True)
    return found


@pytest.fixture
def keys(config: Config) -> ReadKeys:
    return ReadKeys(config)
