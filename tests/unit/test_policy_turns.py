"""Several carriers bring policies at once: one has the turn, and none keeps out another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.errors import HubError, LinkError, RollbackError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import RecordKind
from hubcore.policy import document as policies
from hubcore.policy.document import Issued
from hubcore.policy.policy import Policy
from hubd.policy.new import PolicyIntake
from hubsim import site
from tests.pair import SITE, DeskHub

ISSUER = site.make_key()
PROVE = partial(policies.prove, issuer=ISSUER.verify_key, site=SITE)


def issued(version: int, names: int) -> Issued:
    revoked = frozenset(f"credential-{number:021}" for number in range(names))
    return policies.issue_tree(Policy(SITE, version, 0, revoked), ISSUER)


MANY = {version: issued(version, 2000 + version) for version in (2, 3, 4)}


class Shelf:
    """A carrier that has all pieces, and brings them when it is told."""

    def __init__(self, policy: Issued) -> None:
        self.policy = policy
        self.asked = asyncio.Event()
        self.may_bring = asyncio.Event()
        self.is_gone = False
        self._names: Sequence[bytes] = ()

    def ask(self, names: Sequence[bytes]) -> None:
        self._names = names
        self.asked.set()

    async def next(self) -> Sequence[bytes]:
        await self.may_bring.wait()
        if self.is_gone:
            raise LinkError("gone")
        return [self.policy.pieces[name] for name in self._names]

    def bring(self) -> None:
        self.may_bring.set()

    def go(self) -> None:
        self.is_gone = True
        self.may_bring.set()


async def asked(shelf: Shelf) -> None:
    async with asyncio.timeout(10):
        await shelf.asked.wait()


def policy_records(hub: DeskHub) -> list[object]:
    return [
        record.detail[Fact.VERSION] for record in hub.records() if record.kind == RecordKind.POLICY
    ]


@pytest.mark.asyncio
async def test_a_newer_policy_does_not_wait_for_a_carrier_that_brings_nothing() -> None:
    hub = DeskHub(ISSUER)
    intake = hub.policy_intake(PROVE)
    stalled = Shelf(MANY[2])
    other = Shelf(MANY[3])
    other.bring()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(outcome(intake, stalled))
        await asked(stalled)
        assert await intake.accept(other.policy.root, other) == 3
        assert isinstance(await first, RollbackError)
    assert policy_records(hub) == [3]


@pytest.mark.asyncio
async def test_an_older_policy_waits_and_goes_on_when_the_newer_one_does_not_come() -> None:
    hub = DeskHub(ISSUER)
    intake = hub.policy_intake(PROVE)
    newer = Shelf(MANY[3])
    older = Shelf(MANY[2])
    older.bring()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(outcome(intake, newer))
        await asked(newer)
        second = tasks.create_task(outcome(intake, older))
        await asyncio.sleep(0)
        newer.go()
        assert isinstance(await first, LinkError)
        assert await second == 2
    assert policy_records(hub) == [2]


@pytest.mark.asyncio
async def test_two_carriers_of_one_policy_are_both_told_that_it_is_in_force() -> None:
    hub = DeskHub(ISSUER)
    intake = hub.policy_intake(PROVE)
    stalled = Shelf(MANY[2])
    other = Shelf(MANY[2])
    other.bring()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(outcome(intake, stalled))
        await asked(stalled)
        assert await intake.accept(other.policy.root, other) == 2
        assert await first == 2
    assert policy_records(hub) == [2]


@pytest.mark.asyncio
async def test_who_lost_the_turn_has_it_again_when_the_other_goes() -> None:
    hub = DeskHub(ISSUER)
    intake = hub.policy_intake(PROVE)
    first = Shelf(MANY[2])
    second = Shelf(MANY[3])
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        patient = tasks.create_task(outcome(intake, first))
        await asked(first)
        away = tasks.create_task(outcome(intake, second))
        await asked(second)
        second.go()
        assert isinstance(await away, LinkError)
        first.bring()
        assert await patient == 2
    assert hub.policy.version() == 2


async def outcome(intake: PolicyIntake, shelf: Shelf) -> int | HubError:
    """What came of a policy that this carrier brought."""
    try:
        return await intake.accept(shelf.policy.root, shelf)
    except HubError as error:
        return error


Step = tuple[int, str]
"""A carrier's number, and what it does now."""


# hubd.policy.turn, law 1; hubd.policy.new, law 7
@given(
    st.lists(st.sampled_from([2, 3, 4]), min_size=2, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["come", "bring", "go"])), max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_in_any_order_the_newest_that_is_brought_is_in_force_and_nobody_hangs(
    versions: list[int], steps: list[Step]
) -> None:
    asyncio.run(_play(versions, steps))


async def _play(versions: list[int], steps: list[Step]) -> None:
    hub = DeskHub(ISSUER)
    intake = hub.policy_intake(PROVE)
    shelves = [Shelf(MANY[version]) for version in versions]
    running: dict[int, asyncio.Task[int | HubError]] = {}
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:

        def come(number: int) -> None:
            if number not in running:
                running[number] = tasks.create_task(outcome(intake, shelves[number]))

        for number, what in steps:
            if number >= len(shelves):
                continue
            match what:
                case "come":
                    come(number)
                case "bring":
                    shelves[number].bring()
                case "go":
                    shelves[number].go()
            await asyncio.sleep(0.001)  # no condition: whatever has happened by then is an order
        for number, shelf in enumerate(shelves):
            come(number)
            shelf.bring()
    ends = {number: task.result() for number, task in running.items()}
    brought = [versions[number] for number, shelf in enumerate(shelves) if not shelf.is_gone]
    in_force = hub.policy.version()
    assert in_force >= max(brought, default=1)
    for number, end in ends.items():
        match end:
            case int():
                assert versions[number] <= in_force
            case RollbackError():
                assert versions[number] <= in_force
            case LinkError():
                assert shelves[number].is_gone
            case _:
                raise AssertionError(end)
    recorded = policy_records(hub)
    assert recorded == sorted(set(map(int, map(str, recorded))))
