"""Cards, keys, losses, policies and disks in any order: no yes and no move without its record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.access.words import Mode
from hubcore.errors import AuditError, StoreError
from hubcore.ports.reader import ReaderFault, Sign
from tests.readers_desk import (
    DURESS,
    NUMBER,
    OTHER,
    PIN,
    READERS,
    STRANGE,
    ReadersDesk,
    with_readers,
)

NUMBERS = (NUMBER, OTHER, STRANGE)


@dataclass
class Watch:
    """What was driven, compared with what was on record at that moment."""

    desk: ReadersDesk
    wrong: list[str] = field(default_factory=list)
    moved: int = 0

    def look(self) -> None:
        granted = len(self.desk.granted())
        strikes = self.desk.hub.strikes
        if strikes > granted:
            self.wrong.append(f"{strikes} moves, {granted} granted records")
        signs = sum(sign is Sign.GRANTED for _, sign in self.desk.readers.shown)
        if signs > granted:
            self.wrong.append(f"{signs} times yes, {granted} granted records")
        self.moved = strikes


Act = tuple[str, object]
READER = st.sampled_from(sorted(READERS))
KEYS = st.one_of(
    st.sampled_from([f"{PIN}#", f"{DURESS}#", "0000#", "*"]),
    st.text(alphabet="0123456789*#", min_size=1, max_size=14),
)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("hold"), st.tuples(READER, st.sampled_from(NUMBERS))),
        st.tuples(st.just("press"), st.tuples(READER, KEYS)),
        st.tuples(st.just("wait"), st.sampled_from([0.05, 0.5, 1.2, 6.0, 20.0, 61.0])),
        st.tuples(st.just("fault"), st.tuples(READER, st.sampled_from(ReaderFault))),
        st.tuples(st.just("mend"), st.tuples(READER, st.sampled_from(ReaderFault))),
        st.tuples(st.just("demand"), st.booleans()),
        st.tuples(st.just("mode"), st.sampled_from(Mode)),
        st.tuples(st.just("revoke"), st.booleans()),
        st.tuples(st.just("disk"), st.sampled_from(["holds", "moves on", "fails", "works"])),
        st.tuples(st.just("policy"), st.booleans()),
    ),
    min_size=1,
    max_size=40,
)


def _disk(desk: ReadersDesk, what: str) -> None:
    log = desk.hub.log
    acts: dict[str, Callable[[], None]] = {
        "holds": log.hold,
        "moves on": log.move_on,
        "fails": lambda: setattr(log, "failing", AuditError("full")),
        "works": lambda: setattr(log, "failing", None),
    }
    acts[what]()


async def _act(desk: ReadersDesk, act: str, what: object) -> None:
    match act, what:
        case "hold", (str(reader), bytes(number)):
            await desk.hold(number, reader)
        case "press", (str(reader), str(keys)):
            await desk.press(keys, reader)
        case "wait", float(seconds):
            await desk.later(seconds)
        case "fault", (str(reader), ReaderFault() as fault):
            desk.readers.begin(reader, fault)
        case "mend", (str(reader), ReaderFault() as fault):
            desk.readers.end(reader, fault)
        case "demand", bool(demands):
            desk.demands_pin = demands
        case "mode", Mode() as mode:
            desk.hub.policy.modes[1] = mode
        case "revoke", bool(revoked):
            desk.hub.policy.credentials = {"c1"} if revoked else set()
        case "disk", str(how):
            _disk(desk, how)
        case "policy", bool(readable):
            desk.hub.policy.failing = None if readable else StoreError("no")


@given(ACTS)
@settings(max_examples=150, deadline=None)
def test_no_yes_and_no_move_without_its_record(acts: list[Act]) -> None:
    async def play(desk: ReadersDesk) -> None:
        watch = Watch(desk)
        for act, what in acts:
            demanded = desk.demands_pin
            before = len(desk.granted())
            await _act(desk, act, what)
            watch.look()
            new = desk.granted()[before:]
            if demanded and desk.demands_pin and not desk.hub.log.holding and act != "disk":
                assert all(one.detail["path"] == "card-pin" for one in new)
        desk.hub.log.failing = None
        desk.hub.log.move_on()
        await desk.later(30.0)
        watch.look()
        assert watch.wrong == []
        assert all(count > index for index, count in enumerate(desk.granted_at_sign))
        assert not [facts for event, facts in desk.hub.told if event == "reader_confused"]

    with_readers(play)
