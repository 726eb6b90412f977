"""The OpenZWave process: the library may abort, so it has a process of its own.

Laws:
1. One thread does everything but what the library does in its own: orders, events, reports.
2. It never waits for hubd. A report that does not fit is lost; states are told again.
3. It ends when its socket ends, which it does when hubd dies. First it locks what was unlocked over
   it, for LOCK_SECONDS at most.
4. The network's key comes over the socket only, and is in no argument, no log and no core dump.
5. Its state lives as long as the process. hubd starts another one.
6. It ends when the stick's path leads elsewhere or nowhere: the library notices no stick that is
   pulled out, and never finds one again.
7. A node is heard only where a device is configured for it.
8. A lock's yes or no is not believed: the library says "not locked" for a mode that is unknown. Its
   mode follows within MODE_SECONDS, or its position is unknown.
9. A node that is presumed dead is pinged when it is asked: the library sends it nothing else.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from drivers.openzwave.library import (
    Event,
    Found,
    NodeAlive,
    NodesQueried,
    Reported,
    StickFailed,
    StickReady,
)
from drivers.openzwave.opened import OpenedLocks
from drivers.openzwave.orders import AddDevice, Ask, Order, Set, Stop, decode_order
from drivers.openzwave.peer import UnfitError, stick_there
from drivers.openzwave.reports import Happened, Measured, Report, Said, States, Taken
from drivers.openzwave.values import (
    ACTUATORS,
    HAPPENINGS,
    LOCKED,
    QUANTITIES,
    SECURED,
    ValueName,
    reading_of,
)
from drivers.openzwave.wire import (
    BEAT_SECONDS,
    PACKET_MAX,
    UNKNOWN_VALUE,
    DeviceBits,
    StickState,
    Unfitness,
)
from drivers.packets import receive, send
from hubcore.device.command import Capability

LOOK_SECONDS = 0.25
"""Between two looks at the stick's path."""
MODE_SECONDS = 0.3
ORDERS_A_STEP_MAX = 16
LOCK_SECONDS = 8.0
"""After a command over S0 the library waits once for an answer that no lock gives."""
ASK_SECONDS = 0.5
"""Between two questions to a lock that is on its way."""


class Binding(Protocol):
    """What the process asks of `library.Library`."""

    def open(self, port: str) -> None:
        """Take a stick."""

    def events(self) -> list[Event]:
        """Take all events."""

    def set(self, handle: int, value: bool | int) -> bool:
        """Have a value sent."""

    def ask(self, handle: int) -> bool:
        """Ask for a value."""

    def release(self, handle: int) -> bool:
        """Release a button."""

    def ping(self, home: int, node: int) -> None:
        """Have a node acknowledge."""


class Service:
    """The devices of one stick, and the socket to hubd."""

    def __init__(
        self,
        peer: socket.socket,
        library: Binding,
        wake: int,
        port: str,
        devices: Sequence[AddDevice],
        alive: Callable[[], None],
    ) -> None:
        """`devices` are in the order of their numbers, from 0. `alive` is called at each beat."""
        self._peer = peer
        self._library = library
        self._wake = wake
        self._port = port
        self._devices = devices
        self._alive = alive
        self._bits = [DeviceBits.NONE for _ in devices]
        self._handles: list[dict[ValueName, int]] = [{} for _ in devices]
        self._stick = StickState.STARTING
        self._home = 0
        self._opened = OpenedLocks()
        self._doubts: dict[int, float] = {}
        """Locks that have told their yes or no, and have until then to tell their mode."""
        self._told: tuple[StickState, tuple[DeviceBits, ...]] | None = None
        self._beat_at = 0.0

    def run(self) -> None:
        """Work until the socket ends. Raise UnfitError when the stick is gone."""
        there = stick_there(self._port)
        self._library.open(self._port)
        poll = select.poll()
        poll.register(self._peer, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            ready = dict(poll.poll(LOOK_SECONDS * 1000))
            if self._peer.fileno() in ready and not self._take_orders():
                self._lock_opened()
                return
            self._hear(self._wake in ready)
            if stick_there(self._port) != there:
                raise UnfitError(Unfitness.STICK, f"the stick at {self._port} is gone")
            self._tell_states(time.monotonic())

    def _hear(self, woken: bool) -> None:
        """Take what the library says."""
        if woken:
            os.read(self._wake, PACKET_MAX)
        for event in self._library.events():
            self._take_event(event)
        self._resolve_doubts(time.monotonic())

    def _lock_opened(self) -> None:
        """Lock what was unlocked over this socket: nobody else does, now that hubd has gone."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        until = time.monotonic() + LOCK_SECONDS
        for number in self._opened.numbers():
            self._set(Set(number=number, token=0, value=LOCKED))
        while self._opened.numbers() and time.monotonic() < until:
            for number in self._opened.numbers():
                self._ask(number)
            ask_at = time.monotonic() + ASK_SECONDS
            while self._opened.numbers() and time.monotonic() < ask_at:
                self._hear(bool(poll.poll(ASK_SECONDS * 100)))

    # What hubd orders.

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
        if not isinstance(order, Set | Ask) or order.number >= len(self._devices):
            return
        match order:
            case Set():
                is_taken = self._set(order)
            case Stop(number):
                is_taken = self._stop(number)
            case Ask(number):
                is_taken = self._ask(number)
        self._report(Taken(order.token, is_taken))

    def _set(self, order: Set) -> bool:
        actuator = ACTUATORS.get(self._devices[order.number].capability)
        if actuator is None or order.value not in actuator.settable:
            return False
        handle = self._handles[order.number].get(actuator.target)
        if handle is None:
            return False
        if self._devices[order.number].capability is Capability.LOCK:
            self._opened.was_set(order.number, order.value)
        return self._library.set(handle, actuator.settable[order.value])

    def _stop(self, number: int) -> bool:
        actuator = ACTUATORS.get(self._devices[number].capability)
        if actuator is None or actuator.stops is None:
            return False
        button = self._handles[number].get(actuator.stops)
        return button is not None and self._library.release(button)

    def _ask(self, number: int) -> bool:
        device = self._devices[number]
        handles = self._handles[number]
        actuator = ACTUATORS.get(device.capability)
        if actuator is not None:
            handles = {name: handle for name, handle in handles.items() if name == actuator.target}
        if DeviceBits.DEAD in self._bits[number]:
            self._library.ping(self._home, device.node)
        taken = [self._library.ask(handle) for handle in handles.values()]
        return bool(taken) and all(taken)

    # What the library says.

    def _take_event(self, event: Event) -> None:
        match event:
            case StickReady(home):
                self._home = home
                self._stick = StickState.READY
            case NodesQueried():
                self._stick = StickState.QUERIED
            case StickFailed():
                raise UnfitError(Unfitness.STICK, f"the stick at {self._port} does not answer")
            case NodeAlive(node, is_alive):
                for number in self._of_node(node):
                    self._mark(number, DeviceBits.DEAD, not is_alive)
                    if is_alive:
                        self._ask(number)
            case Found() | Reported():
                for number in self._of_node(event.node):
                    self._take_value(number, event)

    def _of_node(self, node: int) -> list[int]:
        return [device.number for device in self._devices if device.node == node]

    def _mark(self, number: int, bit: DeviceBits, stands: bool) -> None:
        if stands:
            self._bits[number] |= bit
        else:
            self._bits[number] &= ~bit

    def _take_value(self, number: int, event: Found | Reported) -> None:
        device = self._devices[number]
        if isinstance(event, Reported) and event.name == SECURED:
            self._mark(number, DeviceBits.SECURE, event.value is True)
        if event.endpoint != device.endpoint:
            return
        actuator = ACTUATORS.get(device.capability)
        if actuator is None:
            if event.name in QUANTITIES:
                self._handles[number][event.name] = event.handle
                self._mark(number, DeviceBits.FOUND, True)
        elif event.name in (actuator.target, actuator.current, actuator.stops):
            self._handles[number][event.name] = event.handle
            self._mark(number, DeviceBits.FOUND, actuator.target in self._handles[number])
        if isinstance(event, Reported):
            self._take_report(device, event)

    def _take_report(self, device: AddDevice, event: Reported) -> None:
        self._mark(device.number, DeviceBits.DEAD, False)
        actuator = ACTUATORS.get(device.capability)
        if actuator is not None and event.name == actuator.current:
            self._doubts.pop(device.number, None)
            said = actuator.meaning(event.value)
            self._opened.said(device.number, said)
            self._report(Said(device.number, said))
        elif actuator is not None and event.name == actuator.target:
            self._doubts[device.number] = time.monotonic() + MODE_SECONDS  # law 8
        reading = reading_of(event.name, event.value, event.unit)
        if reading is not None:
            self._report(Measured(device.number, *reading))
        if event.name in HAPPENINGS and isinstance(event.value, int):
            meanings, any_other = HAPPENINGS[event.name]
            self._report(Happened(device.number, meanings.get(event.value, any_other)))

    def _resolve_doubts(self, now: float) -> None:
        for number in [number for number, until in self._doubts.items() if until <= now]:
            del self._doubts[number]
            self._report(Said(number, UNKNOWN_VALUE))

    # What hubd is told.

    def _tell_states(self, now: float) -> None:
        """Tell the states when one has changed, and at every beat."""
        state = (self._stick, tuple(self._bits))
        if state == self._told and now < self._beat_at:
            return
        self._told = state
        self._beat_at = now + BEAT_SECONDS
        self._alive()
        self._report(States(*state))

    def _report(self, report: Report) -> None:
        send(self._peer, report.encode())
