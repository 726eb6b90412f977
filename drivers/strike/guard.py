"""The strike guard: a small process that holds every strike line of the hub and ends every pulse.

Why it is a process of its own: hubd may crash, hang or be killed in the middle of a pulse, and the
strike must fall back all the same. So hubd never touches a line. It asks the guard for a pulse; the
guard drives the line and ends the pulse by itself.

The life of a guard, in the order of the code:
1. hubd starts it with one end of a socket and the description of the lines (`main`).
2. It ties itself to hubd's life and asks the kernel for precedence (`catch_signals`, `harden`).
3. It says WAITING and waits, with no line open, until hubd says HOLD (`wait_for_hold`).
   So a second guard can stand ready beside the one at work.
4. It opens all lines inactive and says READY (`hold`).
5. It sleeps until a command comes or a deadline is due; it serves the deadline first (`serve`).
6. When hubd's end of the socket closes, or SIGTERM comes, it drives all lines inactive and ends.
A hubd that is renewed hands its end of the socket to the new one. That one says ADOPTED, and the
guard gives up the signal at the end of the process that started it: the socket alone counts then.

Laws: each names the test that holds it, in tests/unit/test_strike.py (7, 8: test_guard.py;
9, 10: test_guard_adopted.py).
1. No line is open before HOLD.
   test_nothing_is_driven_before_the_guard_holds_the_lines
2. At READY every line is inactive, whatever it was before.
   test_a_line_found_active_is_driven_inactive_at_the_start
3. A pulse ends in time whatever hubd does or fails to do.
   test_a_frozen_hubd_does_not_prolong_a_release
4. The end of hubd ends every pulse, also by SIGKILL.
   test_kill_9_in_the_middle_of_a_release_secures_at_once
5. SIGTERM to the guard ends every pulse; Ctrl-C at a terminal is left to hubd.
   test_a_guard_told_to_terminate_secures_first_and_ctrl_c_does_not_reach_it
6. A due deadline is served before the next command, so no flood of commands can put it off.
   test_a_flood_of_garbage_and_commands_does_not_put_off_the_end
7. What is in the queue when hubd ends is not obeyed.
   test_a_packet_read_after_hubd_has_ended_is_not_obeyed
8. The guard never waits for hubd to read.
   test_the_guard_never_waits_for_a_hubd_that_does_not_read
9. After ADOPTED the end of the process that started it ends no pulse and no guard.
   test_an_adopted_guard_outlives_the_process_that_started_it
10. After ADOPTED the last end of the socket ends every pulse.
   test_the_last_end_of_the_socket_ends_the_pulse_of_an_adopted_guard
The laws of a single pulse (deadline, cap, rest) are those of `drivers.strike.offtimer`.

What it cannot do: after SIGKILL of the guard itself, the kernel and the hardware decide the level.
Mainline drivers turn the pin into an input, and the pull-down secures the strike. Raspberry Pi's
kernels keep the pin driven unless `dtparam=strict_gpiod` is set; then the pulse ends with the next
guard, or with the one-shot in the hardware.
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
from collections.abc import Sequence
from contextlib import suppress

from drivers.packets import receive, send
from drivers.strike.offtimer import OffTimers
from drivers.strike.wire import (
    MAX_CAP_MS,
    MAX_LINES,
    MAX_REST_MS,
    Answer,
    AnswerKind,
    Command,
    Identity,
    LinesFactory,
    StrikeLine,
    Verb,
    sum_of_lines,
)
from hubcore.errors import HardwareError

EX_OK = 0
EX_USAGE = 64
EX_UNAVAILABLE = 69
EX_IOERR = 74

_PR_SET_PDEATHSIG = 1
_MCL_CURRENT = 1
_MCL_ONFAULT = 4
_LOWEST_REAL_TIME_PRIORITY = 1


def main(argv: Sequence[str]) -> int:
    """Run as `--fd N --factory module:function --lines '[[chip, line, low, cap_ms, rest_ms], …]'`.

    Return the exit status.
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
        return guard_lines(
            peer=peer,
            stop_fd=stop_fd,
            factory=factory,
            wanted=wanted,
            identity=Identity(os.getpid(), sum_of_lines(factory, options["--lines"])),
        )


def read_lines(text: str) -> list[StrikeLine]:
    """Read `[[chip, line, active_low, cap_ms, rest_ms], …]`.

    Raise ValueError or TypeError for anything else.
    """
    lines: list[StrikeLine] = []
    for chip, line, active_low, cap_ms, rest_ms in json.loads(text):
        wanted = StrikeLine(
            chip=str(chip),
            line=line,
            active_low=bool(active_low),
            cap_ms=int(cap_ms),
            rest_ms=int(rest_ms),
        )
        if not 0 <= wanted.cap_ms <= MAX_CAP_MS:
            raise ValueError(f"a cap within 0..{MAX_CAP_MS} ms")
        if not 0 <= wanted.rest_ms <= MAX_REST_MS:
            raise ValueError(f"a rest within 0..{MAX_REST_MS} ms")
        lines.append(wanted)
    if not 1 <= len(lines) <= MAX_LINES:
        raise ValueError(f"1..{MAX_LINES} lines")
    return lines


def catch_signals() -> int:
    """Return a descriptor that becomes readable at SIGTERM.

    The terminal's signals are ignored: the end of hubd decides, not Ctrl-C.
    """
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    return read_fd


def harden() -> None:
    """Ask for SIGTERM when hubd dies, to stay in memory, and to run first; go on if refused.

    The signal comes even if hubd's end of the socket was copied to another process.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        libc.mlockall(_MCL_CURRENT | _MCL_ONFAULT)
    with suppress(OSError):
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(_LOWEST_REAL_TIME_PRIORITY))


def outlive_parent() -> None:
    """Ask for no signal any more when the process ends that started this one."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)


def guard_lines(
    peer: socket.socket,
    stop_fd: int,
    factory: str,
    wanted: Sequence[StrikeLine],
    identity: Identity,
) -> int:
    """Wait for HOLD, then hold the lines until the end; return the exit status."""
    try:
        open_lines = find_factory(factory)  # loaded now, while nobody is in a hurry
    except HardwareError as error:
        tell(peer, _without_lines(AnswerKind.UNFIT, text=str(error)))
        return EX_UNAVAILABLE
    tell(peer, _without_lines(AnswerKind.WAITING))
    command = wait_for_hold(peer, stop_fd, identity)
    if command is None:
        return EX_OK
    return hold(peer, stop_fd, open_lines, wanted, command, identity)


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


def wait_for_hold(peer: socket.socket, stop_fd: int, identity: Identity) -> Command | None:
    """Answer until HOLD comes, and return it.

    Return None when the peer has gone or `stop_fd` is readable.
    """
    poll = _poll_of(peer, stop_fd)
    while True:
        events = dict(poll.poll())
        if stop_fd in events or _has_gone(events[peer.fileno()]):
            return None
        data = receive(peer, Command.SIZE)
        if data is None:
            continue
        if data == b"":
            return None
        command = Command.decode(data)
        if command is not None and command.verb is Verb.HOLD:
            return command
        tell(peer, _answer_before_hold(command, identity))


def _answer_before_hold(command: Command | None, identity: Identity) -> Answer:
    if command is None:
        return _without_lines(AnswerKind.REFUSED, text="this guard waits and holds no line")
    if command.verb is Verb.ADOPTED:
        outlive_parent()
        return _without_lines(AnswerKind.WAITING, command.tag, str(identity))
    if command.verb is Verb.STATE:
        return _without_lines(AnswerKind.WAITING, command.tag)
    return _without_lines(
        AnswerKind.REFUSED, command.tag, text="this guard waits and holds no line"
    )


def _without_lines(kind: AnswerKind, tag: int = 0, text: str = "") -> Answer:
    """Return an answer of a guard that holds no line."""
    return Answer(kind=kind, tag=tag, active=0, at_ns=time.monotonic_ns(), text=text)


def hold(
    peer: socket.socket,
    stop_fd: int,
    open_lines: LinesFactory,
    wanted: Sequence[StrikeLine],
    command: Command,
    identity: Identity,
) -> int:
    """Hold the lines from inactive to inactive; `command` is HOLD. Return the exit status."""
    try:
        lines = open_lines(wanted)
    except HardwareError as error:
        tell(peer, _without_lines(AnswerKind.UNFIT, text=str(error)))
        return EX_UNAVAILABLE
    timers = OffTimers(lines, wanted, rested_ms=min(command.milliseconds, MAX_REST_MS))
    try:
        tell(peer, timers.answer(AnswerKind.READY, command.tag))
        try:
            serve(timers, peer, stop_fd, identity)
        finally:
            timers.secure_all()
    except HardwareError as error:
        tell(peer, timers.answer(AnswerKind.FAILED, 0, str(error)))
        return EX_IOERR
    finally:
        lines.close()
    return EX_OK


def serve(timers: OffTimers, peer: socket.socket, stop_fd: int, identity: Identity) -> None:
    """Serve one peer until it has gone or `stop_fd` is readable.

    Raise HardwareError when a line cannot be driven inactive.
    """
    poll = _poll_of(peer, stop_fd)
    while True:
        events = dict(poll.poll(timers.wait_ms()))
        if timers.expire():
            tell(peer, timers.answer(AnswerKind.EDGE))
        flags = events.get(peer.fileno(), 0)
        if stop_fd in events or _has_gone(flags):
            return
        if not flags:
            continue
        data = receive(peer, Command.SIZE)
        if data is None:
            continue
        if data == b"" or _has_gone_meanwhile(poll, peer):
            return
        tell(peer, _perform(timers, data, identity))


def _perform(timers: OffTimers, data: bytes, identity: Identity) -> Answer:
    command = Command.decode(data)
    if command is None or command.verb is not Verb.ADOPTED:
        return timers.perform(data)
    outlive_parent()
    return timers.answer(AnswerKind.DONE, command.tag, str(identity))


def _poll_of(peer: socket.socket, stop_fd: int) -> select.poll:
    poll = select.poll()
    poll.register(peer, select.POLLIN)
    poll.register(stop_fd, select.POLLIN)
    return poll


def _has_gone(flags: int) -> bool:
    """Tell from poll(2)'s flags whether the peer has gone, even if its last words wait."""
    return bool(flags & ~select.POLLIN)


def _has_gone_meanwhile(poll: select.poll, peer: socket.socket) -> bool:
    """Tell whether the peer had gone when its packet was read.

    It may have ended after the poll that announced the packet.
    """
    return _has_gone(dict(poll.poll(0)).get(peer.fileno(), 0))


def tell(peer: socket.socket, answer: Answer) -> None:
    """Send an answer, but never wait: a hubd that does not read finds the state in a later one."""
    send(peer, answer.encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
