"""A backend that has true policies and brings them in bad faith: it ends, and costs little."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import islice

import pytest

from hubcore.backend.pace import Pace
from hubcore.backend.uplink.from_hub import PiecesWanted, PolicyResult
from hubcore.codec import cbor
from hubcore.errors import LinkError, SignatureError
from hubcore.policy import document as policies
from hubcore.policy.document import ALONG_MAX, MAX_BYTES, Issued
from hubcore.policy.policy import Policy
from hubd.backend.policies import SUPERSEDED, PolicyWorker
from hubd.policy.new import ASKED, PATIENCE
from hubsim import site
from tests.pair import SITE, DeskHub

ISSUER = site.make_key()
PROVE = partial(policies.prove, issuer=ISSUER.verify_key, site=SITE)


def issued(version: int, names: int) -> Issued:
    revoked = frozenset(f"credential-{number:021}" for number in range(names))
    return policies.issue_tree(Policy(SITE, version, 0, revoked), ISSUER)


LARGE = issued(2, 6000)


class Junk:
    """A carrier that brings something each time, and never what was asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.brought = 0

    def ask(self, names: Sequence[bytes]) -> None:
        self.asked += 1

    async def next(self) -> Sequence[bytes]:
        self.brought += 1
        return (b"junk", bytes(64))


class Counters(Counter[str]):
    """Counters that tell when the worker rests."""

    def __init__(self) -> None:
        super().__init__()
        self.resting = asyncio.Event()

    def __setitem__(self, name: str, count: int) -> None:
        super().__setitem__(name, count)
        if name == "policies_too_often":
            self.resting.set()


# hubd.policy.new, law 5
async def test_a_carrier_whose_junk_never_ends_is_left() -> None:
    carrier = Junk()
    hub = DeskHub(ISSUER)
    async with asyncio.timeout(20):
        with pytest.raises(LinkError, match="did not come"):
            await hub.policy_intake(PROVE).accept(LARGE.root, carrier)
    assert carrier.asked == PATIENCE
    assert carrier.brought <= PATIENCE * ASKED


# hubd.backend.policies, law 3
async def test_policies_that_take_each_others_place_do_not_set_the_pace() -> None:
    """Each costs a signature check and a write to the disk; the disk is slower than a backend."""
    hub = DeskHub(ISSUER)
    counters = Counters()
    looked_at = 0
    asked = asyncio.Event()

    async def accept(document: bytes, carrier: PolicyWorker) -> int:
        nonlocal looked_at
        looked_at += 1
        return await hub.policy_intake(PROVE).accept(document, carrier)

    def say(message: PolicyResult | PiecesWanted) -> None:
        asked.set()

    worker = PolicyWorker(
        accept=accept,
        version=hub.policy.version,
        pace=Pace(refused_cap_seconds=3600.0),
        say=say,
        counters=counters,
    )
    roots = [LARGE.root, issued(3, 6000).root]
    burst = int(SUPERSEDED.burst)
    running = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(20):
            for turn in range(burst + 1):
                asked.clear()
                worker.take_policy(roots[turn % 2])
                await asked.wait()
            worker.take_policy(roots[(burst + 1) % 2])
            await counters.resting.wait()
        for turn in range(100):
            worker.take_policy(roots[turn % 2])
            await asyncio.sleep(0)
        assert looked_at == burst + 1
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_a_root_with_very_many_pieces_is_refused_before_they_are_in_memory() -> None:
    least = cbor.encode(b"x")
    room = (MAX_BYTES - len(LARGE.root)) // len(least)
    proven = PROVE(LARGE.root + least * room)
    pieces = proven.pieces()
    assert sum(1 for _ in islice(pieces, ALONG_MAX)) == ALONG_MAX
    with pytest.raises(SignatureError, match="come along"):
        next(pieces)


def test_a_document_of_the_largest_size_has_far_fewer_pieces() -> None:
    whole = issued(2, 60_000)
    assert MAX_BYTES // 4 < len(whole.bundle()) <= MAX_BYTES
    assert len(whole.pieces) < ALONG_MAX // 8
    assert len(list(PROVE(whole.bundle()).pieces())) == len(whole.pieces)
