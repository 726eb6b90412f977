"""What has come from hubs, read: who says what, on which connection, with which key.

Law: who speaks is who the handshake proved. Both id and key are looked up again on every message,
because a revoked key keeps the connection that it has.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import zmq

from hubcore.backend.uplink import codec, from_hub
from hubcore.errors import FrameError
from hubsim.backend.admission.zap import KEY_PROPERTY, Gate


@dataclass(frozen=True, slots=True)
class Received:
    """One message of a hub: who sent it, on which connection, with which key."""

    hub: str
    route: bytes
    key: str
    message: from_hub.HubMessage


class Inbox:
    """`ignored` counts what is not taken. Call `look_again` before what came together."""

    def __init__(self, gate: Gate, ignored: Counter[str]) -> None:
        self._gate = gate
        self._ignored = ignored
        self._held: dict[tuple[str, str], bool] = {}
        """Whether a key is its hub's, as looked up for the messages that came together."""

    def look_again(self) -> None:
        """Look keys up anew: something may have changed them."""
        self._held.clear()

    def open(self, frames: list[zmq.Frame]) -> Received | None:
        """Return who says what, None for what must be ignored."""
        if len(frames) != 2:
            self._ignored["parts"] += 1
            return None
        route, data = frames
        key = str(data.get(KEY_PROPERTY))
        if self._gate.is_revoked(key):
            self._ignored["revoked"] += 1
            return None
        hub = str(data.get("User-Id"))
        if not self._holds(hub, key):
            self._ignored["key not known"] += 1
            return None
        try:
            message = codec.decode_from_hub(data.bytes)
        except FrameError:
            self._ignored["undecodable"] += 1
            return None
        return Received(
            hub=hub,
            route=route.bytes,
            key=key,
            message=message,
        )

    def _holds(self, hub: str, key: str) -> bool:
        asked = (hub, key)
        if asked not in self._held:
            self._held[asked] = self._gate.holds(hub, key)
        return self._held[asked]
