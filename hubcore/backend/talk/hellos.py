"""When the next Hello is due on an uplink, and how many went without a Welcome."""

from __future__ import annotations

from hubcore.backend.pace import Pace


class Hellos:
    """Moments are monotonic seconds. `changed` begins a new phase of the talk."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self.due: float | None = None
        """When the next one is due; None when none is."""
        self.first_at: float | None = None
        """When the first one of this phase went: a Welcome may answer any of them."""
        self._said = 0

    def changed(self) -> None:
        """The talk is in another phase: what went before counts no more."""
        self.first_at = None
        self._said = 0

    def next_at(self, moment: float | None) -> None:
        """The next one is due at this moment, or never."""
        self.due = moment

    def try_again(self, now: float) -> None:
        """One is tried now; it is due again soon, unless the uplink takes it."""
        self.due = now + self._pace.retry_seconds

    def said(self, now: float, halted: bool) -> None:
        """The uplink has taken one. After a Halt the next one waits for longer."""
        if self.first_at is None:
            self.first_at = now
        self._said += 1
        pause_seconds = self._pace.halted_seconds if halted else self._pace.welcome_seconds
        self.due = now + pause_seconds

    @property
    def is_unanswered(self) -> bool:
        """Whether one went in this phase."""
        return self._said > 0

    @property
    def are_enough(self) -> bool:
        """Whether so many went in vain that the uplink is to be given up."""
        return self._said >= self._pace.hellos
