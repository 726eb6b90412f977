"""The use case: decide, record, then strike, for a claim and for the backend's order alike.

Laws:
1. Nothing moves before its record is durable; what cannot be recorded is refused.
2. Nothing moves late (LATE_SECONDS after the last byte came), or for a phone that has gone.
3. What was decided is looked at again right before the strike, with the policy and the time of that
   moment.
4. The same operation moves a door once, also across a restart.
5. An operation for which nothing was done and nothing was decided is asked for the first time when
   it is asked again.
6. An answer is repeated only to who would be let in now; who would not is denied and recorded like
   anybody else.
7. A yes is not recorded for a strike that is known to rest for too long, nor for an asker with too
   many a yes that came to nothing (`access.once.TRIES`): they are denied as BUSY, and such denials
   have a pace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from enum import Enum
from typing import Protocol

from hubcore.access.claim import Claim, ClaimOutcome
from hubcore.access.decide import Decision, Denied, Facts, Granted, decide
from hubcore.access.once import OPS_MAX, Asked, Key, OpTable, Tries
from hubcore.access.words import Action, Denial, Mode
from hubcore.backend import uplink
from hubcore.backend.answers import ORDER_OUTCOMES
from hubcore.door.state import DoorState
from hubcore.errors import AuditError, HardwareError, RestingError, StoreError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import Record, RecordKind, StoredRecord, Value
from hubcore.ports.clock import Clock, ClockState
from hubcore.ports.doors import Mover
from hubcore.ports.stores import AuditLog, PolicyStore

LATE_SECONDS = 2.0
RECORD_SECONDS = 1.5
"""How long anybody waits for a record: a phone at most until LATE_SECONDS, but RECORD_SECONDS_MIN
when its turn for RSA came late. What comes later is evidence all the same, but moves nothing.
"""
RECORD_SECONDS_MIN = 0.5
NOT_DONE_SECONDS = 0.5
"""How long the answer waits for the record that a granted release did not happen."""
REST_WAIT_SECONDS = 2.0
"""How long a release waits for a strike that must rest; who would wait for longer is told BUSY."""
ORDER_SECONDS_MAX = 60
ORDER_REMEMBERED_SECONDS = 420.0
"""Longer than an order may live and a trusted clock may step back, together."""


@dataclass(frozen=True, slots=True)
class Point:
    """An access point of this hub: its door, whether it demands the full path, its release in
    seconds and its cap.
    """

    number: int
    door: str
    fresh: bool
    strike_seconds: float
    cap_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Books:
    """What a decision rests on and leaves behind."""

    policy: PolicyStore
    log: AuditLog
    clock: Clock
    tell: Tell


@dataclass(frozen=True, slots=True)
class SiteRules:
    """What holds for all doors of the hub; `points` by number."""

    points: Mapping[int, Point]
    zone: tzinfo
    grant_seconds_max: int


class OperationFate(Enum):
    """What became of an operation."""

    ANSWERED = "decided, and there is nothing to move"
    MOVED = "the strike was driven, or may have been"
    NOTHING_DONE = "nothing was decided about it, or nothing came of it"


class Watch(Protocol):
    """Who watches the doors, and is told of releases."""

    def released(self, door: str, access_point: int, seconds: float) -> None:
        """A release was driven just now."""

    def state(self, door: str) -> DoorState:
        """What the door is seen to do."""


class Unlock:
    """Decides, records, strikes."""

    def __init__(
        self, rules: SiteRules, books: Books, doors: Mapping[str, Mover], watch: Watch
    ) -> None:
        self._rules = rules
        self._books = books
        self._doors = doors
        self._watch = watch
        self._ops: Mapping[RecordKind, OpTable[ClaimOutcome]] = {
            RecordKind.ACCESS: OpTable(),
            RecordKind.REMOTE: OpTable(OPS_MAX, ORDER_REMEMBERED_SECONDS),
        }
        self._tries = Tries()
        self._at_work: dict[Key, asyncio.Future[None]] = {}

    def remember(self, records: Sequence[StoredRecord]) -> None:
        """Learn from the newest records which operations were asked before a restart; pass over
        what is not known.

        Whether a strike was driven between its record and the restart nobody knows: such an
        operation is a fault now. One for which the records say that nothing was done is not known
        at all.
        """
        now = self._books.clock.monotonic()
        for record, age_seconds in _with_ages(records, now):
            match record.detail:
                case {
                    Fact.ASKER: str(asker),
                    Fact.OP: bytes(op),
                    Fact.POINT: int(point),
                    Fact.ACTION: int(action),
                    **rest,
                }:
                    if record.kind in self._ops and action in set(Action):
                        asked = _Order(
                            kind=record.kind,
                            asker=asker,
                            op=op,
                            point=point,
                            action=Action(action),
                        )
                        self._remember(asked, _denial(rest.get(Fact.WHY)), now - age_seconds)
                case {
                    Fact.OF: bytes(op),
                    Fact.OF_KIND: str(kind),
                    Fact.ASKER: str(asker),
                    Fact.POINT: int(point),
                    **rest,
                } if kind in self._ops:
                    undone = _Order(
                        kind=RecordKind(kind),
                        asker=asker,
                        op=op,
                        point=point,
                        action=Action.OPEN,
                    )
                    if _nothing_moved(rest):
                        self._ops[undone.kind].forget(undone.key)

    def _remember(self, order: _Order, why: Denial | None, at: float) -> None:
        """Enter an operation that was decided before a restart."""
        if why in _NO_DECISIONS:
            return
        moved = why is None and order.action is Action.OPEN
        outcome = ClaimOutcome(Denial.DOOR_FAULT if moved else why, DoorState.UNKNOWN)
        self._ops[order.kind].remember(order.key, order.content, at, outcome, moved)

    def present(self, claim: Claim, alive: Callable[[], bool]) -> Awaitable[ClaimOutcome]:
        """Decide what a phone asks and hand the record to the log, at once; awaited, strike and
        give the outcome.

        `alive` tells whether the phone is still there.
        """
        order = _Order(
            kind=RecordKind.ACCESS,
            asker=claim.credential,
            op=claim.op,
            point=claim.access_point,
            action=claim.action,
        )
        latest = claim.arrived + LATE_SECONDS
        late = self._lateness(latest, alive)
        within = max(
            RECORD_SECONDS_MIN, min(RECORD_SECONDS, latest - self._books.clock.monotonic())
        )

        def judge(at: float) -> Decision:
            try:
                return decide(self._facts(claim), claim, at)
            except StoreError as error:
                self._books.tell(EventName.POLICY_UNREADABLE, {Fact.WHY: str(error)})
                return Denied(Denial.DOOR_FAULT)

        facts: Detail = {Fact.GRANT: claim.grant_id, Fact.PATH: str(claim.strength)}
        return self._once(
            _Wish(
                order,
                judge=judge,
                late=late,
                facts=facts,
                within=within,
            )
        )

    async def release(self, order: uplink.Release) -> uplink.Result:
        """Carry out the backend's order."""
        clock = self._books.clock
        came = clock.wall()
        asked = _Order(
            kind=RecordKind.REMOTE,
            asker=order.by,
            op=order.id,
            point=order.access_point,
            action=Action.OPEN,
            seconds=order.seconds,
        )

        def late() -> bool:
            return clock.wall() > order.expires_at

        def judge(_: float) -> Decision:
            if clock.state() is not ClockState.TRUSTED:
                return Denied(Denial.TIME_UNTRUSTED)
            if late() or order.expires_at > came + ORDER_SECONDS_MAX:
                return Denied(Denial.TOO_LATE)
            if order.access_point not in self._rules.points:
                return Denied(Denial.NO_GRANT)
            shut = self._shut(order.access_point)
            return Granted() if shut is None else Denied(shut)

        why = (
            await self._once(
                _Wish(
                    asked,
                    judge=judge,
                    late=late,
                    facts={},
                )
            )
        ).why
        if why is None:
            return uplink.Result(order.id, uplink.ReleaseOutcome.RELEASED, "ok")
        return uplink.Result(order.id, ORDER_OUTCOMES[why], why.replace("-", " "))

    def _once(self, wish: _Wish) -> Awaitable[ClaimOutcome]:
        """Begin an operation that is new; give the known answer to one that is not."""
        order = wish.order
        match self._ops[order.kind].ask(order.key, order.content, self._books.clock.monotonic()):
            case Asked.NEW:
                return self._begin(wish)
            case Asked.SAME:
                return self._again(wish)
            case Asked.CONFLICT:
                return self._refuse(wish, Denial.OP_CONFLICT)
            case Asked.FULL:
                return self._refuse(wish, Denial.BUSY)

    def _begin(self, wish: _Wish) -> Awaitable[ClaimOutcome]:
        """Decide, and hand the record to the log, at once."""
        order = wish.order
        self._at_work[order.key] = asyncio.get_running_loop().create_future()
        try:
            why = self._decide(wish)
            durable = self._submit(order, why, wish.facts, wish.within)
        except BaseException:
            self._done(
                order, _End(self._answer(Denial.DOOR_FAULT, order), OperationFate.NOTHING_DONE)
            )
            raise
        return self._finish(
            order, why is None and order.action is Action.OPEN, self._carry_out(wish, why, durable)
        )

    def _decide(self, wish: _Wish) -> Denial | None:
        """Tell why there is no yes, if so; an open that gets one is a try of its asker's
        (`access.once.Tries`).
        """
        order = wish.order
        why = self._look(wish)
        if why is not None or order.action is not Action.OPEN:
            return why
        door = self._doors[self._rules.points[order.point].door]
        if door.must_rest_seconds(self._strike_seconds(order)) > REST_WAIT_SECONDS:
            return Denial.BUSY
        if self._tries.begin(order.key[0], self._books.clock.monotonic()):
            return None
        return Denial.BUSY

    def _strike_seconds(self, order: _Order) -> float:
        """Return for how long an order drives the strike."""
        point = self._rules.points[order.point]
        seconds = point.strike_seconds if order.seconds is None else float(order.seconds)
        return min(seconds, point.cap_seconds)

    async def _again(self, wish: _Wish) -> ClaimOutcome:
        """Answer an operation that was asked before; one that is at work is waited for."""
        order = wish.order
        at_work = self._at_work.get(order.key)
        if at_work is not None:
            await asyncio.shield(at_work)
        known = self._ops[order.kind].answer(order.key)
        if known is None:  # nothing was done, or it is begun anew: this try stands for itself
            return await self._once(wish)
        if order.kind is RecordKind.ACCESS and known.why in (None, Denial.DOOR_FAULT):
            why = self._denied_now(wish)
            if why is not None:
                return await self._refuse(wish, why)
        return self._answer(None, order) if known.why is None else known

    def _denied_now(self, wish: _Wish) -> Denial | None:
        """Tell why a phone that repeats an answered operation is denied now; moving is over, so it
        is never late.

        A ticket is enough to hear again what the full path was told: a new operation would move the
        door again.
        """
        decision = wish.judge(self._books.clock.wall())
        why = decision.why if isinstance(decision, Denied) else None
        return None if why is Denial.FULL_PROOF_NEEDED else why

    def _look(self, wish: _Wish) -> Denial | None:
        """Tell why nothing may move for this wish now, if so."""
        if wish.late():
            return Denial.TOO_LATE
        decision = wish.judge(self._books.clock.wall())
        return decision.why if isinstance(decision, Denied) else None

    async def _finish(self, order: _Order, is_try: bool, work: Awaitable[_End]) -> ClaimOutcome:
        # of an end that was not foreseen
        end = _End(self._answer(Denial.DOOR_FAULT, order), OperationFate.MOVED)
        try:
            end = await work
        finally:
            if is_try and end.fate is OperationFate.MOVED:
                self._tries.moved(order.key[0])
            self._done(order, end)
        return end.answer

    def _done(self, order: _Order, end: _End) -> None:
        """Keep the answer, unless nothing was done; wake who waits for it."""
        ops = self._ops[order.kind]
        if end.fate is OperationFate.NOTHING_DONE:
            ops.forget(order.key)
        else:
            ops.answered(order.key, end.answer, moved=end.fate is OperationFate.MOVED)
        self._at_work.pop(order.key).set_result(None)

    async def _carry_out(self, wish: _Wish, why: Denial | None, durable: Awaitable[bool]) -> _End:
        """Record what was decided, look again, then strike."""
        order = wish.order
        if not await durable:
            return await self._not_done(
                order, Denial.DOOR_FAULT, "it could not be recorded in time"
            )
        if why is not None or order.action is not Action.OPEN:
            fate = OperationFate.NOTHING_DONE if why in _NO_DECISIONS else OperationFate.ANSWERED
            return _End(self._answer(why, order), fate)
        if (now_denied := self._look(wish)) is not None:
            return await self._not_done(order, now_denied)
        point = self._rules.points[order.point]
        seconds = self._strike_seconds(order)
        try:
            changed = await self._strike(self._doors[point.door], seconds, lambda: self._look(wish))
        except RestingError as error:
            return await self._not_done(order, Denial.BUSY, str(error))
        except HardwareError as error:
            return await self._not_done(order, Denial.DOOR_FAULT, str(error), OperationFate.MOVED)
        if changed is not None:
            return await self._not_done(order, changed)
        self._watch.released(point.door, order.point, seconds)
        return _End(self._answer(None, order), OperationFate.MOVED)

    async def _strike(
        self, door: Mover, seconds: float, look: Callable[[], Denial | None]
    ) -> Denial | None:
        """Drive a strike. One that must rest is waited for, and after that it is looked again
        whether it still may.

        Return what `look` found, None when the strike is driven. Raise RestingError when it must
        rest for too long, HardwareError as `Mover.release` does.
        """
        left_seconds = REST_WAIT_SECONDS
        while True:
            try:
                await door.release(seconds)
                return None
            except RestingError as error:
                left_seconds -= error.seconds
                if left_seconds < 0:
                    raise
                await asyncio.sleep(error.seconds)
            if (changed := look()) is not None:
                return changed

    def _shut(self, number: int) -> Denial | None:
        """Tell why the access point must stay shut now, if it must; a policy that cannot be read
        shuts it.
        """
        try:
            if self._books.policy.mode(number) in (Mode.LOCKDOWN, Mode.NO_ENTRY):
                return Denial.LOCKDOWN
            return None
        except StoreError as error:
            self._books.tell(EventName.POLICY_UNREADABLE, {Fact.WHY: str(error)})
            return Denial.DOOR_FAULT

    async def enforce(self) -> None:
        """End the releases of doors that a new policy has locked."""
        for door in {
            point.door for point in self._rules.points.values() if self._shut(point.number)
        }:
            try:
                await self._doors[door].secure()
            except HardwareError as error:
                self._books.tell(EventName.NOT_SECURED, {Fact.DOOR: door, Fact.WHY: str(error)})

    async def _refuse(self, wish: _Wish, why: Denial) -> ClaimOutcome:
        await self._submit(wish.order, why, wish.facts, RECORD_SECONDS)
        return self._answer(why, wish.order)

    def _submit(
        self, order: _Order, why: Denial | None, facts: Detail, within: float
    ) -> Awaitable[bool]:
        """Hand the decision to the log; awaited, tell whether it is durable.

        What happened is told after that.
        """
        detail: Detail = {
            **order.facts,
            **facts,
            Fact.ALLOWED: why is None,
            Fact.WHY: None if why is None else str(why),
        }
        return self._append(self._record(order.kind, detail), EventName(order.kind), detail, within)

    async def _not_done(
        self,
        order: _Order,
        why: Denial,
        sentence: str = "",
        fate: OperationFate = OperationFate.NOTHING_DONE,
    ) -> _End:
        """Write down that a granted release did not happen; `moved` is no, or null where the strike
        may have moved.
        """
        detail: Detail = {
            Fact.OF: order.op,
            Fact.OF_KIND: str(order.kind),
            Fact.ASKER: order.asker,
            Fact.POINT: order.point,
            Fact.WHY: str(why),
            Fact.FAULT: sentence,
            Fact.MOVED: None if fate is OperationFate.MOVED else False,
        }
        await self._append(
            self._record(RecordKind.FAULT, detail), EventName.NOT_RELEASED, detail, NOT_DONE_SECONDS
        )
        return _End(self._answer(why, order), fate)

    def _append(
        self, record: Record, event: EventName, facts: Detail, within: float
    ) -> Awaitable[bool]:
        try:
            return self._durable(self._books.log.append(record), event, facts, within)
        except AuditError as error:
            return self._durable(_failed(error), event, facts, within)

    async def _durable(
        self, appended: Awaitable[int], event: EventName, facts: Detail, within: float
    ) -> bool:
        """Return whether a record is durable; one still on its way after `within` seconds counts as
        not.
        """
        try:
            async with asyncio.timeout(within):
                await appended
            return True
        except (AuditError, TimeoutError) as error:
            self._books.tell(
                EventName.AUDIT_FAILED,
                {Fact.WHY: str(error) or f"the disk took longer than {within:.1f} s"},
            )
            return False
        finally:  # told soon, not now: the strike does not wait for a log line
            asyncio.get_running_loop().call_soon(self._books.tell, event, facts)

    def _record(self, kind: RecordKind, detail: Detail) -> Record:
        clock = self._books.clock
        state = clock.state()
        if state is not ClockState.TRUSTED:
            detail = {**detail, Fact.CLOCK: state.value}
        return Record.at(kind, clock.wall(), clock.monotonic(), detail)

    def _facts(self, claim: Claim) -> Facts:
        """Look up the few facts that matter."""
        policy = self._books.policy
        point = self._rules.points.get(claim.access_point)
        numbers = (
            [rule for rule in claim.entry.rules if isinstance(rule, int)] if claim.entry else []
        )
        schedules = {
            number: rules for number in numbers if (rules := policy.schedule(number)) is not None
        }
        return Facts(
            served=point is not None,
            fresh=point is not None and point.fresh,
            mode=policy.mode(claim.access_point),
            revoked=policy.revoked(claim.credential, claim.grant_id),
            time_trusted=self._books.clock.state() is ClockState.TRUSTED,
            schedules=schedules,
            zone=self._rules.zone,
            grant_seconds_max=self._rules.grant_seconds_max,
        )

    def _lateness(self, deadline: float, alive: Callable[[], bool]) -> Callable[[], bool]:
        return lambda: self._books.clock.monotonic() > deadline or not alive()

    def _answer(self, why: Denial | None, order: _Order) -> ClaimOutcome:
        """Tell what became of an order; who is denied learns nothing of the door, but that it is
        out of order.
        """
        if why is not None:
            door = DoorState.FAULT if why is Denial.DOOR_FAULT else DoorState.UNKNOWN
            return ClaimOutcome(why, door)
        return ClaimOutcome(None, self.door_state(order.point))

    def door_state(self, number: int) -> DoorState:
        """Tell what the door of an access point is seen to do; UNKNOWN when it is none of this
        hub's.
        """
        point = self._rules.points.get(number)
        return self._watch.state(point.door) if point else DoorState.UNKNOWN


@dataclass(frozen=True, slots=True)
class _End:
    """What an operation came to."""

    answer: ClaimOutcome
    fate: OperationFate


@dataclass(frozen=True, slots=True)
class _Wish:
    """One try of an operation: how it is judged at a Unix time, whether it is late now, what its
    record says more, and how many seconds it waits for that record.
    """

    order: _Order
    judge: Callable[[float], Decision]
    late: Callable[[], bool]
    facts: Detail
    within: float = RECORD_SECONDS


@dataclass(frozen=True, slots=True)
class _Order:
    """What is asked, by whom; `seconds` None leaves the time to the access point's setting."""

    kind: RecordKind
    asker: str
    op: bytes
    point: int
    action: Action
    seconds: int | None = None

    @property
    def key(self) -> Key:
        """The backend's operations are one asker's, whoever ordered them there."""
        return (
            f"{self.kind}/{self.asker}" if self.kind is RecordKind.ACCESS else str(self.kind)
        ), self.op

    @property
    def content(self) -> tuple[int, int]:
        return self.point, int(self.action)

    @property
    def facts(self) -> Detail:
        return {
            Fact.ASKER: self.asker,
            Fact.OP: self.op,
            Fact.POINT: self.point,
            Fact.ACTION: int(self.action),
        }


async def _failed(error: AuditError) -> int:
    raise error


_NO_DECISIONS = (Denial.OP_CONFLICT, Denial.BUSY, Denial.TOO_LATE, Denial.DOOR_FAULT)
"""Denials that say nothing about the wish: the hub could not look at it, or did not."""
_SEEN_BEFORE = (Denial.TOO_LATE, Denial.LOCKDOWN, Denial.BUSY)
"""Why a release did not happen, in records that do not say whether anything moved: with these
nothing did.
"""


def _nothing_moved(fault: Mapping[str, Value]) -> bool:
    """Tell whether the record of a release that did not happen says that nothing moved."""
    if Fact.MOVED in fault:
        return fault[Fact.MOVED] is False
    return _denial(fault.get(Fact.WHY)) in _SEEN_BEFORE


def _denial(why: Value) -> Denial | None:
    """Read a recorded reason; one of another version of hubd is a denial all the same."""
    if why is None:
        return None
    return Denial(why) if isinstance(why, str) and why in set(Denial) else Denial.NO_GRANT


def _with_ages(records: Sequence[StoredRecord], now: float) -> Sequence[tuple[Record, float]]:
    """Return the records that are of this version and may be remembered, each with its least age in
    seconds.

    The wall clock says nothing of an age: it is set. The monotonic one begins again with each boot
    of the machine. So each life of the daemon, from its start's record on, is held against the
    moment after it: where its last record bears a greater time, the machine was booted in between,
    and that moment's whole time has passed since. Where it bears a smaller one, at least the
    difference has passed, booted or not.
    """
    found: list[tuple[Record, float]] = []
    moment = now
    age = 0.0
    last = None
    for stored in reversed(records):
        try:
            record = Record.decode(stored.body)
        except AuditError:  # of a later version
            continue
        at = record.mono_ms / 1000
        if last is None:
            age += moment if at > moment else moment - at
            last = at
        least = age + max(0.0, last - at)
        if least > ORDER_REMEMBERED_SECONDS:  # and so is what came before it
            break
        found.append((record, least))
        if record.kind is RecordKind.STARTED:
            moment = at
            age = least
            last = None
    return found[::-1]
