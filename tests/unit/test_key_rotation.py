"""A hub changes its key, and is cut off anywhere: the hub, the backend or the line between them.

Real files on both sides; the line is played. A point is everything that is on a disk, and every
message on its way. At each point any of the three can be cut.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zmq.utils import z85

from hubcore.backend.rotation import Now, Rotation, RotationPace, Step
from hubcore.backend.uplink.from_backend import RotateKey
from hubcore.backend.uplink.from_hub import NewKey, RetireKey
from hubd.adapters.keys.pairs import PairFolder
from hubd.adapters.keys.uplinkkeys import OwnPair, make_pair
from hubsim.backend.admission.keyring import HubFiles, KeyChanges
from hubsim.backend.admission.zap import Gate

HUB = "hub-1"
NOON = 1_800_000_000.0
ATTEMPTS_MAX = 40
CONFIGURED = make_pair()
SERVER = make_pair()
SPARE = [make_pair() for _ in range(40)]
"""Made once: making a pair is slow, and every run may use the same."""

Plan = Mapping[int, str]
"""At which point what is cut: "hub", "backend" or "line"."""


class Cut(BaseException):
    """The side that was at work has lost its power."""


class World:
    """One hub, one backend, and the line between them."""

    def __init__(self, directory: Path, plan: Plan, *, ordered: int = 1) -> None:
        self._directory = directory
        self._spare = iter(SPARE)
        self._orders = ordered
        self.points = 0
        self.now = 0.0
        self.line_is_up = False
        hubs = directory / "hubs"
        hubs.mkdir()
        (hubs / f"{HUB}.curve.pub").write_bytes(z85.encode(CONFIGURED.public) + b"\n")
        self._plan: Plan = {}
        self.start_backend()
        self.start_hub()
        self._plan = plan
        self.points = 0

    def start_hub(self) -> None:
        self.pairs = PairFolder(
            self._directory / "uplink-keys",
            CONFIGURED,
            make=self.spare,
            after_step=lambda _step: self.point("hub"),
        )
        self.pairs.begin(NOON)
        self.rotation = Rotation(RotationPace(made_seconds=0.0))
        self.line_is_up = False

    def spare(self) -> OwnPair:
        return next(self._spare)

    def start_backend(self) -> None:
        files = HubFiles(self._directory / "hubs", lambda _step: self.point("backend"))
        self.gate = Gate(files, self._directory / "revoked")
        self.changes = KeyChanges(self.gate, [(SERVER.secret, SERVER.public)])
        self.line_is_up = False

    @property
    def held(self) -> tuple[str, ...]:
        return self.gate.keys_of(HUB)

    @property
    def current(self) -> str:
        return z85.encode(self.pairs.known().current).decode()

    @property
    def time(self) -> Now:
        return Now(self.now, NOON + self.now)

    def point(self, at_work: str) -> None:
        """Something is on a disk, or on its way: cut what the plan says."""
        self.points += 1
        match self._plan.get(self.points):
            case None:
                return
            case "line":
                self.line_is_up = False
            case side if side == at_work:
                raise Cut(side)
            case "hub":
                self.start_hub()
            case "backend":
                self.start_backend()

    def live(self) -> None:
        """Attempt after attempt, until nothing is left to be done."""
        for _ in range(ATTEMPTS_MAX):
            try:
                if self.attempt():
                    return
            except Cut as cut:
                if cut.args == ("hub",):
                    self.start_hub()
                else:
                    self.start_backend()
            # the key that the hub will come with is always one that the backend knows
            assert self.current in self.held
            self.now += 100.0
        raise AssertionError("it never came to an end")

    def attempt(self) -> bool:
        """Tell whether nothing was left to be done."""
        self.rotation.ended()
        self.line_is_up = True
        own = self.pairs.for_attempt()
        key = z85.encode(own.public).decode()
        if self.gate.admit(key).status != b"200":
            return False
        self.rotation.welcomed(own.public)
        if self._orders:
            self._orders -= 1
            self.rotation.heard(RotateKey(self.pairs.known().current), self.pairs.known())
        while self.line_is_up:
            step = self.rotation.step(self.pairs.known(), self.time)
            if step is Step.WAIT:
                return self.rotation.due(self.time) == self.now + 300.0 and not self._orders
            self.perform(step, key)
        return False

    def perform(self, step: Step, key: str) -> None:
        known = self.pairs.known()
        match step:
            case Step.MAKE:
                self.pairs.make_next(NOON + self.now)
                self.rotation.made(self.time)
            case Step.SAY_NEW:
                assert known.next is not None
                proof = self.pairs.proof(HUB, SERVER.public)
                self.rotation.said_new(self.time)
                self.say(NewKey(known.next, proof), key)
            case Step.SAY_RETIRE:
                assert known.before is not None
                self.rotation.said_retire(self.time)
                self.say(RetireKey(known.before), key)
            case Step.TRY:
                self.rotation.tried(self.time)
                self.pairs.try_next()
                self.line_is_up = False
            case Step.SWITCH:
                self.pairs.switch()
            case Step.DROP_OLD:
                self.pairs.drop_old()
            case Step.DROP_NEXT:
                self.pairs.drop_next()
                self.rotation.dropped_next(self.time)

    def say(self, message: NewKey | RetireKey, key: str) -> None:
        """Carry a message to the backend, and its answer back."""
        rotation = self.rotation
        self.point("nobody")
        if not self.line_is_up or not self.gate.holds(HUB, key):
            return
        taken = self.changes.answer(HUB, key, message)
        self.point("nobody")
        if self.line_is_up and rotation is self.rotation:
            self.rotation.heard(taken, self.pairs.known())

    def check_end(self) -> None:
        """Exactly one key is known, on both sides, and it is the same."""
        known = self.pairs.known()
        assert self.held == (self.current,)
        assert (known.next, known.is_old_left, known.trouble) == (None, False, "")
        assert self.gate.admit(self.current).status == b"200"


def live(plan: Plan, **how: int) -> World:
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory), plan, **how)
        world.live()
        world.check_end()
        return world


CLEAN_POINTS = 22
"""Of two changes, one after the other: only the second has a pair to remove."""
KINDS = ("hub", "backend", "line")


def test_without_a_cut_the_hub_has_a_new_key() -> None:
    world = live({}, ordered=2)
    assert world.points == CLEAN_POINTS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("point", range(1, CLEAN_POINTS + 1))
def test_one_cut_anywhere_ends_with_one_key(point: int, kind: str) -> None:
    # a hub that is cut before its new pair lies there forgets that it was asked
    world = live({point: kind}, ordered=2)
    assert world.pairs.known().current != CONFIGURED.public


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.integers(1, 3 * CLEAN_POINTS), st.sampled_from(KINDS), max_size=8),
    st.integers(1, 3),
)
def test_many_cuts_end_with_one_key(plan: dict[int, str], ordered: int) -> None:
    live(plan, ordered=ordered)


def every_two_cuts() -> None:
    """Not part of the suite: 4,000 runs (docs/decisions/0089)."""
    points = range(1, 2 * CLEAN_POINTS)
    for first, second in itertools.combinations(points, 2):
        for one, other in itertools.product(KINDS, KINDS):
            live({first: one, second: other})
