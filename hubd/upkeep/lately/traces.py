"""What became of the last unlocks, step by step, with times: for people.

How it goes: a phone's visit hands over the steps before the decision. `doors.unlock` tells of each
step from there on, and the visit of the verdict. A trace begins with its decision.

Laws:
1. The newest KEPT that let somebody in are kept, and the newest OTHERS_KEPT of the others. So who
   is refused, who only asks, and whose yes moved nothing cannot push out who was let in.
2. A step has its first moment, and no other.
3. No trace shows who asked.
4. A door that is seen to open belongs to the newest trace that drove it, for OPENS_SECONDS at most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hubcore.access.claim import Claim
from hubcore.access.words import Denial
from hubcore.door.state import DoorState
from hubcore.ports.clock import Clock
from hubcore.timing.steps import UnlockStep
from hubd.doors.operation import Follower, Operation

KEPT = 32
UNDER_WAY_MAX = 8
"""A yes that has not ended. What is more counts with the others until its end."""
OTHERS_KEPT = KEPT - UNDER_WAY_MAX
OPENS_SECONDS = 30.0
VERDICT_SECONDS = 5.0
"""A verdict that has not gone to the radio by then does not go any more."""
GRANTED = "granted"


@dataclass(slots=True)
class Trace:
    """One unlock; `steps` and `ended` have monotonic seconds. `link` is a phone's visit."""

    number: int
    operation: Operation
    door: str | None
    steps: dict[UnlockStep, float]
    link: int | None
    result: str
    ended: float | None = None

    @property
    def began(self) -> float:
        """The moment of the first step."""
        return min(self.steps.values())

    def note(self, step: UnlockStep, now: float) -> None:
        """Take the moment of a step."""
        self.steps.setdefault(step, now)

    @property
    def total_seconds(self) -> float | None:
        """From the last byte, or the order, to the answer; None while it is not answered."""
        begin = self.steps.get(UnlockStep.LAST_BYTE, self.steps.get(UnlockStep.DECIDED))
        end = self.ended if self.link is None else self.steps.get(UnlockStep.VERDICT_SENT)
        if begin is None or end is None:
            return None
        return end - begin

    def is_over(self, now: float) -> bool:
        """Tell whether no step but the door's is to come: a phone may leave without its verdict."""
        if self.ended is None:
            return False
        is_waiting = self.link is not None and UnlockStep.VERDICT_SENT not in self.steps
        return not is_waiting or now - self.ended > VERDICT_SECONDS


@dataclass(frozen=True, slots=True, eq=False)
class _Before:
    """What a visit saw before the decision."""

    claim: Claim
    link: int
    steps: Mapping[UnlockStep, float]


class Traces(Follower):
    """The last unlocks."""

    def __init__(self, doors: Mapping[int, str], clock: Clock) -> None:
        """`doors` has the door of each access point."""
        self._doors = dict(doors)
        self._clock = clock
        self._granted: deque[Trace] = deque(maxlen=KEPT)
        self._under_way: deque[Trace] = deque()
        self._others: deque[Trace] = deque(maxlen=OTHERS_KEPT)
        self._before: deque[_Before] = deque(maxlen=UNDER_WAY_MAX)
        self._count = 0

    def presented(self, claim: Claim, link: int, steps: Mapping[UnlockStep, float]) -> None:
        """A phone's claim is about to be decided; `steps` are those before."""
        self._before.append(_Before(claim, link, steps))

    def decided(self, operation: Operation, why: Denial | None) -> None:
        """A trace begins; `why` None is a yes."""
        now = self._clock.monotonic()
        steps: dict[UnlockStep, float] = {}
        link = None
        claim = operation.claim
        before = self._taken(claim)
        if claim is not None:
            steps[UnlockStep.LAST_BYTE] = min(now, claim.arrived)
        if before is not None:
            steps.update(before.steps)
            link = before.link
        steps[UnlockStep.DECIDED] = now
        self._count += 1
        trace = Trace(
            number=self._count,
            operation=operation,
            door=self._doors.get(operation.point),
            steps=steps,
            link=link,
            result=_said(why),
        )
        if why is None and operation.moves:
            self._begin(trace)
        else:
            self._others.append(trace)

    def recorded(self, operation: Operation) -> None:
        """The record of the decision is durable."""
        self._note(operation, UnlockStep.RECORDED)

    def asked(self, operation: Operation, now: float) -> None:
        """The strike is asked to move."""
        trace = self._of(operation)
        if trace is not None:
            trace.note(UnlockStep.STRIKE_ASKED, now)

    def ended(self, operation: Operation, why: Denial | None) -> None:
        """Everything was done; `why` is what the asker is told."""
        trace = self._of(operation)
        if trace is None:
            return
        trace.result = _said(why)
        trace.ended = self._clock.monotonic()
        if UnlockStep.STRIKE_ASKED in trace.steps:
            trace.note(UnlockStep.STRIKE_ANSWERED, trace.ended)
        self._end(trace, why)

    def answered(self, claim: Claim) -> None:
        """The verdict was given to the radio."""
        for trace in self._newest_first():
            if trace.operation.claim is claim:
                trace.note(UnlockStep.VERDICT_SENT, self._clock.monotonic())
                return

    def door_changed(self, access_point: int, state: DoorState) -> None:
        """The door of an access point is seen otherwise."""
        if state is not DoorState.OPEN:
            return
        door = self._doors.get(access_point)
        now = self._clock.monotonic()
        for trace in self._newest_first():
            asked = trace.steps.get(UnlockStep.STRIKE_ASKED)
            if trace.door == door and asked is not None:
                if now - asked <= OPENS_SECONDS:
                    trace.note(UnlockStep.DOOR_OPENED, now)
                return

    def document(self, door: str | None = None, last: int = 2 * KEPT) -> Mapping[str, object]:
        """Return the newest, of one door or of all."""
        chosen = [one for one in self._newest_first() if door is None or one.door == door]
        return {"unlocks": [self._shown(trace) for trace in chosen[:last]]}

    def _shown(self, trace: Trace) -> Mapping[str, object]:
        began = trace.began
        now = self._clock.monotonic()
        ago_seconds = now - began
        total = trace.total_seconds
        steps = sorted(trace.steps.items(), key=lambda step: step[1])
        return {
            "number": trace.number,
            "at": self._clock.wall() - ago_seconds,
            "by": trace.operation.by,
            "link": trace.link,
            "point": trace.operation.point,
            "door": trace.door,
            "action": int(trace.operation.action),
            "result": trace.result,
            "steps": [{"step": str(step), "ms": _ms(at - began)} for step, at in steps],
            "over": trace.is_over(now),
            "total_ms": None if total is None else _ms(total),
        }

    def _taken(self, claim: Claim | None) -> _Before | None:
        """Take what was seen before a claim; a repeat may be decided after others, or never."""
        for before in self._before:
            if before.claim is claim:
                self._before.remove(before)
                return before
        return None

    def _begin(self, trace: Trace) -> None:
        if len(self._under_way) == UNDER_WAY_MAX:
            self._others.append(self._under_way.popleft())
        self._under_way.append(trace)

    def _end(self, trace: Trace, why: Denial | None) -> None:
        """Put a trace where its end belongs; a query and a refusal stand there already."""
        is_yes = why is None and trace.operation.moves
        for kept in (self._under_way, self._others):
            there = [one is trace for one in kept]
            if any(there) and (is_yes or kept is self._under_way):
                del kept[there.index(True)]
                (self._granted if is_yes else self._others).append(trace)
                return

    def _note(self, operation: Operation, step: UnlockStep) -> None:
        trace = self._of(operation)
        if trace is not None:
            trace.note(step, self._clock.monotonic())

    def _of(self, operation: Operation) -> Trace | None:
        for trace in self._newest_first():
            if trace.operation is operation:
                return trace
        return None

    def _newest_first(self) -> Iterator[Trace]:
        every = [*self._granted, *self._under_way, *self._others]
        return iter(sorted(every, key=lambda trace: trace.number, reverse=True))


def _said(why: Denial | None) -> str:
    return GRANTED if why is None else str(why)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
