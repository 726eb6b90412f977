"""Pieces of an offered policy: asked for, awaited, asked for again; what carriers do wrong."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest

from hubcore.backend.pace import Pace
from hubcore.backend.uplink.from_hub import PiecesWanted, PolicyResult
from hubcore.backend.uplink.words import MAX_PIECES, MAX_WANTED
from hubcore.errors import StoreError
from hubcore.policy import document as policies
from hubcore.policy.document import Issued
from hubcore.policy.policy import Policy
from hubd.backend.policies import WAITING, PolicyWorker
from hubd.policy.new import ASKED, PATIENCE
from hubsim import site
from tests.pair import SITE, DeskHub

pytestmark = pytest.mark.asyncio

ISSUER = site.make_key()
PROVE = partial(policies.prove, issuer=ISSUER.verify_key, site=SITE)


def issued(version: int, names: int) -> Issued:
    revoked = frozenset(f"credential-{number:021}" for number in range(names))
    return policies.issue_tree(Policy(SITE, version, 0, revoked), ISSUER)


LARGE = issued(2, 6000)
LARGER = issued(3, 6200)
SMALL = issued(4, 1)


class Desk:
    """A worker, the hub's policy, and what the worker says to the backend."""

    def __init__(self, hub: DeskHub, pace: Pace) -> None:
        self.hub = hub
        self.counters: Counter[str] = Counter()
        self.said: asyncio.Queue[PolicyResult | PiecesWanted] = asyncio.Queue()
        self.worker = PolicyWorker(
            accept=hub.policy_intake(PROVE).accept,
            version=hub.policy.version,
            pace=pace,
            say=self.said.put_nowait,
            counters=self.counters,
        )

    async def next(self) -> PolicyResult | PiecesWanted:
        async with asyncio.timeout(10):
            return await self.said.get()

    async def wanted(self) -> Sequence[bytes]:
        said = await self.next()
        assert isinstance(said, PiecesWanted)
        return said.names

    async def serve(self, new: Issued) -> PolicyResult:
        """Answer what is wanted until the policy is judged."""
        while True:
            said = await self.next()
            if isinstance(said, PolicyResult):
                return said
            self.bring(new, said.names)

    def bring(self, new: Issued, names: Sequence[bytes]) -> None:
        there = [new.pieces[name] for name in names if name in new.pieces]
        for start in range(0, len(there), MAX_PIECES):
            self.worker.take_pieces(there[start : start + MAX_PIECES])

    def names_in_force(self) -> int:
        return len(self.hub.policy.credentials)


@asynccontextmanager
async def desk(**pace: float) -> AsyncIterator[Desk]:
    made = Desk(DeskHub(ISSUER), Pace(**pace))  # type: ignore[arg-type]
    running = asyncio.create_task(made.worker.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_did_not_come_along_is_asked_for_and_put_in_force() -> None:
    async with desk() as here:
        here.worker.take_policy(LARGE.root)
        assert await here.serve(LARGE) == PolicyResult(2, "")
        assert here.names_in_force() == 6000
        here.worker.take_policy(SMALL.bundle())
        assert await here.next() == PolicyResult(4, "")


# hubd.policy.new, law 5
async def test_a_carrier_that_brings_nothing_is_asked_again_and_then_left() -> None:
    async with desk(pieces_seconds=0.01) as here:
        here.worker.take_policy(LARGE.root)
        asked = [await here.wanted() for _ in range(PATIENCE)]
        assert asked == [asked[0]] * PATIENCE
        refused = await here.next()
        assert isinstance(refused, PolicyResult)
        assert (refused.version, "did not come" in refused.refused) == (1, True)
        assert here.counters["pieces_late"] == PATIENCE


async def test_a_piece_that_was_lost_is_asked_for_again() -> None:
    async with desk(pieces_seconds=0.05) as here:
        here.worker.take_policy(LARGE.root)
        for _ in range(2):
            names = await here.wanted()
            here.bring(LARGE, names[:1])
        assert await here.serve(LARGE) == PolicyResult(2, "")


async def test_forged_pieces_are_no_pieces() -> None:
    async with desk(pieces_seconds=0.05) as here:
        here.worker.take_policy(LARGE.root)
        await here.wanted()
        here.worker.take_pieces((b"", bytes(64), *list(LARGER.pieces.values())[:2]))
        assert await here.serve(LARGE) == PolicyResult(2, "")
        assert here.names_in_force() == 6000


# hubd.backend.policies, law 1
async def test_a_newer_policy_takes_the_place_of_one_whose_pieces_are_awaited() -> None:
    async with desk() as here:
        here.worker.take_policy(LARGE.root)
        await here.wanted()
        here.worker.take_policy(LARGER.root)
        assert await here.serve(LARGER) == PolicyResult(3, "")
        assert here.names_in_force() == 6200
        assert here.said.empty()


# hubd.backend.policies, law 4
async def test_pieces_that_nobody_awaits_are_counted_and_forgotten() -> None:
    async with desk() as here:
        here.worker.take_pieces((b"piece",))
        assert here.counters["pieces_unasked"] == 1
        here.worker.take_policy(LARGE.root)
        names = await here.wanted()
        for _ in range(WAITING + 3):
            here.worker.take_pieces((b"no piece",))
        assert here.counters["pieces_too_many"] == 3
        here.bring(LARGE, names)
        assert here.names_in_force() == 0


async def test_a_disk_that_refuses_pieces_refuses_the_policy() -> None:
    async with desk() as here:
        here.worker.take_policy(LARGE.root)
        names = await here.wanted()
        here.hub.policy.failing = StoreError("the disk is full")
        here.bring(LARGE, names)
        assert await here.next() == PolicyResult(1, "the disk is full")


async def test_no_more_is_asked_for_than_a_message_takes_and_waits() -> None:
    assert ASKED <= MAX_WANTED
    assert ASKED <= WAITING * MAX_PIECES


# worker, law 5
async def test_a_refusal_stands_until_another_policy_comes_into_force_whoever_brings_it() -> None:
    forged = policies.issue(Policy(SITE, 3, 0), site.make_key())
    async with desk(refused_seconds=0.01, refused_cap_seconds=0.01) as here:

        async def offered(document: bytes) -> str:
            here.worker.take_policy(document)
            said = await here.next()
            assert isinstance(said, PolicyResult)
            return said.refused

        assert here.worker.refusal == ""
        why = await offered(forged)
        assert why
        assert here.worker.refusal == why
        assert await offered(SMALL.bundle()) == ""
        assert here.worker.refusal == ""

        await offered(forged)
        assert here.worker.refusal
        await here.hub.policy_intake(PROVE).accept(policies.issue(Policy(SITE, 5, 0), ISSUER))
        assert here.worker.refusal == "", "a stick brought another one"

        await offered(forged)
        assert here.worker.refusal
        assert "not newer" in await offered(SMALL.bundle())
        assert here.worker.refusal == "", "what is offered now is not newer"
