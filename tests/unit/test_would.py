"""`hubctl policy why`: would this credential open this door, asked of the real judgement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.cards import Card
from hubcore.access.claim import Claim, Strength
from hubcore.access.factors import Demand, Factor
from hubcore.access.grant import Access, Grant
from hubcore.access.words import Action, Denial, Mode
from hubcore.calendar.schedule import Rule, Schedule
from hubcore.codec.cose import Aead
from hubcore.errors import StoreError
from hubcore.evidence.facts import SHOWN_CHARS, EventName
from hubcore.evidence.records import RecordKind
from hubcore.phone.tickets import TicketTable
from hubcore.policy.policy import PointRules
from hubcore.timing.pace import Rate
from hubctl.commands.doors.would import lines_of
from hubd.doors.judge import TELL_SECONDS
from hubd.doors.operation import Operation
from hubd.technician.cardindex import CardIndex
from hubd.technician.names import Meant
from hubd.technician.would import ASKED, CREDENTIAL_CHARS_MAX, NotOneError, WouldOpen
from hubd.upkeep.denials import LastDenials
from hubsim.site import OPEN_AND_QUERY, make_key
from tests.fakes.clock import NOON
from tests.unit.test_doors_by_hand import FRONT, Site, _Named, _Numbered

ANNA = "3fa9c2d417b80e65"
KEY = make_key().verify_key
HOUR = 3600
WITHOUT_END = Rate(burst=10_000, per_second=1.0)


def grant(credential: str = ANNA, uses: int | None = None, *access: Access) -> Grant:
    return Grant(
        site="site-1",
        credential=credential,
        not_before=int(NOON) - HOUR,
        expires=int(NOON) + HOUR * 20,
        grant_id=b"grant-01",
        key=KEY,
        access=access or (Access(1, OPEN_AND_QUERY, ()),),
        uses=uses,
    )


def card(digest: bytes = bytes(16), pin: bytes | None = None) -> Card:
    access = (Access(1, OPEN_AND_QUERY, ()), Access(2, OPEN_AND_QUERY, ()))
    return Card(digest, ANNA, int(NOON) - HOUR, int(NOON) + HOUR, access, pin=pin)


@dataclass
class Rig:
    """The real judgement over two doors, and what the hub knows of credentials."""

    site: Site = field(default_factory=Site)
    tickets: TicketTable = field(default_factory=lambda: TicketTable(int(NOON) + 10**6))
    ids: int = 0
    pace: Rate = WITHOUT_END
    uid: int = 1000

    def __post_init__(self) -> None:
        self.denials = LastDenials(self.site.clock)
        self.would = WouldOpen(
            zone="Europe/Berlin",
            judge=self.site.unlock,
            policy=self.site.policy,
            grants_of=self.tickets.grants_of,
            denials=self.denials,
            cards_of=CardIndex(self.site.policy, self.site.clock).find,
            clock=self.site.clock,
            new_id=lambda: b"x" * 16,
            pace=self.pace,
        )

    def was_let_in(self, one: Grant) -> None:
        self.ids += 1
        name = self.ids.to_bytes(16, "big")
        now = int(self.site.clock.wall())
        assert self.tickets.issue(name, bytes(32), Aead.A256GCM, one, now, now) is not None

    def was_refused(self, credential: str, by: Card | None = None, point: int = 1) -> None:
        claim = Claim.under(
            grant(credential),
            access_point=point,
            action=Action.OPEN,
            op=bytes(8),
            strength=Strength.FULL,
            arrived=0.0,
        )
        if by is not None:
            claim = Claim.by_card(
                by,
                access_point=point,
                op=bytes(8),
                strength=Strength.CARD,
                arrived=0.0,
                reader="hall",
            )
        asked = Operation(RecordKind.ACCESS, credential, bytes(8), point, Action.OPEN, claim=claim)
        self.denials.note(asked, Denial.LOCKDOWN, {})

    async def ask(
        self, typed: str = ANNA, *points: int, at: float | None = None
    ) -> Mapping[str, Any]:
        numbered = tuple(_Numbered(number) for number in points or (1,))
        meant = Meant(_Named(FRONT), numbered)  # type: ignore[arg-type]
        return await self.would.document(typed, meant, at, self.uid)

    async def why(
        self, typed: str = ANNA, *points: int, at: float | None = None
    ) -> Sequence[str | None]:
        return [point["why"] for point in (await self.ask(typed, *points, at=at))["points"]]


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def test_each_access_point_is_answered_for_itself(rig: Rig) -> None:
    rig.was_let_in(grant())
    assert await rig.why(ANNA, 1, 2) == ["granted", "no-grant"]
    rig.site.policy.modes[1] = Mode.LOCKDOWN
    assert await rig.why() == ["lockdown"]


async def test_a_beginning_of_six_characters_is_enough_and_fewer_are_not(rig: Rig) -> None:
    rig.was_let_in(grant())
    told = await rig.ask(ANNA[:6])
    assert (told["known"], told["asker"], told["kind"]) == (True, "3fa9c2d4…", "phone")
    assert ANNA not in str(told), "no whole id"
    for typed in ("", ANNA[:5], "x" * (CREDENTIAL_CHARS_MAX + 1)):
        with pytest.raises(NotOneError):
            await rig.ask(typed)


async def test_of_several_only_the_number_is_told(rig: Rig) -> None:
    for more in ("1", "2", "3"):
        rig.was_let_in(grant(f"3fa9c2{more}00000"))
    rig.was_refused("3fa9c2400000")
    with pytest.raises(NotOneError, match=r"^4 credentials") as told:
        await rig.ask("3fa9c2")
    assert told.value.code == "ambiguous-credential"
    assert "3fa9c21" not in str(told.value)
    rig.was_let_in(grant("3fa9c2"))
    assert (await rig.ask("3fa9c2"))["known"], "one that is whole is meant, whatever begins so"


async def test_nobody_finds_out_the_rest_of_an_id_by_asking(rig: Rig) -> None:
    """What is typed beyond the characters that are shown gets no other answer than a wrong one."""
    rig.was_let_in(grant())
    rig.was_refused("b7" * 8)
    rig.site.policy.cards[bytes(16)] = replace(card(), credential="c4" * 8)
    for whole in (ANNA, "b7" * 8, "c4" * 8):
        assert (await rig.ask(whole[:SHOWN_CHARS]))["known"]
        assert (await rig.ask(whole))["known"]
        for length in range(SHOWN_CHARS + 1, len(whole)):
            typed = whole[:length]
            wrong = typed[:-1] + ("0" if typed[-1] != "0" else "1")
            right = await rig.ask(typed)
            assert not right["known"]
            assert right == await rig.ask(wrong)


async def test_onlookers_of_an_unreadable_policy_are_told_of_once_in_a_while(rig: Rig) -> None:
    rig.was_refused(ANNA)
    (denial,) = rig.denials.newest_first()
    claim = denial.operation.claim
    assert claim is not None
    rig.site.policy.failing = StoreError("disk")
    for _ in range(50):
        assert rig.site.unlock.why_denied(claim) is Denial.DOOR_FAULT
        assert rig.site.unlock.why_shut([1]) is Denial.DOOR_FAULT
    assert rig.site.events.count(EventName.POLICY_UNREADABLE) == 1
    rig.site.clock.advance(TELL_SECONDS)
    rig.site.unlock.why_shut([1])
    assert rig.site.events.count(EventName.POLICY_UNREADABLE) == 2


async def test_hours_are_those_of_the_moment_and_their_begin_is_told(rig: Rig) -> None:
    """The schedule has Saturday alone, from 9 to 10 o'clock UTC."""
    rig.was_let_in(grant(ANNA, None, Access(1, OPEN_AND_QUERY, (5,))))
    rig.site.policy.schedules[5] = Schedule((Rule(1 << 5, 540, 600),))
    told = await rig.ask()
    begin = NOON + 21 * HOUR
    (point,) = told["points"]
    assert (point["why"], point["hours_begin"]) == ("out-of-schedule", begin)
    said = "\n".join(lines_of(told))
    assert "Its hours begin next: Sat 2027-01-16 10:00 (Europe/Berlin)." in said
    assert "The site's operator can change the grant or the schedule." in said
    assert await rig.why(at=NOON + 30 * HOUR) == ["credential-expired"]


async def test_a_card_that_was_refused_is_asked_by_the_policys_row_at_every_point(rig: Rig) -> None:
    rig.site.policy.cards[bytes(16)] = card(pin=b"p" * 16)
    rig.site.policy.points[1] = PointRules(demands=(Demand((Factor.CARD | Factor.PIN,)),))
    rig.was_refused(ANNA, card())
    told = await rig.ask(ANNA, 1, 2)
    assert told["kind"] == "card"
    assert [point["why"] for point in told["points"]] == ["granted", "granted"]
    del rig.site.policy.cards[bytes(16)]
    assert await rig.why(ANNA, 1, 2) == ["unknown-credential"] * 2, (
        "a card that is nobody's any more"
    )


async def test_a_phone_that_was_only_refused_is_known_where_it_asked(rig: Rig) -> None:
    rig.was_refused(ANNA)
    assert await rig.why(ANNA, 1, 2) == ["granted", None]


async def test_of_a_stranger_it_says_what_is_so_without_any_grant(rig: Rig) -> None:
    told = await rig.ask("nobody-here")
    assert (told["known"], told["kind"]) == (False, None)
    assert await rig.why("nobody-here") == [None]
    assert any("This hub has no grant of it" in line for line in lines_of(told))
    rig.site.policy.modes[1] = Mode.NO_ENTRY
    assert await rig.why("nobody-here") == ["no-entry"]
    rig.site.policy.out_of_use.add("nobody-here")
    assert await rig.why("nobody-here") == ["credential-disabled"]
    rig.site.policy.credentials.add("nobody-here")
    assert await rig.why("nobody-here") == ["credential-revoked"]


async def test_whoever_asks_without_end_is_told_to_ask_again() -> None:  # law 4
    rig = Rig(pace=ASKED)
    for _ in range(int(ASKED.burst)):
        await rig.ask()
    with pytest.raises(NotOneError) as told:
        await rig.ask()
    assert told.value.code == "busy"
    rig.uid = 1001
    await rig.ask()  # nobody else is kept out by that
    rig.uid = 1000
    rig.site.clock.advance(1 / ASKED.per_second)
    await rig.ask()


async def test_asking_records_and_changes_nothing(rig: Rig) -> None:
    rig.was_let_in(grant(ANNA, 1))
    two = Demand((Factor.PHONE,), persons=2)
    rig.site.policy.points[1] = PointRules(demands=(two,))
    for _ in range(50):
        assert await rig.why() == ["second-person-needed"]
    rig.site.policy.points.clear()
    for _ in range(50):
        assert await rig.why() == ["granted"]
    assert rig.site.log.stored == []
    assert (rig.site.moved(), len(rig.denials.newest_first())) == (0, 0)
    assert len(rig.tickets) == 1, "no ticket is used up"


@given(st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text())))
def test_whatever_hubd_says_is_shown_on_printable_lines(answer: dict[str, Any]) -> None:
    points = [answer, {"why": "out-of-schedule", **answer}, {"why": "\x1b[2J"}]
    for line in lines_of({**answer, "zone": "\x1b", "asker": "\x1b", "points": points}):
        assert line.isprintable()
