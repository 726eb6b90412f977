"""A bridge's local socket that says what a test wants: an answer, junk, or nothing at all."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

from hubcore.evidence.alarms import alarm_of
from hubcore.evidence.records import StoredRecord, facts

DRIP_SECONDS = 0.05


def alarm_from(record: StoredRecord, hub: str = "hub-1") -> dict[str, Any]:
    """Return an alarm as the bridge says it whose hub made this record."""
    return {
        "hub": hub,
        "what": alarm_of(record.body),
        "at": facts(record.body)["at"] / 1000,
        "record": record.number,
        "hash": record.hash.hex(),
        "ahead": False,
    }


def door_now(what: str, *alarms: str, hub: str = "hub-1", door: str = "front") -> dict[str, Any]:
    return {"hub": hub, "door": door, "what": what, "at": 1_900_000_000.0, "alarms": [*alarms]}


@dataclass
class FakeBridge:
    """What it says. `raw` is said in place of an answer; None: it holds its tongue."""

    at: Path
    hubs: dict[str, bool] = field(default_factory=lambda: {"hub-1": True})
    doors: list[Any] = field(default_factory=list)
    standing: list[Any] = field(default_factory=list)
    alarms: list[Any] = field(default_factory=list)
    behind_seconds: float = 0.0
    raw: bytes | None = b""
    asked: int = 0
    ended: Event = field(default_factory=Event)

    def answer(self) -> dict[str, Any]:
        hubs = [
            {"hub": hub, "connected": is_here, "heard_at": 1_900_000_000.0}
            for hub, is_here in self.hubs.items()
        ]
        return {
            "bridge": "bridge-1",
            "since": 1.0,
            "at": time.time() - self.behind_seconds,
            "hubs": hubs,
            "doors": self.doors,
            "standing": self.standing,
            "alarms": self.alarms,
        }

    def serve(self, listening: socket.socket) -> None:
        """Answer one client after the other until it is ended."""
        while not self.ended.is_set():
            with suppress(TimeoutError, OSError):
                client, _ = listening.accept()
                with client:
                    client.settimeout(1.0)
                    self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        request = json.loads(client.makefile("rb").readline())
        assert request["call"] == "site-now"
        self.asked += 1
        if self.raw is None:
            while not self.ended.wait(DRIP_SECONDS):
                client.sendall(b" ")  # it drips: each byte is a sign of life
        elif self.raw:
            client.sendall(self.raw)
        else:
            line = {"id": request["id"], "api": request["api"], "result": self.answer()}
            client.sendall(json.dumps(line).encode() + b"\n")


@contextmanager
def fake_bridge(folder: Path) -> Iterator[FakeBridge]:
    """A bridge that listens until the end of the block."""
    folder.mkdir(exist_ok=True)
    bridge = FakeBridge(folder / "b.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(bridge.at))
        listening.listen()
        listening.settimeout(DRIP_SECONDS)
        thread = Thread(target=bridge.serve, args=(listening,))
        thread.start()
        try:
            yield bridge
        finally:
            bridge.ended.set()
            thread.join()
