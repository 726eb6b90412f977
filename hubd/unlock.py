"""The use case: decide, record, then strike, for a phone's proof and for the backend's order alike.

Laws: nothing moves before its record is durable; nothing moves late (LATE_SECONDS after the last byte came), or for a
phone that has gone; the same operation moves a door once, also across a restart; what cannot be recorded is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Protocol

from hubd.core import uplink
from hubd.core.access import REASONS, Decision, Denial, Denied, Facts, Granted, decide, entry_for
from hubd.core.handshake import Outcome, Proof
from hubd.core.messages import Action, DoorState, Reason
from hubd.core.ops import OPS_MAX, Asked, Key, OpTable
from hubd.core.policy import Mode
from hubd.core.records import Kind, Record, StoredRecord, Value
from hubd.core.tokens import Grant
from hubd.errors import AuditError, HardwareError, RestingError, StoreError
from hubd.ports import AuditLog, Clock, ClockState, Door, PolicyStore

LATE_SECONDS = 2.0
RECORD_SECONDS = 1.5
"""How long anybody waits for a record: a phone at most until LATE_SECONDS, but RECORD_SECONDS_MIN when its turn for RSA
came late. What comes later is evidence all the same, but moves nothing."""
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
    """An access point of this hub: its door, whether it demands the full path, its release in seconds and its cap."""

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
    tell: Callable[[str, Mapping[str, Value]], None]
    """Takes an event and its facts, for operators who count and technicians who watch."""


@dataclass(frozen=True, slots=True)
class SiteRules:
    """What holds for all doors of the hub; `points` by number."""

    points: Mapping[int, Point]
    zone: tzinfo
    grant_seconds_max: int


class Watch(Protocol):
    """Who watches the doors, and is told of releases."""

    def released(self, door: str, access_point: int, seconds: float) -> None:
        """A release was driven just now."""

    def state(self, door: str) -> DoorState:
        """What the door is seen to do."""


class Unlock:
    """Decides, records, strikes."""

    def __init__(self, rules: SiteRules, books: Books, doors: Mapping[str, Door], watch: Watch) -> None:
        self._rules, self._books, self._doors, self._watch = rules, books, doors, watch
        self._ops: Mapping[Kind, OpTable[Outcome]] = {
            Kind.ACCESS: OpTable(),
            Kind.REMOTE: OpTable(OPS_MAX, ORDER_REMEMBERED_SECONDS),
        }
        self._at_work: dict[Key, asyncio.Future[Outcome]] = {}

    def remember(self, records: Sequence[StoredRecord]) -> None:
        """Learn from the newest records which operations were asked before a restart; pass over what is not known.

        Whether a strike was driven between its record and the restart nobody knows: such an operation is a fault now.
        """
        now_ms, now = self._books.clock.wall() * 1000, self._books.clock.monotonic()
        for stored in records:
            try:
                record = Record.decode(stored.body)
            except AuditError:  # of a later version
                continue
            age_seconds = max(0.0, now_ms - record.at_ms) / 1000
            match record.detail:
                case {"asker": str(asker), "op": bytes(op), "point": int(point), "action": int(action), **rest}:
                    why = _denial(rest.get("why"))
                    if record.kind in self._ops and action in set(Action) and why not in _NO_ANSWERS:
                        order = _Order(record.kind, asker, op, point, Action(action))
                        moved = why is None and order.action is Action.OPEN
                        reason = Reason.FAULT if moved else REASONS[why] if why else Reason.OK
                        outcome = Outcome(reason is Reason.OK, reason, DoorState.UNKNOWN)
                        self._ops[order.kind].remember(order.key, order.content, now - age_seconds, outcome)
                case {"of": bytes(op), "of_kind": str(kind), "asker": str(asker), "point": int(point)} if (
                    kind in self._ops
                ):
                    order = _Order(Kind(kind), asker, op, point, Action.OPEN)
                    self._ops[order.kind].answered(order.key, Outcome(False, Reason.FAULT, DoorState.UNKNOWN))

    def present(self, proof: Proof, alive: Callable[[], bool]) -> Awaitable[Outcome]:
        """Decide what a phone asks and hand the record to the log, at once; awaited, strike and give the outcome.

        `alive` tells whether the phone is still there.
        """
        opened = proof.opened
        order = _Order(Kind.ACCESS, opened.grant.credential, opened.op, opened.access_point, opened.action)
        latest = proof.arrived + LATE_SECONDS
        late = self._lateness(latest, alive)
        within = max(RECORD_SECONDS_MIN, min(RECORD_SECONDS, latest - self._books.clock.monotonic()))

        def judge(at: float) -> Decision:
            try:
                return decide(self._facts(opened.grant, opened.access_point), proof, at)
            except StoreError:
                return Denied(Denial.DOOR_FAULT)

        return self._once(order, judge, late, {"grant": opened.grant.grant_id, "path": str(proof.path)}, within)

    async def release(self, order: uplink.Release) -> uplink.Result:
        """Carry out the backend's order."""
        wall, clock = self._books.clock.wall(), self._books.clock
        asked = _Order(Kind.REMOTE, order.by, order.id, order.access_point, Action.OPEN, order.seconds)

        def late() -> bool:
            return clock.wall() > order.expires_at

        def judge(_: float) -> Decision:
            if clock.state() is not ClockState.TRUSTED:
                return Denied(Denial.TIME_UNTRUSTED)
            if late() or order.expires_at > wall + ORDER_SECONDS_MAX:
                return Denied(Denial.TOO_LATE)
            if order.access_point not in self._rules.points:
                return Denied(Denial.NO_GRANT)
            shut = self._shut(order.access_point)
            return Granted() if shut is None else Denied(shut)

        outcome = await self._once(asked, judge, late, {})
        return uplink.Result(order.id, _REMOTE[outcome.reason], outcome.reason.name.lower().replace("_", " "))

    def _once(
        self,
        order: _Order,
        judge: Callable[[float], Decision],
        late: Callable[[], bool],
        facts: dict[str, Value],
        within: float = RECORD_SECONDS,
    ) -> Awaitable[Outcome]:
        """Begin an operation that is new; give the known answer to one that is not."""
        match self._ops[order.kind].ask(order.key, order.content, self._books.clock.monotonic()):
            case Asked.NEW:
                pass
            case Asked.SAME:
                return self._known(order)
            case Asked.CONFLICT:
                return self._refuse(order, Denial.OP_CONFLICT, facts)
            case Asked.FULL:
                return self._refuse(order, Denial.BUSY, facts)
        self._at_work[order.key] = asyncio.get_running_loop().create_future()
        try:
            decision = Denied(Denial.TOO_LATE) if late() else judge(self._books.clock.wall())
            why = decision.why if isinstance(decision, Denied) else None
            durable = self._submit(order, why, facts, within)
        except BaseException:
            self._done(order, self._outcome(Denial.DOOR_FAULT, order))
            raise
        return self._finish(order, self._carry_out(order, why, late, durable))

    async def _known(self, order: _Order) -> Outcome:
        known = self._ops[order.kind].answer(order.key)
        if known is None:
            known = await asyncio.shield(self._at_work[order.key])
        return Outcome(known.allowed, known.reason, self._door_state(order.point) if known.allowed else known.door)

    async def _finish(self, order: _Order, work: Awaitable[Outcome]) -> Outcome:
        outcome = self._outcome(Denial.DOOR_FAULT, order)
        try:
            outcome = await work
        finally:
            self._done(order, outcome)
        return outcome

    def _done(self, order: _Order, outcome: Outcome) -> None:
        self._ops[order.kind].answered(order.key, outcome)
        self._at_work.pop(order.key).set_result(outcome)

    async def _carry_out(
        self, order: _Order, why: Denial | None, late: Callable[[], bool], durable: Awaitable[bool]
    ) -> Outcome:
        """Record what was decided, then strike."""
        if not await durable:
            return await self._not_done(order, Denial.DOOR_FAULT, "it could not be recorded in time")
        if why is not None or order.action is not Action.OPEN:
            return self._outcome(why, order)
        if late():
            return await self._not_done(order, Denial.TOO_LATE)
        if (shut := self._shut(order.point)) is not None:
            return await self._not_done(order, shut)
        point = self._rules.points[order.point]
        seconds = min(point.strike_seconds if order.seconds is None else float(order.seconds), point.cap_seconds)

        def look() -> Denial | None:
            return Denial.TOO_LATE if late() else self._shut(order.point)

        try:
            changed = await self._strike(self._doors[point.door], seconds, look)
        except RestingError as error:
            return await self._not_done(order, Denial.BUSY, str(error))
        except HardwareError as error:
            return await self._not_done(order, Denial.DOOR_FAULT, str(error))
        if changed is not None:
            return await self._not_done(order, changed)
        self._watch.released(point.door, order.point, seconds)
        return self._outcome(None, order)

    async def _strike(self, door: Door, seconds: float, look: Callable[[], Denial | None]) -> Denial | None:
        """Drive a strike. One that must rest is waited for, and after that it is looked again whether it still may.

        Return what `look` found, None when the strike is driven. Raise RestingError when it must rest for too long,
        HardwareError as `Door.release` does.
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
        """Tell why the access point must stay shut now, if it must; a policy that cannot be read shuts it."""
        try:
            return Denial.LOCKDOWN if self._books.policy.mode(number) in (Mode.LOCKDOWN, Mode.NO_ENTRY) else None
        except StoreError as error:
            self._books.tell("policy_unreadable", {"why": str(error)})
            return Denial.DOOR_FAULT

    async def enforce(self) -> None:
        """End the releases of doors that a new policy has locked."""
        for door in {point.door for point in self._rules.points.values() if self._shut(point.number)}:
            try:
                await self._doors[door].secure()
            except HardwareError as error:
                self._books.tell("not_secured", {"door": door, "why": str(error)})

    async def _refuse(self, order: _Order, why: Denial, facts: dict[str, Value]) -> Outcome:
        await self._submit(order, why, facts, RECORD_SECONDS)
        return self._outcome(why, order)

    def _submit(self, order: _Order, why: Denial | None, facts: dict[str, Value], within: float) -> Awaitable[bool]:
        """Hand the decision to the log; awaited, tell whether it is durable. What happened is told after that."""
        detail: dict[str, Value] = {**order.facts, **facts, "allowed": why is None}
        detail["why"] = None if why is None else str(why)
        return self._append(self._record(order.kind, detail), str(order.kind), detail, within)

    async def _not_done(self, order: _Order, why: Denial, sentence: str = "") -> Outcome:
        """Write down that a granted release did not happen."""
        detail: dict[str, Value] = {"of": order.op, "of_kind": str(order.kind), "asker": order.asker}
        detail |= {"point": order.point, "why": str(why), "fault": sentence}
        await self._append(self._record(Kind.FAULT, detail), "not_released", detail, NOT_DONE_SECONDS)
        return self._outcome(why, order)

    def _append(self, record: Record, event: str, facts: Mapping[str, Value], within: float) -> Awaitable[bool]:
        try:
            return self._durable(self._books.log.append(record), event, facts, within)
        except AuditError as error:
            return self._durable(_failed(error), event, facts, within)

    async def _durable(self, appended: Awaitable[int], event: str, facts: Mapping[str, Value], within: float) -> bool:
        """Return whether a record is durable; one still on its way after `within` seconds counts as not."""
        try:
            async with asyncio.timeout(within):
                await appended
            return True
        except (AuditError, TimeoutError) as error:
            self._books.tell("audit_failed", {"why": str(error) or f"the disk took longer than {within:.1f} s"})
            return False
        finally:  # told soon, not now: the strike does not wait for a log line
            asyncio.get_running_loop().call_soon(self._books.tell, event, facts)

    def _record(self, kind: Kind, detail: Mapping[str, Value]) -> Record:
        clock = self._books.clock
        trusted = {} if clock.state() is ClockState.TRUSTED else {"clock": clock.state().value}
        return Record.at(kind, clock.wall(), clock.monotonic(), {**detail, **trusted})

    def _facts(self, grant: Grant, access_point: int) -> Facts:
        """Look up the few facts that matter."""
        policy, point = self._books.policy, self._rules.points.get(access_point)
        entry = entry_for(grant, access_point)
        numbers = [rule for rule in entry.rules if isinstance(rule, int)] if entry else []
        schedules = {number: rules for number in numbers if (rules := policy.schedule(number)) is not None}
        return Facts(
            served=point is not None,
            fresh=point is not None and point.fresh,
            mode=policy.mode(access_point),
            revoked=policy.revoked(grant.credential, grant.grant_id),
            time_trusted=self._books.clock.state() is ClockState.TRUSTED,
            schedules=schedules,
            zone=self._rules.zone,
            grant_seconds_max=self._rules.grant_seconds_max,
        )

    def _lateness(self, deadline: float, alive: Callable[[], bool]) -> Callable[[], bool]:
        return lambda: self._books.clock.monotonic() > deadline or not alive()

    def _outcome(self, why: Denial | None, order: _Order) -> Outcome:
        """Tell what became of an order; who is denied learns nothing of the door, but that it is out of order."""
        if why is not None:
            return Outcome(False, REASONS[why], DoorState.FAULT if why is Denial.DOOR_FAULT else DoorState.UNKNOWN)
        return Outcome(True, Reason.OK, self._door_state(order.point))

    def _door_state(self, number: int) -> DoorState:
        point = self._rules.points.get(number)
        return self._watch.state(point.door) if point else DoorState.UNKNOWN


@dataclass(frozen=True, slots=True)
class _Order:
    """What is asked, by whom; `seconds` None leaves the time to the access point's setting."""

    kind: Kind
    asker: str
    op: bytes
    point: int
    action: Action
    seconds: int | None = None

    @property
    def key(self) -> Key:
        """The backend's operations are one asker's, whoever ordered them there."""
        return (f"{self.kind}/{self.asker}" if self.kind is Kind.ACCESS else str(self.kind)), self.op

    @property
    def content(self) -> tuple[int, int]:
        return self.point, int(self.action)

    @property
    def facts(self) -> dict[str, Value]:
        return {"asker": self.asker, "op": self.op, "point": self.point, "action": int(self.action)}


async def _failed(error: AuditError) -> int:
    raise error


_NO_ANSWERS = (Denial.OP_CONFLICT, Denial.BUSY)
"""Denials of a repetition: the answer to the operation itself is another one."""


def _denial(why: Value) -> Denial | None:
    """Read a recorded reason; one of another version of hubd is a denial all the same."""
    if why is None:
        return None
    return Denial(why) if isinstance(why, str) and why in set(Denial) else Denial.NO_GRANT


_REMOTE = {
    Reason.OK: uplink.Outcome.RELEASED,
    Reason.BUSY: uplink.Outcome.LATE,
    Reason.FAULT: uplink.Outcome.FAILED,
    **dict.fromkeys(
        (Reason.NO_RIGHT, Reason.SCHEDULE, Reason.GRANT_TIME, Reason.REVOKED, Reason.NEED_FULL), uplink.Outcome.REFUSED
    ),
    **dict.fromkeys((Reason.CLOCK, Reason.OP_CONFLICT, Reason.LOCKED), uplink.Outcome.REFUSED),
}
