"""Whether a hub's time may decide about an update: signed lists are valid until a moment.

Laws:
1. A clock that is not trusted lets no update begin, by any carrier. Old lists would look new to it.
2. A clock that is not trusted stops nothing else: doors never ask here, and an update whose switch
   has begun goes to its end by the monotonic clock.
3. A trusted clock is believed as it is, unless it lies before what the lists themselves prove: the
   newest moment that a signature named before. Then it is the clock that is wrong.
"""

from __future__ import annotations

from enum import Enum

from hubcore.ports.clock import ClockState


class Belief(Enum):
    """What the time is good for."""

    GOOD = "lists may be judged by it"
    NOT_TRUSTED = "updates wait until the clock is confirmed"
    BEFORE_SIGNED = "the clock is before a moment that a signature proves"


def belief(state: ClockState, at: float, signed_floor: float) -> Belief:
    """Judge the time `at`; `signed_floor` is the newest signed moment known, 0 for none."""
    if state is not ClockState.TRUSTED:
        return Belief.NOT_TRUSTED
    return Belief.BEFORE_SIGNED if at < signed_floor else Belief.GOOD
