"""`hubd.upkeep.lately.traces` and `hubd.phones.seen`: what is kept of unlocks and links."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.claim import Claim, Strength
from hubcore.access.words import Action, Denial
from hubcore.door.state import DoorState
from hubcore.errors import PeerError, ProofError
from hubcore.evidence.records import RecordKind
from hubcore.timing.steps import UnlockStep
from hubctl.commands.live import ble, trace
from hubd.doors.operation import Operation
from hubd.phones.seen import RadioSeen
from hubd.upkeep.lately.traces import (
    KEPT,
    OPENS_SECONDS,
    OTHERS_KEPT,
    UNDER_WAY_MAX,
    VERDICT_SECONDS,
    Traces,
)
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.once

DOORS = {1: "front", 2: "lab"}


def claim_at(point: int, arrived: float, reader: str | None = None) -> Claim:
    return Claim(
        credential="somebody-7",
        grant_id=b"g",
        not_before=0,
        expires=1,
        entry=None,
        access_point=point,
        action=Action.OPEN,
        op=b"o",
        strength=Strength.FULL,
        arrived=arrived,
        reader=reader,
    )


def operation_of(claim: Claim) -> Operation:
    return Operation(
        kind=RecordKind.ACCESS,
        asker=claim.credential,
        op=claim.op,
        point=claim.access_point,
        action=claim.action,
        claim=claim,
    )


def order_at(point: int) -> Operation:
    return Operation(RecordKind.REMOTE, "operator-7", b"o", point, Action.OPEN)


def unlocks(traces: Traces, **asked: Any) -> list[dict[str, Any]]:
    found: Any = traces.document(**asked)["unlocks"]
    return found


def steps_of(unlock: dict[str, Any]) -> list[str]:
    return [step["step"] for step in unlock["steps"]]


def whole(traces: Traces, clock: FakeClock, link: int = 4, point: int = 1) -> Operation:
    """One unlock of a phone; each step takes 10 ms."""
    began = clock.monotonic()
    before = {UnlockStep.CONNECTED: began, UnlockStep.CHALLENGE: began + 0.01}
    claim = claim_at(point, began + 0.02)
    clock.advance(0.03)
    operation = operation_of(claim)
    traces.presented(claim, link, before)
    traces.decided(operation, None)
    for step in (traces.recorded, lambda one: traces.asked(one, clock.monotonic())):
        clock.advance(0.01)
        step(operation)
    clock.advance(0.01)
    traces.ended(operation, None)
    clock.advance(0.01)
    traces.answered(claim)
    return operation


def test_an_unlock_has_each_step_in_order_and_names_nobody() -> None:
    clock = FakeClock()
    traces = Traces(DOORS, clock)
    at = clock.wall()
    whole(traces, clock)
    clock.advance(0.5)
    traces.door_changed(1, DoorState.OPEN)
    (unlock,) = unlocks(traces)
    assert steps_of(unlock) == [
        "connected",
        "challenge",
        "last-byte",
        "decided",
        "recorded",
        "strike-asked",
        "strike-answered",
        "verdict-sent",
        "door-opened",
    ]
    assert [step["ms"] for step in unlock["steps"]] == pytest.approx(
        [0, 10, 20, 30, 40, 50, 60, 70, 570]
    )
    assert unlock["total_ms"] == pytest.approx(50)
    assert unlock["at"] == pytest.approx(at)
    assert (unlock["by"], unlock["link"], unlock["door"]) == ("phone", 4, "front")
    assert (unlock["result"], unlock["over"]) == ("granted", True)
    assert "somebody" not in json.dumps(unlock)


def test_what_changed_after_the_yes_is_the_result() -> None:
    traces = Traces(DOORS, FakeClock())
    operation = operation_of(claim_at(1, 0))
    traces.decided(operation, None)
    traces.ended(operation, Denial.DOOR_FAULT)
    (unlock,) = unlocks(traces)
    assert unlock["result"] == "door-fault"
    assert "strike-answered" not in steps_of(unlock)


def test_a_card_and_an_order_are_over_when_they_have_ended() -> None:
    traces = Traces(DOORS, FakeClock())
    by_hand = replace(order_at(2), uid=1000)
    for operation in (operation_of(claim_at(2, 0, reader="lab-reader")), order_at(2), by_hand):
        traces.decided(operation, Denial.NO_GRANT)
        assert not unlocks(traces)[0]["over"]
        traces.ended(operation, Denial.NO_GRANT)
        assert unlocks(traces)[0]["over"]
    assert [unlock["by"] for unlock in unlocks(traces)] == ["technician", "remote", "reader"]


def test_a_phone_that_left_without_its_verdict_is_over_after_a_while() -> None:
    clock = FakeClock()
    traces = Traces(DOORS, clock)
    claim = claim_at(1, clock.monotonic())
    operation = operation_of(claim)
    traces.presented(claim, 1, {})
    traces.decided(operation, None)
    traces.ended(operation, None)
    assert not unlocks(traces)[0]["over"]
    clock.advance(VERDICT_SECONDS + 1)
    assert unlocks(traces)[0]["over"]
    assert unlocks(traces)[0]["total_ms"] is None


def test_steps_of_one_phone_are_never_those_of_another() -> None:
    """What was presented and never decided, such as a repeat, is nobody else's."""
    clock = FakeClock()
    traces = Traces(DOORS, clock)
    traces.presented(claim_at(1, 0), 7, {UnlockStep.CONNECTED: clock.monotonic()})
    traces.decided(operation_of(claim_at(1, 0)), None)
    (unlock,) = unlocks(traces)
    assert unlock["link"] is None
    assert "connected" not in steps_of(unlock)


@pytest.mark.parametrize(
    ("state", "point", "seconds", "expected"),
    [
        (DoorState.OPEN, 1, 1, True),
        (DoorState.OPEN, 2, 1, False),
        (DoorState.SECURED, 1, 1, False),
        (DoorState.OPEN, 1, OPENS_SECONDS + 1, False),
    ],
)
def test_a_door_that_opens_belongs_to_the_unlock_that_drove_it(
    state: DoorState, point: int, seconds: float, expected: bool
) -> None:
    clock = FakeClock()
    traces = Traces(DOORS, clock)
    whole(traces, clock)
    clock.advance(seconds)
    traces.door_changed(point, state)
    assert ("door-opened" in steps_of(unlocks(traces)[0])) is expected


def test_one_door_and_the_newest_first() -> None:
    clock = FakeClock()
    traces = Traces(DOORS, clock)
    for point in (1, 2, 1):
        whole(traces, clock, point=point)
    assert [unlock["number"] for unlock in unlocks(traces)] == [3, 2, 1]
    assert [unlock["number"] for unlock in unlocks(traces, door="front")] == [3, 1]
    assert [unlock["number"] for unlock in unlocks(traces, door="front", last=1)] == [3]


def run(traces: Traces, operation: Operation, why: Denial | None, end: Denial | None) -> None:
    traces.decided(operation, why)
    traces.ended(operation, end)


def let_in(traces: Traces) -> set[int]:
    return {
        unlock["number"]
        for unlock in unlocks(traces)
        if unlock["result"] == "granted" and unlock["action"] == Action.OPEN
    }


@pytest.mark.parametrize(
    ("action", "why", "end"),
    [
        (Action.QUERY, None, None),
        (Action.OPEN, None, Denial.TOO_LATE),
        (Action.OPEN, Denial.NO_GRANT, Denial.NO_GRANT),
    ],
)
# hubd.upkeep.lately.traces, law 1
def test_nothing_that_moved_no_door_pushes_out_who_was_let_in(
    action: Action, why: Denial | None, end: Denial | None
) -> None:
    traces = Traces(DOORS, FakeClock())
    for _ in range(KEPT):
        run(traces, operation_of(claim_at(1, 0)), None, None)
    for _ in range(2 * KEPT):
        run(traces, replace(operation_of(claim_at(1, 0)), action=action), why, end)
    assert let_in(traces) == set(range(1, KEPT + 1))


# hubd.upkeep.lately.traces, laws 1 and 2
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["yes", "no", "recorded", "asked", "ended", "failed", "answered", "opened"]
            ),
            st.integers(0, 200),
        ),
        max_size=300,
    )
)
def test_however_things_come_the_ceiling_holds_and_a_refusal_pushes_nobody_out(
    happenings: list[tuple[str, int]],
) -> None:
    clock = FakeClock()
    traces = Traces(DOORS, clock)
    under_way: dict[int, Operation] = {}
    """Each that was decided and has not ended, by its number."""
    let_in_last: list[int] = []
    decided = 0
    for what, which in happenings:
        clock.advance(0.001)
        if what in ("yes", "no"):
            decided += 1
            operation = operation_of(claim_at(1 + which % 2, clock.monotonic()))
            traces.decided(operation, None if what == "yes" else Denial.NO_GRANT)
            if what == "yes" and len(under_way) < UNDER_WAY_MAX:
                under_way[decided] = operation
            else:
                traces.ended(operation, Denial.TOO_LATE)
        elif what == "opened":
            traces.door_changed(1 + which % 2, DoorState.OPEN)
        elif under_way:
            number = list(under_way)[which % len(under_way)]
            _one_step(traces, what, under_way[number], clock)
            if what in ("ended", "failed"):
                del under_way[number]
            let_in_last += [number] if what == "ended" else []
    found = unlocks(traces)
    assert len(found) <= KEPT + UNDER_WAY_MAX + OTHERS_KEPT
    numbers = {unlock["number"] for unlock in found}
    assert set(let_in_last[-KEPT:]) | set(under_way) <= numbers
    for unlock in found:
        assert len(set(steps_of(unlock))) == len(steps_of(unlock))
        moments = [step["ms"] for step in unlock["steps"]]
        assert moments == sorted(moments)
        assert moments[0] == 0


def _one_step(traces: Traces, what: str, operation: Operation, clock: FakeClock) -> None:
    match what:
        case "recorded":
            traces.recorded(operation)
        case "asked":
            traces.asked(operation, clock.monotonic())
        case "ended":
            traces.ended(operation, None)
        case "failed":
            traces.ended(operation, Denial.DOOR_FAULT)
        case "answered":
            assert operation.claim is not None
            traces.answered(operation.claim)


def test_more_yeses_than_there_is_room_for_are_let_in_at_their_end_all_the_same() -> None:
    traces = Traces(DOORS, FakeClock())
    operations = [operation_of(claim_at(1, 0)) for _ in range(UNDER_WAY_MAX + 3)]
    for operation in operations:
        traces.decided(operation, None)
    for operation in operations:
        traces.ended(operation, None)
    assert let_in(traces) == set(range(1, len(operations) + 1))


def test_a_refusal_that_is_decided_later_keeps_its_link() -> None:
    traces = Traces(DOORS, FakeClock())
    claims = [claim_at(1, 0), claim_at(1, 0)]
    for link, claim in enumerate(claims):
        traces.presented(claim, link, {UnlockStep.CONNECTED: 0.0})
    for claim in claims:
        traces.decided(operation_of(claim), Denial.OP_CONFLICT)
    assert [unlock["link"] for unlock in unlocks(traces)] == [1, 0]


# hubd.phones.seen, law 3
def test_no_error_is_kept_for_its_frames_hold_keys() -> None:
    seen = RadioSeen(FakeClock())
    cause = ProofError("a bad seal")
    before = sys.getrefcount(cause)
    seen.failed(cause)
    assert sys.getrefcount(cause) == before


def test_a_follower_sees_each_unlock_once_also_a_slow_one_and_over_a_restart() -> None:
    def page(*numbers: tuple[int, bool]) -> list[dict[str, Any]]:
        return [{"number": number, "over": over} for number, over in numbers]

    shown: set[float] = set()
    seen: list[list[int]] = []
    for unlocks_now in (page((6, True), (5, False)), page((6, True), (5, True)), page((1, True))):
        shown = trace.still_kept(unlocks_now, shown)
        new = [one["number"] for one in trace.new_ones(reversed(unlocks_now), shown)]
        seen.append(new)
        shown |= set(new)
    assert seen == [[6], [5], [1]]


# hubd.phones.seen, law 1
def test_of_the_radio_the_newest_is_kept() -> None:
    clock = FakeClock()
    seen = RadioSeen(clock)
    assert seen.on_air is None
    seen.went(False)
    began = seen.on_air_since
    clock.advance(5)
    seen.went(False)
    assert seen.on_air_since == began
    seen.went(True)
    assert seen.on_air_since == clock.wall()
    seen.failed(ProofError("first"))
    seen.failed(ProofError("second"))
    assert seen.last_failure is not None
    assert (seen.last_failure.code, seen.last_failure.says) == ("proof", "second")


def test_a_page_says_why_the_hub_is_not_on_air_and_what_was_not_measured() -> None:
    shown = ble.page(
        {
            "adapter": {"name": "hci0", "address": "02:00:00:00:00:01", "generation": None},
            "advertising": {"on_air": False, "since": 0, "why": "rfkill blocks it"},
            "links": [{"number": 3, "since": 0, "phase": "working", "rssi": None, "point": None}],
            "link_places": 8,
            "last_link": None,
            "last_failure": {"at": 0, "code": "proof", "says": "a bad\x1b[2J seal"},
        }
    ).plain()
    for said in (
        "Bluetooth version   not measured",
        "no, since 1970-01-01",
        "rfkill blocks it",
        "hubctl doctor",
        "1 of 8 places",
        "its request is being opened or decided",
        "none since hubd started",
        "it proved no grant of this site",
        "(proof: a bad\\x1b[2J seal)",
    ):
        assert said in shown


@pytest.mark.parametrize("kind", PeerError.__subclasses__())
def test_each_kind_of_refusal_has_words_for_people_and_a_new_one_is_shown_as_it_is(
    kind: type[PeerError],
) -> None:
    seen = RadioSeen(FakeClock())
    seen.failed(kind("the protocol's words"))
    assert seen.last_failure is not None
    code = seen.last_failure.code
    failure = {"at": 0, "code": code, "says": seen.last_failure.says}
    shown = ble.page({"last_failure": failure}).plain()
    assert f"{ble.REFUSED[code]} ({code}: the protocol's words)" in shown
    shown = ble.page({"last_failure": {**failure, "code": "new"}}).plain()
    assert "the protocol's words (new)" in shown


def test_a_trace_is_a_line_a_step_with_the_time_since_the_one_before() -> None:
    lines = trace.lines_of(
        {
            "at": 0,
            "by": "phone",
            "point": 1,
            "door": "front",
            "result": "no-grant",
            "steps": [
                {"step": "last-byte", "ms": 10.0},
                {"step": "decided", "ms": 12.5},
                {"step": "\x1b[2Jnew", "ms": None},
            ],
            "total_ms": 2.5,
        }
    )
    assert lines[0].endswith(
        "front, by phone: refused: its grant does not name this access point, answered after 2.5 ms"
    )
    assert lines[2].split() == ["12.5", "ms", "+2.5", "it", "was", "decided"]
    assert lines[3].split() == ["not", "measured", "\\x1b[2Jnew"]


def test_every_step_has_a_word() -> None:
    assert set(trace.STEPS) == set(UnlockStep)
