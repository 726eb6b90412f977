"""Machines that speak as one hub, over a network that delivers each connection's messages in order
and otherwise as late as it likes.

A machine does what hubd does: it has one connection at a time, says Hello first on it, and answers
each Probe. A connection that it has left still delivers what was under way, but nobody answers on
it any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

_WHAT = ("connect", "connect", "restart", "leave", "hello", "cut", *("up", "down") * 4)
STEPS = st.lists(
    st.tuples(st.sampled_from(_WHAT), st.integers(0, 2)),
    min_size=30,
    max_size=60,
)
"""What happens, and to which machine or connection."""


@dataclass(slots=True)
class Line:
    """A connection; `is_open` as its machine sees it, `is_cut` as who listens does."""

    name: bytes
    boot: bytes
    is_open: bool = True
    is_cut: bool = False
    up: deque[bytes] = field(default_factory=deque)
    """Nonces of Alives, b"" for a Hello."""
    down: deque[bytes] = field(default_factory=deque)
    """Nonces of Probes."""


@dataclass(slots=True)
class Machine:
    """`boot` of a copy that was made while the original ran is that of the original."""

    boot: bytes
    line: Line | None = None


class Network:
    """`hello` and `alive` are told of what arrives; `probe` puts a Probe on its way."""

    def __init__(
        self, hello: Callable[[bytes, bytes], None], alive: Callable[[bytes, bytes], None]
    ) -> None:
        self._hello = hello
        self._alive = alive
        self._boots = 0
        self.lines: list[Line] = []

    def machine(self) -> Machine:
        self._boots += 1
        return Machine(bytes([self._boots] * 16))

    def connect(self, machine: Machine) -> Line:
        self.leave(machine)
        line = Line(name=len(self.lines).to_bytes(2, "big"), boot=machine.boot)
        line.up.append(b"")
        self.lines.append(line)
        machine.line = line
        return line

    def leave(self, machine: Machine) -> None:
        if machine.line is not None:
            machine.line.is_open = False
            machine.line = None

    def restart(self, machine: Machine) -> None:
        self.leave(machine)
        self._boots += 1
        machine.boot = bytes([self._boots] * 16)

    def probe(self, connection: bytes, nonce: bytes) -> bool:
        """Return False for a connection that is known to be closed."""
        line = self.lines[int.from_bytes(connection, "big")]
        if line.is_cut:
            return False
        line.down.append(nonce)
        return True

    def deliver_up(self, line: Line) -> None:
        if line.is_cut or not line.up:
            return
        nonce = line.up.popleft()
        if nonce:
            self._alive(line.name, nonce)
        else:
            self._hello(line.name, line.boot)

    def deliver_down(self, line: Line) -> None:
        if line.down:
            nonce = line.down.popleft()
            if line.is_open:
                line.up.append(nonce)

    def settle(self) -> None:
        """Deliver all that is under way, and what follows from it."""
        while any((line.up and not line.is_cut) or line.down for line in self.lines):
            for line in list(self.lines):
                self.deliver_down(line)
                self.deliver_up(line)

    def play(self, steps: list[tuple[str, int]], machines: list[Machine]) -> None:
        for what, which in steps:
            self._step(what, machines[which % len(machines)], which)

    def _step(self, what: str, machine: Machine, which: int) -> None:
        match what:
            case "connect":
                self.connect(machine)
            case "restart":
                self.restart(machine)
            case "leave":
                self.leave(machine)
            case "hello" if machine.line is not None:
                machine.line.up.append(b"")
            case _ if self.lines:
                self._carry(what, self.lines[-1 - which % len(self.lines)])

    def _carry(self, what: str, line: Line) -> None:
        match what:
            case "up":
                self.deliver_up(line)
            case "down":
                self.deliver_down(line)
            case "cut" if not line.is_open:
                line.is_cut = True
