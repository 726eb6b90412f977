"""What moves a door, without a line: it notes its releases, and can fail, rest or take its time."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable

from hubcore.door.state import BoltState
from hubcore.errors import HardwareError, RestingError
from hubsim.door.door import SimDoor
from hubsim.timeline import VirtualTime
from tests.fakes.clock import Ticking


def _nothing(_seconds: float) -> None:
    return


class FakeMover:
    """The mover port of `ports.doors`. `given` has the seconds of each release that was done.

    A release ends by itself on the `timeline`. Nothing tires it; the simulator's `SimDoor` has a
    cap and rests. `on_asked` is called with the seconds of each release, before anything else.
    `rests`: so many tries find it at rest for `rest_seconds`; `rest_known`: it says so beforehand.
    `failing`: each release raises it.
    `holding`: a release returns when `step` says so. Those under way are in `held`.
    `behind`: a simulated door that is driven with it.
    """

    def __init__(
        self,
        *,
        on_asked: Callable[[float], None] = _nothing,
        rests: int = 0,
        rest_seconds: float = 0.0,
        rest_known: bool = False,
        behind: SimDoor | None = None,
        timeline: Ticking | None = None,
    ) -> None:
        self.on_asked = on_asked
        self.rests = rests
        self.rest_seconds = rest_seconds
        self.rest_known = rest_known
        self.behind = behind
        self.failing: HardwareError | None = None
        self.holding = False
        self.held: deque[asyncio.Future[None]] = deque()
        self.given: list[float] = []
        self._timeline = VirtualTime() if timeline is None else timeline
        self._ends = -math.inf

    @property
    def driven(self) -> bool:
        return self._timeline.time() < self._ends

    @property
    def bolt_state(self) -> BoltState:
        return BoltState.RELEASED if self.driven else BoltState.AT_REST

    def must_rest_seconds(self, seconds: float) -> float:
        own_seconds = self.rest_seconds if self.rest_known and self.rests else 0.0
        return max(own_seconds, self.behind.must_rest_seconds(seconds) if self.behind else 0.0)

    async def release(self, seconds: float) -> None:
        self.on_asked(seconds)
        if not (math.isfinite(seconds) and seconds > 0):
            raise HardwareError(f"A release is of a positive number of seconds, not {seconds}.")
        if self.rests:
            self.rests -= 1
            raise RestingError("Not now: the strike rests.", self.rest_seconds)
        if self.failing:
            raise self.failing
        if self.behind:
            await self.behind.release(seconds)
        if self.holding:
            self.held.append(asyncio.get_running_loop().create_future())
            await self.held[-1]
        self._ends = max(self._ends, self._timeline.time() + seconds)
        self.given.append(seconds)

    def step(self, works: bool = True) -> None:
        """Let the oldest release under way end well, or fail."""
        done = self.held.popleft()
        if done.done():
            return
        if works:
            done.set_result(None)
        else:
            done.set_exception(HardwareError("the guard does not answer"))

    async def secure(self) -> None:
        self._ends = -math.inf
        if self.behind:
            await self.behind.secure()
