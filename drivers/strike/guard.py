"""The strike guard: a process of its own that holds every strike line of the hub and owns every
off-timer.

1. It begins by waiting, with no line open, so that a second guard can stand ready beside the one
   that holds them.
2. All lines are inactive from READY on and after the last word, whatever ends the guard short of
   SIGKILL.
3. A pulse ends at its own deadline on CLOCK_MONOTONIC, whatever hubd does or fails to do.
4. No line is driven for longer than its cap at a stretch, however many pulses prolong it; then it
   rests (`drivers.strike.stretch`).
5. The end of hubd (its end of the socket closes) ends every pulse.
6. A due deadline is served before the next command, so no flood of commands can put it off.
7. What is no command is refused and drives nothing; the guard never waits for hubd.

SIGKILL of the guard itself closes the lines' descriptor and leaves the level to the kernel and the
hardware: mainline drivers turn the pin into an input (the pull-down secures the strike), Raspberry
Pi's kernels keep it driven unless `dtparam=strict_gpiod` is set; then only the next guard, or the
hardware one-shot, ends the pulse.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from drivers.strike.stretch import Stretch
from drivers.strike.wire import (
    MAX_CAP_MS,
    MAX_LINES,
    MAX_REST_MS,
    Answer,
    AnswerKind,
    Command,
    Lines,
    LinesFactory,
    StrikeLine,
    Verb,
)
from hubcore.errors import HardwareError

EX_USAGE = 64
EX_UNAVAILABLE = 69
EX_IOERR = 74

_PR_SET_PDEATHSIG = 1
_MCL_CURRENT_ON_FAULT = 1 | 4


class Guard:
    """The lines and when each may be driven; performs commands, knows no socket."""

    def __init__(
        self,
        lines: Lines,
        wanted: Sequence[StrikeLine],
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`wanted` describes each line of `lines`, in the same order."""
        now = now_ns()
        self._lines = lines
        self._caps_ms = tuple(line.cap_ms for line in wanted)
        self._now_ns = now_ns
        self._stretches = [
            Stretch(cap_ms=line.cap_ms, rest_ms=line.rest_ms, now=now) for line in wanted
        ]

    def answer(self, kind: AnswerKind, tag: int = 0, text: str = "", wait_ms: int = 0) -> Answer:
        """Return the state of all lines as of now."""
        mask = sum(1 << index for index, stretch in enumerate(self._stretches) if stretch.driven)
        return Answer(
            kind=kind,
            tag=tag,
            active=mask,
            at_ns=self._now_ns(),
            text=text,
            wait_ms=wait_ms,
        )

    def perform(self, data: bytes) -> Answer:
        """Perform one packet. Raise HardwareError only when a line cannot be driven *inactive*."""
        command = Command.decode(data)
        if command is None:
            return self.answer(
                AnswerKind.REFUSED, 0, f"{len(data)} bytes that are no command of this guard"
            )
        if refusal := self._refusal(command):
            return self.answer(AnswerKind.REFUSED, command.tag, refusal)
        if command.verb is Verb.PULSE:
            return self._pulse(command)
        if command.verb is Verb.SECURE:
            self._secure([command.line])
        return self.answer(AnswerKind.DONE, command.tag)

    def _refusal(self, command: Command) -> str:
        if command.verb is Verb.HOLD:
            return "the lines are held already"
        if command.line >= len(self._stretches):
            return f"line {command.line} of {len(self._stretches)} does not exist"
        if command.verb is not Verb.PULSE:
            return ""
        cap_ms = self._caps_ms[command.line]
        if not 1 <= command.milliseconds <= cap_ms:
            return f"a pulse of {command.milliseconds} ms is not within 1..{cap_ms} ms"
        if self._now_ns() > command.expires_ns:
            return "the command was read after its last moment"
        return ""

    def _pulse(self, command: Command) -> Answer:
        stretch = self._stretches[command.line]
        if wait_ms := stretch.wait(command.milliseconds, self._now_ns()):
            why = (
                "the strike has been driven for as long as it may be and rests for another "
                f"{wait_ms} ms"
            )
            return self.answer(AnswerKind.RESTING, command.tag, why, wait_ms)
        try:
            self._drive(command.line)
        except HardwareError as error:
            self._secure([command.line])
            return self.answer(AnswerKind.FAILED, command.tag, str(error))
        stretch.began(command.milliseconds, self._now_ns())
        return self.answer(AnswerKind.DONE, command.tag)

    def _drive(self, index: int) -> None:
        self._lines.set(index, True)
        if not self._stretches[index].driven:
            self._stretches[index].rose(self._now_ns())

    def expire(self) -> bool:
        """Do all that is due: end pulses, go on with those that a rest has cut; return whether a
        line has changed.

        Raise HardwareError as `perform` does.
        """
        now_ns = self._now_ns()
        falls = [
            index
            for index, stretch in enumerate(self._stretches)
            if _due(stretch.falls_at(), now_ns)
        ]
        rises = [
            index
            for index, stretch in enumerate(self._stretches)
            if _due(stretch.rises_at(), now_ns)
        ]
        self._release(falls)
        for index in rises:
            self._go_on(index, now_ns)
        return bool(falls or rises)

    def _go_on(self, index: int, now_ns: int) -> None:
        try:
            if not self._stretches[index].is_over(now_ns):
                self._drive(index)
                return
        except HardwareError:  # the pulse was driven for a while, and now it is over
            pass
        self._secure([index])

    def wait_ms(self) -> int | None:
        """Milliseconds to the next deadline, rounded up; None when nothing is due."""
        moments = [
            moment
            for stretch in self._stretches
            for moment in (stretch.falls_at(), stretch.rises_at())
        ]
        due_ns = [moment for moment in moments if moment is not None]
        if not due_ns:
            return None
        return max(0, -((self._now_ns() - min(due_ns)) // 1_000_000))

    def secure_all(self) -> None:
        """Drive every line inactive, each one even if another fails; then raise the first
        HardwareError.
        """
        self._secure(range(len(self._stretches)))

    def _secure(self, indices: Iterable[int]) -> None:
        self._release(indices, for_good=True)

    def _release(self, indices: Iterable[int], for_good: bool = False) -> None:
        failed: HardwareError | None = None
        for index in indices:
            try:
                self._lines.set(index, False)
            except HardwareError as error:
                failed = failed or error
                continue
            stretch = self._stretches[index]
            (stretch.secured if for_good else stretch.fell)(self._now_ns())
        if failed is not None:
            raise failed


def _due(moment_ns: int | None, now_ns: int) -> bool:
    return moment_ns is not None and moment_ns <= now_ns


def serve(guard: Guard, peer: socket.socket, stop_fd: int) -> None:
    """Serve one peer until it has gone or `stop_fd` is readable.

    Raise HardwareError as `Guard.perform` does.
    """
    poll = select.poll()
    poll.register(peer, select.POLLIN)
    poll.register(stop_fd, select.POLLIN)
    while True:
        events = dict(poll.poll(guard.wait_ms()))
        if guard.expire():
            tell(peer, guard.answer(AnswerKind.EDGE))
        flags = events.get(peer.fileno(), 0)
        if stop_fd in events or flags & ~select.POLLIN:
            return  # the peer has gone: what it still had in the queue is not obeyed
        if flags:
            data = receive(peer)
            if data == b"":
                return
            if data is not None:
                tell(peer, guard.perform(data))


def receive(peer: socket.socket) -> bytes | None:
    """Return one packet, b'' at the end, None when there is none after all."""
    try:
        return peer.recv(Command.SIZE + 1, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def tell(peer: socket.socket, answer: Answer) -> None:
    """Send, but never wait: a hubd that does not read gets the state with the next answer it does
    read.
    """
    with suppress(OSError):
        peer.send(answer.encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def catch_signals() -> int:
    """Turn SIGTERM into a readable descriptor, ignore the terminal's signals: hubd's end decides,
    not Ctrl-C.
    """
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    return read_fd


def harden() -> None:
    """Die with hubd even if its socket was copied to another process; stay in memory and first in
    line if allowed.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        libc.mlockall(_MCL_CURRENT_ON_FAULT)
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def wait_for_hold(peer: socket.socket, stop_fd: int) -> int | None:
    """Answer until HOLD comes, and return its tag; None when the peer has gone or `stop_fd` is
    readable.
    """
    poll = select.poll()
    poll.register(peer, select.POLLIN)
    poll.register(stop_fd, select.POLLIN)
    while True:
        events = dict(poll.poll())
        if stop_fd in events or events[peer.fileno()] & ~select.POLLIN:
            return None
        data = receive(peer)
        if data == b"":
            return None
        command = Command.decode(data or b"")
        if command is not None and command.verb is Verb.HOLD:
            return command.tag
        if data is not None:
            tell(peer, _waiting(command))


def _waiting(command: Command | None) -> Answer:
    """Answer a command that came before HOLD."""
    tag = 0 if command is None else command.tag
    if command is not None and command.verb is Verb.STATE:
        return Answer(
            kind=AnswerKind.WAITING,
            tag=tag,
            active=0,
            at_ns=time.monotonic_ns(),
        )
    return Answer(
        kind=AnswerKind.REFUSED,
        tag=tag,
        active=0,
        at_ns=time.monotonic_ns(),
        text="this guard waits and holds no line",
    )


def guard_lines(
    peer: socket.socket, stop_fd: int, factory: str, wanted: Sequence[StrikeLine]
) -> int:
    """Wait, then hold the lines from inactive to inactive; return the exit status."""
    try:
        open_lines = find_factory(factory)  # loaded while nobody is in a hurry
        tell(
            peer,
            Answer(
                kind=AnswerKind.WAITING,
                tag=0,
                active=0,
                at_ns=time.monotonic_ns(),
            ),
        )
        tag = wait_for_hold(peer, stop_fd)
        if tag is None:
            return 0
        lines = open_lines(wanted)
    except HardwareError as error:
        tell(
            peer,
            Answer(
                kind=AnswerKind.UNFIT,
                tag=0,
                active=0,
                at_ns=time.monotonic_ns(),
                text=str(error),
            ),
        )
        return EX_UNAVAILABLE
    guard = Guard(lines, wanted)
    try:
        tell(peer, guard.answer(AnswerKind.READY, tag))
        try:
            serve(guard, peer, stop_fd)
        finally:
            guard.secure_all()
    except HardwareError as error:
        tell(peer, guard.answer(AnswerKind.FAILED, 0, str(error)))
        return EX_IOERR
    finally:
        lines.close()
    return 0


def find_factory(name: str) -> LinesFactory:
    """Return what `module:function` names; it is named by hubd's own code, never by input.

    Raise HardwareError.
    """
    module, _, function = name.partition(":")
    try:
        factory: LinesFactory = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise HardwareError(
            f"The strike guard cannot load {name}: {error}; install hubd again."
        ) from error
    return factory


def read_lines(text: str) -> list[StrikeLine]:
    """Read `[[chip, line, active_low, cap_ms, rest_ms], …]`.

    Raise ValueError or TypeError for anything else.
    """
    lines = [
        StrikeLine(
            chip=str(chip),
            line=line,
            active_low=bool(low),
            cap_ms=int(cap),
            rest_ms=int(rest),
        )
        for chip, line, low, cap, rest in json.loads(text)
    ]
    if not 1 <= len(lines) <= MAX_LINES:
        raise ValueError(f"1..{MAX_LINES} lines")
    if not all(
        1 <= line.cap_ms <= MAX_CAP_MS and 0 <= line.rest_ms <= MAX_REST_MS for line in lines
    ):
        raise ValueError(f"a cap within 1..{MAX_CAP_MS} ms, a rest within 0..{MAX_REST_MS} ms")
    return lines


def main(argv: Sequence[str]) -> int:
    """Run as `--fd N --factory module:function --lines '[[chip, line, active_low, cap_ms, rest_ms],
    …]'`.
    """
    options = dict(zip(argv[::2], argv[1::2], strict=False))
    try:
        descriptor = int(options["--fd"])
        factory = options["--factory"]
        wanted = read_lines(options["--lines"])
        peer = socket.socket(fileno=descriptor)
    except (KeyError, ValueError, TypeError, OSError) as error:
        sys.stderr.write(
            f"The strike guard is started by hubd, not by hand ({error!r}). {main.__doc__}\n"
        )
        return EX_USAGE
    stop_fd = catch_signals()
    harden()
    with peer:
        return guard_lines(peer=peer, stop_fd=stop_fd, factory=factory, wanted=wanted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
