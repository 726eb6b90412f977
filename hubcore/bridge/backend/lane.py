"""How far one hub's records are on their way from a bridge to the backend.

Laws:
1. A lane asks what the backend has before it sends anything, on each connection.
2. `_TABLE` says what follows what. Nothing else happens to a lane.
3. Records go in order, behind the one that the backend has named or that went before, and none
   beyond the newest head that their hub has signed. At most `width` batches are unanswered.
4. A round without progress ends in another question, after a wait that doubles up to the cap, and
   goes on with one batch. A receipt that says more than before restores both. So a backend that
   never answers does not fill a paid line.
5. A receipt may come at any time. It never takes back what an earlier one said.
6. Where the bridge has newer heads of a hub, and not what comes next, the hub's uplink brings that:
   the lane asks again, as after a round without progress.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from hubcore.evidence.records import Head


@dataclass(frozen=True, slots=True)
class LanePace:
    """The numbers of a lane: batches, and seconds."""

    width: int = 8
    read_most: int = 4
    """Batches that are read together: a read waits for the disk."""
    patience_seconds: float = 15.0
    pause_seconds: float = 0.5
    """Before the next question, where the backend says that it missed something."""
    cap_seconds: float = 300.0
    """Both double without progress, up to this."""
    halted_seconds: float = 60.0


class LanePhase(Enum):
    """What a lane waits for."""

    RESTS = "rests"
    """Nobody has asked the backend yet, on this connection or since the last round ended."""
    ASKED = "asked"
    """The question is on its way."""
    SENDS = "sends"
    """The backend has said what it has: records go."""
    STOPPED = "stopped"
    """The backend takes nothing of this hub, or knows another log of it: ask again later."""


class LaneEvent(Enum):
    """What happens to a lane."""

    ASK = "ask"
    KNOWN = "known"
    BEHIND = "behind"
    """The backend missed something of what was sent."""
    HALT = "halt"
    OVERDUE = "overdue"
    CUT = "cut"
    """The connection has gone."""


_TABLE: dict[tuple[LanePhase, LaneEvent], LanePhase] = {
    (LanePhase.RESTS, LaneEvent.ASK): LanePhase.ASKED,
    (LanePhase.RESTS, LaneEvent.HALT): LanePhase.STOPPED,
    (LanePhase.RESTS, LaneEvent.CUT): LanePhase.RESTS,
    (LanePhase.ASKED, LaneEvent.KNOWN): LanePhase.SENDS,
    (LanePhase.ASKED, LaneEvent.HALT): LanePhase.STOPPED,
    (LanePhase.ASKED, LaneEvent.OVERDUE): LanePhase.RESTS,
    (LanePhase.ASKED, LaneEvent.CUT): LanePhase.RESTS,
    (LanePhase.SENDS, LaneEvent.BEHIND): LanePhase.RESTS,
    (LanePhase.SENDS, LaneEvent.HALT): LanePhase.STOPPED,
    (LanePhase.SENDS, LaneEvent.OVERDUE): LanePhase.RESTS,
    (LanePhase.SENDS, LaneEvent.CUT): LanePhase.RESTS,
    (LanePhase.STOPPED, LaneEvent.HALT): LanePhase.STOPPED,
    (LanePhase.STOPPED, LaneEvent.OVERDUE): LanePhase.RESTS,
    (LanePhase.STOPPED, LaneEvent.CUT): LanePhase.RESTS,
}


@dataclass(slots=True)
class Lane:
    """One hub's lane. Moments are monotonic seconds."""

    pace: LanePace
    seen: Head = field(default_factory=Head)
    """The newest record that the bridge has seen of the hub."""
    signed: int = 0
    """The newest record under a head that the hub has signed, or that needs none."""
    phase: LanePhase = LanePhase.RESTS
    turn: int = 0
    """The number of the newest question."""
    sent: Head = field(default_factory=Head)
    """Behind this one the next records go."""
    durable: int = 0
    """The newest record of which a receipt was proven."""
    flight: deque[int] = field(default_factory=deque)
    """The last number of each batch without an answer."""
    reading: int = 0
    """So many batches are being read."""
    not_before: float = 0.0
    """When the next question may go."""
    due: float | None = None
    width: int = 0
    patience: float = 0.0
    pause: float = 0.0

    def __post_init__(self) -> None:
        self._restore()

    def may_ask(self, now: float) -> bool:
        """Tell whether the next question may go."""
        return self.phase is LanePhase.RESTS and now >= self.not_before

    def may_read(self) -> bool:
        """Tell whether records may go, and there are some."""
        return (
            self.phase is LanePhase.SENDS
            and not self.reading
            and len(self.flight) < self.width
            and self.signed > self.sent.number
        )

    def read(self, most: int) -> int:
        """Begin to read batches, at most so many; return how many."""
        self.reading = min(most, self.pace.read_most, self.width - len(self.flight))
        return self.reading

    @property
    def load(self) -> int:
        """How much of the bridge's whole window this lane takes."""
        return len(self.flight) + self.reading + int(self.phase is LanePhase.ASKED)

    def grew(self, seen: Head, signed: int) -> None:
        """The bridge holds more of the hub, or a newer head of it."""
        self.seen = seen
        self.signed = signed

    def is_other(self, head: Head) -> bool:
        """Tell whether a head names another record than the newest that was seen."""
        return head.number == self.seen.number and head.hash != self.seen.hash

    def ask(self, now: float) -> int:
        """Begin a question; return its turn."""
        self._go(LaneEvent.ASK)
        self.turn += 1
        self.due = now + self.patience
        return self.turn

    def known(self, turn: int, head: Head) -> bool:
        """Take the answer to the newest question; tell whether it was that."""
        if self.phase is not LanePhase.ASKED or turn != self.turn:
            return False
        self._go(LaneEvent.KNOWN)
        self.sent = head
        self.due = None
        return True

    def behind(self, now: float) -> None:
        """Backend or bridge has not what comes next: ask, after a wait (laws 4 and 6)."""
        if self.phase is LanePhase.SENDS:
            self._go(LaneEvent.BEHIND)
            self.not_before = now + self.pause
            self._lose_patience()

    def was_sent(self, last: Head, now: float) -> None:
        """A batch has gone, up to this record."""
        self.sent = last
        self.flight.append(last.number)
        if self.due is None:
            self.due = now + self.patience

    def receipt(self, head: Head, now: float) -> bool:
        """Take a proven receipt; tell whether it says more than the ones before (law 5)."""
        while self.flight and self.flight[0] <= head.number:
            self.flight.popleft()
        if self.phase is LanePhase.SENDS:
            if head.number > self.sent.number:
                self.sent = head
            self.due = now + self.patience if self.flight else None
        if head.number <= self.durable:
            return False
        self.durable = head.number
        self._restore()
        return True

    def forget_receipt(self, now: float) -> None:
        """What the newest receipt says is not on the disk: it counts again when it comes again."""
        self.durable = 0
        self.behind(now)

    def halt(self, now: float) -> None:
        """The backend takes nothing of this hub now."""
        self._go(LaneEvent.HALT)
        self.due = now + self.pace.halted_seconds

    def overdue(self, now: float) -> bool:
        """Begin again where no answer came in time; tell whether so."""
        if self.due is None or now < self.due:
            return False
        if self.phase is not LanePhase.STOPPED:
            self._lose_patience()
        self._go(LaneEvent.OVERDUE)
        self.not_before = now
        return True

    def cut(self) -> None:
        """The connection has gone: all that is unanswered goes again."""
        self._go(LaneEvent.CUT)
        self.not_before = 0.0
        self._restore()

    def _go(self, event: LaneEvent) -> None:
        """Go on as the table says; leave nothing of the phase before."""
        self.phase = _TABLE[self.phase, event]
        self.flight.clear()
        self.due = None

    def _lose_patience(self) -> None:
        """Go on with less, and later (law 4)."""
        self.patience = min(2 * self.patience, self.pace.cap_seconds)
        self.pause = min(2 * self.pause, self.pace.cap_seconds)
        self.width = 1

    def _restore(self) -> None:
        self.width = self.pace.width
        self.patience = self.pace.patience_seconds
        self.pause = self.pace.pause_seconds
