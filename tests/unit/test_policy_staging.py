"""A policy that comes in pieces, on real files: killed at every commit, resumed, or overtaken."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tracemalloc
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubcore.access.words import Mode
from hubcore.errors import RollbackError, StoreError
from hubcore.evidence.records import Head
from hubcore.policy import document as policies
from hubcore.policy.document import Issued
from hubcore.policy.policy import Policy
from hubcore.policy.root import Root
from hubd.adapters.sqlite.policy import PolicyDatabase
from hubd.adapters.sqlite.tables import pages
from hubsim.site import make_key

SITE = "site-1"
ISSUER = make_key()
PROVE = partial(policies.prove, issuer=ISSUER.verify_key, site=SITE)
HEAD = Head(7, bytes(32))


def issued(version: int, first: int, last: int, mode: Mode = Mode.NORMAL) -> Issued:
    """A policy that revokes the credentials of these numbers, in some pieces."""
    names = frozenset(f"credential-{number:021}" for number in range(first, last))
    return policies.issue_tree(Policy(SITE, version, 0, names, modes={1: mode}), ISSUER)


def root_of(new: Issued) -> Root:
    return PROVE(new.root).root()


OLD = issued(1, 0, 6000)
NEW = issued(2, 1, 6060, Mode.LOCKDOWN)
OTHER = issued(2, 40, 6090)
LATER = issued(3, 1, 6061)
"""It has all of NEW, and one name more."""


async def open_store(path: Path) -> PolicyDatabase:
    return await PolicyDatabase.open(path, SITE, PROVE)


def state(store: PolicyDatabase) -> tuple[int, bool, bool, Mode]:
    """Version, and what of both policies is in force."""
    return (
        store.version(),
        store.revoked(f"credential-{0:021}", b""),
        store.revoked(f"credential-{6000:021}", b""),
        store.mode(1),
    )


IN_FORCE = {1: (1, True, False, Mode.NORMAL), 2: (2, False, True, Mode.LOCKDOWN)}


async def fetch(store: PolicyDatabase, new: Issued, most: int = 3) -> int:
    """Bring what is wanted, a few pieces at a time; return how many."""
    brought = 0
    while names := store.wanted(most):
        brought += await store.take([new.pieces[name] for name in names])
    return brought


async def put(store: PolicyDatabase, new: Issued) -> int:
    await store.stage(root_of(new))
    brought = await fetch(store, new)
    await store.put_in_force(HEAD)
    return brought


def copy(path: Path, to: Path) -> Path:
    """What a machine finds whose power went at this moment."""
    to.mkdir(mode=0o700)
    for file in path.parent.glob("policy.db*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, to / file.name)
    return to / path.name


async def test_a_kill_at_every_commit_leaves_the_old_policy_and_resumes_where_it_stopped(
    tmp_path: Path,
) -> None:
    path = tmp_path / "whole" / "policy.db"
    copies: list[tuple[int, Path]] = []
    async with await open_store(path) as store:
        await put(store, OLD)
        await store.stage(root_of(NEW))
        copies.append((0, copy(path, tmp_path / "begun")))
        brought = 0
        while names := store.wanted(1):
            brought += await store.take([NEW.pieces[name] for name in names])
            copies.append((brought, copy(path, tmp_path / f"after-{brought}")))
        assert state(store) == IN_FORCE[1]
        await store.put_in_force(HEAD)
        assert state(store) == IN_FORCE[2]
        done = copy(path, tmp_path / "done")
    assert brought > 3
    index = 1  # the piece of the index is small, and asked for again
    for before, killed in copies:
        async with await open_store(killed) as store:
            assert state(store) == IN_FORCE[1]
            with pytest.raises(StoreError, match="staged whole"):
                await store.put_in_force(HEAD)
            await store.stage(root_of(NEW))
            assert await fetch(store, NEW) == brought - max(0, before - index)
            await store.put_in_force(HEAD)
            assert state(store) == IN_FORCE[2]
        async with await open_store(killed) as store:
            assert state(store) == IN_FORCE[2]
    async with await open_store(done) as store:
        assert state(store) == IN_FORCE[2]
        with pytest.raises(RollbackError):
            await store.stage(root_of(NEW))


async def test_what_is_staged_stays_for_another_root_that_has_it_too(tmp_path: Path) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put(store, OLD)
        await store.stage(root_of(NEW))
        await fetch(store, NEW)
        await store.stage(root_of(LATER))
        of_later = LATER.pieces.keys() - NEW.pieces.keys()
        index = 1
        assert await fetch(store, LATER) == len(of_later) <= index + 1
        await store.put_in_force(HEAD)
        assert (store.version(), store.mode(1)) == (3, Mode.NORMAL)
        assert store.revoked(f"credential-{6060:021}", b"")
        assert not store.revoked(f"credential-{0:021}", b"")


async def test_what_is_staged_and_another_root_has_not_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put(store, OLD)
        await store.stage(root_of(NEW))
        await store.take([NEW.pieces[name] for name in store.wanted(1)])
        await store.take([NEW.pieces[name] for name in store.wanted(2)])
        await store.stage(root_of(OTHER))
        assert await fetch(store, OTHER) == len(OTHER.pieces.keys() - OLD.pieces.keys())
        await store.put_in_force(HEAD)
        assert store.revoked(f"credential-{6089:021}", b"")
        assert not store.revoked(f"credential-{1:021}", b"")
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT (SELECT count(*) FROM staged) + (SELECT count(*) FROM staged_twigs)"
        assert connection.execute(query).fetchone() == (0,)


async def test_garbage_that_is_staged_stops_no_policy(tmp_path: Path) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put(store, OLD)
        await store.stage(root_of(NEW))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        places = (-5, -(1 << 63), 0, 1, 7, 1 << 19, 3 << 20, 9 << 20, 1 << 60, (1 << 63) - 1)
        connection.executemany(
            "INSERT OR REPLACE INTO staged_twigs VALUES (?, zeroblob(100000), -1)",
            [(place,) for place in places],
        )
    async with await open_store(path) as store:
        await put(store, NEW)
        assert state(store) == IN_FORCE[2]
    async with await open_store(path) as store:
        assert state(store) == IN_FORCE[2]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40), st.booleans()), max_size=12))
def test_roots_in_any_order_however_far_each_comes(
    tmp_path: Path, events: list[tuple[int, int, bool]]
) -> None:
    """Each event: a root comes, so many of its pieces, and perhaps the power goes."""
    roots = [OLD, NEW, LATER, issued(4, 0, 3), issued(5, 5000, 11_000)]
    ends = [(0, 6000), (1, 6060), (1, 6061), (0, 3), (5000, 11_000)]

    async def run(path: Path) -> None:
        store = await open_store(path)
        in_force = -1
        for number, most, cut in events:
            if number <= in_force:
                continue
            await store.stage(root_of(roots[number]))
            left = most
            while left > 0 and (names := store.wanted(min(left, 3))):
                left -= await store.take([roots[number].pieces[name] for name in names])
            if not store.wanted(1):
                await store.put_in_force(HEAD)
                in_force = number
            if cut:
                await store.aclose()
                store = await open_store(path)
            assert store.version() == in_force + 1
            first, last = ends[in_force] if in_force >= 0 else (0, 0)
            for name in (0, 1, 3, 5000, 6000, 6059, 6060, 10_999, 11_000):
                is_revoked = store.revoked(f"credential-{name:021}", b"")
                assert is_revoked is (first <= name < last), name
        await store.aclose()

    with TemporaryDirectory(dir=tmp_path) as folder:
        asyncio.run(run(Path(folder) / "policy.db"))


async def test_two_roots_of_one_version_have_two_digests(tmp_path: Path) -> None:
    async with await open_store(tmp_path / "policy.db") as store:
        assert store.digest() == bytes(32)
        await put(store, NEW)
        assert store.digest() == policies.split(NEW.root).digest
    async with await open_store(tmp_path / "policy.db") as store:
        assert store.digest() == policies.split(NEW.root).digest
        assert store.digest() != policies.split(OTHER.root).digest


async def test_pieces_that_nobody_asked_for_change_nothing(tmp_path: Path) -> None:
    async with await open_store(tmp_path / "policy.db") as store:
        await put(store, OLD)
        assert await store.take(list(NEW.pieces.values())) == 0
        await store.stage(root_of(NEW))
        assert await store.take(list(NEW.pieces.values())) == 0
        assert store.wanted(1)
        assert await store.take([b"", bytes(64), *OTHER.pieces.values()]) == 0
        assert await fetch(store, NEW) == len(NEW.pieces.keys() - OLD.pieces.keys())


# tables.pages, law 2
async def test_in_memory_are_flat_hashes_alone(tmp_path: Path) -> None:
    path = tmp_path / "policy.db"
    new = issued(1, 0, 30_000)
    async with await open_store(path) as store:
        await put(store, new)
    tree = next(iter(root_of(new).trees.values()))
    with closing(sqlite3.connect(path)) as connection:
        tracemalloc.start()
        try:
            shelves = pages.load(connection, root_of(new).trees)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert len(shelves) == 1
    assert held < 40 * tree.pages + 20_000


# tables.pages, law 3
async def test_the_file_has_each_page_twice_at_most(tmp_path: Path) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        for version in range(1, 6):
            await put(store, issued(version, version, version + 6000))
    with closing(sqlite3.connect(path)) as connection:
        (found,) = connection.execute("SELECT count(*) FROM pages").fetchone()
        tree = next(iter(root_of(NEW).trees.values()))
        assert tree.pages < found <= 2 * tree.pages


async def test_a_change_writes_the_pages_that_it_touches(tmp_path: Path) -> None:
    async with await open_store(tmp_path / "policy.db") as store:
        await put(store, OLD)
        before = store._connection.total_changes
        await put(store, issued(2, 0, 6001))
        assert store._connection.total_changes - before < 30  # of some 250 pages


async def test_a_table_that_ends_and_one_that_grows_leave_nothing_of_the_old(
    tmp_path: Path,
) -> None:
    async with await open_store(tmp_path / "policy.db") as store:
        await put(store, OLD)
        await put(store, issued(2, 0, 0))
        assert not store.revoked(f"credential-{0:021}", b"")
        await put(store, issued(3, 0, 30_000))
        assert store.revoked(f"credential-{29_999:021}", b"")
        await put(store, issued(4, 0, 3))
        assert not store.revoked(f"credential-{29_999:021}", b"")
        assert store.revoked(f"credential-{2:021}", b"")
    async with await open_store(tmp_path / "policy.db") as store:
        assert (store.version(), store.found.edited) == (4, False)


async def test_pages_that_were_staged_and_then_changed_on_the_disk_open_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await store.stage(root_of(NEW))
        await fetch(store, NEW)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE pages SET bytes = x'83404040'")
    async with await open_store(path) as store:
        await put(store, NEW)
        with pytest.raises(StoreError):
            store.revoked(f"credential-{1:021}", b"")


async def test_hashes_that_were_staged_and_then_changed_are_asked_for_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await store.stage(root_of(NEW))
        whole = await fetch(store, NEW)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE staged_twigs SET hashes = zeroblob(512)")
    async with await open_store(path) as store:
        assert await put(store, NEW) == whole
        assert state(store) == IN_FORCE[2]


async def test_a_damaged_page_comes_again_with_the_same_policy_and_no_other_does(
    tmp_path: Path,
) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put(store, OLD)
        await put(store, NEW)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE pages SET bytes = x'83404040' WHERE place < 2")
    async with await open_store(path) as store:
        broken = []
        for number in range(1, 6060):
            try:
                assert store.revoked(f"credential-{number:021}", b"")
            except StoreError:
                broken.append(number)
        assert 0 < len(broken) < 200
        assert store.damaged()
        await store.stage(root_of(NEW), again=True)
        assert await fetch(store, NEW) == 2  # the index, and the piece with that page
        await store.put_in_force(HEAD, again=True)
        assert not store.damaged()
        assert all(store.revoked(f"credential-{number:021}", b"") for number in broken)
    async with await open_store(path) as store:
        assert all(store.revoked(f"credential-{number:021}", b"") for number in broken)


@pytest.mark.parametrize("suffix", ["-journal", "-wal", "-shm"])
async def test_a_pipe_beside_the_file_stops_no_start_for_ever(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "policy.db"
    async with await open_store(path) as store:
        await put(store, OLD)
    beside = tmp_path / f"policy.db{suffix}"
    os.mkfifo(beside)
    with pytest.raises(StoreError, match=f"rm -r {beside}"):
        await open_store(path)
    beside.unlink()
    async with await open_store(path) as store:
        assert state(store) == IN_FORCE[1]
