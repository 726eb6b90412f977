"""The doubts of this bridge: which stand, which were ended, and the act that ends one.

Laws:
1. Who ends a doubt names the hub, and the record and whole hash with which its chain goes on. That
   is what the hub told or what was seen; the bridge refuses anything else.
2. The act is on the disk, with the operator that the configuration names for the caller, before
   the hub is welcome again.
3. It needs no key: no hub is told to do anything by it.
"""

from __future__ import annotations

from typing import Protocol

from hubbridge.local.events import SiteEvents
from hubbridge.local.looks import known_hub
from hubbridge.local.operators import Operators
from hubbridge.local.report.doubts import ended_doubt
from hubbridge.local.report.site import SiteReport
from hubbridge.local.words import Arguments, hexadecimal, needed_text, whole
from hubbridge.rules.doubts import Accepted, DoubtEnded
from hubcore.evidence.records import Head
from hubcore.ports.clock import Clock
from hublocal.calls import Call, CallRefused
from hublocal.peer import PeerProcess
from hublocal.roles import Role

HASH_BYTES = 32
NUMBER_MAX = (1 << 63) - 1


class Doubts(Protocol):
    """Where doubts lie."""

    async def accept(self, hub: str, head: Head, by: str, uid: int, at_ms: int) -> Accepted:
        """End the doubt of a hub. Raise StoreError."""

    async def doubts_ended(self) -> tuple[DoubtEnded, ...]:
        """Return those that were ended, the newest first. Raise StoreError."""


class Hubs(Protocol):
    """Who talks with hubs."""

    def accepted(self, hub: str, head: Head) -> None:
        """The doubt of a hub was ended."""


class DoubtActs:
    """A method for each call."""

    def __init__(
        self,
        doubts: Doubts,
        hubs: Hubs,
        report: SiteReport,
        operators: Operators,
        events: SiteEvents,
        clock: Clock,
    ) -> None:
        self._doubts = doubts
        self._hubs = hubs
        self._report = report
        self._operators = operators
        self._events = events
        self._clock = clock

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (
            Call("site-doubts", self.doubts),
            Call("site-accept", self.accept, role=Role.ACT),
        )

    async def doubts(self, _arguments: Arguments, _caller: object) -> object:
        """Answer which doubts stand, and which were ended, by whom."""
        ended = await self._doubts.doubts_ended()
        return {
            "doubts": self._report.hubs.doubts(),
            "ended": [ended_doubt(one) for one in ended],
        }

    async def accept(self, arguments: Arguments, caller: PeerProcess) -> object:
        """End the doubt of a hub; takes {hub, record, hash}: the head with which it goes on."""
        hub = known_hub(self._report, needed_text(arguments, "hub"))
        record = whole(arguments, "record", 0, NUMBER_MAX)
        digest = hexadecimal(arguments, "hash", HASH_BYTES)
        if record is None or len(digest) != HASH_BYTES:
            raise CallRefused("bad-argument", "`record` and `hash` name the record, whole")
        by = self._operators.of(caller.uid)
        if not by:
            raise CallRefused(
                "no-operator",
                f"Nobody has said which operator of the policy user {caller.uid} is: name one in "
                "[api.operators] of hubbridge.toml, and start hubbridge again.",
            )
        head = Head(record, digest)
        now_ms = int(1000 * self._clock.wall())
        accepted = await self._doubts.accept(hub, head, by, caller.uid, now_ms)
        if accepted.ended is None:
            raise CallRefused("not-doubted", f"Nothing was changed at {hub}: {accepted.why}.")
        self._hubs.accepted(hub, head)
        self._events.undoubted(accepted.ended)
        return ended_doubt(accepted.ended)
