"""A tiny program in the place of hubd: what an image of this machine holds.

It is one file, which the machine's `mount` lays into a slot as `bin/python`. It answers the local
API's `status`, and it can be bad in the ways in which a new version is. It is no hubd: what is
tried here is the way of an update, not what is updated.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

PADDING_BYTES = 300_000
"""So that a power cut may come amid the image."""


class Nature(StrEnum):
    """What a version is like."""

    GOOD = "good"
    FAILS_ITS_TEST = "fails its test"
    CANNOT_OPEN = "cannot open the database"
    NEVER_READY = "never gets ready"
    DIES_LATER = "gets ready and dies later"
    NO_RADIO = "holds no radio"
    HANGS = "does not feed its watchdog"


BAD = tuple(nature for nature in Nature if nature is not Nature.GOOD)

_PROGRAM = """#!/usr/bin/python3 -IS
import json, os, socket, sys, time
VERSION, NATURE, DIES_SECONDS = {version!r}, {nature!r}, {dies!r}
if "--selftest" in sys.argv:
    sys.exit(78 if NATURE == "fails its test" else 0)
with open(sys.argv[sys.argv.index("--config") + 1]) as file:
    box = json.load(file)
if NATURE == "cannot open the database":
    sys.exit(73)
if NATURE == "never gets ready":
    time.sleep(3600)
path = box["socket"]
try:
    os.unlink(path)
except FileNotFoundError:
    pass
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(16)
dies = time.monotonic() + DIES_SECONDS
status = {{
    "version": VERSION, "ready": True, "missing": [], "problems": [],
    "late": ["links"] if NATURE == "does not feed its watchdog" else [],
    "radio": {{"on_air": NATURE != "holds no radio", "links": 0}},
    "backend": {{"connected": True}}, "bridge": None,
    "doors": [{{"id": "front", "in_cycle": False}}],
    "devices": [{{"id": "lamp", "answers": True}}],
    "clock": {{"state": "trusted"}},
}}
answer = json.dumps({{"id": 1, "api": 1, "result": status}}).encode() + b"\\n"
while True:
    if NATURE == "gets ready and dies later":
        listener.settimeout(max(0.01, dies - time.monotonic()))
    try:
        peer, _ = listener.accept()
    except TimeoutError:
        os._exit(1)
    with peer:
        try:
            peer.settimeout(5)
            peer.recv(4096)
            peer.sendall(answer)
        except OSError:
            pass
"""


def image_of(version: str, nature: Nature, dies_seconds: float = 0.3) -> bytes:
    """Return the image of a version."""
    program = _PROGRAM.format(version=version, nature=nature.value, dies=dies_seconds)
    line = hashlib.sha256(version.encode()).hexdigest()
    padding = f"# {line}\n" * (PADDING_BYTES // (len(line) + 3))
    return (program + padding).encode()
