"""The stores on the disk: the evidence and the policy."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hubcore.access.words import Mode
from hubcore.calendar.schedule import Schedule
from hubcore.evidence.records import Head, Record, StoredRecord
from hubcore.policy.policy import Policy


class AuditLog(Protocol):
    """Evidence: numbered, chained by hashes, durable before anything moves."""

    def append(self, record: Record) -> Awaitable[int]:
        """Take the record at once; awaited, give its number when it is durable.

        Raise AuditError, at once or then, when it is not durable and will not be.
        """

    def newest(self, before: int, limit: int) -> Sequence[StoredRecord]:
        """At most `limit` records: those with the greatest numbers below `before`, oldest first."""

    async def unacknowledged(self, after: int, limit: int) -> Sequence[StoredRecord]:
        """At most `limit` unacknowledged records numbered above `after`, in order."""

    async def acknowledge(self, numbers: Sequence[int]) -> None:
        """The backend holds these records.

        Raise AuditError for numbers that were never given out, after the others are noted.
        """

    def waiting(self) -> int:
        """How many records the backend has not acknowledged."""

    def last(self) -> int:
        """The number of the newest durable record, 0 when there is none."""

    def head(self) -> Head:
        """The head of the chain: number and hash of the newest durable record."""


@dataclass(frozen=True, slots=True)
class DiskState:
    """The disk of the state directory: free for hubd, in all, and the log's write-ahead log.

    `holders` names other programs that have the log open, as far as hubd looked and can see them.
    """

    free_bytes: int
    size_bytes: int
    journal_bytes: int
    holders: tuple[str, ...] = ()


class PolicyStore(Protocol):
    """The policy in force, on disk and indexed.

    1,000,000 credentials and as many revocations must fit.
    """

    def version(self) -> int:
        """The version of the policy in force; 0 when none was ever accepted."""

    def revoked(self, credential: str, grant_id: bytes) -> bool:
        """Whether the credential or this one grant is revoked."""

    def schedule(self, number: int) -> Schedule | None:
        """The schedule of that number; None when the policy has none."""

    def mode(self, access_point: int) -> Mode:
        """The mode of the access point; `Mode.NORMAL` when the policy says nothing."""

    async def replace(self, policy: Policy, document: bytes) -> None:
        """Put this policy in force, whole and durable; `document` is what the issuer signed.

        Raise RollbackError unless its version is higher than the one in force.
        """


class PolicyFile(Protocol):
    """The policy in one file, with a head of the audit log noted beside it."""

    def version(self) -> int:
        """The version of the proven policy; 0 when there is none."""

    def revoked(self, credential: str, grant_id: bytes) -> bool:
        """See `PolicyStore.revoked`."""

    def schedule(self, number: int) -> Schedule | None:
        """See `PolicyStore.schedule`."""

    def mode(self, access_point: int) -> Mode:
        """See `PolicyStore.mode`."""

    async def replace(
        self,
        policy: Policy,
        document: bytes,
        head: Head,
        again: bool = False,
    ) -> None:
        """Put this policy in force and note the head, in one commit.

        `again` allows the version that is in force already.
        """

    async def note(self, head: Head) -> None:
        """Note the head of the audit log, durably."""
