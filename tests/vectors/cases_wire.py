"""The messages between hub and backend as files: what is one, what is none, in both directions.

Law: these files have no chance in them. Written again they are the same, byte for byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubcore.backend.enrolment import messages as enrolment
from hubcore.backend.enrolment.greeting import Greeting, write_greeting
from hubcore.backend.enrolment.messages import (
    DOORS_MAX,
    ENDPOINT_BYTES_MAX,
    ENDPOINTS_MAX,
    Ask,
    Enrolled,
    EnrolledDoor,
    Refused,
    RefusedCause,
    Waiting,
)
from hubcore.backend.enrolment.proofs import fingerprint
from hubcore.backend.enrolment.token import Token, trust_of, write_token
from hubcore.backend.uplink import codec as uplink
from hubcore.codec import cbor
from tests.unit import test_uplink_messages as tables

FOLDER = Path(__file__).parent / "wire"
_ZEROS = re.compile(rb"\x00{1000,}")
_EXACT_MAX = 1 << 53
"""Up to here every reader of JSON keeps a whole number exactly."""
Json = dict[str, Any]

_ENROLLED = Enrolled(
    site="acme",
    hub="hub-a",
    time_zone="Europe/Berlin",
    certificate=b"\xd2",
    issuer=b"\xa0",
    tls_certificate=b"\x30",
    tls_authority=b"\x30\x00",
    endpoints=("tcp://*:4505",),
    server_keys=(bytes(range(32)),),
    beacon=b"",
    card_key=b"",
    doors=(EnrolledDoor(1, "Front door"),),
)
_LARGEST = Enrolled(
    site="s" * 32,
    hub="h" * 32,
    time_zone="z" * 64,
    certificate=bytes(4096),
    issuer=bytes(512),
    tls_certificate=bytes(2048),
    tls_authority=bytes(2048),
    endpoints=("e" * ENDPOINT_BYTES_MAX,) * ENDPOINTS_MAX,
    server_keys=(bytes(32), bytes(range(32))),
    beacon=bytes(16),
    card_key=bytes(32),
    doors=(EnrolledDoor(65_535, "n" * 64),) * DOORS_MAX,
)
_ASK = Ask(2, bytes(range(10)), b"\xa0", bytes(range(64)), b"\x30", "hubd")
FROM_NEW_HUB = [_ASK, Ask(2, bytes(10), bytes(128), bytes(64), bytes(1024), "x" * 32)]
FROM_ENROLLING = [
    Waiting("acme", "hub-a"),
    _ENROLLED,
    _LARGEST,
    *(Refused(cause, "") for cause in RefusedCause),
    Refused(RefusedCause.REFUSED, "x" * 200),
]


def _changed(message: Any, at: int, value: object) -> bytes:
    """The message's bytes with another value in one place; 0 is its type."""
    values = cbor.decode(enrolment.encode(message), max_items=300)
    values[at] = value
    return cbor.encode(values)


WRONG_FROM_NEW_HUB = {
    "nothing": b"",
    "the backend's own message": enrolment.encode(Waiting("acme", "hub-a")),
    "a field short": cbor.encode([1, 2, bytes(10), b"\xa0", bytes(64), b"\x30"]),
    "a question of version 1": cbor.encode([1, 1, bytes(10), b"\xa0", bytes(64), "hubd"]),
    "a secret of 9 bytes": _changed(_ASK, 2, bytes(9)),
    "a secret as text": _changed(_ASK, 2, "0" * 10),
    "no identity": _changed(_ASK, 3, b""),
    "an identity of 129 bytes": _changed(_ASK, 3, bytes(129)),
    "a proof of 63 bytes": _changed(_ASK, 4, bytes(63)),
    "no request": _changed(_ASK, 5, b""),
    "a request of 1,025 bytes": _changed(_ASK, 5, bytes(1025)),
    "no software": _changed(_ASK, 6, ""),
    "a version below 0": _changed(_ASK, 1, -1),
    "bytes behind": enrolment.encode(_ASK) + b"\x00",
    "cut": enrolment.encode(_ASK)[:-1],
}
WRONG_FROM_ENROLLING = {
    "the hub's own message": enrolment.encode(_ASK),
    "a type of none": cbor.encode([20, "acme", "hub-a"]),
    "a site of 33 bytes": cbor.encode([17, "s" * 33, "hub-a"]),
    "escapes for a terminal": cbor.encode([17, "acme", "\x1b[2J"]),
    "no endpoint": _changed(_ENROLLED, 8, []),
    "five endpoints": _changed(_ENROLLED, 8, ["tcp://*:1"] * 5),
    "no server key": _changed(_ENROLLED, 9, []),
    "three server keys": _changed(_ENROLLED, 9, [bytes(32)] * 3),
    "a server key of 31 bytes": _changed(_ENROLLED, 9, [bytes(31)]),
    "a beacon key of 15 bytes": _changed(_ENROLLED, 10, bytes(15)),
    "a card key of 16 bytes": _changed(_ENROLLED, 11, bytes(16)),
    "no door": _changed(_ENROLLED, 12, []),
    "33 doors": _changed(_ENROLLED, 12, [[1, "Front door"]] * 33),
    "a door 0": _changed(_ENROLLED, 12, [[0, "Front door"]]),
    "a door without a name": _changed(_ENROLLED, 12, [[1]]),
    "no certificate": _changed(_ENROLLED, 4, b""),
    "a certificate of 4,097 bytes": _changed(_ENROLLED, 4, bytes(4097)),
    "no TLS certificate": _changed(_ENROLLED, 6, b""),
    "a TLS certificate of 2,049 bytes": _changed(_ENROLLED, 6, bytes(2049)),
    "no TLS authority": _changed(_ENROLLED, 7, b""),
    "a cause of none": cbor.encode([19, 0, ""]),
    "an unknown cause": cbor.encode([19, 7, ""]),
    "a detail too long": cbor.encode([19, 1, "x" * 201]),
}
WRONG_TEXT = {
    "a text with a line feed": "a\nb",
    "a text with a byte order mark": "\ufeffa",
    "a text with a space of no width": "a\u200bb",
    "a text with a line separator": "a\u2028b",
    "a text with a space that does not break": "a\u00a0b",
    "a text that turns its direction": "a\u202eb",
    "a text of private use": "\ue000",
}
WRONG_NUMBERS = {
    "a number in two bytes that fits one": "8304" + "180560",
    "a number in three bytes that fits two": "8304" + "19000560",
    "a number as a tag of a bignum": "8304" + "c2410560",
    "a number as a simple value": "8304" + "e560",
    "a text of indefinite length": "830405" + "7f6161ff",
    "bytes for a text": "830405" + "4161",
    "a map for a text": "830405" + "a0",
    "undefined for a text": "830405" + "f7",
    "no UTF-8": "830405" + "62c328",
    "a lone surrogate": "830405" + "63eda080",
}


@dataclass(frozen=True, slots=True)
class Side:
    """One file: what one side says in one of the two talks."""

    talk: str
    said_by: str
    valid: list[Any]
    wrong: Mapping[str, bytes]

    @property
    def path(self) -> Path:
        """Where its file is."""
        return FOLDER / f"{self.talk}-from-{self.said_by}.json"


SIDES = (
    Side(
        "uplink",
        "hub",
        tables.FROM_HUB,
        {
            **tables.WRONG_FROM_HUB,
            **{why: cbor.encode([4, 5, text]) for why, text in WRONG_TEXT.items()},
            **{why: bytes.fromhex(data) for why, data in WRONG_NUMBERS.items()},
        },
    ),
    Side("uplink", "backend", tables.FROM_BACKEND, tables.WRONG_FROM_BACKEND),
    Side("enrolment", "hub", FROM_NEW_HUB, WRONG_FROM_NEW_HUB),
    Side("enrolment", "backend", FROM_ENROLLING, WRONG_FROM_ENROLLING),
)


def encode(message: Any) -> bytes:
    """Return the bytes of a message of either talk."""
    kinds = (*uplink.FROM_HUB.values(), *uplink.FROM_BACKEND.values())
    return uplink.encode(message) if isinstance(message, kinds) else enrolment.encode(message)


def entries(side: Side) -> Iterator[Json]:
    """Yield what the file of a side holds."""
    for message in side.valid:
        data = encode(message)
        values = cbor.decode(data, max_depth=4, max_items=400)
        yield {
            "verdict": "valid",
            "name": type(message).__name__,
            "array": _shown(values),
            **_bytes(data),
        }
    for why, data in side.wrong.items():
        yield {"verdict": "invalid", "why": why, **_bytes(data)}


def known_values() -> Json:
    """Return what an enrolment makes of given keys and secrets."""
    key = bytes(range(32))
    secret = bytes(range(10))
    token = Token(trust_of(key), secret)
    return {
        "key": key.hex(),
        "secret": secret.hex(),
        "trust": token.trust.hex(),
        "token": write_token(token),
        "greeting": {
            "site": "acme",
            "port": 4507,
            "bytes": write_greeting(Greeting("acme", key, 4507)).hex(),
        },
        "fingerprint": {
            "identity": "a0",
            "curve_key": key.hex(),
            "tls_key": "30",
            "is": fingerprint(b"\xa0", key, b"\x30"),
        },
    }


def texts() -> Iterator[tuple[Path, str]]:
    """Yield each file and its text."""
    for side in SIDES:
        lines = ",\n".join(json.dumps(entry, ensure_ascii=True) for entry in entries(side))
        head = f'{{"talk": "{side.talk}", "from": "{side.said_by}", "messages": [\n'
        yield side.path, f"{head}{lines}\n]}}\n"
    yield FOLDER / "enrolment-values.json", json.dumps(known_values(), indent=1) + "\n"


async def write() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for path, text in texts():
        path.write_text(text, encoding="ascii")


def bytes_of(entry: Mapping[str, Any]) -> bytes:
    """Return the bytes of an entry of a file."""
    if "bytes" in entry:
        return bytes.fromhex(entry["bytes"])
    parts = entry["parts"]
    return b"".join(bytes(part) if type(part) is int else bytes.fromhex(part) for part in parts)


def _bytes(data: bytes) -> Json:
    """Write bytes as hex; where many zeros stand in them, as parts."""
    runs = list(_ZEROS.finditer(data))
    if not runs:
        return {"bytes": data.hex()}
    parts: list[str | int] = []
    at = 0
    for run in runs:
        parts += [data[at : run.start()].hex(), len(run.group())]
        at = run.end()
    return {"parts": [*parts, data[at:].hex()]}


def _shown(value: Any) -> Any:
    match value:
        case bool():
            return value
        case int() if abs(value) > _EXACT_MAX:
            return {"int": str(value)}
        case bytes() if value and not value.strip(b"\x00"):
            return {"zeros": len(value)}
        case bytes():
            return {"hex": value.hex()}
        case list():
            return [_shown(item) for item in value]
    return value
