"""What every policy store keeps: the suite of `ports.stores.PolicyStore`, on the fake and on the
proven database.

`ports.stores.PolicyFile` is the proven store's file; it has one adapter and no fake, because every
test that needs a file wants the real one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from hubcore.access.words import Mode
from hubcore.calendar.schedule import Rule, Schedule
from hubcore.errors import RollbackError, StoreError
from hubcore.evidence.statecheck import FoundState, LogFound, LoggedState, OnDisk
from hubcore.policy import document
from hubcore.policy.policy import Policy
from hubcore.ports.stores import PolicyStore
from hubd.adapters.sqlite.policy import PolicyDatabase
from hubd.policy.proven import ProvenPolicy
from hubd.upkeep.health import Health
from hubsim import site
from tests import policies
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import FakeClock
from tests.fakes.policy import FakePolicy

SITE = "site-1"
ISSUER = site.make_key()
OFFICE = Schedule((Rule(0b11111, 480, 1020), Rule(0b100000, 540, 720)))
NEVER = Schedule(())


@dataclass
class Bench:
    """A store, and how its disk comes to refuse a new policy."""

    store: PolicyStore
    spoil: Callable[[], None]


async def fake(_folder: Path) -> AsyncIterator[Bench]:
    store = FakePolicy(number=0)

    def spoil() -> None:
        store.failing = StoreError("the disk is full")

    yield Bench(store, spoil)


async def proven(folder: Path) -> AsyncIterator[Bench]:
    path = folder / "policy.db"
    prove = partial(document.prove, issuer=ISSUER.verify_key, site=SITE)
    clock = FakeClock()
    async with await PolicyDatabase.open(path, SITE, prove) as file:
        store = ProvenPolicy(
            file=file,
            log=FakeAudit(),
            clock=clock,
            tell=lambda _event, _facts: None,
            health=Health(clock, {}, ()),
            found=FoundState(OnDisk.NONE, 0, LogFound.EMPTY),
            told=LoggedState(),
        )

        def spoil() -> None:
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute("DROP TABLE staged_twigs")

        yield Bench(store, spoil)


@pytest.fixture(params=[fake, proven], ids=["fake", "proven"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async for made in request.param(tmp_path):
        yield made


FIRST = Policy(
    site=SITE,
    version=3,
    issued_at=1_790_000_003,
    revoked_credentials=frozenset({"anna", "ben"}),
    revoked_grants=frozenset({b"grant-01"}),
    schedules={1: OFFICE, 2: NEVER},
    modes={4: Mode.LOCKDOWN, 5: Mode.NO_ENTRY},
)
SECOND = Policy(
    site=SITE,
    version=4,
    issued_at=1_790_000_004,
    revoked_credentials=frozenset({"ben"}),
    schedules={2: OFFICE},
)


async def put(store: PolicyStore, new: Policy) -> None:
    """Put a policy in force as its issuer has signed it."""
    await policies.put(store, policies.proven(new, ISSUER))


async def test_without_a_policy_nothing_is_revoked_or_ordered(bench: Bench) -> None:
    assert bench.store.version() == 0
    assert not bench.store.revoked("anna", b"grant-01")
    assert bench.store.schedule(1) is None
    assert bench.store.mode(4) is Mode.NORMAL


async def test_a_policy_is_in_force_once_it_is_put(bench: Bench) -> None:
    await put(bench.store, FIRST)
    assert bench.store.version() == 3
    assert bench.store.revoked("anna", b"another!")
    assert bench.store.revoked("carla", b"grant-01")
    assert not bench.store.revoked("carla", b"another!")
    assert [bench.store.schedule(number) for number in (1, 2, 3)] == [OFFICE, NEVER, None]
    assert [bench.store.mode(point) for point in (3, 4, 5)] == [
        Mode.NORMAL,
        Mode.LOCKDOWN,
        Mode.NO_ENTRY,
    ]


async def test_a_new_policy_replaces_all_of_the_old(bench: Bench) -> None:
    await put(bench.store, FIRST)
    await put(bench.store, SECOND)
    assert bench.store.version() == 4
    assert [bench.store.revoked(name, b"grant-01") for name in ("anna", "ben")] == [False, True]
    assert [bench.store.schedule(number) for number in (1, 2)] == [None, OFFICE]
    assert bench.store.mode(4) is Mode.NORMAL


@pytest.mark.parametrize("old", [FIRST, SECOND], ids=["older", "the same"])
async def test_a_version_only_rises(bench: Bench, old: Policy) -> None:
    await put(bench.store, SECOND)
    with pytest.raises(RollbackError):
        await put(bench.store, old)
    assert bench.store.version() == 4
    assert bench.store.schedule(2) == OFFICE


async def test_a_policy_that_the_disk_refuses_leaves_the_old_one_in_force(bench: Bench) -> None:
    await put(bench.store, FIRST)
    bench.spoil()
    with pytest.raises(StoreError):
        await put(bench.store, SECOND)
    assert bench.store.version() == 3
