"""The calls of one door on the local socket: who may make them, and what they take."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.words import Denial
from hubctl.doors.page import not_released
from hubctl.main import hubctl
from hubd.calls.doors import RELEASE_SECONDS_MAX, DoorCalls
from hubd.orders.from_technician import Taken
from hubd.technician.acts import LockdownOutcome
from hubd.technician.names import DoorNames, Meant
from hublocal.calls import CallRefused
from hublocal.peer import PeerProcess
from hublocal.roles import Role, Roles
from tests.fakes.daemon import Daemon, documents
from tests.unit.test_doors_by_hand import FRONT, _Named

ANN = PeerProcess(pid=7, uid=1000, gid=1)
READER = PeerProcess(pid=8, uid=1001, gid=2)
ACTS = {"door-release", "door-lockdown", "door-normal"}


class Acts:
    """What an act would do, told by the test; `done` has what was asked."""

    def __init__(self) -> None:
        self.why: Denial | None = None
        self.outcome = LockdownOutcome(Taken.DONE, secured=True)
        self.ended = Taken.DONE
        self.done: list[tuple[object, ...]] = []

    async def release(self, meant: Meant, seconds: int | None, by: str, uid: int) -> Denial | None:
        self.done.append((meant.door.id, seconds, by, uid))
        return self.why

    async def lock_down(self, meant: Meant, by: str, uid: int) -> LockdownOutcome:
        self.done.append((meant.door.id, by, uid))
        return self.outcome

    async def end(self, meant: Meant, uid: int) -> Taken:
        self.done.append((meant.door.id, uid))
        return self.ended


class Report:
    """A report of nothing."""

    def door(self, meant: Meant) -> dict[str, object]:
        return {"id": meant.door.id, "mode": "Locked", "orders": []}


class Front(_Named):
    """A door whose release takes 5 s, and 8 s at most."""

    strike_seconds = 5.0
    cap_seconds = 8.0


@pytest.fixture
def acts() -> Acts:
    return Acts()


@pytest.fixture
def calls(acts: Acts) -> DoorCalls:
    names = DoorNames((Front(FRONT, "Front door"),))  # type: ignore[arg-type]
    return DoorCalls(names, acts, Report(), None)  # type: ignore[arg-type]


def test_who_may_only_look_acts_on_no_door(calls: DoorCalls) -> None:
    roles = {call.name: call.role for call in calls.table()}
    assert {name for name, role in roles.items() if role is Role.ACT} == ACTS
    assert set(roles) - ACTS == {"door", "door-test", "policy-why"}
    assert not Roles(actors=99).may(READER, Role.ACT)


async def test_an_act_is_done_with_the_number_of_who_asks(calls: DoorCalls, acts: Acts) -> None:
    await calls.release({"door": FRONT, "seconds": 10}, ANN)
    await calls.lock_down({"door": "Front door"}, ANN)
    await calls.normal({"door": "1"}, ANN)
    assert acts.done == [
        (FRONT, 10, "technician", 1000),
        (FRONT, "technician", 1000),
        (FRONT, 1000),
    ]


async def test_a_release_says_for_how_long_it_was_driven(calls: DoorCalls) -> None:
    for asked, given_seconds in ((None, 5.0), (3, 3.0), (60, 8.0)):
        answer: Any = await calls.release({"door": FRONT, "seconds": asked}, ANN)
        assert answer == {"door": FRONT, "released": True, "seconds": given_seconds}


@given(st.none() | st.booleans() | st.floats() | st.text() | st.integers() | st.lists(st.none()))
async def test_seconds_that_are_none_release_nothing(seconds: object) -> None:
    acts = Acts()
    calls = DoorCalls(DoorNames((Front(FRONT),)), acts, Report(), None)  # type: ignore[arg-type]
    is_span = type(seconds) is int and 1 <= seconds <= RELEASE_SECONDS_MAX
    if seconds is None or is_span:
        await calls.release({"door": FRONT, "seconds": seconds}, ANN)
        assert len(acts.done) == 1
    else:
        with pytest.raises(CallRefused, match="whole seconds"):
            await calls.release({"door": FRONT, "seconds": seconds}, ANN)
        assert acts.done == []


@given(
    st.dictionaries(
        st.sampled_from(["door", "credential", "at"]), st.none() | st.floats() | st.text()
    )
)
async def test_what_is_no_question_is_refused(arguments: dict[str, object]) -> None:
    calls = DoorCalls(DoorNames((Front(FRONT),)), Acts(), Report(), None)  # type: ignore[arg-type]
    with pytest.raises(CallRefused):
        await calls.why(arguments, ANN)


@pytest.mark.parametrize("why", [one for one in Denial if one is not Denial.BUSY])
async def test_a_refusal_has_its_reason_for_a_code(
    calls: DoorCalls, acts: Acts, why: Denial
) -> None:
    acts.why = why
    with pytest.raises(CallRefused) as told:
        await calls.release({"door": FRONT}, ANN)
    assert told.value.code == str(why)
    said = not_released(FRONT, str(why), str(told.value))
    assert f"({why}). What would change it: " in said


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (LockdownOutcome(Taken.BUSY, secured=False), "busy"),
        (LockdownOutcome(Taken.NOT_RECORDED, secured=True), "not-recorded"),
        (LockdownOutcome(Taken.DONE, secured=False), "timeout"),
    ],
)
async def test_a_lockdown_that_is_not_whole_says_what_it_lacks(
    calls: DoorCalls, acts: Acts, outcome: LockdownOutcome, code: str
) -> None:
    acts.outcome = outcome
    with pytest.raises(CallRefused) as told:
        await calls.lock_down({"door": FRONT}, ANN)
    assert told.value.code == code


async def test_an_end_that_cannot_be_recorded_says_that_the_door_stays_shut(
    calls: DoorCalls, acts: Acts
) -> None:
    acts.ended = Taken.NOT_RECORDED
    with pytest.raises(CallRefused, match="stays locked down") as told:
        await calls.normal({"door": FRONT}, ANN)
    assert told.value.code == "not-recorded"
    acts.ended = Taken.ALREADY
    answer: Any = await calls.normal({"door": FRONT}, ANN)
    assert answer == {"door": FRONT, "changed": False, "mode": "Locked", "orders": []}


# What hubctl makes of it.


def typed(tmp_path: Any, code: str, *words: str) -> tuple[int, str]:
    """Type a command at a hub that answers with this code, and knows the door front."""

    doors = documents({"doors": [{"id": "front", "name": "Front door"}]})

    def answer(call: str) -> bytes:
        if call == "doors":
            return doors(call)
        error = {"code": code, "message": "This hub has no door \x1b[2Jfrnt."}
        return json.dumps({"id": 1, "api": 1, "error": error}).encode() + b"\n"

    with Daemon(tmp_path / "s", answer) as daemon:
        result = CliRunner().invoke(hubctl, ["--socket", str(daemon.path), *words])
    assert result.stdout == ""
    return result.exit_code, result.stderr


VERBS = ((), ("test",), ("release",), ("lockdown",), ("normal",))


@pytest.mark.parametrize("verb", VERBS)
def test_a_bad_name_has_a_suggestion_and_no_escape_of_it_is_obeyed(
    tmp_path: Any, verb: tuple[str, ...]
) -> None:
    status, said = typed(tmp_path, "unknown-door", "door", "frnt", *verb)
    assert status == 1
    assert said.endswith("Did you mean front?\n")
    assert "\\x1b[2Jfrnt" in said


@pytest.mark.parametrize(
    ("code", "status"), [("lockdown", 1), ("busy", 75), ("timeout", 75), ("not-allowed", 77)]
)
def test_the_exit_status_is_that_of_the_code(tmp_path: Any, code: str, status: int) -> None:
    assert typed(tmp_path, code, "door", "front", "release")[0] == status


@pytest.mark.parametrize("text", ["0", "61", "1.5s", "-1", "ten", "10m", "", "²s"])
def test_a_span_that_is_none_is_a_wrong_command_line(tmp_path: Any, text: str) -> None:
    words = ["--socket", str(tmp_path / "none"), "door", "front", "release", "--for", text]
    result = CliRunner().invoke(hubctl, words)
    assert (result.exit_code, result.stdout) == (64, "")
    assert "say 1s to 60s" in result.stderr


def test_a_hub_that_is_down_is_said_to_be(tmp_path: Any) -> None:
    for verb in VERBS:
        words = ["--socket", str(tmp_path / "none"), "door", "front", *verb]
        result = CliRunner().invoke(hubctl, words)
        assert (result.exit_code, result.stdout) == (69, "")
