"""hubcore.pkoc.reader over any order of messages, phones and times.

Oracle: no call raises; what is proven is the key of the phone that has sealed these very bytes at
this very link; a place of the budget is never lost and never given twice; a visit that is
over says nothing more.
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from hubcore.errors import PeerError
from hubcore.pkoc.certificate import uncompressed
from hubcore.pkoc.reader import Effect, Leave, Proven, ReaderLink, ReaderPhase, Refused, Say
from hubcore.pkoc.turn import Turn
from hubsim.pkoc.channel import point_of
from hubsim.pkoc.elements import write_long
from hubsim.pkoc.phone import PkocPhone
from tests.fuzz.common import effort
from tests.unit.pkoc.bench import Reader, key, reader

pytestmark = pytest.mark.once

AT_ONCE = 3
OWN = [key() for _ in range(3)]
"""Three phones' keys, each for many visits."""


class Visits(RuleBasedStateMachine):
    """Phones and strangers, at links of one reader."""

    links = Bundle("links")
    writes = Bundle("writes")

    @initialize()
    def begin(self) -> None:
        self.reader: Reader = reader(burst=1000.0, at_once=AT_ONCE)
        self.now = 0.0
        self.turn: Turn = self.reader.turn()
        self.open: list[ReaderLink] = []
        self.made: dict[bytes, tuple[ReaderLink, bytes]] = {}
        """Each sealed message, with the link that it was made at and the phone's public key."""

    @rule(target=links)
    def connect(self) -> tuple[ReaderLink, Turn]:
        link = ReaderLink(self.reader.side, self.turn, self.now)
        self.open.append(link)
        return link, self.turn

    @rule(is_awaited=st.booleans())
    def say_hello(self, is_awaited: bool) -> None:
        if self.turn.is_over(self.now, is_awaited):
            self.turn = self.reader.turn(self.now)

    @rule(target=writes, own=st.sampled_from(OWN), link=links)
    def go_through(self, own: ec.EllipticCurvePrivateKey, link: tuple[ReaderLink, Turn]) -> bytes:
        """A phone answers a hello, and proves its key if the reader proves itself."""
        at, turn = link
        phone = PkocPhone(own, self.reader.knows, key(), lambda: 1_800_000_000)
        first = phone.heard(self.reader.side.hello(turn))
        assert first is not None
        effects = self.frame(at, first)
        for effect in effects:
            if isinstance(effect, Say):
                second = phone.heard(effect.message)
                if second is not None:
                    self.made[second] = (at, point_of(own.public_key()))
                    return second
        return first

    @rule(link=links, message=writes)
    def write(self, link: tuple[ReaderLink, Turn], message: bytes) -> None:
        """Anything that was ever written, at any link."""
        self.frame(link[0], message)

    @rule(link=links, message=writes, at=st.integers(0, 400), bit=st.integers(0, 7))
    def spoil(self, link: tuple[ReaderLink, Turn], message: bytes, at: int, bit: int) -> None:
        changed = bytearray(message)
        changed[at % len(changed)] ^= 1 << bit
        self.frame(link[0], bytes(changed))

    @rule(link=links, granted=st.booleans())
    def decide(self, link: tuple[ReaderLink, Turn], granted: bool) -> None:
        effects = link[0].decided(granted, self.now)
        assert all(isinstance(effect, Say) for effect in effects)
        assert link[0].phase is not ReaderPhase.DECIDING

    @rule(link=links)
    def leave(self, link: tuple[ReaderLink, Turn]) -> None:
        link[0].close(self.now)

    @rule(seconds=st.floats(0, 6))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    def frame(self, link: ReaderLink, data: bytes) -> list[Effect]:
        was = link.phase
        effects = link.frame(data, self.now)
        proven = [effect for effect in effects if isinstance(effect, Proven)]
        refused = [effect for effect in effects if isinstance(effect, Refused)]
        if proven:
            assert was is ReaderPhase.PROVING
            assert self.made[data] == (link, proven[0].public_key)
        if refused:
            assert isinstance(refused[0].cause, PeerError)
            assert effects[-1] == Leave()
            assert link.phase is ReaderPhase.OVER
        if was is ReaderPhase.OVER:
            assert not any(isinstance(effect, Say | Proven) for effect in effects)
        return effects

    @invariant()
    def no_place_is_lost_or_given_twice(self) -> None:
        if not hasattr(self, "open"):
            return
        held = [
            link for link in self.open if link.phase in (ReaderPhase.PROVING, ReaderPhase.DECIDING)
        ]
        assert self.reader.side.budget._taken == len(held) <= AT_ONCE


test_a_door_opens_for_nobody_but_who_has_signed_this_turn = Visits.TestCase
Visits.TestCase.settings = effort(25, steps=30)


def test_only_two_rows_lead_anywhere() -> None:
    """The table is whole: each phase with each message, and what it leads to."""
    seen: dict[tuple[ReaderPhase, int], ReaderPhase] = {}
    one = reader()
    for phase in ReaderPhase:
        for number in (0, 1):
            turn = one.turn()
            link = ReaderLink(one.side, turn, 0.0)
            phone = one.phone()
            first = phone.heard(one.side.hello(turn))
            assert first is not None
            second = write_long(0x40, bytes(40))
            if phase is not ReaderPhase.MEETING:
                (said,) = link.frame(first, 0.0)
                assert isinstance(said, Say)
                sealed = phone.heard(said.message)
                assert sealed is not None
                second = sealed
            if phase in (ReaderPhase.DECIDING, ReaderPhase.OVER):
                link.frame(second, 0.0)
            if phase is ReaderPhase.OVER:
                link.decided(True, 0.0)
            other = write_long(0x07, uncompressed(key().public_key()))
            link.frame((other, second)[number], 0.0)
            seen[phase, number] = link.phase
    over = dict.fromkeys(((phase, at) for phase in ReaderPhase for at in (0, 1)), ReaderPhase.OVER)
    assert seen == over | {
        (ReaderPhase.MEETING, 0): ReaderPhase.PROVING,
        (ReaderPhase.PROVING, 1): ReaderPhase.DECIDING,
    }
