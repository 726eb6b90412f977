"""Forgetting where people are, because somebody at the hub asks for it.

Laws:
1. The record is durable before anybody's place is forgotten. Without it nothing changes.
2. The record says what kind of person asked, and whose place it was; without a credential it was
   everybody's.
3. Where no place is known there is nothing to forget, and no record.
4. Nobody is let in by it who has no right: only the rule against passing back begins again
   (`access.passback`, law 1).
"""

from __future__ import annotations

from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import RecordKind
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubd.doors.persons import Persons
from hubd.recording import record_now


class PassbackReset:
    """Records that places are forgotten, and forgets them."""

    def __init__(self, persons: Persons, log: AuditLog, clock: Clock, tell: Tell) -> None:
        self._persons = persons
        self._log = log
        self._clock = clock
        self._tell = tell

    async def reset(self, credential: str | None, by: str, uid: int) -> int:
        """Forget one credential's place, or all (None); return how many were known.

        `by` is the kind of person who asks, no name; `uid` the user of this machine. Raise
        AuditError when it cannot be recorded.
        """
        count = self._persons.known(credential)
        if not count:
            return 0
        whose: Detail = {} if credential is None else {Fact.CREDENTIAL: credential}
        detail: Detail = {
            Fact.VOUCHED_BY: by,
            Fact.UID: uid,
            Fact.COUNT: count,
            **whose,
        }
        await self._log.append(record_now(self._clock, RecordKind.PASSBACK, detail))
        self._tell(EventName.PASSBACK, detail)
        self._persons.reset(credential)
        return count
