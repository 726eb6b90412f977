"""The off-timers of all strike lines: performs commands, and lets every line fall in time.

This is the inside of the strike guard (`drivers.strike.guard`). It knows no socket and no process,
and it has no thread: its owner asks `wait_ms` how long it may sleep, and then calls `expire`.

Laws: each names the test in tests/unit/test_guard.py that holds it.
1. A pulse ends at its own deadline on CLOCK_MONOTONIC.
   test_a_pulse_drives_its_line_and_ends_at_its_deadline
2. Of two pulses on a line, the later end counts.
   test_of_two_pulses_the_later_end_wins
3. No line is driven for longer than its cap at a stretch, however many pulses prolong it.
   test_pulses_that_prolong_each_other_end_at_the_cap_counted_from_the_first
4. After a stretch, and at the beginning, a line rests (`drivers.strike.stretch`). What it has
   rested already before the beginning counts, where that is known.
   test_a_new_guard_begins_with_a_rest
   test_a_guard_that_takes_over_lines_at_rest_begins_with_what_is_left_of_it
5. A pulse that is read after its last moment is refused, never driven late.
   test_a_pulse_read_after_its_last_moment_is_refused
6. What is no command is refused and drives nothing.
   test_what_is_no_command_is_refused_and_drives_nothing
7. A line that cannot be driven active is driven inactive, and the answer says so.
   test_a_line_that_cannot_be_driven_is_driven_inactive_and_reported
8. A line that cannot be driven inactive keeps no other line active.
   test_a_line_that_cannot_be_driven_inactive_does_not_keep_the_others_active
9. A line with no cap (0) is driven as long as pulses prolong it. It falls at the end of the last.
   test_a_line_without_a_cap_is_driven_as_long_as_pulses_prolong_it_and_no_longer
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from drivers.strike.stretch import MS, Stretch, rounded_up
from drivers.strike.wire import Answer, AnswerKind, Command, Lines, StrikeLine, Verb
from hubcore.errors import HardwareError


class OffTimers:
    """The lines, and when each may be driven.

    A method raises HardwareError only when a line cannot be driven *inactive*.
    """

    def __init__(
        self,
        lines: Lines,
        wanted: Sequence[StrikeLine],
        now_ns: Callable[[], int] = time.monotonic_ns,
        rested_ms: int = 0,
    ) -> None:
        """`wanted` describes each line of `lines`, in the same order.

        `rested_ms`: for how long all of them have been at rest.
        """
        self._lines = lines
        self._wanted = tuple(wanted)
        self._now_ns = now_ns
        since = now_ns() - rested_ms * MS
        self._stretches = [
            Stretch(cap_ms=line.cap_ms, rest_ms=line.rest_ms, now=since) for line in wanted
        ]

    def answer(self, kind: AnswerKind, tag: int = 0, text: str = "", wait_ms: int = 0) -> Answer:
        """Return an answer with the state of all lines as of now."""
        active = 0
        for index, stretch in enumerate(self._stretches):
            if stretch.driven:
                active |= 1 << index
        return Answer(
            kind=kind,
            tag=tag,
            active=active,
            at_ns=self._now_ns(),
            text=text,
            wait_ms=wait_ms,
        )

    # Commands

    def perform(self, data: bytes) -> Answer:
        """Perform one packet."""
        command = Command.decode(data)
        if command is None:
            text = f"{len(data)} bytes that are no command of this guard"
            return self.answer(AnswerKind.REFUSED, 0, text)
        refusal = self._refusal(command)
        if refusal:
            return self.answer(AnswerKind.REFUSED, command.tag, refusal)
        if command.verb is Verb.PULSE:
            return self._pulse(command)
        if command.verb is Verb.SECURE:
            self._drive_inactive([command.line], for_good=True)
        return self.answer(AnswerKind.DONE, command.tag)

    def _refusal(self, command: Command) -> str:
        """Say why a command is not performed, '' if it is."""
        if command.verb is Verb.HOLD:
            return "the lines are held already"
        if command.verb is Verb.ADOPTED:
            return "who speaks is no matter of the off-timers"
        if command.line >= len(self._wanted):
            return f"line {command.line} of {len(self._wanted)} does not exist"
        if command.verb is not Verb.PULSE:
            return ""
        most_ms = self._wanted[command.line].pulse_max_ms
        if not 1 <= command.milliseconds <= most_ms:
            return f"a pulse of {command.milliseconds} ms is not within 1..{most_ms} ms"
        if self._now_ns() > command.expires_ns:
            return "the command was read after its last moment"
        return ""

    def _pulse(self, command: Command) -> Answer:
        """Begin a pulse, or prolong the one that drives the line; or say how long it must rest."""
        stretch = self._stretches[command.line]
        wait_ms = stretch.wait(command.milliseconds, self._now_ns())
        if wait_ms:
            text = (
                "the strike has been driven for as long as it may be "
                f"and rests for another {wait_ms} ms"
            )
            return self.answer(AnswerKind.RESTING, command.tag, text, wait_ms)
        try:
            self._drive_active(command.line)
        except HardwareError as error:
            self._drive_inactive([command.line], for_good=True)
            return self.answer(AnswerKind.FAILED, command.tag, str(error))
        stretch.began(command.milliseconds, self._now_ns())
        return self.answer(AnswerKind.DONE, command.tag)

    # Deadlines

    def wait_ms(self) -> int | None:
        """Return the milliseconds to the next deadline, rounded up; None when there is none."""
        deadlines: list[int] = []
        for stretch in self._stretches:
            for moment in (stretch.falls_at(), stretch.rises_at()):
                if moment is not None:
                    deadlines.append(moment)
        if not deadlines:
            return None
        left_ns = min(deadlines) - self._now_ns()
        return max(0, rounded_up(left_ns, MS))

    def expire(self) -> bool:
        """Do all that is due; return whether a line has changed.

        A pulse that is over falls. A pulse that the cap has cut goes on after the rest.
        """
        now_ns = self._now_ns()
        must_fall: list[int] = []
        may_rise: list[int] = []
        for index, stretch in enumerate(self._stretches):
            if _is_due(stretch.falls_at(), now_ns):
                must_fall.append(index)
            if _is_due(stretch.rises_at(), now_ns):
                may_rise.append(index)
        self._drive_inactive(must_fall)
        for index in may_rise:
            self._go_on(index, now_ns)
        return bool(must_fall or may_rise)

    def _go_on(self, index: int, now_ns: int) -> None:
        """Drive the rest of a pulse; when nothing is left of it or the line fails, it is over."""
        try:
            if not self._stretches[index].is_over(now_ns):
                self._drive_active(index)
                return
        except HardwareError:
            pass
        self._drive_inactive([index], for_good=True)

    def secure_all(self) -> None:
        """Drive every line inactive, each one even if another fails."""
        self._drive_inactive(range(len(self._wanted)), for_good=True)

    # Lines

    def _drive_active(self, index: int) -> None:
        """Drive one line active. Raise HardwareError."""
        self._lines.set(index, True)
        stretch = self._stretches[index]
        if not stretch.driven:
            stretch.rose(self._now_ns())

    def _drive_inactive(self, indices: Iterable[int], for_good: bool = False) -> None:
        """Drive lines inactive, try each, then raise the first HardwareError.

        `for_good`: nothing is left of their pulses.
        """
        first_error: HardwareError | None = None
        for index in indices:
            try:
                self._lines.set(index, False)
            except HardwareError as error:
                first_error = first_error or error
                continue
            stretch = self._stretches[index]
            if for_good:
                stretch.secured(self._now_ns())
            else:
                stretch.fell(self._now_ns())
        if first_error is not None:
            raise first_error


def _is_due(moment_ns: int | None, now_ns: int) -> bool:
    return moment_ns is not None and moment_ns <= now_ns
