"""Simulated nodes: a switch, a shutter and a lock, by the bytes of their command classes.

`mute`: off the air. `stuck`: it acknowledges and does not move. `heard` has each command.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import ClassVar

from hubsim.openzwave.security import (
    ENCAPSULATED,
    ENCAPSULATED_AND_MORE,
    NONCE_BYTES,
    S0,
)

STICK = 1
"""The stick's own number in its network."""
VERSION = 0x86
MANUFACTURER = 0x72
SECURITY = 0x98
BATTERY = 0x80

Send = Callable[[bytes], None]
"""Sends a command from the node to the stick."""


class SimNode:
    """A listening node without any function."""

    GENERIC = 0x10
    SPECIFIC = 0x01
    CLASSES: tuple[int, ...] = ()
    VERSION_OF: ClassVar[dict[int, int]] = {}

    def __init__(self, number: int) -> None:
        self.number = number
        self.mute = False
        self.stuck = False
        self.heard: list[bytes] = []
        self.sends: Send = lambda command: None
        """Set by the stick that the node belongs to."""

    @property
    def shown_classes(self) -> tuple[int, ...]:
        """The classes in its node information frame."""
        return (*self.CLASSES, MANUFACTURER, VERSION)

    def hear(self, command: bytes) -> None:
        """Take a command off the air."""
        self.heard.append(command)
        answer = self.answer(command)
        if answer is not None:
            self.sends(answer)

    def answer(self, command: bytes) -> bytes | None:
        """Do a command; return what the node says to it."""
        match command[:2]:
            case b"\x72\x04":  # manufacturer specific get
                return b"\x72\x05\x0f\xff\x00\x01\x00" + bytes([self.GENERIC])
            case b"\x86\x11":  # version get
                return b"\x86\x12\x03\x04\x05\x01\x00"
            case b"\x86\x13":  # version of a class
                version = self.VERSION_OF.get(command[2], 1)
                return bytes([0x86, 0x14, command[2], version])
        return self.do(command)

    def do(self, command: bytes) -> bytes | None:
        """Do a command of the node's own classes."""
        return None


class SimSwitch(SimNode):
    """A relay (Binary Switch)."""

    CLASSES = (0x25, 0x27)
    on = False

    def do(self, command: bytes) -> bytes | None:
        match command[:2]:
            case b"\x27\x02":  # switch all
                return b"\x27\x03\xff"
            case b"\x25\x01":
                if not self.stuck:
                    self.on = bool(command[2])
            case b"\x25\x02":
                return bytes([0x25, 0x03, 0xFF if self.on else 0x00])
        return None


class SimShutter(SimNode):
    """A shutter (Multilevel Switch) that takes `travel_seconds` from 0 to 99."""

    GENERIC = 0x11
    SPECIFIC = 0x06
    CLASSES = (0x25, 0x26)
    VERSION_OF: ClassVar = {0x26: 3}
    travel_seconds = 1.5

    def __init__(self, number: int, level: int = 0) -> None:
        super().__init__(number)
        self._from = level
        self._goal = level
        self._began = time.monotonic()

    @property
    def level(self) -> int:
        """Where it is now, 0 closed to 99 open."""
        way = self._goal - self._from
        done = (time.monotonic() - self._began) / self.travel_seconds * 99
        if done >= abs(way):
            return self._goal
        return self._from + int(done if way > 0 else -done)

    def do(self, command: bytes) -> bytes | None:
        match command[:2]:
            case b"\x25\x02":
                return bytes([0x25, 0x03, 0xFF if self.level else 0x00])
            case b"\x26\x01":
                self._go(99 if command[2] == 0xFF else min(command[2], 99))
            case b"\x26\x02":
                return bytes([0x26, 0x03, self.level])
            case b"\x26\x05":
                self._go(self.level)
            case b"\x26\x06":
                return b"\x26\x07\x02\x00"
        return None

    def _go(self, goal: int) -> None:
        if self.stuck:
            return
        self._from = self.level
        self._goal = goal
        self._began = time.monotonic()


class SimLock(SimNode):
    """A door lock that speaks S0 with a key, and Door Lock in the clear without one.

    `chatty`: it answers a lock command with a notification, which has the slot of a user in it.
    """

    GENERIC = 0x40
    SPECIFIC = 0x03
    CLASSES = (0x62, BATTERY, 0x63)

    def __init__(self, number: int, network_key: bytes | None) -> None:
        super().__init__(number)
        self.mode = 0
        self.battery = 80
        self.opened: list[bytes] = []
        """Commands that came encrypted."""
        self._s0 = S0(network_key) if network_key is not None else None
        self._nonce: bytes | None = None
        self._waiting: list[bytes] = []

    @property
    def shown_classes(self) -> tuple[int, ...]:
        """With S0, its functions are told inside S0 only."""
        if self._s0 is None:
            return super().shown_classes
        return (SECURITY, MANUFACTURER, VERSION)

    def hear(self, command: bytes) -> None:
        """Take a command off the air; with S0 it is opened first."""
        if self._s0 is None or command[0] != SECURITY:
            if self._s0 is None or command[0] not in self.CLASSES:
                super().hear(command)
            return
        self.heard.append(command)
        if command[1] == 0x40:  # nonce get
            self._give_nonce()
        elif command[1] == 0x80 and len(command) == 2 + NONCE_BYTES and self._waiting:
            text = self._waiting.pop(0)
            self.sends(self._s0.seal(text, command[2:], self.number, STICK))
        elif command[1] in (ENCAPSULATED, ENCAPSULATED_AND_MORE) and self._nonce is not None:
            text_or_none = self._s0.unseal(command, self._nonce, STICK, self.number)
            self._nonce = None
            if command[1] == ENCAPSULATED_AND_MORE:
                self._give_nonce()
            if text_or_none:
                self.opened.append(text_or_none)
                self._say(self.answer(text_or_none))

    def _give_nonce(self) -> None:
        self._nonce = _nonce()
        self.sends(bytes([SECURITY, 0x80]) + self._nonce)

    def report(self) -> None:
        """Say how it stands without being asked, as when somebody turns the knob."""
        self._say(self.do(b"\x62\x02"))

    def _say(self, text: bytes | None) -> None:
        """Send an answer in the way of its network."""
        if text is None:
            return
        if self._s0 is None:
            self.sends(text)
            return
        self._waiting.append(text)
        self.sends(bytes([SECURITY, 0x40]))

    def do(self, command: bytes) -> bytes | None:
        match command[:2]:
            case b"\x98\x02":  # the classes that are inside S0
                return bytes([SECURITY, 0x03, 0x00, *self.CLASSES])
            case b"\x62\x01":
                if not self.stuck:
                    self.mode = command[2]
            case b"\x62\x02":
                return bytes([0x62, 0x03, self.mode, 0x00, 0x02, 0xFE, 0xFE])
            case b"\x62\x05":
                return bytes([0x62, 0x06, 0x01, 0x00, 0xFE, 0xFE])
            case b"\x63\x04":  # how many users it has
                return b"\x63\x05\x00"
            case b"\x80\x02":
                return bytes([BATTERY, 0x03, self.battery])
        return None


def _nonce() -> bytes:
    """Return a nonce whose first byte, by which it is named, is not 0."""
    return bytes([1 + secrets.randbelow(255)]) + secrets.token_bytes(NONCE_BYTES - 1)
