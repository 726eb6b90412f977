"""The use case that tries the hub's parts because somebody at the hub asks for it.

Laws:
1. It is recorded, with the user's number, before anything is tried. Without the record nothing is.
2. Nothing is moved: no step can reach a strike, and devices are only read.
3. The steps go side by side. Each has a time limit, and none ends another.
4. What cannot be tried here is `unknown`, with the cause, and never well.
5. It begins at most once in PACE_SECONDS, and never twice at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hubcore.checks import AREA_OF, CHECKS, Area, CheckId
from hubcore.errors import HubError
from hubcore.evidence.facts import Detail, EventName, Fact, RecordKind, Tell
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubd.recording import record_now

STEP_SECONDS = 15.0
"""A device that sleeps answers later, or not at all: then that is what is known."""
PACE_SECONDS = 10.0
TRY = "try"
"""What the record says was done."""


class TrialState(StrEnum):
    """How a step went, in the words of `hubctl doctor`."""

    OK = "ok"
    UNKNOWN = "unknown"
    FAILED = "failed"


class NotTried(HubError):
    """A step that cannot be made here; its sentence says why."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to try. `check` is the row that it fails by.

    `run` returns what was seen. It raises NotTried when it cannot be made here, another HubError
    when it went wrong.
    """

    id: str
    check: CheckId
    run: Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Trial:
    """A step that was tried: what was seen, and what to do (None: nothing)."""

    id: str
    area: Area
    state: TrialState
    what: str
    remedy: str | None
    milliseconds: float


MakeSteps = Callable[[int], Sequence[Step]]
"""Takes the number of the record that was made of this."""


class Trials:
    """Tries the hub's parts."""

    def __init__(
        self,
        make_steps: MakeSteps,
        *,
        log: AuditLog,
        clock: Clock,
        tell: Tell,
        step_seconds: float = STEP_SECONDS,
    ) -> None:
        self._make_steps = make_steps
        self._log = log
        self._clock = clock
        self._tell = tell
        self._step_seconds = step_seconds
        self._under_way = False
        self._next_at = clock.monotonic()

    def must_wait_seconds(self) -> float:
        """Return how long whoever asks must wait; 0: it can begin now."""
        left = max(0.0, self._next_at - self._clock.monotonic())
        return max(left, 1.0) if self._under_way else left

    async def run(self, by: str, uid: int) -> list[Trial]:
        """Record it, try each step, and return how each went.

        `by` is the kind of person who asks, no name; `uid` the user of this machine. Raise
        AuditError when it cannot be recorded.
        """
        self._under_way = True
        self._next_at = self._clock.monotonic() + PACE_SECONDS
        try:
            detail: Detail = {Fact.WHAT: TRY, Fact.VOUCHED_BY: by, Fact.UID: uid}
            number = await self._log.append(record_now(self._clock, RecordKind.ACT, detail))
            self._tell(EventName.ACT, detail)
            steps = self._make_steps(number)
            async with asyncio.TaskGroup() as tasks:
                tried = [tasks.create_task(self._try(step)) for step in steps]
            return [task.result() for task in tried]
        finally:
            self._under_way = False

    async def _try(self, step: Step) -> Trial:
        began = self._clock.monotonic()
        state = TrialState.FAILED
        try:
            async with asyncio.timeout(self._step_seconds):
                what = await step.run()
            state = TrialState.OK
        except TimeoutError:
            what = f"no answer within {self._step_seconds:g} s"
        except NotTried as error:
            what = str(error)
            state = TrialState.UNKNOWN
        except HubError as error:
            what = str(error)
        except Exception as error:  # a bug in a step is that step's failure
            what = f"it failed inside hubd: {type(error).__name__}"
        row = CHECKS[step.check]
        return Trial(
            id=step.id,
            area=AREA_OF[row.class_],
            state=state,
            what=what,
            remedy=row.remedy if state is TrialState.FAILED else None,
            milliseconds=round(1000 * (self._clock.monotonic() - began), 1),
        )
