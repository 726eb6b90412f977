"""What hubd tells of itself over its local socket, taken for what it is: facts of this machine.

Laws:
1. A question has an end: SECONDS in all, and ANSWER_BYTES_MAX. What does not answer in its time
   tells nothing.
2. An answer of another shape tells nothing. Nothing that came raises.
3. What is not said is not right.
"""

from __future__ import annotations

import json
import math
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubcore.localapi import API
from hubcore.update.health import Look, Peer, Required, Seen

SECONDS = 10.0
ANSWER_BYTES_MAX = 1 << 20
_READ_BYTES = 65_536
_SPOKEN_WITH = frozenset({"speaking", "doubted", "renewing"})
"""The phases of the way over a bridge in which a bridge of the site was reached."""
_GUARD = frozenset({"strikes", "relay_strikes"})
"""The parts behind which a guard ends what a strike does."""
_RECORDS = frozenset({"audit", "disk"})
"""The topics of problems under which no record can be written."""
_GONE = frozenset({"error"})

Status = Mapping[str, Any]
Ask = Callable[[], Status | None]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a call."""

    result: Mapping[str, Any] | None = None
    code: str = ""
    """Why it was refused."""

    @property
    def is_answer(self) -> bool:
        """Whether hubd has answered at all."""
        return self.result is not None or self.code != ""


def ask_status(path: Path, seconds: float = SECONDS) -> Status | None:
    """Return what hubd tells; None when it does not answer."""
    return ask(path, "status", {}, seconds).result


def ask(path: Path, call: str, arguments: Mapping[str, Any], seconds: float = SECONDS) -> Reply:
    """Ask hubd."""
    ends = time.monotonic() + seconds
    request = {"id": 1, "api": API, "call": call, "args": arguments}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_left(ends))
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            return _reply(_line(connection, ends))
    except (OSError, ValueError, RecursionError):
        return Reply()


def look_of(status: Status | None) -> Look:
    """Return what is right and who is there."""
    if status is None:
        return Look(frozenset(), frozenset())
    return Look(_right(status), seen_of(status))


def seen_of(status: Status | None) -> frozenset[Seen]:
    """Return who is there: backend, bridge, and devices that answer."""
    if status is None:
        return frozenset()
    seen: set[Seen] = set()
    if _mapping(status.get("backend")).get("connected") is True:
        seen.add(Peer.BACKEND)
    if _mapping(status.get("bridge")).get("phase") in _SPOKEN_WITH:
        seen.add(Peer.BRIDGE)
    for device in _mappings(status.get("devices")):
        name = device.get("id")
        if isinstance(name, str) and device.get("answers") is True:
            seen.add(name)
    return frozenset(seen)


def rests(status: Status | None) -> bool:
    """Tell whether no phone is connected and no door is between its release and its rest.

    A hub that tells nothing has nobody to disturb.
    """
    if status is None:
        return True
    if _mapping(status.get("radio")).get("links") not in (0, None):
        return False
    return doors_rest(status)


def doors_rest(status: Status | None) -> bool:
    """Tell whether no door is between its release and its rest, whoever is connected."""
    if status is None:
        return True
    return all(door.get("in_cycle") is False for door in _mappings(status.get("doors")))


def has_right_time(status: Status | None) -> bool:
    """Tell whether hubd believes its clock: it holds it against its records and its backend."""
    return status is not None and _mapping(status.get("clock")).get("state") == "trusted"


def _right(status: Status) -> frozenset[Required]:
    missing = _texts(status.get("missing"))
    failed = {
        problem.get("id")
        for problem in _mappings(status.get("problems"))
        if problem.get("severity") in _GONE
    }
    found = {
        # hubd answers once it has said READY; `ready` says more: that every part is up
        Required.READY: isinstance(status.get("ready"), bool),
        Required.WATCHDOG: status.get("late") == [],
        Required.RECORDS: "problems" in status and not failed & _RECORDS,
        Required.GUARD: "missing" in status and not set(missing) & _GUARD,
        Required.ON_AIR: _mapping(status.get("radio")).get("on_air") is True,
    }
    return frozenset(one for one, is_right in found.items() if is_right)


def _line(connection: socket.socket, ends: float) -> bytes:
    """Return one line. Raise OSError, ValueError."""
    had = bytearray()
    while not had.endswith(b"\n"):
        connection.settimeout(_left(ends))
        piece = connection.recv(_READ_BYTES)
        if not piece:
            raise ValueError("no whole line")
        had += piece
        if len(had) > ANSWER_BYTES_MAX:
            raise ValueError("a line that is too long")
    return bytes(had)


def _reply(line: bytes) -> Reply:
    """Raise ValueError for what is no answer of hubd."""
    answer = json.loads(line, parse_constant=_refuse, parse_float=_finite)
    if not isinstance(answer, dict):
        raise ValueError("no answer of hubd")  # noqa: TRY004
    result = answer.get("result")
    if isinstance(result, dict):
        return Reply(result)
    code = _mapping(answer.get("error")).get("code")
    if not isinstance(code, str) or not code:
        raise ValueError("no answer of hubd")
    return Reply(code=code)


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number that JSON cannot tell")
    return value


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
