"""What crosses to metal, by its types: each argument of each port that a driver stands behind, and
of the constructors of drivers.

The walk goes through dataclasses, collections, unions, and what callables and listeners give back.
Where it finds a type that can hold a word, `WORDS` must say what that word is.
"""

from __future__ import annotations

import ast
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from inspect import isclass, isfunction
from itertools import chain
from pathlib import Path
from types import NoneType
from typing import Any, Protocol, get_args, get_origin, get_type_hints

import drivers
from drivers.gpio.inputs import WiredInputs
from drivers.lock.mover import LockMover
from drivers.openzwave.driver import OpenZwave
from drivers.osdp.readers import OsdpReaders
from drivers.relays.boards import RelayBoards
from drivers.relays.strike import RelayStrike
from drivers.relays.strikes import RelayStrikes
from drivers.strike.guard_client import StrikeGuard
from drivers.strike.strike import Strike
from drivers.zwave_js.driver import ZwaveJs
from hubcore.access.claim import Claim
from hubcore.ports.device import DeviceDriver
from hubcore.ports.doors import Inputs, Mover
from hubcore.ports.network import NetworkCare
from hubcore.ports.reader import Readers
from hubd.wiring.networks import LockDriver

PORTS: tuple[type, ...] = (Mover, Inputs, DeviceDriver, LockDriver, Readers, NetworkCare)
DRIVERS: tuple[type, ...] = (
    StrikeGuard,
    Strike,
    WiredInputs,
    RelayBoards,
    RelayStrikes,
    RelayStrike,
    ZwaveJs,
    OpenZwave,
    OsdpReaders,
    LockMover,
)
_ID = "an id that the installer wrote, of the grammar of DEVICE_ID"
_LINE = "where a wire is: a chip and a line of it, or a serial line, as the installer wrote it"
_PART = "a part of this program, which knows no person"
WORDS: Mapping[str, str] = {
    "DeviceDriver.perform.command.device": _ID,
    "LockDriver.perform.command.device": _ID,
    "LockDriver.times_itself.device": _ID,
    "Readers.install_key.reader": _ID,
    "Readers.proven_with.reader": _ID,
    "Readers.renew_key.reader": _ID,
    "Readers.show.reader": _ID,
    "StrikeGuard.factory": "the name of a function of this program, which opens the lines",
    "StrikeGuard.lines": _ID,
    "StrikeGuard.lines.chip": _LINE,
    "StrikeGuard.lines.line": _LINE,
    "StrikeGuard.starter": _PART,
    "Strike.door": _ID,
    "Strike.guard": _PART,
    "Strike.strike": _ID,
    "WiredInputs.lines.chip": _LINE,
    "WiredInputs.lines.door": _ID,
    "WiredInputs.lines.line": _LINE,
    "WiredInputs.open_chip": _PART,
    "WiredInputs.requests.held.chip": "a GPIO chip, as the kernel calls it",
    "RelayBoards.lines.open": _PART,
    "RelayBoards.lines.path": _LINE,
    "RelayBoards.lines.relays": _ID,
    "RelayStrikes.lines.open": _PART,
    "RelayStrikes.lines.path": _LINE,
    "RelayStrikes.lines.relays": _ID,
    "RelayStrike.door": _ID,
    "RelayStrike.relay.id": _ID,
    "ZwaveJs.devices.id": _ID,
    "ZwaveJs.socket": "the socket of this machine's Z-Wave service",
    "OpenZwave.devices.id": _ID,
    "OpenZwave.port": _LINE,
    "OpenZwave.read_key": "the key of the network, which is its own and nobody's",
    "OsdpReaders.readers.candidate": "a key of the reader's own",
    "OsdpReaders.readers.device": _LINE,
    "OsdpReaders.readers.id": _ID,
    "OsdpReaders.readers.key": "a key of the reader's own",
    "LockMover.lock.door": _ID,
    "LockMover.lock.id": _ID,
}
"""What each word is that can cross. A new one wants a reason, or a number in its place."""

PORT_CALLS = {"release", "perform", "install_key"}
"""What only a driver has, of a mover, a device or readers."""
_NUMBERS = (int, float, bool, NoneType, None)


def words_of(kind: Any, path: str, inside: tuple[Any, ...] = ()) -> Iterator[str]:
    """Yield the path of each place in a type, towards the driver, that can hold a word."""
    origin = get_origin(kind)
    if kind in _NUMBERS or kind is Ellipsis or kind in inside:
        return
    if isclass(kind) and issubclass(kind, Enum):
        return
    if origin in (Callable, Awaitable, Coroutine):  # what it is called with goes the other way
        yield from words_of(get_args(kind)[-1], path, inside)
    elif origin is not None:
        for one in get_args(kind):
            yield from words_of(one, path, inside)
    elif is_dataclass(kind):
        hints = get_type_hints(kind)
        for field in fields(kind):
            yield from words_of(hints[field.name], f"{path}.{field.name}", (*inside, kind))
    elif isclass(kind) and getattr(kind, "_is_protocol", False):  # a listener: what it gives back
        for name, method in _methods(kind):
            yield from words_of(get_type_hints(method)["return"], f"{path}.{name}", (*inside, kind))
    else:
        yield path


def arguments_of(method: Any, path: str) -> Iterator[str]:
    """Yield where the arguments of a method can hold a word."""
    for name, kind in get_type_hints(method).items():
        if name != "return":
            yield from words_of(kind, f"{path}.{name}")


def _methods(port: type) -> Iterator[tuple[str, Any]]:
    for one in port.__mro__:
        for name, method in vars(one).items():
            if isfunction(method) and not name.startswith("_"):
                yield name, method


def of_port(port: type) -> Iterator[str]:
    """Yield where a call of a port can hand a word to a driver."""
    for name, method in _methods(port):
        yield from arguments_of(method, f"{port.__name__}.{name}")


def of_driver(driver: type) -> Iterator[str]:
    """Yield where a driver can be made with a word."""
    yield from arguments_of(vars(driver)["__init__"], driver.__name__)


def test_no_word_crosses_to_a_driver_but_those_that_are_known() -> None:
    ports = chain.from_iterable(of_port(port) for port in PORTS)
    drivers = chain.from_iterable(of_driver(driver) for driver in DRIVERS)
    assert {*ports, *drivers} == set(WORDS)


@dataclass(frozen=True)
class _Nested:
    seconds: float
    who: Sequence[tuple[int, str | None]]


class _Asked(Protocol):
    async def name(self) -> bytes:
        """Tell a name."""


class _Port(Protocol):
    async def release(self, seconds: float) -> str:
        """What it returns goes up."""

    def claims(self, claim: Claim) -> None:
        """Take a whole claim."""

    def nested(self, one: _Nested | None) -> None:
        """Take a word deep in a number's company."""

    def asks(self, ask: Callable[[str], Awaitable[str | None]]) -> None:
        """Take what gives back a word."""

    def hears(self, listener: _Asked, tell: Callable[[str], None]) -> None:
        """Take a listener that gives back a word, and one that does not."""

    def anything(self, **facts: object) -> None:
        """Take whatever there is."""


def test_a_word_is_found_wherever_it_hides() -> None:
    assert set(of_port(_Port)) >= {
        "_Port.claims.claim.credential",
        "_Port.nested.one.who",
        "_Port.asks.ask",
        "_Port.hears.listener.name",
        "_Port.anything.facts",
    }
    assert [path for path in of_port(_Port) if "release" in path or ".tell" in path] == []


def test_every_driver_of_a_port_is_walked() -> None:
    walked = {driver.__name__ for driver in DRIVERS}
    found = set[str]()
    for file in Path(drivers.__path__[0]).rglob("*.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and _is_a_driver(node):
                found.add(node.name)
    assert {"Strike", "ZwaveJs", "OsdpReaders"} <= found
    assert found <= walked


def _is_a_driver(node: ast.ClassDef) -> bool:
    """Tell whether a class has a call of a port, and is neither private nor a protocol."""
    bases = {ast.unparse(base) for base in node.bases}
    calls = {one.name for one in node.body if isinstance(one, ast.AsyncFunctionDef)}
    is_public = not node.name.startswith("_")
    return is_public and "Protocol" not in bases and bool(calls & PORT_CALLS)
