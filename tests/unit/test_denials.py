"""`hubctl why`: what hubd remembers of denials, and what a technician reads."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.claim import Claim, Strength
from hubcore.access.grant import Access
from hubcore.access.words import Action, Denial
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import RecordKind
from hubctl.denials import SAID, is_meant, sentences, wall
from hubd.doors.operation import Operation
from hubd.upkeep.denials import DENIALS_MAX, DenialReport, LastDenials
from tests.fakes.clock import FakeClock

HALF_PAST_EIGHT = 1_799_998_200.0
"""2027-01-15T08:30 in Berlin."""
ANNA = "3fa9c2d417b80e65"
CLAIM = Claim(
    credential=ANNA,
    grant_id=b"grant-01",
    not_before=0,
    expires=2_000_000_000,
    entry=Access(1, 1, ()),
    access_point=1,
    action=Action.OPEN,
    op=bytes(8),
    strength=Strength.FULL,
    arrived=0.0,
    duress=True,
)
CONFIG: Any = SimpleNamespace(
    hub=SimpleNamespace(time_zone="Europe/Berlin"),
    doors=[
        SimpleNamespace(
            id="front",
            name="Front door",
            access_points=[SimpleNamespace(number=1, name="Street")],
        )
    ],
)


def operation(asker: str = ANNA, point: int = 1, claim: Claim | None = CLAIM) -> Operation:
    return Operation(RecordKind.ACCESS, asker, bytes(8), point, Action.OPEN, claim=claim)


def report(last: LastDenials, now: Denial | None, begins: float | None) -> DenialReport:
    return DenialReport(CONFIG, last, lambda _claim: now, lambda _claim: begins)


async def test_a_phone_outside_its_hours_is_explained_with_the_sites_clock() -> None:
    clock = FakeClock()
    clock.offset += HALF_PAST_EIGHT - clock.wall()
    last = LastDenials(clock)
    last.note(operation(), Denial.OUT_OF_SCHEDULE, {Fact.PATH: "full", Fact.DURESS: True})
    told = await report(last, Denial.OUT_OF_SCHEDULE, HALF_PAST_EIGHT + 1800).document()
    (denial,) = told["denials"]  # type: ignore[misc]
    assert ANNA not in str(told), "no whole id"
    assert "duress" not in str(told)
    assert sentences(denial, str(told["zone"])) == [
        "Fri 2027-01-15 08:30 (Europe/Berlin): phone 3fa9c2d4… at Front door "
        "(Street, access point 1)",
        "It was refused: its hours at this door are others (out-of-schedule).",
        "Its hours begin next: Fri 2027-01-15 09:00 (Europe/Berlin).",
        "What would change it: The site's operator can change the grant or the schedule.",
        "Now: it would be refused, its hours at this door are others.",
    ]


async def test_an_order_and_a_strangers_card_have_no_claim_and_now_is_not_known() -> None:
    last = LastDenials(FakeClock())
    last.note(
        operation("reader/hall", claim=None), Denial.UNKNOWN_CREDENTIAL, {Fact.READER: "hall"}
    )
    (denial,) = (await report(last, None, None).document())["denials"]  # type: ignore[misc]
    assert (denial["now"], denial["expires"], denial["hours_begin"]) == (None, None, None)
    assert sentences(denial, "UTC")[-1] == "Now: not known, it must ask again."


async def test_a_technicians_refused_release_names_the_user() -> None:
    last = LastDenials(FakeClock())
    asked = Operation(RecordKind.REMOTE, "technician", bytes(8), 1, Action.OPEN, uid=1000)
    last.note(asked, Denial.LOCKDOWN, {})
    (denial,) = (await report(last, None, None).document())["denials"]  # type: ignore[misc]
    assert denial["uid"] == 1000
    assert "a technician at the hub (uid 1000) at Front door" in sentences(denial, "UTC")[0]


def test_a_wall_clock_names_its_zone_and_a_strange_zone_is_a_moment() -> None:
    assert wall(1_800_000_000, "Europe/Berlin") == "Fri 2027-01-15 09:00 (Europe/Berlin)"
    for zone in ("Mars/Olympus", "../../etc/passwd", "", "\x1b[2J"):
        assert wall(1_800_000_000, zone) == "2027-01-15T08:00:00.000Z"
    for odd in (None, "soon", float("1e300")):
        assert "\x1b" not in wall(odd, "UTC")


def test_every_reason_is_said_in_words_with_what_would_change_it() -> None:
    assert set(SAID) == {str(denial) for denial in Denial}
    for said in SAID.values():
        assert said.why
        assert said.change.endswith(".")


def test_a_door_that_could_not_be_moved_leads_to_the_network_of_its_lock() -> None:
    said = sentences({"why": Denial.DOOR_FAULT}, "UTC")
    assert any("hubctl status" in line and "hubctl zwave" in line for line in said)


def test_what_a_daemon_says_cannot_steer_the_terminal() -> None:
    denial = {"why": "\x1b[2J", "now": "\x1b]0;x", "asker": "\x1b", "door_name": "\n", "at": "\r"}
    assert all(line.isprintable() for line in sentences(denial, "\x1b"))
    assert all(line.isprintable() for line in sentences({}, "UTC"))


# denials, law 1
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(Denial))))
def test_the_newest_are_kept_once_each_with_how_often(
    asked: list[tuple[int, int, Denial]],
) -> None:
    last = LastDenials(FakeClock())
    for asker, point, why in asked:
        last.note(operation(f"phone-{asker}", point), why, {})
    kept = last.newest_first()
    newest = list(dict.fromkeys(reversed(asked)))[:DENIALS_MAX]
    assert [(f"phone-{a}", p, why) for a, p, why in newest] == [
        (one.operation.asker, one.operation.point, one.why) for one in kept
    ]
    if len(set(asked)) <= DENIALS_MAX:
        assert sum(one.count for one in kept) == len(asked)


def test_whom_is_a_place_or_the_beginning_of_a_credential() -> None:
    denial = {"asker": "3fa9c2d4…", "door": "front", "point": 1, "point_name": "Street"}
    for whom in (None, "front", "Street", "1", "3fa9", "3fa9c2d4", ANNA):
        assert is_meant(denial, whom), whom
    for whom in ("back", "2", "3fa", "3fa8", "", "None"):
        assert not is_meant(denial, whom), whom
    assert not is_meant({}, "front")
