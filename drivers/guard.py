"""The strike guard: a process of its own that holds every strike line of the hub and owns every off-timer.

Laws: all lines are inactive before the first word and after the last one, whatever ends the guard short of SIGKILL;
a pulse ends at its own deadline on CLOCK_MONOTONIC, never later than the cap of its line, whatever hubd does or fails
to do; the end of hubd (its end of the socket closes) ends every pulse; a due deadline is served before the next
command, so no flood of commands can put it off; what is no command is refused and drives nothing; the guard never waits
for hubd.

SIGKILL of the guard itself closes the lines' descriptor and leaves the level to the kernel and the hardware: mainline
drivers turn the pin into an input (the pull-down secures the strike), Raspberry Pi's kernels keep it driven unless
`dtparam=strict_gpiod` is set; then only the next guard, or the hardware one-shot, ends the pulse.
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

from drivers.guardwire import MAX_CAP_MS, MAX_LINES, Answer, Command, Kind, Lines, LinesFactory, StrikeLine, Verb
from hubd.errors import HardwareError

EX_USAGE, EX_UNAVAILABLE, EX_IOERR = 64, 69, 74

_PR_SET_PDEATHSIG = 1
_MCL_CURRENT_ON_FAULT = 1 | 4


class Guard:
    """The lines and their deadlines; performs commands, knows no socket."""

    def __init__(self, lines: Lines, caps_ms: Sequence[int], now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        """`caps_ms` has one entry for each line: the longest pulse that the line may be given."""
        self._lines = lines
        self._caps_ms = tuple(caps_ms)
        self._now_ns = now_ns
        self._ends_ns: list[int | None] = [None] * len(self._caps_ms)

    def answer(self, kind: Kind, tag: int = 0, text: str = "") -> Answer:
        """Return the state of all lines as of now."""
        mask = sum(1 << index for index, end in enumerate(self._ends_ns) if end is not None)
        return Answer(kind, tag, mask, self._now_ns(), text)

    def perform(self, data: bytes) -> Answer:
        """Perform one packet. Raise HardwareError only when a line cannot be driven *inactive*."""
        command = Command.decode(data)
        if command is None:
            return self.answer(Kind.REFUSED, 0, f"{len(data)} bytes that are no command of this guard")
        if refusal := self._refusal(command):
            return self.answer(Kind.REFUSED, command.tag, refusal)
        if command.verb is Verb.PULSE:
            try:
                self._pulse(command.line, command.milliseconds)
            except HardwareError as error:
                self._release([command.line])
                return self.answer(Kind.FAILED, command.tag, str(error))
        elif command.verb is Verb.SECURE:
            self._release([command.line])
        return self.answer(Kind.DONE, command.tag)

    def _refusal(self, command: Command) -> str:
        if command.line >= len(self._ends_ns):
            return f"line {command.line} of {len(self._ends_ns)} does not exist"
        if command.verb is not Verb.PULSE:
            return ""
        cap_ms = self._caps_ms[command.line]
        if not 1 <= command.milliseconds <= cap_ms:
            return f"a pulse of {command.milliseconds} ms is not within 1..{cap_ms} ms"
        if self._now_ns() > command.expires_ns:
            return "the command was read after its last moment"
        return ""

    def _pulse(self, index: int, milliseconds: int) -> None:
        self._lines.set(index, True)
        end_ns = self._now_ns() + milliseconds * 1_000_000
        self._ends_ns[index] = max(end_ns, self._ends_ns[index] or 0)

    def expire(self) -> bool:
        """End every pulse that is due; return whether there was one. Raise HardwareError as `perform` does."""
        now_ns = self._now_ns()
        due = [index for index, end_ns in enumerate(self._ends_ns) if end_ns is not None and end_ns <= now_ns]
        self._release(due)
        return bool(due)

    def wait_ms(self) -> int | None:
        """Milliseconds to the next deadline, rounded up; None when no line is active."""
        ends_ns = [end_ns for end_ns in self._ends_ns if end_ns is not None]
        if not ends_ns:
            return None
        return max(0, -((self._now_ns() - min(ends_ns)) // 1_000_000))

    def secure_all(self) -> None:
        """Drive every line inactive, each one even if another fails; then raise the first HardwareError."""
        self._release(range(len(self._ends_ns)))

    def _release(self, indices: Iterable[int]) -> None:
        failed: HardwareError | None = None
        for index in indices:
            try:
                self._lines.set(index, False)
                self._ends_ns[index] = None
            except HardwareError as error:
                failed = failed or error
        if failed is not None:
            raise failed


def serve(guard: Guard, peer: socket.socket, stop_fd: int) -> None:
    """Serve one peer until it has gone or `stop_fd` is readable. Raise HardwareError as `Guard.perform` does."""
    poll = select.poll()
    poll.register(peer, select.POLLIN)
    poll.register(stop_fd, select.POLLIN)
    while True:
        events = dict(poll.poll(guard.wait_ms()))
        if guard.expire():
            tell(peer, guard.answer(Kind.EDGE))
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
    """Send, but never wait: a hubd that does not read gets the state with the next answer it does read."""
    with suppress(OSError):
        peer.send(answer.encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def catch_signals() -> int:
    """Turn SIGTERM into a readable descriptor, ignore the terminal's signals: hubd's end decides, not Ctrl-C."""
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    return read_fd


def harden() -> None:
    """Die with hubd even if its socket was copied to another process; stay in memory and first in line if allowed."""
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        libc.mlockall(_MCL_CURRENT_ON_FAULT)
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def guard_lines(peer: socket.socket, stop_fd: int, open_lines: Callable[[], Lines], caps_ms: Sequence[int]) -> int:
    """Hold the lines from inactive to inactive; return the exit status."""
    try:
        lines = open_lines()
    except HardwareError as error:
        tell(peer, Answer(Kind.UNFIT, 0, 0, time.monotonic_ns(), str(error)))
        return EX_UNAVAILABLE
    guard = Guard(lines, caps_ms)
    try:
        tell(peer, guard.answer(Kind.READY))
        try:
            serve(guard, peer, stop_fd)
        finally:
            guard.secure_all()
    except HardwareError as error:
        tell(peer, guard.answer(Kind.FAILED, 0, str(error)))
        return EX_IOERR
    finally:
        lines.close()
    return 0


def find_factory(name: str) -> LinesFactory:
    """Return what `module:function` names; it is named by hubd's own code, never by input. Raise HardwareError."""
    module, _, function = name.partition(":")
    try:
        factory: LinesFactory = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise HardwareError(f"The strike guard cannot load {name}: {error}; install hubd again.") from error
    return factory


def main(argv: Sequence[str]) -> int:
    """Run as `--fd N --factory module:function --lines '[[chip, line, active_low, cap_ms], …]'`."""
    options = dict(zip(argv[::2], argv[1::2], strict=False))
    try:
        descriptor, factory = int(options["--fd"]), options["--factory"]
        wanted = [
            StrikeLine(str(chip), line, bool(low), int(cap)) for chip, line, low, cap in json.loads(options["--lines"])
        ]
        if not (1 <= len(wanted) <= MAX_LINES and all(1 <= line.cap_ms <= MAX_CAP_MS for line in wanted)):
            raise ValueError(f"1..{MAX_LINES} lines, each with a cap within 1..{MAX_CAP_MS} ms")
        peer = socket.socket(fileno=descriptor)
    except (KeyError, ValueError, TypeError, OSError) as error:
        sys.stderr.write(f"The strike guard is started by hubd, not by hand ({error!r}). {main.__doc__}\n")
        return EX_USAGE
    stop_fd = catch_signals()
    harden()
    with peer:
        return guard_lines(peer, stop_fd, lambda: find_factory(factory)(wanted), [line.cap_ms for line in wanted])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
