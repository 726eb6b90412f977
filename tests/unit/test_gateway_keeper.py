"""What the gateway keeps of a hub, before an engine that fails now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hubcore.backend.uplink.words import Cause
from hubcore.errors import LinkError
from hubcore.evidence.records import StoredRecord
from hubgateway.engine.trouble import MovedOnError
from hubgateway.keeper import Keeper, Kept
from hubgateway.rules import chain
from tests.gateway.bench import make_chain

HUB = "hub-1"
RECORDS = make_chain(60)
WINDOW = 16


class FakeChains:
    """One hub's chain in memory. `troubles` says of each append what becomes of it."""

    def __init__(self, troubles: Iterable[str]) -> None:
        self.generation = 0
        self.stored: list[StoredRecord] = []
        self.place = 0
        self._troubles = iter(troubles)

    async def known(self, hub: str) -> chain.Known:
        if not self.stored:
            return chain.Known()
        return chain.added(chain.Known(), self.stored, self.place)

    async def look_back(self, hub: str, numbers: Iterable[int], place: int) -> dict[int, bytes]:
        return {number: self.stored[number - 1].hash for number in numbers}

    async def append(self, hub: str, known: chain.Known, records: list[StoredRecord]) -> int:
        trouble = next(self._troubles, "")
        if known.place != self.place:
            raise MovedOnError(hub)
        if trouble == "lost":
            raise LinkError("no answer, and it is not written")
        self.stored += records
        self.place += 1
        if trouble == "unsure":
            raise LinkError("no answer, and it is written")
        return self.place


@example(["lost", "lost"], [8])
@given(
    st.lists(st.sampled_from(["", "", "lost", "unsure"]), max_size=40),
    st.lists(st.integers(1, WINDOW), min_size=1, max_size=20),
)
def test_an_engine_that_fails_makes_no_gap_and_loses_nothing(
    troubles: list[str], groups: list[int]
) -> None:
    """keeper, laws 1 and 5: a hub sends all that is not acknowledged, in order, again and again."""

    async def play() -> None:
        chains = FakeChains(troubles)
        keeper = Keeper(chains)
        acknowledged: set[int] = set()
        for turn in range(200):
            waiting = [one for one in RECORDS if one.number not in acknowledged][:WINDOW]
            if not waiting:
                break
            size = groups[turn % len(groups)]
            for start in range(0, len(waiting), size):
                try:
                    kept = await keeper.take(HUB, waiting[start : start + size])
                except LinkError:
                    continue
                assert kept.stop is None
                assert set(kept.numbers) <= {one.number for one in chains.stored}
                acknowledged.update(kept.numbers)
        assert chains.stored == RECORDS
        assert len(acknowledged) == len(RECORDS)

    asyncio.run(play())


@pytest.mark.parametrize("groups", [[RECORDS[3:5]], [RECORDS[0:1], RECORDS[3:5]]])
async def test_a_record_that_never_comes_is_a_gap(groups: list[list[StoredRecord]]) -> None:
    keeper = Keeper(FakeChains([]))
    said: list[Kept] = []
    for _ in range(3):
        said += [await keeper.take(HUB, list(group)) for group in groups]
    causes = [kept.stop.cause for kept in said if kept.stop is not None]
    assert causes
    assert set(causes) == {Cause.GAP}
