"""A simulated door: an electric strike, a leaf with a spring latch, a DPS and a REX.

Laws:
1. Nobody sets its state: the leaf opens only when something frees the bolt, or by force.
2. The strike's own timer ends a release, with the cap and the rest of the real guard.
3. Every change is reported as an edge with its time, and nothing else is.
4. The same steps on a `VirtualTime` give the same edges.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial

from drivers.strike.stretch import Stretch
from hubcore.door.state import BoltState
from hubcore.errors import HardwareError, RestingError
from hubcore.ports.doors import Input, InputEvent
from hubsim.timeline import Cancellable, Timeline

NS = 1_000_000_000


class Leaf(Enum):
    CLOSED = "closed"
    OPEN = "open"
    FALLING_SHUT = "falling_shut"


class Bolt(Enum):
    """The spring latch of the leaf."""

    HELD = "held"  # in its keeper: the leaf cannot be pulled open
    FREE = "free"  # the keeper or the inside handle lets it go, or the leaf is not shut


@dataclass(slots=True)
class Faults:
    """What is wrong with the door; change it at any moment."""

    sticks: bool = False  # the strike is driven, the keeper does not let the bolt go
    bounces: int = 0  # how often the DPS contact opens again as the leaf hits the frame
    broken: str = ""  # the sentence of the HardwareError that every release raises


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds that the door's movements take."""

    cap_seconds: float = 10.0
    rest_seconds: float = 0.5
    close_seconds: float = 1.5
    bounce_seconds: float = 0.002
    handle_seconds: float = 5.0  # how long a request to exit frees the bolt, in hardware


def _is_span(seconds: float) -> bool:
    return math.isfinite(seconds) and seconds > 0


class SimDoor:
    """One door: `hubcore.ports.doors.Mover` on one side, a person's hand on the other."""

    def __init__(
        self,
        name: str,
        timeline: Timeline,
        publish: Callable[[InputEvent], None],
        times: Times | None = None,
    ) -> None:
        """Start shut and secured, and report these levels."""
        self.name = name
        self.faults = Faults()
        self.leaf = Leaf.CLOSED
        self.wedged = False
        self.active = False  # the strike line is driven
        self.strikes = 0  # rising edges of the strike line
        self.last_drive_ns = 0  # the timeline's time of the last release, in ns
        self._timeline = timeline
        self._publish = publish
        self._times = times or Times()
        rested_since_ns = self._now_ns() - round(self._times.rest_seconds * NS)
        self._stretch = Stretch(
            cap_ms=self._cap_ms,
            rest_ms=round(self._times.rest_seconds * 1000),
            now=rested_since_ns,
        )
        self._handle_until = -math.inf
        self._strike_timer: Cancellable | None = None
        self._leaf_timers: list[Cancellable] = []
        self._contact_closed = True
        self._report(Input.STRIKE_INACTIVE)
        self._report(Input.DOOR_CLOSED)

    # The strike, as hubd sees it.

    async def release(self, seconds: float) -> None:
        """See `hubcore.ports.doors.Mover.release`."""
        if self.faults.broken:
            self._deactivate()
            raise HardwareError(self.faults.broken)
        if not _is_span(seconds):
            raise HardwareError(
                f"A release of {seconds} s is none: a positive number of seconds is needed."
            )
        pulse_ms = self._pulse_ms(seconds)
        now = self._now_ns()
        wait_ms = self._stretch.wait(pulse_ms, now)
        if wait_ms:
            raise RestingError(
                f"Not now: the strike rests for another {wait_ms} ms.", wait_ms / 1000
            )
        self.last_drive_ns = now
        if not self._stretch.driven:
            self.strikes += 1
            self._drive(now)
        self._stretch.began(pulse_ms, now)
        self._set_timer()

    @property
    def driven(self) -> bool:
        """See `hubcore.ports.doors.Mover.driven`."""
        return self.active

    @property
    def bolt_state(self) -> BoltState:
        """See `hubcore.ports.doors.Mover.bolt_state`: a strike, which cannot tell."""
        return BoltState.RELEASED if self.active else BoltState.AT_REST

    def must_rest_seconds(self, seconds: float) -> float:
        """See `hubcore.ports.doors.Mover.must_rest_seconds`."""
        if self.faults.broken or not _is_span(seconds):
            return 0.0
        pulse_ms = self._pulse_ms(seconds)
        wait_ms = self._stretch.wait(pulse_ms, self._now_ns())
        return max(0, wait_ms) / 1000

    async def secure(self) -> None:
        """See `hubcore.ports.doors.Mover.secure`."""
        self._deactivate()

    @property
    def _cap_ms(self) -> int:
        return round(self._times.cap_seconds * 1000)

    def _pulse_ms(self, seconds: float) -> int:
        return min(math.ceil(seconds * 1000), self._cap_ms)

    def _drive(self, now: int) -> None:
        self._stretch.rose(now)
        self.active = True
        self._report(Input.STRIKE_ACTIVE)

    def _deactivate(self) -> None:
        self._stretch.secured(self._now_ns())
        self._rest()

    def _due(self) -> None:
        """End the pulse, or go on with it after a rest."""
        now = self._now_ns()
        if self._stretch.driven:
            self._stretch.fell(now)
            self._rest()
        else:
            self._drive(now)
            self._set_timer()

    def _rest(self) -> None:
        self._set_timer()
        if self.active:
            self.active = False
            self._report(Input.STRIKE_INACTIVE)

    def _set_timer(self) -> None:
        if self._strike_timer is not None:
            self._strike_timer.cancel()
            self._strike_timer = None
        moment = self._stretch.falls_at() or self._stretch.rises_at()
        if moment is not None:
            self._strike_timer = self._timeline.call_at(moment / NS, self._due)

    def _now_ns(self) -> int:
        return round(self._timeline.time() * NS)

    # The metal, as a person meets it.

    @property
    def bolt(self) -> Bolt:
        """Whether anything frees the bolt just now."""
        keeper_free = self.active and not self.faults.sticks
        handle_free = self._timeline.time() < self._handle_until
        if self.leaf is not Leaf.CLOSED or keeper_free or handle_free:
            return Bolt.FREE
        return Bolt.HELD

    def pull(self) -> bool:
        """Pull the leaf; return whether it is open now."""
        if self.bolt is Bolt.FREE:
            self._open()
        return self.leaf is Leaf.OPEN

    def force(self) -> None:
        """Break in: the leaf opens whatever holds the bolt."""
        self._open()

    def let_go(self) -> None:
        """Leave the leaf to its closer: it falls shut, unless something wedges it open."""
        if self.leaf is Leaf.OPEN and not self.wedged:
            self.leaf = Leaf.FALLING_SHUT
            self._after(self._times.close_seconds, self._hit_frame)

    def hold_open(self) -> None:
        """Wedge the leaf: once it is open, it does not fall shut."""
        self.wedged = True
        if self.leaf is Leaf.FALLING_SHUT:
            self._open()

    def remove_wedge(self) -> None:
        """Take the wedge away; an open leaf falls shut."""
        self.wedged = False
        self.let_go()

    def push_rex(self) -> None:
        """Ask to get out: the handle frees the bolt at once, without hubd; a contact reports it."""
        self._handle_until = self._timeline.time() + self._times.handle_seconds
        self._report(Input.REX)

    def _open(self) -> None:
        self._cancel_leaf()
        self.leaf = Leaf.OPEN
        self._contact(closed=False)

    def _hit_frame(self) -> None:
        """Shut; the contact closes, and opens and closes again as often as it bounces."""
        self._cancel_leaf()
        self.leaf = Leaf.CLOSED
        self._contact(closed=True)
        seconds = 0.0
        for _ in range(self.faults.bounces):
            for closed in (False, True):
                seconds += self._times.bounce_seconds
                self._after(seconds, partial(self._contact, closed=closed))

    def _after(self, seconds: float, callback: Callable[[], None]) -> None:
        due = self._timeline.time() + seconds
        timer = self._timeline.call_at(due, callback)
        self._leaf_timers.append(timer)

    def _cancel_leaf(self) -> None:
        for timer in self._leaf_timers:
            timer.cancel()
        self._leaf_timers.clear()

    def _contact(self, closed: bool) -> None:
        if closed is self._contact_closed:
            return
        self._contact_closed = closed
        self._report(Input.DOOR_CLOSED if closed else Input.DOOR_OPEN)

    def _report(self, what: Input) -> None:
        event = InputEvent(self.name, what, self._timeline.time())
        self._publish(event)
