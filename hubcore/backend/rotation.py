"""How a hub changes its key of the uplink: one step at a time, each safe to be cut off after.

How it works: the hub makes a pair and keeps it beside the current one. It tells the backend of the
new key (NewKey), on an uplink of the current one. When the backend knows it by both, durably
(KeyTaken), the hub comes again with the new pair. Only a Welcome there makes the new pair the
current one. Then the old key goes at the backend (RetireKey, KeyTaken), and after that here.

Laws:
1. `step` looks at what lies on the disk and at what was said on this uplink, and at nothing else.
   So it goes on after a cut where it was, whichever side was cut.
2. The current pair is one that the backend knows: it changes after a Welcome alone.
3. A try that fails costs one attempt. The current pair is next, and the new one is tried again
   later: 60 s, doubling to an hour.
4. On each uplink, while there is no next pair, the hub says that it has no other key. The old pair
   is removed here after the backend has said that it knows the hub by this one alone.
5. A key is changed when it is older than the hub's rule, or when the backend asks for it, but not
   more than once an hour. The time at which a pair was made lies with it, so that holds over
   restarts. While the hub does not trust its clock, a key that it has made itself stays.
6. A key that the backend refuses is dropped, and another one made after a day at the earliest.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hubcore.backend.ownkeys import KnownPairs
from hubcore.backend.uplink.from_backend import KeyTaken, RotateKey

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class RotationPace:
    """How often the hub changes its key, in seconds. `age_seconds` 0: never by its age."""

    age_seconds: float = 90 * DAY_SECONDS
    made_seconds: float = 3600.0
    """Between two changes."""
    say_seconds: float = 300.0
    """What the backend has not answered is said again after so long."""
    try_seconds: float = 60.0
    try_cap_seconds: float = 3600.0
    refused_seconds: float = DAY_SECONDS


class Step(Enum):
    """What is to be done next."""

    WAIT = "wait"
    MAKE = "make"
    """Make the next pair."""
    SAY_NEW = "say new"
    """Say NewKey."""
    TRY = "try"
    """Come again, with the next pair."""
    SWITCH = "switch"
    """Let the next pair be the current one."""
    SAY_RETIRE = "say retire"
    """Say RetireKey: the hub has no other key than that of this uplink."""
    DROP_OLD = "drop old"
    DROP_NEXT = "drop next"


class Waits(Enum):
    """What a change waits for, as people are told."""

    NOTHING = "nothing"
    """None is under way."""
    UPLINK = "uplink"
    """The way to the backend is not up."""
    MADE = "made"
    """The hub makes the pair."""
    TAKEN = "taken"
    """The backend has not taken the new key."""
    WELCOME = "welcome"
    """The hub comes again with its new key."""
    RETIRED = "retired"
    """The backend has not let the old key go."""


class NotNow(Enum):
    """Why a key is not changed now, although somebody at the hub asks."""

    TOO_SOON = "too-soon"
    TIME_UNTRUSTED = "time-untrusted"


@dataclass(frozen=True, slots=True)
class Now:
    """One moment. `wall` is None while the clock is not trusted."""

    monotonic: float
    wall: float | None


class Rotation:
    """What is known of the change since the start. `welcomed` and `ended` bound an uplink."""

    def __init__(self, pace: RotationPace) -> None:
        self._pace = pace
        self._session: bytes | None = None
        """The hub's key on the uplink that has said Welcome."""
        self._said_new: float | None = None
        """When it was said on this uplink."""
        self._taken = False
        self._said_retire: float | None = None
        self._retired = False
        self._refused = False
        self._ordered = False
        self._try_after = float("-inf")
        self._try_pause = pace.try_seconds
        self._make_after = float("-inf")
        self.why_refused = ""
        """Why the backend did not take the last key, for a person."""

    def welcomed(self, own_key: bytes) -> None:
        """The backend has said Welcome to this key."""
        if own_key == self._session:
            return
        self.ended()
        self._session = own_key

    def ended(self) -> None:
        """The uplink is down, or nobody speaks on it."""
        self._session = None
        self._said_new = None
        self._taken = False
        self._said_retire = None
        self._retired = False

    def heard(self, message: KeyTaken | RotateKey, known: KnownPairs) -> None:
        """The backend has said this. What does not fit is ignored."""
        if isinstance(message, RotateKey):
            self._ordered = message.key == known.current
            return
        if message.key == known.next and self._said_new is not None:
            self._taken = not message.refused
            self._refused = bool(message.refused)
            self.why_refused = message.refused
        elif message.key == known.current and self._said_retire is not None:
            self._retired = message.keys == 1

    def why_not(self, known: KnownPairs, now: Now) -> NotNow | None:
        """Return why nobody may have the key changed now (law 5); None when it may be."""
        if known.next is not None:
            return None
        if known.before is not None and now.wall is None:
            return NotNow.TIME_UNTRUSTED
        if now.monotonic < self._make_after or self._is_young(known, now):
            return NotNow.TOO_SOON
        return None

    def order(self) -> None:
        """Somebody at the hub asks for a new key; `why_not` has nothing against it."""
        self._ordered = True

    def waits(self, known: KnownPairs) -> Waits:
        """Return what the change waits for."""
        if known.next is None and not self._ordered and not known.is_old_left:
            return Waits.NOTHING
        if self._session is None:
            return Waits.UPLINK
        if known.next is None:
            return Waits.MADE if self._retired else Waits.RETIRED
        if self._session == known.next or self._taken:
            return Waits.WELCOME
        return Waits.TAKEN

    def step(self, known: KnownPairs, now: Now) -> Step:
        """Return what is to be done now."""
        if self._session is None:
            return Step.WAIT
        if known.next is not None and self._session == known.next:
            return Step.SWITCH
        if self._session != known.current:
            return Step.WAIT
        if self._refused and known.next is not None:
            return Step.DROP_NEXT
        if known.next is None:
            return self._step_without_next(known, now)
        if not self._taken:
            return Step.SAY_NEW if self._is_due(self._said_new, now) else Step.WAIT
        return Step.TRY if now.monotonic >= self._try_after else Step.WAIT

    def _step_without_next(self, known: KnownPairs, now: Now) -> Step:
        """Return what is to be done while the hub has no other pair to come with."""
        if not self._retired:
            return Step.SAY_RETIRE if self._is_due(self._said_retire, now) else Step.WAIT
        if known.is_old_left:
            return Step.DROP_OLD
        return Step.MAKE if self._is_wanted(known, now) else Step.WAIT

    def due(self, now: Now) -> float | None:
        """Return when `step` may say something else though nothing has happened, None for never."""
        if self._session is None:
            return None
        again_at = now.monotonic + self._pace.say_seconds
        return min(again_at, self._try_after) if self._try_after > now.monotonic else again_at

    def _is_due(self, said_at: float | None, now: Now) -> bool:
        """Tell whether something was not said yet, or so long ago that it is said again."""
        return said_at is None or now.monotonic >= said_at + self._pace.say_seconds

    def _is_wanted(self, known: KnownPairs, now: Now) -> bool:
        if now.monotonic < self._make_after or self._is_young(known, now):
            return False
        return self._ordered or self._is_too_old(known, now)

    def _is_young(self, known: KnownPairs, now: Now) -> bool:
        """Tell whether the hub has made its key too lately for another one, as far as it knows."""
        if known.before is None:
            return False
        return now.wall is None or 0 <= now.wall - known.since < self._pace.made_seconds

    def _is_too_old(self, known: KnownPairs, now: Now) -> bool:
        """Tell whether the key is older than the rule allows, or from the future."""
        if now.wall is None or not self._pace.age_seconds:
            return False
        age_seconds = now.wall - known.since
        return age_seconds > self._pace.age_seconds or age_seconds < -DAY_SECONDS

    # What was done.

    def made(self, now: Now) -> None:
        """The next pair lies there."""
        self._ordered = False
        self._make_after = now.monotonic + self._pace.made_seconds
        self._try_after = now.monotonic
        self._try_pause = self._pace.try_seconds

    def said_new(self, now: Now) -> None:
        """NewKey is on its way."""
        self._said_new = now.monotonic

    def said_retire(self, now: Now) -> None:
        """RetireKey is on its way."""
        self._said_retire = now.monotonic

    def tried(self, now: Now) -> None:
        """The uplink was left, to come again with the next pair."""
        self._try_after = now.monotonic + self._try_pause
        self._try_pause = min(2 * self._try_pause, self._pace.try_cap_seconds)
        self.ended()

    def dropped_next(self, now: Now) -> None:
        """The pair that the backend has refused is gone."""
        self._refused = False
        self._said_new = None
        self._make_after = now.monotonic + self._pace.refused_seconds
