"""A hub that signs and a bridge that keeps, in any order of events: no true hub is cut off."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import example, given, settings
from hypothesis import strategies as st

from hubbridge.rules.proven import ProvenHead
from hubbridge.rules.room import RoomLimits
from hubbridge.store.leaving import Release, TakeReceipt
from hubbridge.store.meeting import Meet
from hubbridge.store.offering import Offer
from hubbridge.store.reading import ReadStretches
from hubbridge.store.writer import Writer
from hubcore.access.words import HubName
from hubcore.bridge.from_hub import OwnHead
from hubcore.bridge.signedhead import prove_own_head
from hubcore.evidence.records import Head, StoredRecord
from hubcore.ports.stores import AuditLog
from hubd.bridge.heads import HEAD_SECONDS, OwnHeads
from hubsim.site.documents import make_key
from tests.fakes.bridgedhub import make_log
from tests.fakes.clock import FakeClock

NAME = HubName("site-1", "hub-1")
KEYS = (make_key(), make_key())
LOG = make_log(2000)
LIMITS = RoomLimits(budget_bytes=64 << 20, hubs_max=4)
Event = tuple[str, int]


def head(number: int) -> Head:
    return Head(number, LOG[number - 1].hash) if number else Head()


class World:
    """One hub with its log, and its bridge's file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bridge = Writer(path, LIMITS)
        self.clock = FakeClock()
        self.last = 0
        self.gone = 0
        self.durable = 0
        self.held = 0
        self.key = 0
        self.turn = 0
        self.is_here = False
        self.said: list[OwnHead] = []
        self.heads = self.signer()

    def signer(self) -> OwnHeads:
        log = SimpleNamespace(gone=lambda: self.gone, newest=self.newest)
        return OwnHeads(
            records=cast(AuditLog, log),
            hub=NAME,
            key=KEYS[self.key],
            clock=self.clock,
            held=lambda: self.held,
            say=self.say,
            doors_first=self.rest,
        )

    def newest(self, before: int, count: int) -> Sequence[StoredRecord]:
        first = max(self.gone + 1, before - count)
        return LOG[first - 1 : min(before - 1, self.last)]

    def say(self, message: OwnHead) -> bool:
        self.said.append(message)
        return True

    async def rest(self) -> None:
        """No door waits."""

    def write(self, job: Any) -> Any:
        (found,) = self.bridge.write([job])
        return found

    def append(self, count: int) -> None:
        self.last = min(len(LOG), self.last + count)

    def connect(self, _: int) -> None:
        self.turn += 1
        met = self.write(
            Meet(NAME.hub, self.turn, head(self.durable), head(self.last), bytes([self.key]) * 32)
        )
        assert met.doubt is None
        self.is_here = True
        self.held = met.wanted.number
        self.heads.begin(met.signed)

    def leave(self, _: int) -> None:
        self.is_here = False
        self.said.clear()
        self.heads.stop()

    def send(self, count: int) -> None:
        after = max(self.held, self.gone)
        records = tuple(LOG[after : min(self.last, after + count)])
        if self.is_here and records:
            offered = self.write(Offer(NAME.hub, records))
            assert not offered.fork
            self.held = max((self.held, *offered.held))

    def sign(self, _: int) -> None:
        self.clock.advance(HEAD_SECONDS)
        asyncio.run(self._sign())

    async def _sign(self) -> None:
        await self.heads.give()
        for message in self.said:
            known = prove_own_head(message.document, NAME, KEYS[self.key].verify_key).head
            new = ProvenHead(known, bytes([self.key]) * 32, message.document)
            assert self.write(Offer(NAME.hub, (), (new,))).unfit == ""
        self.said.clear()

    def receipt(self, count: int) -> None:
        """The backend has more, and the bridge hears it."""
        self.uplink(count)
        if self.turn and self.durable:
            assert self.write(TakeReceipt(NAME.hub, head(self.durable), b"receipt"))
            self.write(Release())

    def uplink(self, count: int) -> None:
        """The backend has more, and the bridge does not hear it."""
        self.durable = min(self.last, self.durable + count)

    def let_go(self, count: int) -> None:
        self.gone = min(self.durable, self.gone + count)

    def other_key(self, count: int) -> None:
        """The hub is enrolled again."""
        self.leave(0)
        self.key = count % 2
        self.heads = self.signer()

    def restart(self, _: int) -> None:
        self.leave(0)
        self.bridge.close()
        self.bridge = Writer(self.path, LIMITS)

    def at_rest(self) -> None:
        """All is signed that this hub has still; what waits goes up."""
        self.connect(0)
        while self.held < self.last and self.held >= self.gone:
            before = self.held
            self.send(500)
            if self.held == before:
                return
        for _ in range(len(LOG)):
            if self.bridge.covered(NAME.hub) >= self.held:
                break
            self.sign(0)
        after = max(self.durable, self.gone)
        while after < self.held:
            found = self.write(ReadStretches(NAME.hub, after, 3))
            assert found, f"record {after + 1} of {self.held} waits for ever"
            for stretch in found:
                assert stretch.records[0].number == after + 1
                after = stretch.records[-1].number


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("append", "connect", "leave", "send", "sign", "receipt"),
                *("uplink", "let_go", "other_key", "restart"),
            ]
        ),
        st.sampled_from([1, 2, 64, 65, 200]),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(EVENTS)
@example(  # a bridge without a backend, and a hub that has let go what it has not signed there
    [
        *[("append", 200), ("connect", 1), ("send", 200), ("leave", 1)],
        *[("uplink", 200), ("let_go", 100), ("connect", 1), ("sign", 1)],
    ]
)
@example([("append", 200), ("connect", 1), ("send", 200), ("sign", 1), ("other_key", 1)])
def test_no_true_hub_is_cut_off_and_what_it_has_still_goes_up(events: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "bridge.db")
        for name, count in events:
            getattr(world, name)(count)
        world.at_rest()
        world.bridge.close()
