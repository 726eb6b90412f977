"""What the hub does about itself and about a new policy: problems, a clock that was wrong, releases
that must end.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from hubcore.access.words import HubName, Mode
from hubcore.backend.backendtime import BackendTime
from hubcore.backend.talk.effects import UplinkPhase
from hubcore.backend.uplink.words import Cause
from hubcore.checks import CheckId, Part, Severity, certificate_problem
from hubcore.codec.cose import Aead
from hubcore.errors import AuditError, RollbackError, StoreError
from hubcore.evidence.records import BODY_BYTES, Record, RecordKind, Value, facts
from hubcore.evidence.timefloor import MARK_RECORDS, TimeFloor, from_records
from hubcore.phone.certificates import CertificateInForce, HubCertificate
from hubcore.phone.epochs import EpochRing
from hubcore.phone.messages import Reason
from hubcore.policy import document
from hubcore.policy.policy import Policy
from hubcore.ports.clock import ClockState, KernelTime
from hubd.adapters.host.clock import SystemClock
from hubd.backend.state import UplinkState
from hubd.evidence.reporting import ReportingLog
from hubd.phones.epochkeys import EpochKeys
from hubd.policy.new import PolicyIntake
from hubd.session import air
from hubd.upkeep.backendtime import AGREE_SECONDS, APART_SECONDS, Contradiction
from hubd.upkeep.clockcare import UNCONFIRMED_SECONDS, ClockCare, backend_agrees
from hubd.upkeep.health import Health
from hubd.upkeep.selfcheck import SelfCheck
from hubd.upkeep.standing import READY_PARTS, StandingProblems
from hubsim import site
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import NOON
from tests.pair import SITE, DeskHub, Phone, make_wallet
from tests.threads import Scarce

YEAR = 365 * 86_400
HUB_KEY = site.make_key().verify_key


class Desk:
    """A log, a clock beside it, and the standing problems of both.

    The wall clock stands where the test sets it.
    """

    def __init__(self) -> None:
        self.audit = FakeAudit()
        self.wall = NOON
        self.monotonic = 0.0
        self.floor = TimeFloor()
        self.backend_time = BackendTime()
        self.kernel: KernelTime | None = None
        self.clock = SystemClock(
            lambda: self.floor.floor_ms / 1000,
            lambda: self.wall,
            lambda: self.monotonic,
            is_contradicted=lambda *moment: self.contradiction.stands(*moment),
        )
        self.health = Health(self.clock, {}, READY_PARTS)
        self.told: list[str] = []
        self.standing = StandingProblems(self.health, lambda event, _facts: self.told.append(event))
        self.log = self.start_log()
        self.sync: Any = None
        self.set_by_service: int | None = None
        self.time = self.start_care()
        self.epochs: Any = SimpleNamespace(current=object())
        self.certificate_begins = 0
        self.certificate_file = "the file of [keys] certificate"
        self.backend_key_file = "the file of [keys] backend_public"

    @property
    def contradiction(self) -> Contradiction:
        return Contradiction(self.floor, self.backend_time)

    def backend_says(self, ahead_seconds: float) -> None:
        """The backend answers at once, and its clock is so far ahead of this one."""
        time_ms = int(1000 * (self.wall + ahead_seconds))
        self.backend_time.answered(time_ms, self.monotonic, self.monotonic)

    def certificate(self) -> CertificateInForce:
        """That of the hub: what it says of its days."""
        ends = int(NOON) + YEAR
        said = HubCertificate("acme", "hub-a", self.certificate_begins, ends, HUB_KEY, (1,))
        return CertificateInForce(b"", said)

    def self_check(self) -> SelfCheck:
        """What looks after the hub, as everything stands now."""
        return SelfCheck(
            problems=self.standing,
            clock=self.clock,
            clock_care=self.time,
            epochs=self.epochs,
            sync=self.sync,
            way=None,
            certificate=self.certificate(),
            certificate_file=self.certificate_file,
            backend_key_file=self.backend_key_file,
            tls=None,
            tls_file="",
            offline_seconds=lambda: 0.0,
            offline_budgets={},
        )

    def check(self) -> None:
        self.self_check().check()

    def start_log(self) -> ReportingLog:
        return ReportingLog(
            self.audit,
            self.floor,
            apart=lambda: self.contradiction.facts(self.clock),
            on_health=lambda up, why: self.standing.part(Part.AUDIT, up, why),
        )

    def start_care(self) -> ClockCare:
        return ClockCare(
            log=self.log,
            floor=self.floor,
            clock=self.clock,
            tell=lambda event, _facts: self.told.append(event),
            backend_agrees=lambda: backend_agrees(self.sync),
            time_service=lambda: self.set_by_service,
            kernel_time=lambda: self.kernel,
            contradiction=self.contradiction,
        )

    async def record(self, kind: RecordKind, detail: Mapping[str, Value]) -> None:
        await self.log.append(Record.at(kind, self.wall, self.monotonic, detail))

    async def start(self) -> None:
        """Begin a new life, as `hubd.serve` does."""
        self.floor = from_records(self.audit.newest, self.audit.last())
        self.log = self.start_log()
        self.time = self.start_care()
        await self.record(RecordKind.STARTED, {"version": "1", **self.floor.begin()})

    async def unlock(self, path: str = "full") -> None:
        """A phone is let in."""
        await self.record(RecordKind.ACCESS, {"allowed": True, "why": None, "path": path})

    def later(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    def problems(self) -> set[str]:
        return {problem.id for problem in self.health.problems()}


def link(
    offset_seconds: float | None,
    connected: bool = True,
    since: float = NOON,
    within_seconds: float | None = 0.0,
    **more: Any,
) -> Any:
    state = UplinkState(
        phase=UplinkPhase.SPEAKING if connected else UplinkPhase.DOWN,
        connected=connected,
        since=since,
        why=more.pop("why", "no route"),
        waiting=more.pop("waiting", 0),
        last_welcome=None,
        clock_offset_seconds=offset_seconds,
        clock_within_seconds=within_seconds,
        **more,
    )
    return SimpleNamespace(state=state)


async def test_one_start_with_the_clock_ahead_shuts_nobody_out() -> None:
    for ahead_seconds in (3600.0, 75 * YEAR):
        desk = Desk()
        desk.wall = NOON + ahead_seconds
        await desk.start()
        await desk.record(
            RecordKind.ACCESS, {"allowed": False, "why": "credential-expired", "path": "full"}
        )
        desk.wall = NOON
        assert desk.clock.state() is ClockState.TRUSTED
        await desk.start()
        assert desk.clock.state() is ClockState.TRUSTED


async def ran_ahead() -> Desk:
    """A hub whose clock ran ahead by a year, and was confirmed."""
    desk = Desk()
    await desk.start()
    desk.wall = NOON + YEAR
    await desk.unlock()
    desk.wall = NOON
    assert desk.clock.state() is ClockState.BEHIND_RECORDS
    return desk


async def test_a_clock_confirmed_ahead_is_believed_again_when_somebody_vouches_for_it() -> None:
    desk = await ran_ahead()
    desk.check()
    (problem,) = (found for found in desk.health.problems() if found.id == "clock")
    assert problem.check is CheckId.CLOCK_BEHIND_RECORDS
    assert "2027-01-15" in problem.what, "what the clock says"
    assert "2028-01-15" in problem.what, "what is proven"
    assert "sudo hubctl clock trust" in problem.remedy
    await desk.time.vouch("technician")
    assert desk.clock.state() is ClockState.TRUSTED
    desk.check()
    assert "clock" not in desk.problems()


@pytest.mark.parametrize("hours", [0.1, 1, 24 * 300])
async def test_a_vouch_holds_for_every_start_after_it(hours: float) -> None:
    """Once, only 420 s of wall time were remembered: each start after that locked everybody out
    again.
    """
    desk = await ran_ahead()
    await desk.time.vouch("technician")
    for _ in range(3):
        desk.later(hours * 3600)
        await desk.start()
        assert desk.clock.state() is ClockState.TRUSTED
        await desk.unlock()


async def test_a_vouch_is_not_forgotten_for_ten_thousand_records_of_the_future() -> None:
    desk = await ran_ahead()
    desk.wall = NOON + YEAR
    for _ in range(12_000):
        await desk.record(RecordKind.DOOR, {"door": "front", "what": "closed"})
        if desk.floor.unmarked >= MARK_RECORDS:
            await desk.time.confirm_if_possible()
    desk.wall = NOON
    await desk.time.vouch("technician")
    await desk.start()
    assert desk.clock.state() is ClockState.TRUSTED


async def test_a_vouch_that_cannot_be_recorded_is_not_believed() -> None:
    desk = await ran_ahead()
    desk.audit.failing = StoreError("the disk is full")
    with pytest.raises(AuditError):
        await desk.time.vouch("technician")
    assert desk.clock.state() is ClockState.BEHIND_RECORDS
    assert "clock" not in desk.told
    desk.sync = link(0.0)
    await desk.time.confirm_if_possible()
    assert desk.clock.state() is ClockState.BEHIND_RECORDS


@pytest.mark.parametrize(("offset", "believed"), [(2.0, True), (None, False), (500.0, False)])
async def test_the_backend_vouches_only_for_a_clock_that_agrees(
    offset: float | None, believed: bool
) -> None:
    desk = await ran_ahead()
    desk.sync = link(offset)
    await desk.self_check().check_and_mend()
    assert (desk.clock.state() is ClockState.TRUSTED) is believed


async def test_a_clock_set_back_is_not_believed_however_the_hub_was_started() -> None:
    """Somebody cuts the power of a hub without RTC, so that a grant that has ended seems to be
    valid.
    """
    desk = Desk()
    await desk.start()
    await desk.unlock()
    desk.later(40 * 86_400)
    await desk.unlock("short")
    desk.wall -= 30 * 86_400
    for _ in range(30):
        desk.monotonic = 5.0
        await desk.start()
        assert desk.clock.state() is ClockState.BEHIND_RECORDS
        for _ in range(700):
            await desk.record(
                RecordKind.ACCESS, {"allowed": False, "clock": "behind_records", "path": "full"}
            )
        await desk.time.confirm_if_possible()


async def test_the_backend_and_the_time_service_confirm_a_clock_once_until_it_is_set() -> None:
    desk = Desk()
    await desk.start()
    desk.set_by_service = 1
    for _ in range(5):
        await desk.time.confirm_if_possible()
    assert desk.told.count("clock") == 1
    desk.wall += 7200  # set by hand: the service has said nothing
    desk.later(100)
    await desk.time.confirm_if_possible()
    assert not desk.time.confirmed()
    desk.set_by_service = 2
    await desk.time.confirm_if_possible()
    assert desk.time.confirmed()
    desk.wall += 7200
    desk.sync = link(0.0)
    await desk.time.confirm_if_possible()
    assert not desk.time.confirmed(), "no more than one in CONFIRM_SECONDS"
    desk.later(100)
    await desk.time.confirm_if_possible()
    assert desk.time.confirmed()
    assert desk.told.count("clock") == 3


async def test_a_backend_that_echoes_the_hubs_time_proves_nothing_the_time_service_does() -> None:
    desk = Desk()
    desk.wall = NOON + 10 * YEAR
    await desk.start()
    desk.sync = link(0.0)  # it reads the hub's time in `started`, and says the same
    await desk.time.confirm_if_possible()
    assert desk.time.confirmed()
    desk.later(30)
    await desk.unlock("short")
    desk.wall = NOON
    desk.sync = link(-500.0)
    assert desk.clock.state() is ClockState.TRUSTED
    await desk.start()
    assert desk.clock.state() is ClockState.TRUSTED
    desk.later(100)
    desk.sync = link(0.0)
    await desk.time.confirm_if_possible()
    assert desk.floor.floor_ms == 0
    desk.set_by_service = 1
    desk.later(100)
    await desk.time.confirm_if_possible()
    assert desk.floor.floor_ms == int(desk.wall * 1000)


async def test_what_the_time_service_did_before_a_clock_was_set_proves_nothing_of_it() -> None:
    desk = Desk()
    await desk.start()
    for desk.set_by_service in (1, 2):  # it looks again every half hour
        await desk.time.confirm_if_possible()
        desk.later(100)
    desk.wall += 7200
    await desk.time.confirm_if_possible()
    assert not desk.time.confirmed()


async def test_a_slow_answer_of_the_backend_confirms_no_clock() -> None:
    desk = Desk()
    await desk.start()
    for within in (None, AGREE_SECONDS + 1):
        desk.sync = link(0.0, within_seconds=within)
        await desk.time.confirm_if_possible()
        assert not desk.time.confirmed()
    desk.sync = link(1.0, within_seconds=AGREE_SECONDS - 2)
    await desk.time.confirm_if_possible()
    assert desk.time.confirmed()


# What the backend's time does: `hubd.upkeep.backendtime`.

AHEAD_AND_BEHIND = pytest.mark.parametrize("sign", [1, -1])


@AHEAD_AND_BEHIND
async def test_a_clock_that_nothing_proves_is_doubted_when_the_backends_is_another(
    sign: int,
) -> None:  # law 2
    desk = Desk()
    await desk.start()
    desk.backend_says(sign * (APART_SECONDS - 1))
    assert desk.clock.state() is ClockState.TRUSTED
    desk.backend_says(sign * (APART_SECONDS + 1))
    assert desk.clock.state() is ClockState.CONTRADICTED
    desk.check()
    (problem,) = (found for found in desk.health.problems() if found.id == "clock")
    assert problem.severity is Severity.ERROR
    assert problem.check is CheckId.CLOCK_CONTRADICTED
    where = "301 s ahead of it" if sign > 0 else "301 s behind it"
    assert where in problem.what
    assert "sudo hubctl clock trust" in problem.remedy
    desk.wall += sign * (APART_SECONDS + 1)  # it is set right
    assert desk.clock.state() is ClockState.TRUSTED
    desk.check()
    assert "clock" not in desk.problems()


async def test_a_slow_answer_casts_no_doubt() -> None:  # law 2: surely apart
    desk = Desk()
    await desk.start()
    told = int(1000 * desk.wall)
    desk.later(2000)
    desk.backend_time.answered(told, desk.monotonic - 2000, desk.monotonic)
    assert desk.clock.state() is ClockState.TRUSTED


@pytest.mark.parametrize("who", ["phone", "timesyncd", "kernel", "person"])
@AHEAD_AND_BEHIND
async def test_no_word_of_the_backend_shakes_a_clock_that_another_has_proven(
    who: str, sign: int
) -> None:  # laws 3 and 4: each of them ends a doubt, too
    desk = Desk()
    await desk.start()
    desk.backend_says(sign * 10 * YEAR)
    assert desk.clock.state() is ClockState.CONTRADICTED
    match who:
        case "phone":
            doubt = desk.clock.state().value
            let_in = {"allowed": True, "why": None, "path": "full", "clock": doubt}
            await desk.record(RecordKind.ACCESS, let_in)
        case "timesyncd":
            desk.set_by_service = 1
        case "kernel":
            desk.kernel = KernelTime(True, 0.1, 0.01)
        case _:
            await desk.time.vouch("technician")
    await desk.time.confirm_if_possible()
    for _ in range(3):
        assert desk.clock.state() is ClockState.TRUSTED
        desk.later(86_400)
        desk.backend_says(sign * 5 * YEAR)
    desk.check()
    (problem,) = (found for found in desk.health.problems() if found.id == "clock")
    assert problem.severity is Severity.WARNING
    assert "Compare both with a watch" in problem.remedy


async def test_the_backends_doubt_is_no_proof_and_moves_no_floor() -> None:  # law 1
    desk = Desk()
    await desk.start()
    for ahead in (10 * YEAR, -10 * YEAR, 0.0, 301.0):
        desk.backend_says(ahead)
        await desk.record(RecordKind.ACCESS, {"allowed": False, "clock": "contradicted"})
        await desk.time.confirm_if_possible()
        assert desk.floor.floor_ms == 0
    short = {"allowed": True, "path": "short", "clock": "contradicted"}
    await desk.record(RecordKind.ACCESS, short)
    await desk.record(RecordKind.REMOTE, {"allowed": True, "clock": "contradicted"})
    assert desk.clock.state() is ClockState.CONTRADICTED
    assert not desk.time.confirmed()


async def test_the_kernel_confirms_a_clock_once_and_not_one_that_it_calls_unsynchronised() -> None:
    desk = Desk()
    await desk.start()
    desk.kernel = KernelTime(False, 16.0, 16.0)
    await desk.time.confirm_if_possible()
    assert not desk.time.confirmed()
    desk.kernel = KernelTime(True, 0.1, 0.01)
    for _ in range(5):
        await desk.time.confirm_if_possible()
    assert desk.told.count("clock") == 1
    assert desk.floor.floor_ms == int(desk.wall * 1000)


async def test_a_record_tells_how_far_the_backends_clock_is_only_when_that_says_something() -> None:
    desk = Desk()  # law 5
    bodies = []
    for ahead in (None, 1.9, -1.9, 7.0, -7.0):
        if ahead is not None:
            desk.backend_says(ahead)
        await desk.record(RecordKind.DOOR, {"door": "front", "what": "closed"})
        bodies.append(facts(desk.audit.stored[-1].body))
    ordinary, _, _, before, behind = bodies
    assert bodies[:3] == [ordinary] * 3
    assert set(before) - set(ordinary) == {"backend_ahead", "backend_within"}
    assert (before["backend_ahead"], behind["backend_ahead"]) == (7000, -7000)
    assert before["backend_within"] == 0


async def test_a_record_that_would_grow_too_long_stays_as_it_was() -> None:
    desk = Desk()
    desk.backend_says(APART_SECONDS)
    room = BODY_BYTES - len(Record.at(RecordKind.DOOR, desk.wall, 0.0, {"what": ""}).encode()) - 8
    await desk.record(RecordKind.DOOR, {"what": "x" * room})
    assert "backend_ahead" not in facts(desk.audit.stored[-1].body)


async def test_a_hub_without_rtc_and_network_says_what_to_do_after_a_power_cut() -> None:
    desk = Desk()
    await desk.start()
    desk.check()
    assert "clock" not in desk.problems(), "it may take a while"
    desk.later(UNCONFIRMED_SECONDS + 1)
    desk.check()
    (problem,) = (found for found in desk.health.problems() if found.id == "clock")
    assert problem.severity is Severity.WARNING
    assert "sudo hubctl clock trust" in problem.remedy
    assert "timedatectl set-time" in problem.remedy
    await desk.time.vouch("technician")
    desk.check()
    assert "clock" not in desk.problems()
    desk.wall = 0.0
    desk.check()
    (problem,) = (found for found in desk.health.problems() if found.id == "clock")
    assert problem.severity is Severity.ERROR
    assert problem.check is CheckId.CLOCK_BEFORE_BUILD
    assert "clock trust" not in problem.remedy, "nobody can vouch for 1970"
    assert "timedatectl set-time" in problem.remedy


async def test_a_backend_that_stays_away_and_a_certificate_that_ends_are_told() -> None:
    desk = Desk()
    desk.sync = link(None, connected=False, since=NOON - 61)
    desk.wall = NOON + YEAR - 5 * 86_400
    desk.check()
    assert desk.problems() == {"backend", "certificate"}
    desk.sync = link(0.0)
    desk.wall = NOON
    desk.check()
    assert desk.problems() == set()


@pytest.mark.parametrize(
    ("after_seconds", "severity", "what"),
    [
        (YEAR - 31 * 86_400, None, ""),
        (YEAR - 29.5 * 86_400, Severity.WARNING, "ends in 29 days, on 20"),
        (YEAR - 3600, Severity.WARNING, "ends in less than a day, on 20"),
        (YEAR + 36 * 86_400, Severity.ERROR, "ended on 20"),
        (-86_400, Severity.ERROR, "begins on 20"),
    ],
)
def test_a_certificate_is_told_by_its_days_and_with_the_command(
    after_seconds: float, severity: Severity | None, what: str
) -> None:
    desk = Desk()
    file = "/etc/credstore/hubd.certificate"
    desk.certificate_begins = int(NOON) - 60
    desk.certificate_file = file
    desk.wall = NOON + after_seconds
    desk.check()
    found = [problem for problem in desk.health.problems() if problem.id == "certificate"]
    assert [problem.severity for problem in found] == ([severity] if severity else [])
    for problem in found:
        assert what in problem.what
        assert not re.search(r"in -\d+ day", problem.what)
        assert f"put it into {file}, then: sudo systemctl restart hubd" in problem.remedy


def test_a_standing_problem_reaches_the_journal_once_a_change_and_once_a_day() -> None:
    desk = Desk()
    told = list[tuple[object, ...]]()

    def tell(event: str, facts: Mapping[str, Value]) -> None:
        if facts["problem"] == "certificate":
            told.append((event, facts["problem"], facts["stands"], facts.get("severity")))

    desk.standing = StandingProblems(desk.health, tell)
    begins = ("problem", "certificate", True)
    ends = ("problem", "certificate", False, None)
    desk.wall = NOON + YEAR - 5 * 86_400
    for _ in range(3):
        desk.check()
    assert told == [(*begins, "warning")]
    desk.monotonic = 86_399.0
    desk.check()
    assert len(told) == 1
    for _ in range(3):
        desk.monotonic = 86_400.0
        desk.check()
    assert told == [(*begins, "warning")] * 2
    desk.wall = NOON + YEAR + 86_400
    desk.check()
    assert told[2:] == [(*begins, "error")]
    desk.wall = NOON
    for _ in range(3):
        desk.check()
    assert told[3:] == [ends]


@pytest.mark.parametrize("part", [Part.RADIO, Part.STRIKES, Part.AUDIT])
def test_a_problem_of_a_part_reaches_the_journal_once_at_its_beginning_and_once_a_day(
    part: Part,
) -> None:
    desk = Desk()
    told = list[tuple[object, ...]]()

    def tell(event: str, facts: Mapping[str, Value]) -> None:
        if part in (facts.get("part"), facts.get("problem")):
            told.append((event, part, facts.get("up"), facts.get("stands")))

    desk.standing = StandingProblems(desk.health, tell)
    down = ("part", part, False, None)
    up = ("part", part, True, None)
    stands = ("problem", part, None, True)
    ends = ("problem", part, None, False)

    def look(at_seconds: float) -> list[tuple[object, ...]]:
        told.clear()
        desk.monotonic = at_seconds
        for _ in range(3):
            desk.standing.part(part, False, "It does not answer.")
            desk.check()
        return list(told)

    assert look(0.0) == [down]
    assert look(86_399.0) == []
    assert look(86_400.0) == [stands]
    assert look(2 * 86_400.0 - 1) == []
    assert look(2 * 86_400.0) == [stands]
    told.clear()
    desk.standing.part(part, True, "ready")
    for _ in range(3):
        desk.check()
    assert told == [up, ends]
    assert look(2 * 86_400.0 + 10) == [down]
    told.clear()
    desk.standing.part(part, True, "ready")
    desk.check()
    assert told == [up], "what was never told as a problem is not ended as one"


def test_what_stands_for_a_moment_at_each_start_is_for_the_journal_after_a_day() -> None:
    desk = Desk()
    told = list[object]()
    desk.epochs = EpochRing()
    desk.standing = StandingProblems(
        desk.health, lambda _event, facts: told.append(facts["problem"])
    )
    for monotonic in (0.0, 86_399.0):
        desk.monotonic = monotonic
        desk.check()
        assert "epoch" in desk.problems()
        assert "epoch" not in told
    desk.monotonic = 86_400.0
    desk.check()
    assert told.count("epoch") == 1


def test_a_backend_whose_key_may_be_wrong_is_told_with_the_file_that_holds_it() -> None:
    desk = Desk()
    desk.backend_key_file = "/etc/credstore/hubd.backend_public"
    desk.sync = link(None, connected=False, since=NOON - 61)
    desk.check()
    (problem,) = desk.health.problems()
    assert "must be the one in /etc/credstore/hubd.backend_public" in problem.remedy
    assert "sudo /opt/hubd/bin/hubd --check-config shows both" in problem.remedy


@pytest.mark.parametrize(("seconds", "stands"), [(None, False), (149.0, False), (151.0, True)])
async def test_records_that_nobody_acknowledges_are_somebodys_problem(
    seconds: float | None, stands: bool
) -> None:
    desk = Desk()
    desk.sync = link(0.0, unacknowledged_seconds=seconds, waiting=7, why="")
    desk.check()
    assert desk.problems() == ({"evidence"} if stands else set())
    if stands:
        (problem,) = desk.health.problems()
        assert "The oldest of 7 records has waited 151 s" in problem.what
    desk.sync = link(0.0, unacknowledged_seconds=None)
    desk.check()
    assert desk.problems() == set()


@pytest.mark.parametrize("cause", [cause.name.lower() for cause in Cause])
async def test_what_the_backend_says_of_a_hubs_records_stands_with_a_remedy(cause: str) -> None:
    desk = Desk()
    desk.sync = link(
        0.0,
        halt=cause,
        known=f"7:{'ab' * 32}",
        boot="0123456789abcdef",
        unacknowledged_seconds=999.0,
    )
    desk.check()
    (problem,) = desk.health.problems()
    assert (problem.id, problem.severity) == (cause, Severity.ERROR)
    assert "01234567." in problem.what if cause == "two_hubs" else f"7:{'ab' * 32}" in problem.what
    assert "hubsim backend --at SITE" in problem.remedy
    desk.sync = link(0.0)
    desk.check()
    assert desk.problems() == set()


async def test_records_that_cannot_be_written_stand_as_a_problem_until_they_can() -> None:
    desk = Desk()
    desk.audit.failing = StoreError("the disk is full")
    with pytest.raises(StoreError):
        await desk.log.append(Record(RecordKind.STARTED, 0, 0, {}))
    assert desk.problems() == {"audit"}
    desk.audit.failing = None
    await desk.log.append(Record(RecordKind.STARTED, 0, 0, {}))
    assert desk.problems() == set()


@pytest.fixture
def hub() -> DeskHub:
    return DeskHub(site.make_key())


def new_policy(hub: DeskHub, modes: Mapping[int, Mode]) -> tuple[PolicyIntake, bytes]:
    """What takes policies, and a policy for it."""
    prove = partial(document.prove, issuer=hub.issuer.verify_key, site=SITE)
    signed = document.issue(Policy(SITE, 2, 0, modes=modes), hub.issuer)
    return hub.policy_intake(prove), signed


async def test_a_lockdown_ends_the_releases_that_run(hub: DeskHub) -> None:
    await Phone(hub, make_wallet(hub.issuer)).visit()
    assert hub.doors["front"].active
    new, signed = new_policy(hub, {1: Mode.LOCKDOWN})
    await new.accept(signed)
    assert not hub.doors["front"].active


async def test_a_lockdown_that_comes_while_the_record_is_written_stops_the_strike(
    hub: DeskHub,
) -> None:
    hub.log.on_taken = lambda _record: hub.policy.modes.update({1: Mode.LOCKDOWN})
    visit = await Phone(hub, make_wallet(hub.issuer)).visit()
    assert visit.verdict is not None
    assert visit.verdict.reason is Reason.LOCKED
    assert hub.strikes == 0


async def test_a_policy_in_force_is_answered_though_it_cannot_be_recorded(hub: DeskHub) -> None:
    new, signed = new_policy(hub, {2: Mode.NO_ENTRY})
    hub.log.failing = StoreError("the disk is full")
    await new.accept(signed)
    assert hub.policy.modes == {2: Mode.NO_ENTRY}
    assert "audit_failed" in [event for event, _ in hub.told]


async def test_a_policy_that_is_refused_changes_nothing(hub: DeskHub) -> None:
    await Phone(hub, make_wallet(hub.issuer)).visit()
    new, signed = new_policy(hub, {1: Mode.LOCKDOWN})
    hub.policy.number = 2
    with pytest.raises(RollbackError):
        await new.accept(signed)
    assert hub.doors["front"].active
    assert len(hub.tickets) == 1


class Links:
    """Links that only tell that they were begun."""

    def __init__(self) -> None:
        self.began = asyncio.Event()

    async def run(self, _ready: object, _beat: object) -> None:
        self.began.set()


def starting(desk: Desk) -> Any:
    """A hub at its start, as far as the radio is concerned."""
    runs = {Part.STRIKES: None}
    return SimpleNamespace(runs=runs, links=Links(), problems=desk.standing, health=desk.health)


@pytest.mark.parametrize("up", [True, False])
async def test_the_radio_goes_on_air_when_the_strikes_are_held_or_cannot_be(up: bool) -> None:
    desk = Desk()
    hub = starting(desk)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(air.serve_links(hub, goes_on=False))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not hub.links.began.is_set()
        assert "radio" in desk.problems(), "off the air is told as such"
        desk.standing.part(Part.STRIKES, up, "why")
        async with asyncio.timeout(1):
            await hub.links.began.wait()


async def test_strikes_that_say_nothing_do_not_keep_the_radio_silent() -> None:
    hub = starting(Desk())
    await air.serve_links(hub, goes_on=False, strikes_seconds=0.0)
    assert hub.links.began.is_set()


async def test_a_hub_that_goes_on_is_on_air_while_its_guard_is_taken_up() -> None:
    hub = starting(Desk())
    async with asyncio.timeout(1):
        await air.serve_links(hub, goes_on=True)
    assert hub.links.began.is_set()


def test_a_part_that_stays_down_is_told_of_again_only_for_another_reason() -> None:
    desk = Desk()
    for why in ("bluetoothd does not run", "bluetoothd does not run", "the adapter is blocked"):
        desk.standing.part(Part.RADIO, False, why)
    assert desk.told == ["part", "part"]
    desk.standing.part(Part.RADIO, True, "on air")
    desk.standing.part(Part.RADIO, True, "still on air")
    assert desk.told == ["part", "part", "part"]


async def test_that_there_is_an_epoch_key_stands_nowhere_as_both_yes_and_no() -> None:
    desk = Desk()
    ring = EpochRing()
    seen = list[bool]()
    desk.epochs = ring
    made = asyncio.Event()

    def changed() -> None:
        desk.check()
        seen.append("epoch" in desk.problems())
        if ring.current:
            made.set()

    keys = EpochKeys(ring, site.make_key(), HubName("site", "hub"), (Aead.A128GCM,), 3072)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        making = tasks.create_task(keys.run(desk.clock, lambda: None, changed))
        await made.wait()
        making.cancel()
    assert seen == [True, False]


async def test_a_machine_without_a_thread_gets_its_epoch_key_later() -> None:
    ring = EpochRing()
    beats = list[None]()
    made = asyncio.Event()
    scarce = Scarce(missing=3)
    keys = EpochKeys(
        ring,
        site.make_key(),
        HubName("site", "hub"),
        (Aead.A128GCM,),
        3072,
        start=scarce,
        check_seconds=0.01,
    )

    def changed() -> None:
        if ring.current:
            made.set()

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        making = tasks.create_task(keys.run(Desk().clock, lambda: beats.append(None), changed))
        await made.wait()
        making.cancel()
    assert scarce.asked == 4
    assert len(beats) == 4, "the loop came round meanwhile"


CHECKS_OF_PARTS = {
    Part.AUDIT: CheckId.AUDIT_DOWN,
    Part.BLUEZ: CheckId.BLUEZ_SETTINGS,
    Part.GPIO: CheckId.GPIO_OUTLIVES_GUARD,
    Part.GUARD: CheckId.GUARD_FORMER,
    Part.INPUTS: CheckId.INPUTS_DOWN,
    Part.LOCKS: CheckId.LOCKS_OPEN,
    Part.PAIRING: CheckId.PAIRED,
    Part.RADIO: CheckId.RADIO_DOWN,
    Part.READERS: CheckId.READERS_DOWN,
    Part.RELAY_STRIKES: CheckId.RELAY_STRIKES_DOWN,
    Part.STRIKES: CheckId.STRIKES_DOWN,
}


@pytest.mark.parametrize("part", Part)
def test_a_part_that_goes_down_stands_as_its_row_until_it_comes_up(part: Part) -> None:
    desk = Desk()
    desk.standing.part(part, False, "why it is down")
    (problem,) = desk.health.problems()
    assert (problem.check, problem.what) == (CHECKS_OF_PARTS[part], "why it is down")
    desk.standing.part(part, True, "")
    assert desk.health.problems() == ()


@pytest.mark.parametrize(
    ("days_from_begin", "days_to_end", "check"),
    [
        (-1, 90, CheckId.CERTIFICATE_NOT_YET),
        (90, 10, CheckId.CERTIFICATE_ENDING),
        (90, -1, CheckId.CERTIFICATE_ENDED),
    ],
)
def test_a_certificate_outside_its_days_or_near_their_end(
    days_from_begin: int, days_to_end: int, check: CheckId
) -> None:
    day = 86_400
    begins = int(NOON) - days_from_begin * day
    told = certificate_problem(begins, int(NOON) + days_to_end * day, NOON, "/etc/certificate")
    assert told is not None
    assert told.check is check
