"""A person at the doors of a desk: what they do comes as datagrams on a unix socket of the hub.

Law: a datagram is `WHAT DOOR`; any other is ignored.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from hubcore.ports.doors import InputEvent, Inputs

PERSON = "person.sock"
"""The socket in the hub's state directory."""
DATAGRAM_BYTES = 256


class Act(StrEnum):
    """What a person does at a door."""

    PULL = "pull"
    FORCE = "force"
    LET_GO = "let-go"
    LEAVE = "leave"
    """Push the exit button."""


Acts = Mapping[Act, Callable[[], object]]
"""What each does at one door."""


class Attended:
    """`hubcore.ports.doors.Inputs` of doors that a person may stand at.

    Who reads the inputs listens to the person meanwhile.
    """

    def __init__(self, inputs: Inputs, directory: Path, doors: Mapping[str, Acts]) -> None:
        self._inputs = inputs
        self._directory = directory
        self._doors = doors

    async def events(self) -> AsyncIterator[InputEvent]:
        """See `hubcore.ports.doors.Inputs.events`."""
        path = _short(self._directory / PERSON)
        with suppress(FileNotFoundError):
            os.unlink(path)
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as ear:
            ear.bind(path)
            loop.add_reader(ear, _hear, ear, self._doors)
            try:
                async for event in self._inputs.events():
                    yield event
            finally:
                loop.remove_reader(ear)


def _hear(ear: socket.socket, doors: Mapping[str, Acts]) -> None:
    with suppress(BlockingIOError):
        what, _, door = ear.recv(DATAGRAM_BYTES).decode(errors="replace").partition(" ")
        if what in set(Act) and door in doors:
            doors[door][Act(what)]()


def do(directory: Path, act: Act, door: str) -> None:
    """Do something at a door of the hub with this state directory. Raise OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mouth:
        mouth.sendto(f"{act} {door}".encode(), _short(directory / PERSON))


def _short(path: Path) -> str:
    """Return the shorter of the absolute and the relative path: a unix socket's has 107 bytes."""
    return min(str(path.absolute()), os.path.relpath(path), key=len)
