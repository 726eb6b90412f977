"""How a bridge changes its key and certificate: one step at a time, each safe to be cut off after.

How it works: once a third of its certificate's life is left, the bridge makes a next key and asks
for a certificate for it, on a connection of the pair in force. When that has come, the bridge
leaves and comes again with the next pair. Only a Welcome there puts it in force.

Laws:
1. `_TABLE` says what may happen when. `step` looks at that, at the connection and at the time, and
   at nothing else. So it goes on after a cut where it was.
2. The pair in force changes after a Welcome to the next one alone.
3. A try that fails costs one attempt. The pair in force is next, and the next one is tried again
   later: 60 s, doubling to an hour.
4. Requests are said at once on each connection, then every `again_seconds`. Two keys are made no
   faster than `make_seconds` apart, whatever a gateway says.
5. A next pair whose certificate has ended, as a gateway says, is dropped.
6. Without a clock that may be right a key is made only where a gateway says that the certificate
   has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum


class NextPhase(StrEnum):
    """How far the next pair is."""

    NONE = "none"
    ASKED = "asked"
    """Its key is on the disk; the issuer has not signed its certificate yet."""
    CERTIFIED = "certified"
    """Its certificate is on the disk, too; it has not worked yet."""


class Happened(Enum):
    """What happens to the next pair."""

    MADE = "made"
    CERTIFIED = "certified"
    WORKED = "worked"
    DROPPED = "dropped"


class Step(Enum):
    """What is to be done now."""

    WAIT = "wait"
    MAKE = "make"
    ASK = "ask"
    COME_AGAIN = "come again"
    """Leave this connection, and come with the next pair."""
    SWITCH = "switch"
    """Put the next pair in force."""
    DROP = "drop"
    SAY_ONLY = "say only"
    """Say that the key of this connection is the only one."""


class Shown(Enum):
    """Which pair is shown on the connection."""

    IN_FORCE = "in force"
    NEXT = "next"


class Greeting(Enum):
    """What the gateway has answered to the Hello."""

    NOTHING = "nothing"
    WELCOME = "welcome"
    RENEW_FIRST = "renew first"


_TABLE: Mapping[tuple[NextPhase, Happened], NextPhase] = {
    (NextPhase.NONE, Happened.MADE): NextPhase.ASKED,
    (NextPhase.ASKED, Happened.CERTIFIED): NextPhase.CERTIFIED,
    (NextPhase.CERTIFIED, Happened.CERTIFIED): NextPhase.CERTIFIED,
    (NextPhase.CERTIFIED, Happened.WORKED): NextPhase.NONE,
    (NextPhase.ASKED, Happened.DROPPED): NextPhase.NONE,
    (NextPhase.CERTIFIED, Happened.DROPPED): NextPhase.NONE,
}


@dataclass(frozen=True, slots=True)
class RenewalPace:
    """How often something is done, in seconds."""

    again_seconds: float = 6 * 3600.0
    make_seconds: float = 60.0
    try_seconds: float = 60.0
    try_cap_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Now:
    """One moment. `wall` in Unix seconds; None while the clock is known to be wrong."""

    monotonic: float
    wall: float | None


def renew_at(begins: int, expires: int) -> float:
    """Return when to ask: with a third of the life left, in Unix seconds."""
    return expires - (expires - begins) / 3


class NextKey:
    """What is known of the next pair. `phase` is that of the disk at the start."""

    def __init__(self, phase: NextPhase, pace: RenewalPace) -> None:
        self.phase = phase
        self._pace = pace
        self._shown: Shown | None = None
        self._greeting = Greeting.NOTHING
        self._asked_at: float | None = None
        self._said_only = False
        self._make_after = float("-inf")
        self._try_after = float("-inf")
        self._try_seconds = pace.try_seconds

    def happened(self, what: Happened, now: Now) -> None:
        """Something has happened to the next pair. Raise KeyError for what is not in the table."""
        self.phase = _TABLE[self.phase, what]
        match what:
            case Happened.MADE:
                self._make_after = now.monotonic + self._pace.make_seconds
            case Happened.CERTIFIED:
                self._try_after = now.monotonic
                self._try_seconds = self._pace.try_seconds
            case Happened.WORKED:
                self._shown = Shown.IN_FORCE

    # The connection.

    def to_show(self, now: Now) -> Shown:
        """Return which pair the next connection shows (law 3)."""
        is_due = now.monotonic >= self._try_after
        return Shown.NEXT if self.phase is NextPhase.CERTIFIED and is_due else Shown.IN_FORCE

    def called(self, shown: Shown) -> None:
        """A gateway is called."""
        self._shown = shown
        self._greeting = Greeting.NOTHING
        self._asked_at = None
        self._said_only = False

    def greeted(self, greeting: Greeting) -> None:
        """The gateway has answered the Hello."""
        self._greeting = greeting

    def ended(self, now: Now) -> None:
        """The connection has ended, or there was none."""
        if self._shown is Shown.NEXT:
            self._try_after = now.monotonic + self._try_seconds
            self._try_seconds = min(2 * self._try_seconds, self._pace.try_cap_seconds)
        self._shown = None
        self._greeting = Greeting.NOTHING

    def asked(self, now: Now) -> None:
        """The request is on its way."""
        self._asked_at = now.monotonic

    def said_only(self) -> None:
        """OnlyKey is on its way."""
        self._said_only = True

    def step(self, due_at: float, now: Now) -> Step:
        """Return what is to be done; the pair in force is renewed from `due_at` on (Unix s)."""
        if self._shown is None or self._greeting is Greeting.NOTHING:
            return Step.WAIT
        if self._shown is Shown.NEXT:
            is_welcome = self._greeting is Greeting.WELCOME
            return Step.SWITCH if is_welcome else Step.DROP
        if not self._said_only:
            return Step.SAY_ONLY
        match self.phase:
            case NextPhase.NONE:
                return Step.MAKE if self._is_due(due_at, now) else Step.WAIT
            case NextPhase.ASKED:
                return Step.ASK if self._may_ask(now) else Step.WAIT
            case NextPhase.CERTIFIED:
                return Step.COME_AGAIN if now.monotonic >= self._try_after else Step.WAIT

    def _is_due(self, due_at: float, now: Now) -> bool:
        """Tell whether a key is to be made (laws 4 and 6)."""
        is_late = now.wall is not None and now.wall >= due_at
        is_ended = self._greeting is Greeting.RENEW_FIRST
        return (is_late or is_ended) and now.monotonic >= self._make_after

    def _may_ask(self, now: Now) -> bool:
        if self._asked_at is None:
            return True
        return now.monotonic >= self._asked_at + self._pace.again_seconds
