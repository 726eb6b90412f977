"""The use case of opening a door: for a phone, for the backend and for a technician alike.

How it goes: a claim or an order becomes an `Attempt` at an `Operation`. It is judged, and the
decision is handed to the log. Once the record is durable it is judged again, the strike is driven,
and the asker is answered.

Laws:
1. Nothing moves before its record is durable; what cannot be recorded is refused.
2. Nothing moves late (LATE_SECONDS after the last byte came), or for a phone that has gone.
3. What was decided is judged again right before the strike.
4. The same operation moves a door once, also across a restart.
5. An operation for which nothing was decided and nothing was done is new when it is asked again.
6. An answer is repeated only to somebody who would be let in now. Others are denied and recorded.
7. A request that would be granted is denied as BUSY when the strike must rest for too long, or when
   too many granted requests of this asker moved nothing (`access.once.TRIES`).
8. A grant with a number of uses lets its holder in so often, and no more (`hubd.doors.uses`).
9. A technician's release needs no time that can be trusted: the kernel says now who asks, and
   nothing of it can be repeated later. What keeps a door shut keeps it shut for him.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from hubcore.access.claim import Claim, ClaimOutcome
from hubcore.access.once import Asked, Tries
from hubcore.access.precedence import DoorMode
from hubcore.access.words import Action, Denial
from hubcore.backend.answers import ORDER_OUTCOMES
from hubcore.backend.uplink import from_backend, from_hub
from hubcore.backend.uplink.words import ReleaseOutcome
from hubcore.door.state import DoorState
from hubcore.errors import HardwareError, RestingError
from hubcore.evidence.facts import Detail, Fact, Tell
from hubcore.evidence.records import RecordKind, StoredRecord
from hubcore.ports.clock import Clock
from hubcore.ports.doors import Mover
from hubcore.ports.stores import AuditLog, PolicyStore
from hubd.doors.decisionlog import DecisionLog, OnDenied, unheard
from hubd.doors.drive import DoorMovers, Watch
from hubd.doors.judge import Judge
from hubd.doors.operation import (
    NO_DECISIONS,
    Attempt,
    Ended,
    Follower,
    Operation,
    OperationEnd,
    ReleaseHere,
)
from hubd.doors.operations import Operations
from hubd.doors.persons import Persons
from hubd.doors.rules import SiteRules
from hubd.doors.uses import Allowance, Uses

LATE_SECONDS = 2.0
RECORD_SECONDS = 1.5
"""How long anybody waits for a record; a phone at most until LATE_SECONDS."""
RECORD_SECONDS_MIN = 0.5
REST_SECONDS = 0.05
"""How long anything waits for doors that are being opened: several unlocks, and one turn of a peer
that asks without end."""
"""A phone whose turn for RSA came late waits so long all the same."""

_NOT_OF_A_REPEAT = (
    Denial.FULL_PROOF_NEEDED,
    Denial.SECOND_PERSON_NEEDED,
    Denial.ANTI_PASSBACK,
)
"""What the operation itself has changed, or a repeat need not prove: the last checks of all."""


class Unlock:
    """Decides, records, moves."""

    def __init__(
        self,
        *,
        rules: SiteRules,
        policy: PolicyStore,
        log: AuditLog,
        clock: Clock,
        tell: Tell,
        doors: Mapping[str, Mover],
        watch: Watch,
        persons: Persons,
        offline_seconds: Callable[[], float] = lambda: 0.0,
        mode_at: Callable[[int], DoorMode] | None = None,
        disabled_here: Callable[[str], bool] = lambda _credential: False,
        is_guest: Callable[[bytes], bool] = lambda _digest: False,
        on_denied: OnDenied = unheard,
        followers: Sequence[Follower] = (),
    ) -> None:
        """`doors` are the movers by door id; `offline_seconds`: how long no backend was there.

        `mode_at`, `disabled_here` and `is_guest` are for the `Judge`. `followers` hear what becomes
        of each operation.
        """
        self._points = rules.points
        self._followers = followers
        self._persons = persons
        self._uses = Uses(log.uses(), clock)
        self._judge = Judge(
            rules,
            policy=policy,
            clock=clock,
            tell=tell,
            persons=persons,
            offline_seconds=offline_seconds,
            mode_at=mode_at,
            disabled_here=disabled_here,
            is_guest=is_guest,
            used=self._uses.used,
        )
        self._decisions = DecisionLog(log, clock, tell, on_denied)
        self._clock = clock
        self._movers = DoorMovers(doors, watch, tell)
        self._watch = watch
        self._operations = Operations()
        self._tries = Tries()

    def remember(self, records: Sequence[StoredRecord]) -> None:
        """Learn from the newest records which operations were asked before a restart."""
        now = self._clock.monotonic()
        self._operations.remember(records, now)

    def present(self, claim: Claim, alive: Callable[[], bool]) -> Awaitable[ClaimOutcome]:
        """Judge a phone's claim and hand the record to the log, at once; awaited, do the rest.

        `alive` tells whether the phone is still there.
        """
        attempt = self._attempt_of_claim(claim, alive)
        return self._take(attempt)

    def why_denied(self, claim: Claim, at: float | None = None) -> Denial | None:
        """Tell why a claim would be denied now: nothing is recorded, nothing changes.

        With `at` (Unix seconds), by the hours of that moment.
        """
        return self._judge.why_denied(claim, at)

    def hours_begin(self, claim: Claim, at: float | None = None) -> float | None:
        """Tell when a claim's hours begin next, from now or from `at` on."""
        return self._judge.hours_begin(claim, at)

    async def release(self, order: from_backend.Release, given_by: str = "") -> from_hub.Result:
        """Carry out an order of the backend, or of `given_by`, which stands in its record then."""
        attempt = self._attempt_of_order(order, given_by)
        outcome = await self._take(attempt)
        why = outcome.why
        if why is None:
            return from_hub.Result(order.id, ReleaseOutcome.RELEASED, "ok")
        sentence = why.replace("-", " ")
        return from_hub.Result(order.id, ORDER_OUTCOMES[why], sentence)

    def release_here(self, order: ReleaseHere) -> Awaitable[ClaimOutcome]:
        """Carry out a technician's order; the outcome says why not."""
        return self._take(self._attempt_here(order))

    def why_shut(self, points: Sequence[int]) -> Denial | None:
        """Tell why one of these access points must stay shut now."""
        return next((why for point in points if (why := self._judge.why_shut(point))), None)

    @property
    def at_work(self) -> int:
        """How many operations are at work."""
        return len(self._operations)

    async def at_rest(self) -> None:
        """Return once no operation is at work; after REST_SECONDS at the latest.

        What can wait asks this first, so that a door does not wait for it.
        """
        await self._operations.at_rest(REST_SECONDS)

    async def enforce(self) -> None:
        """End the releases of doors that a new policy has locked."""
        locked = set[str]()
        for point in self._points.values():
            if self._judge.why_shut(point.number) is not None:
                locked.add(point.door)
        await self._movers.secure(locked)

    def door_state(self, number: int) -> DoorState:
        """Tell what the door of an access point is seen to do; UNKNOWN for no point of this hub."""
        point = self._points.get(number)
        if point is None:
            return DoorState.UNKNOWN
        return self._watch.state(point.door)

    # A claim or an order becomes an attempt.

    def _attempt_of_claim(self, claim: Claim, alive: Callable[[], bool]) -> Attempt:
        operation = Operation(
            kind=RecordKind.ACCESS,
            asker=claim.credential,
            op=claim.op,
            point=claim.access_point,
            action=claim.action,
            claim=claim,
        )
        latest = claim.arrived + LATE_SECONDS

        def is_late() -> bool:
            return self._clock.monotonic() > latest or not alive()

        left_seconds = latest - self._clock.monotonic()
        record_seconds = min(RECORD_SECONDS, left_seconds)
        facts: Detail = {
            Fact.GRANT: claim.grant_id,
            Fact.PATH: str(claim.strength),
            **self._persons.facts(claim, self._judge.passback_rule(claim.access_point)),
        }
        if claim.reader is not None:
            facts = {**facts, Fact.READER: claim.reader}
        if claim.in_browser:
            facts = {**facts, Fact.BROWSER: True}
        return Attempt(
            operation=operation,
            why_denied=partial(self._judge.why_denied, claim),
            late=is_late,
            facts=facts,
            record_seconds=max(RECORD_SECONDS_MIN, record_seconds),
            needs_longer=partial(self._judge.needs_longer, claim),
            settle=partial(self._settle_claim, claim),
            begins=partial(self._persons.begins, claim),
            came_to_nothing=partial(self._persons.came_to_nothing, claim),
            allowance=Allowance.of(claim),
        )

    def _settle_claim(self, claim: Claim, why: Denial | None) -> None:
        """A claim's decision is on record; `why` None: the door was released, or it was a query."""
        if why is not None:
            self._persons.denied(claim, why)
        elif claim.action is Action.OPEN:
            point = self._points[claim.access_point]
            rule = self._judge.passback_rule(claim.access_point)
            self._persons.released(claim, point, rule)

    def _attempt_of_order(self, order: from_backend.Release, given_by: str) -> Attempt:
        operation = Operation(
            kind=RecordKind.REMOTE,
            asker=order.by,
            op=order.id,
            point=order.access_point,
            action=Action.OPEN,
            seconds=order.seconds,
        )
        came = self._clock.wall()
        return Attempt(
            operation=operation,
            why_denied=partial(self._judge.why_refused, order, came),
            late=partial(self._judge.is_late, order),
            facts={Fact.GIVEN_BY: given_by} if given_by else {},
            record_seconds=RECORD_SECONDS,
            settle=partial(self._settle_order, order.access_point),
        )

    def _attempt_here(self, order: ReleaseHere) -> Attempt:
        operation = Operation(
            kind=RecordKind.REMOTE,
            asker=order.by,
            op=order.op,
            point=order.points[0],
            action=Action.OPEN,
            seconds=order.seconds,
            uid=order.uid,
        )
        latest = self._clock.monotonic() + LATE_SECONDS
        return Attempt(
            operation=operation,
            why_denied=partial(self.why_shut, order.points),
            late=lambda: self._clock.monotonic() > latest,
            facts={},
            record_seconds=RECORD_SECONDS,
            settle=partial(self._settle_order, order.points[0]),
        )

    def _settle_order(self, access_point: int, why: Denial | None) -> None:
        """An order's decision is on record; `why` None: the door was released."""
        if why is None:
            self._persons.released_from_afar(self._points[access_point].door)

    # An attempt is new, or was made before.

    def _take(self, attempt: Attempt) -> Awaitable[ClaimOutcome]:
        """Begin an operation that is new; give the known answer to one that is not."""
        now = self._clock.monotonic()
        match self._operations.ask(attempt.operation, now):
            case Asked.NEW:
                return self._begin(attempt)
            case Asked.SAME:
                return self._repeat(attempt)
            case Asked.CONFLICT:
                return self._refuse(attempt, Denial.OP_CONFLICT)
            case Asked.FULL:
                return self._refuse(attempt, Denial.BUSY)

    async def _repeat(self, attempt: Attempt) -> ClaimOutcome:
        """Answer an operation that was asked before; one that is at work is waited for."""
        operation = attempt.operation
        known = await self._operations.outcome(operation)
        if known is None:
            return await self._take(attempt)
        is_claim = operation.kind is RecordKind.ACCESS
        if is_claim and known.why in (None, Denial.DOOR_FAULT):
            why = self._why_not_repeated(attempt)
            if why is not None:
                return await self._refuse(attempt, why)
        if known.why is None:
            return self._outcome(operation, None)
        return known

    def _why_not_repeated(self, attempt: Attempt) -> Denial | None:
        """Return why a repeated operation is denied now. A repeat is never too late.

        A ticket is enough to hear again what the full path was told: a new operation would move the
        door again. Who came in with a second person, or is inside by now, is told that, too.
        """
        why = attempt.why_denied()
        return None if why in _NOT_OF_A_REPEAT else why

    async def _refuse(self, attempt: Attempt, why: Denial) -> ClaimOutcome:
        operation = attempt.operation
        self._tell_decided(operation, why)
        await self._decisions.decided(operation, why, attempt.facts, RECORD_SECONDS)
        self._tell_ended(operation, why)
        return self._outcome(operation, why)

    # A new one is judged, recorded, moved, answered.

    def _begin(self, attempt: Attempt) -> Awaitable[ClaimOutcome]:
        """Judge, and hand the record to the log, at once."""
        operation = attempt.operation
        self._operations.begin(operation)
        try:
            self._uses.begin(attempt.allowance)
            why = self._why_denied(attempt)
            if why is None and attempt.allowance is not None:
                use = self._uses.take(attempt.allowance)
                attempt = attempt if use is None else attempt.spending(use)
                why = Denial.BUSY if use is None else None
            if why is None and operation.moves:
                attempt.begins()
            durable = self._decided(attempt, why)
        except BaseException:
            ended = self._ended(operation, Denial.DOOR_FAULT, OperationEnd.NOTHING_DONE)
            self._operations.end(operation, ended)
            raise
        return self._finish(attempt, why, durable)

    def _decided(self, attempt: Attempt, why: Denial | None) -> Awaitable[bool]:
        """Hand a decision to the log; with the record of a yes a use is spent."""
        self._tell_decided(attempt.operation, why)
        on_end = None if attempt.use is None else partial(self._uses.recorded, attempt.use)
        return self._decisions.decided(
            attempt.operation,
            why,
            attempt.facts,
            within_seconds=attempt.record_seconds,
            on_end=on_end,
        )

    def _why_denied(self, attempt: Attempt) -> Denial | None:
        """Judge a new operation; an open that gets a yes is a try (`access.once.Tries`)."""
        operation = attempt.operation
        why = attempt.why_not_now()
        if why is not None or not operation.moves:
            return why
        point = self._points[operation.point]
        seconds = point.release_seconds(operation.seconds)
        if self._movers.rests_too_long(point, seconds):
            return Denial.BUSY
        now = self._clock.monotonic()
        may_try = self._tries.begin(operation.source, now)
        if not may_try:
            return Denial.BUSY
        return None

    async def _finish(
        self, attempt: Attempt, why: Denial | None, durable: Awaitable[bool]
    ) -> ClaimOutcome:
        """Carry an operation to its end, and keep the outcome."""
        operation = attempt.operation
        # of an end that was not foreseen
        ended = self._ended(operation, Denial.DOOR_FAULT, OperationEnd.MOVED)
        try:
            ended = await self._carry_out(attempt, why, durable)
        finally:
            was_try = why is None and operation.moves
            if was_try and ended.end is OperationEnd.MOVED:
                self._tries.moved(operation.source)
            self._operations.end(operation, ended)
            self._tell_ended(operation, ended.outcome.why)
        if ended.end is not OperationEnd.NOTHING_DONE:
            attempt.settle(ended.outcome.why)
        elif was_try:
            attempt.came_to_nothing()
        return ended.outcome

    async def _carry_out(
        self, attempt: Attempt, why: Denial | None, durable: Awaitable[bool]
    ) -> Ended:
        """Wait for the record, judge again, then move."""
        operation = attempt.operation
        if not await durable:
            fault = "it could not be recorded in time"
            return await self._not_released(attempt, Denial.DOOR_FAULT, fault)
        for follower in self._followers:
            follower.recorded(operation)
        if why in NO_DECISIONS:
            return self._ended(operation, why, OperationEnd.NOTHING_DONE)
        if why is not None or not operation.moves:
            return self._ended(operation, why, OperationEnd.ANSWERED)
        changed = attempt.why_not_now()
        if changed is not None:
            return await self._not_released(attempt, changed)
        return await self._move(attempt)

    async def _move(self, attempt: Attempt) -> Ended:
        """Drive the strike, or say why it was not."""
        operation = attempt.operation
        point = self._points[operation.point]
        seconds = point.release_seconds(operation.seconds)
        for follower in self._followers:
            follower.asked(operation, self._clock.monotonic())
        try:
            changed = await self._movers.release(
                point,
                seconds,
                attempt.why_not_now,
                extended=attempt.needs_longer(),
            )
        except RestingError as error:
            return await self._not_released(attempt, Denial.BUSY, str(error))
        except HardwareError as error:
            return await self._may_have_moved(operation, str(error))
        if changed is not None:
            return await self._not_released(attempt, changed)
        return self._ended(operation, None, OperationEnd.MOVED)

    def _tell_decided(self, operation: Operation, why: Denial | None) -> None:
        for follower in self._followers:
            follower.decided(operation, why)

    def _tell_ended(self, operation: Operation, why: Denial | None) -> None:
        for follower in self._followers:
            follower.ended(operation, why)

    # How it ended.

    async def _not_released(self, attempt: Attempt, why: Denial, fault: str = "") -> Ended:
        """Record that a granted release did not happen, and that nothing moved.

        That gives its use back.
        """
        operation = attempt.operation
        on_end = None
        if attempt.use is not None:
            self._uses.gives_back(attempt.use)
            on_end = partial(self._uses.gave_back, attempt.use)
        await self._decisions.not_released(
            operation,
            why,
            fault,
            may_have_moved=False,
            use=attempt.use,
            on_end=on_end,
        )
        return self._ended(operation, why, OperationEnd.NOTHING_DONE)

    async def _may_have_moved(self, operation: Operation, fault: str) -> Ended:
        """Record that a granted release failed, and that the strike may have moved."""
        why = Denial.DOOR_FAULT
        await self._decisions.not_released(operation, why, fault, may_have_moved=True)
        return self._ended(operation, why, OperationEnd.MOVED)

    def _ended(self, operation: Operation, why: Denial | None, end: OperationEnd) -> Ended:
        outcome = self._outcome(operation, why)
        return Ended(outcome, end)

    def _outcome(self, operation: Operation, why: Denial | None) -> ClaimOutcome:
        """Tell what became of an operation; who is denied learns at most that a door is faulty."""
        if why is None:
            return ClaimOutcome(None, self.door_state(operation.point))
        if why is Denial.DOOR_FAULT:
            return ClaimOutcome(why, DoorState.FAULT)
        return ClaimOutcome(why, DoorState.UNKNOWN)
