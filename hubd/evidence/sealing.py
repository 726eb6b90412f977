"""The use case that signs what a technician takes along of the evidence (`evidence.export`).

Laws:
1. The hub signs what its own chain holds, and nothing else: both ends are looked up on the disk.
2. The record of who took it is durable before the signature is given.
3. What the technician's tool read is not looked at: the two hashes stand for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hubcore.access.words import HubName
from hubcore.codec.cose import SigningKey
from hubcore.evidence.export import Ends
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import RecordKind
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubd.recording import record_now
from hubd.threads import run_in_thread

EXPORT = "export"
"""What the record says was done."""


class ExportSealing:
    """`key` is the hub's identity; `certificate` returns the hub's, as it is in force."""

    def __init__(
        self,
        log: AuditLog,
        name: HubName,
        key: SigningKey,
        certificate: Callable[[], bytes],
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._log = log
        self._name = name
        self._key = key
        self._certificate = certificate
        self._clock = clock
        self._tell = tell

    async def seal(self, ends: Ends, by: str, uid: int) -> tuple[bytes, bytes] | None:
        """Return the seal and the hub's certificate; None: the chain does not hold these ends.

        `by` is the kind of person who asks, no name; `uid` the user of this machine. Raise
        AuditError when it cannot be looked up or recorded, HardwareError without a thread.
        """
        if ends.count < 1 or not await run_in_thread("export", partial(self._holds, ends)):
            return None
        detail: Detail = {
            Fact.WHAT: EXPORT,
            Fact.VOUCHED_BY: by,
            Fact.UID: uid,
            Fact.COUNT: ends.count,
            Fact.KNOWN: ends.last.number,
        }
        await self._log.append(record_now(self._clock, RecordKind.ACT, detail))
        self._tell(EventName.ACT, detail)
        seal = ends.sign(self._name.hub, self._name.site, self._key)
        return seal, self._certificate()

    def _holds(self, ends: Ends) -> bool:
        """Tell whether the chain holds both ends; what has gone cannot be looked up.

        The chain believes what is said of a record that has gone, so that is asked last: records
        may go while these are looked up.
        """
        holds_both = self._log.holds(ends.before) and self._log.holds(ends.last)
        return holds_both and ends.before.number >= self._log.gone()
