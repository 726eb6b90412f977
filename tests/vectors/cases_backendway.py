"""What bridge and backend say to each other, right and wrong, as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.from_backend import Certificate, TlsCertificate
from hubcore.backend.uplink.from_hub import Evidence, Notice
from hubcore.backend.uplink.words import Cause
from hubcore.bridge.backend import codec
from hubcore.bridge.backend.from_backend import (
    BackendWelcome,
    CertificateOfHub,
    EndsNow,
    HubHalted,
    HubKnown,
    HubReceipt,
)
from hubcore.bridge.backend.from_bridge import (
    Ahead,
    AskHub,
    BornWitness,
    BridgeHello,
    Doubted,
    Forwarded,
    OnlyKey,
    OwnRequest,
    RequestOfHub,
)
from hubcore.bridge.backend.words import BATCH_RECORDS
from hubcore.bridge.frames import frame
from hubcore.codec import cbor
from tests.vectors.cases_bridge import FOLDER, NOW, SITE

FILE = FOLDER / "backend.json"
Json = dict[str, Any]
HASH = bytes(range(32))
RECORD = uplink.encode(Evidence(12, b"\xa1dkindc...", HASH))
ALARM = uplink.encode(Notice(14, b"\xa1dkindc...", HASH))
RENEWAL = bytes.fromhex(
    next(
        one["bytes"]
        for one in json.loads((FOLDER / "bridge.json").read_text("ascii"))["documents"]
        if one["kind"] == "renewal" and one["verdict"] == "valid"
    )
)
OWN_RENEWAL = bytes.fromhex(
    next(
        one["bytes"]
        for one in json.loads((FOLDER / "bridge.json").read_text("ascii"))["documents"]
        if one["kind"] == "bridge-renewal" and one["verdict"] == "valid"
    )
)
"""The one of bridge.json: a signature is random, and this file is not."""
HELLO = BridgeHello(1, "bridge-1", SITE, bytes(range(16)), "0.1.0", 3, HASH, 2, 1000 * NOW)
MESSAGES: dict[str, tuple[Any, ...]] = {
    "bridge": (
        HELLO,
        AskHub("hub-1", 7, 12, HASH),
        Forwarded("hub-1", (RECORD, RECORD), b"a head"),
        Ahead("hub-1", ALARM),
        BornWitness("hub-1", b"a testimony"),
        Doubted("hub-1", Cause.TAIL_CUT, 10, HASH, 12, HASH),
        RequestOfHub("hub-1", RENEWAL),
        OwnRequest(OWN_RENEWAL),
        OnlyKey(),
    ),
    "backend": (
        BackendWelcome(1, "gateway-1", SITE, 1000 * NOW),
        HubKnown("hub-1", 7, 12, HASH),
        HubKnown("hub-1", 0, 0, bytes(32)),
        HubReceipt("hub-1", b"a receipt"),
        HubHalted("hub-1", None, "no hub of this name is enrolled"),
        HubHalted("hub-1", Cause.FORK, "record 12 is held here with other bytes"),
        EndsNow(b"a list"),
        CertificateOfHub("hub-1", uplink.encode(Certificate(b"a certificate"))),
        CertificateOfHub("hub-1", uplink.encode(TlsCertificate(b"a certificate"))),
    ),
}
"""Each message that no other talk has, by who says it."""
WRONG: dict[str, tuple[str, list[Any]]] = {
    "a hub with a dot": ("bridge", [AskHub.TYPE, "hub.1", 7, 12, HASH]),
    "a question of turn 0": ("bridge", [AskHub.TYPE, "hub-1", 0, 12, HASH]),
    "no record": ("bridge", [Forwarded.TYPE, "hub-1", [], b"h"]),
    "65 records": ("bridge", [Forwarded.TYPE, "hub-1", [b"r"] * (BATCH_RECORDS + 1), b"h"]),
    "a record that is text": ("bridge", [Forwarded.TYPE, "hub-1", ["r"], b"h"]),
    "records without a head": ("bridge", [Forwarded.TYPE, "hub-1", [b"r"]]),
    "an empty head": ("bridge", [Forwarded.TYPE, "hub-1", [b"r"], b""]),
    "cause 5": ("bridge", [Doubted.TYPE, "hub-1", 5, 10, HASH, 12, HASH]),
    "a hash of 31 bytes": ("backend", [HubKnown.TYPE, "hub-1", 7, 12, HASH[1:]]),
    "an empty list of ends": ("backend", [EndsNow.TYPE, b""]),
    "a list of ends that nobody signed": ("backend", [EndsNow.TYPE, 2, ["hub-7"], [HASH]]),
    "a request for nobody": ("bridge", [RequestOfHub.TYPE, "", b"r"]),
    "an empty request": ("bridge", [OwnRequest.TYPE, b""]),
    "an only key with more": ("bridge", [OnlyKey.TYPE, b"k"]),
    "an empty certificate": ("backend", [CertificateOfHub.TYPE, "hub-1", b""]),
    "an empty receipt": ("backend", [HubReceipt.TYPE, "hub-1", b""]),
    "a Welcome of a bridge": ("backend", [48, 1, "bridge-1", SITE, 0, 0, HASH, None]),
}


def rows() -> Iterator[Json]:
    """Yield each message in its frame, then each wrong one."""
    for said_by, messages in MESSAGES.items():
        for message in messages:
            data = frame(codec.encode(message)).hex()
            name = type(message).__name__
            yield {"verdict": "valid", "from": said_by, "name": name, "frame": data}
    for why, (said_by, values) in WRONG.items():
        data = frame(cbor.encode(values)).hex()
        yield {"verdict": "invalid", "from": said_by, "why": why, "frame": data}


def text() -> str:
    """Return the whole file."""
    return "[\n" + ",\n".join(map(json.dumps, rows())) + "\n]\n"


async def write() -> None:
    """Write the file."""
    FILE.write_text(text(), "ascii")
