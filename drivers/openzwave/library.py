"""python-openzwave's binding, as far as hubd uses it. The only file that knows its names.

Laws:
1. It is imported when a `Library` is made, and never by hubd itself.
2. The library's own thread only notes what happened, at most EVENTS_MAX of it, and wakes the loop.
3. It writes no log, looks for no updates and keeps no cache: it would keep users' codes of locks.
4. A value as it was added is the library's guess. Only what a node reported is an event.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drivers.openzwave.values import HAPPENINGS, ValueName
from hubcore.errors import HardwareError

MODULE = "libopenzwave"
CONFIGURATION = Path("/etc/openzwave")
"""Where Debian's libopenzwave1.6 has its description of devices."""
EVENTS_MAX = 4096
DEAD_CODE = 5
ALIVE_CODE = 6
REPORTED = frozenset({"ValueChanged", "ValueRefreshed"})
OPTIONS = (
    ("Logging", "false"),
    ("ConsoleOutput", "false"),
    ("AutoUpdateConfigFile", "false"),
    ("SaveConfiguration", "false"),
    ("SuppressValueRefresh", "false"),
    ("EnforceSecureReception", "true"),
    ("RefreshAllUserCodes", "false"),
    ("Language", "en"),
)
"""What is set beyond the library's own choice; Debian's options.xml comes before it."""
MISSING = (
    "python-openzwave cannot be loaded ({error}): install hubd with its extra `openzwave` "
    "(docs/hub.md, Z-Wave by OpenZWave)"
)


class MissingLibraryError(HardwareError):
    """The binding is not installed, or not usable."""


@dataclass(frozen=True, slots=True)
class Found:
    """A node has this value; nobody has reported it yet."""

    node: int
    endpoint: int
    name: ValueName
    handle: int


@dataclass(frozen=True, slots=True)
class Reported:
    """A node reported this value."""

    node: int
    endpoint: int
    name: ValueName
    handle: int
    value: object
    unit: str


@dataclass(frozen=True, slots=True)
class NodeAlive:
    """A node is presumed dead, or lives again."""

    node: int
    is_alive: bool


@dataclass(frozen=True, slots=True)
class StickReady:
    """The stick has told its network."""

    home: int


@dataclass(frozen=True, slots=True)
class NodesQueried:
    """All nodes that are awake have been asked who they are."""


@dataclass(frozen=True, slots=True)
class StickFailed:
    """The stick does not answer, or has lost its network."""


Event = Found | Reported | NodeAlive | StickReady | NodesQueried | StickFailed
_OF_STICK: Mapping[str, Event] = {
    "AwakeNodesQueried": NodesQueried(),
    "AllNodesQueriedSomeDead": NodesQueried(),
    "AllNodesQueried": NodesQueried(),
    "DriverFailed": StickFailed(),
    "DriverReset": StickFailed(),
    "DriverRemoved": StickFailed(),
}


class Library:
    """One manager of python-openzwave, with one stick."""

    def __init__(self, folder: str, key: bytes, answer_seconds: float, wake: int) -> None:
        """Begin with an empty folder; `wake` is a descriptor that gets a byte for each event.

        Raise MissingLibraryError.
        """
        try:
            binding = importlib.import_module(MODULE)
        except ImportError as error:
            raise MissingLibraryError(MISSING.format(error=error)) from error
        logging.getLogger(MODULE).addHandler(logging.NullHandler())
        sys.unraisablehook = lambda _: None  # it meets events that it does not know, and prints
        self._wake = wake
        self._events: deque[Event] = deque(maxlen=EVENTS_MAX)
        try:
            self._options = binding.PyOptions(
                config_path=f"{CONFIGURATION}/",
                user_path=folder,
                cmd_line=" ".join(f"--{name} {value}" for name, value in OPTIONS),
            )
            self._options.addOptionInt("RetryTimeout", round(answer_seconds * 1000))
            if key:
                shown = ", ".join(f"0x{byte:02x}" for byte in key)
                self._options.addOptionString("NetworkKey", shown, False)
            self._options.lock()
            self._manager = binding.PyManager()
            self._manager.create()
            self._manager.addWatcher(self._happened)
        except Exception as error:  # whatever the binding raises
            raise MissingLibraryError(MISSING.format(error=error)) from error

    def open(self, port: str) -> None:
        """Take a stick. What becomes of it is an event."""
        self._manager.addDriver(port)

    def events(self) -> list[Event]:
        """Take all events off the queue."""
        taken: list[Event] = []
        while self._events:
            taken.append(self._events.popleft())
        return taken

    def set(self, handle: int, value: bool | int) -> bool:
        """Have a value sent to its node; return whether the library took it."""
        return bool(self._manager.setValue(handle, value) == 1)

    def ask(self, handle: int) -> bool:
        """Ask the node for a value; return whether the library took it."""
        return bool(self._manager.refreshValue(handle))

    def release(self, handle: int) -> bool:
        """Release a button; return whether the library took it."""
        return bool(self._manager.releaseButton(handle))

    def ping(self, home: int, node: int) -> None:
        """Send nothing to a node, so that it acknowledges: a dead one is sent nothing else."""
        self._manager.testNetworkNode(home, node, 1)

    def _happened(self, said: Mapping[str, Any]) -> None:
        """Run in the library's own thread: note what happened."""  # law 2
        event = _event_of(said)
        if event is None:
            return
        if isinstance(event, Reported) and event.name in HAPPENINGS:
            event = replace(event, value=self._manager.getValueListSelectionNum(event.handle))
        self._events.append(event)
        with suppress(BlockingIOError):
            os.write(self._wake, b"\0")


def _event_of(said: Mapping[str, Any]) -> Event | None:
    """Return what a notification says that hubd reads, None for all else."""
    kind = str(said.get("notificationType"))
    node = int(said.get("nodeId", 0))
    if kind == "DriverReady":
        return StickReady(home=int(said.get("homeId", 0)))
    if kind in _OF_STICK:
        return _OF_STICK[kind]
    if kind == "Notification":
        return _of_node(node, said.get("notificationCode"))
    value = said.get("valueId")
    if not isinstance(value, Mapping) or "commandClass" not in value:
        return None
    name = (str(value["commandClass"]), int(value["index"]))
    endpoint = int(value["instance"]) - 1
    if kind == "ValueAdded":
        return Found(node=node, endpoint=endpoint, name=name, handle=int(value["id"]))
    if kind not in REPORTED:
        return None
    return Reported(
        node=node,
        endpoint=endpoint,
        name=name,
        handle=int(value["id"]),
        value=_plain(value["value"]),
        unit=str(value.get("units") or ""),
    )


def _of_node(node: int, code: object) -> Event | None:
    if code in (DEAD_CODE, ALIVE_CODE):
        return NodeAlive(node, is_alive=code == ALIVE_CODE)
    return None


def _plain(value: object) -> object:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
