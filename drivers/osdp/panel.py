"""The OSDP panel: a process of its own, because native code reads a wire that strangers can reach.

Laws:
1. One thread does everything: orders, lines, libosdp, reports.
2. It never waits for hubd. A report that does not fit is lost; states are told again.
3. It ends when its socket ends, and when hubd dies.
4. Keys come over the socket only, and are in no argument, no log and no core dump.
5. Its state lives as long as the process. hubd starts another one.
6. It ends when it has grown to MEMORY_MAX_BYTES: libosdp's binding leaks a little at every attempt.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from drivers.osdp.library import Library
from drivers.osdp.line import SerialLine
from drivers.osdp.session import ReaderSession
from drivers.osdp.wire.orders import (
    AddReader,
    ChangeKey,
    InstallKey,
    Order,
    Show,
    Start,
    decode_order,
)
from drivers.osdp.wire.reports import ReaderState, Report, States, StatusBits, Unfit
from drivers.osdp.wire.words import BEAT_SECONDS, PACKET_MAX, READERS_MAX
from drivers.packets import receive, send
from hubcore.errors import HardwareError

EX_USAGE = 64
EX_UNAVAILABLE = 69
STEP_SECONDS = 0.005
IDLE_SECONDS = 0.2
"""Between two looks while no line is there."""
ORDERS_A_STEP_MAX = 16
ORDERS_WAIT_SECONDS = 10.0
MEMORY_MAX_BYTES = 64 << 20
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38


class PanelProcess:
    """The readers of all lines, and the socket to hubd."""

    def __init__(
        self,
        peer: socket.socket,
        library: Library,
        readers: Sequence[AddReader],
        memory_max_bytes: int = MEMORY_MAX_BYTES,
    ) -> None:
        """`readers` are in the order of their numbers, from 0."""
        self._peer = peer
        self._memory_max_bytes = memory_max_bytes
        self._lines: dict[str, SerialLine] = {}
        self._sessions: list[ReaderSession] = []
        self._told: tuple[tuple[ReaderState, StatusBits], ...] = ()
        self._beat_at = 0.0
        for reader in readers:
            line = self._lines.get(reader.device)
            if line is None:
                line = SerialLine(reader.device, reader.baud)
                self._lines[reader.device] = line
            session = ReaderSession(library, reader, line, self._report)
            line.speakers.append(session)
            self._sessions.append(session)

    def run(self) -> None:
        """Work until the socket ends. Raise HardwareError when the process has grown too much."""
        poll = select.poll()
        poll.register(self._peer, select.POLLIN)
        watched: set[int] = set()
        while True:
            watched = self._watch_lines(poll, watched)
            pause_seconds = STEP_SECONDS if watched else IDLE_SECONDS
            events = dict(poll.poll(pause_seconds * 1000))
            if self._peer.fileno() in events and not self._take_orders():
                return
            now = time.monotonic()
            for line in self._lines.values():
                line.step(now, is_readable=line.descriptor in events)
            self._tell_states(now)

    def _watch_lines(self, poll: select.poll, watched: set[int]) -> set[int]:
        """Have the poll wake for replies on the lines that are open now."""
        descriptors = [line.descriptor for line in self._lines.values()]
        wanted = {descriptor for descriptor in descriptors if descriptor is not None}
        for descriptor in watched - wanted:
            with suppress(KeyError):
                poll.unregister(descriptor)
        for descriptor in wanted - watched:
            poll.register(descriptor, select.POLLIN)
        return wanted

    def _take_orders(self) -> bool:
        """Do what hubd asks, some of it at a time; return False at the end of the socket."""
        for _ in range(ORDERS_A_STEP_MAX):
            data = receive(self._peer, PACKET_MAX)
            if data is None:
                return True
            if data == b"":
                return False
            self._do(decode_order(data))
        return True

    def _do(self, order: Order | None) -> None:
        if not isinstance(order, Show | ChangeKey | InstallKey):
            return
        if order.number >= len(self._sessions):
            return
        session = self._sessions[order.number]
        if isinstance(order, Show):
            session.show(order.sign)
        elif isinstance(order, ChangeKey):
            session.change_key(order.key, time.monotonic())
        else:
            session.install_key(time.monotonic())

    def _tell_states(self, now: float) -> None:
        """Tell the states when one has changed, and at every beat."""
        states = tuple((session.state, session.bits) for session in self._sessions)
        if now >= self._beat_at and memory_bytes() > self._memory_max_bytes:
            raise HardwareError("The OSDP panel has grown too much, and is started again.")
        if states == self._told and now < self._beat_at:
            return
        self._told = states
        self._beat_at = now + BEAT_SECONDS
        self._report(States(states))

    def _report(self, report: Report) -> None:
        send(self._peer, report.encode())


def memory_bytes() -> int:
    """Return how much memory this process has in use; 0 where nobody can tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


def readers_from(peer: socket.socket) -> list[AddReader]:
    """Return the readers that hubd names before START. Raise HardwareError when it does not."""
    readers: list[AddReader] = []
    peer.settimeout(ORDERS_WAIT_SECONDS)
    while True:
        try:
            order = decode_order(peer.recv(PACKET_MAX + 1))
        except OSError as error:
            raise HardwareError("hubd has not named the readers.") from error
        if isinstance(order, Start) and readers:
            peer.setblocking(False)
            return readers
        if not isinstance(order, AddReader) or order.number != len(readers):
            raise HardwareError("hubd named no readers, or not in their order.")
        if len(readers) == READERS_MAX:
            raise HardwareError(f"hubd named more than {READERS_MAX} readers.")
        readers.append(order)


def harden() -> None:
    """Die with hubd; have no core dump and no debugger; ignore the terminal's signals."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def main(argv: Sequence[str]) -> int:
    """Run as `--fd N`, where N is one end of a SOCK_SEQPACKET pair."""
    options = dict(zip(argv[::2], argv[1::2], strict=False))
    try:
        peer = socket.socket(fileno=int(options["--fd"]))
    except (KeyError, ValueError, OSError) as error:
        sys.stderr.write(
            f"The OSDP panel is started by hubd, not by hand ({error!r}). {main.__doc__}\n"
        )
        return EX_USAGE
    harden()
    with peer:
        try:
            readers = readers_from(peer)
            PanelProcess(peer, Library(), readers).run()
        except HardwareError as error:
            send(peer, Unfit(str(error)).encode())
            return EX_UNAVAILABLE
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(status)  # libosdp's objects are not worth a tidy end
