"""Alarms that a hub says ahead of their records: they wait behind others, and prove nothing yet.

Laws:
1. A notice lies in memory alone, and at most KEPT of them. A hub has a pace (`Notices`).
   Above KEPT the oldest one goes, of the hub that has most: nobody pushes out another hub's.
2. It goes once its record is here, or something else is under its number.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock

from hubcore.backend.notices import Notices
from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_hub import Notice
from hubcore.errors import FrameError
from hubgateway.rules import names
from hubsite.bridge.alarms import second_of, words_of

KEPT = 256


@dataclass(frozen=True, slots=True)
class Waiting:
    """An alarm that is not proven yet; `at` in Unix seconds when it was heard here.

    `chain_hash` (in hexadecimal digits), `alarm` and `second` (in Unix seconds by its hub, None for
    no time) are what its record has to have and to say.
    """

    hub: str
    number: int
    words: str
    at: int
    chain_hash: str
    alarm: str
    second: int | None


class Ahead:
    """What was said ahead. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._notices = Notices()
        self._waiting: OrderedDict[tuple[str, int], Waiting] = OrderedDict()

    def hear(self, hub: str, data: bytes) -> None:
        """Take a notice of a hub; what is none is left."""
        try:
            said = codec.decode_from_hub(data)
        except FrameError:
            return
        if not isinstance(said, Notice) or not names.HUB_ID.fullmatch(hub):
            return
        with self._lock:
            words = self._notices.sentence(hub, said, 0, time.monotonic())
            if words:
                self._waiting[hub, said.number] = Waiting(
                    hub=hub,
                    number=said.number,
                    words=words,
                    at=int(time.time()),
                    chain_hash=said.hash.hex(),
                    alarm=words_of(said.body),
                    second=second_of(said.body),
                )
                self._make_room()

    def _make_room(self) -> None:
        """Keep law 1."""
        if len(self._waiting) <= KEPT:
            return
        counts = Counter(hub for hub, _ in self._waiting)
        most = max(counts.values())
        del self._waiting[next(key for key in self._waiting if counts[key[0]] == most)]

    def waiting(self, heads: Mapping[str, int]) -> list[Waiting]:
        """Return those that wait, the newest first; `heads` are the newest records, by hub."""
        with self._lock:
            for key in [key for key in self._waiting if key[1] <= heads.get(key[0], 0)]:
                del self._waiting[key]
            return list(reversed(self._waiting.values()))
