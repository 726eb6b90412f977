"""The stores on the disk: the evidence and the policy."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hubcore.access.cards import Card
from hubcore.access.words import Mode
from hubcore.calendar.schedule import Schedule
from hubcore.evidence.records import Head, Record, StoredRecord
from hubcore.evidence.uses import Use
from hubcore.policy.policy import Operator, PointRules
from hubcore.policy.root import Root
from hubcore.policy.tree import Table


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

    async def take_back(self, after: int, limit: int) -> bool:
        """Let at most `limit` records above `after`, the newest that do not wait, wait again.

        Records that have gone do not come back. Durable on return, with the mark of the newest
        acknowledged record; True when that was the last step. Raise AuditError.
        """

    def newest_acknowledged(self) -> int:
        """The highest number that the backend has acknowledged, 0 for none."""

    def holds(self, head: Head) -> bool:
        """Whether the chain holds this head; every chain holds the one before record 1.

        So it does for a record that has gone: the checkpoint stands for it. Raise
        AuditError when the disk cannot be read.
        """

    def waiting(self) -> int:
        """How many records the backend has not acknowledged."""

    def last(self) -> int:
        """The number of the newest durable record, 0 when there is none."""

    def head(self) -> Head:
        """The head of the chain: number and hash of the newest durable record."""

    def beginning(self) -> Head:
        """The record before the oldest one that is here, as the checkpoint names it."""

    def gone(self) -> int:
        """The number of the newest record that went (`evidence.checkpoint`), 0 for none."""

    def uses(self) -> Sequence[Use]:
        """The uses of grants that durable records spent and did not give back (`evidence.uses`).

        A record spends or gives back in its own commit. Raise AuditError when the disk cannot be
        read.
        """


@dataclass(frozen=True, slots=True)
class DiskState:
    """The disk of the state directory: free for hubd, in all, and the log's write-ahead log.

    `holders` names other programs that have the log open, as far as hubd looked and can see them.
    """

    free_bytes: int
    size_bytes: int
    journal_bytes: int
    holders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordsRoom:
    """What the records take, in bytes, of a budget; 0: there is none.

    `held_bytes` is what records take that must not go, for the backend does not have them.
    `gone` is the newest record that went. `stopped_by` says why no record goes any more, in words.
    """

    budget_bytes: int = 0
    used_bytes: int = 0
    held_bytes: int = 0
    gone: int = 0
    stopped_by: str = ""


@dataclass(frozen=True, slots=True)
class PolicyContents:
    """How much a policy holds; `rows` by large table, `issued_at` in Unix seconds."""

    version: int
    digest: bytes
    issued_at: int
    rows: Mapping[Table, int]


class PolicyLookups(Protocol):
    """What the policy in force says, looked up on indexed rows.

    Each method raises StoreError when the disk cannot be read or a row is damaged.
    """

    def version(self) -> int:
        """The version of the policy in force; 0 when none was ever accepted."""

    def revoked(self, credential: str, grant_id: bytes) -> bool:
        """Whether the credential or this one grant is revoked."""

    def disabled(self, credential: str) -> bool:
        """Whether the credential is disabled: out of use for now."""

    def needs_longer(self, credential: str) -> bool:
        """Whether the holder of this credential needs more time at a door."""

    def schedule(self, number: int) -> Schedule | None:
        """The schedule of that number; None when the policy has none."""

    def mode(self, access_point: int) -> Mode:
        """The mode of the access point; `Mode.NORMAL` when the policy says nothing."""

    def point(self, access_point: int) -> PointRules:
        """The rules of the access point; `NO_RULES` when the policy says nothing."""

    def card(self, digest: bytes) -> Card | None:
        """The card of that digest (`hubcore.access.cards`); None when it is nobody's."""

    def operator(self, name: str) -> Operator | None:
        """What an operator at the backend may order; None when the policy does not name him."""

    def group(self, number: int) -> tuple[str, ...]:
        """The device ids of a group; none when the policy has no such group."""


class PolicyStore(PolicyLookups, Protocol):
    """The policy in force, on disk and indexed, and the next one while its pieces come.

    1,000,000 credentials and as many revocations must fit.
    """

    def digest(self) -> bytes:
        """The digest of the policy in force; `policy.root.NO_DIGEST` when there is none."""

    async def stage(self, new: Root) -> None:
        """Begin to stage a policy in place of any other, or go on where its staging stopped.

        Raise RollbackError unless its version is higher than the one in force.
        """

    def wanted(self, most: int) -> Sequence[bytes]:
        """The names of at most so many pieces that the staged policy wants now.

        None is wanted of a policy that is whole, or after an error.
        """

    async def take(self, pieces: Sequence[bytes]) -> int:
        """Stage pieces, durably; return how many were wanted. What was not changes nothing."""

    async def put_in_force(self) -> None:
        """Put the staged policy in force, whole and durable.

        Raise StoreError, also when it is not whole.
        """


class DocumentFile(Protocol):
    """Where documents lie as they came, signed by others: each start proves them again."""

    def found(self) -> Sequence[bytes]:
        """Return what is kept, unproven. Raise StoreError when it cannot be read."""

    async def write(self, documents: Sequence[bytes]) -> None:
        """Keep these in place of what was kept, durably. Raise StoreError."""


class PolicyFile(PolicyLookups, Protocol):
    """The policy in one file, with a head of the audit log noted beside it.

    `version` and `digest` are those of the proven policy. The rest is as in `PolicyStore`.
    """

    def digest(self) -> bytes:
        """See `PolicyStore.digest`."""

    def damaged(self) -> bool:
        """Whether a look-up has met a page that is not the signed one, since the last policy.

        A policy that is staged meanwhile wants each page that is not there as it was signed.
        """

    def holders_in(self, page: int) -> Sequence[tuple[str, bytes]] | None:
        """Whose the cards of a page are, with their digests; None behind the last page."""

    async def stage(self, new: Root, again: bool = False) -> None:
        """See `PolicyStore.stage`; `again` allows the version that is in force already."""

    def wanted(self, most: int) -> Sequence[bytes]:
        """See `PolicyStore.wanted`."""

    async def take(self, pieces: Sequence[bytes]) -> int:
        """See `PolicyStore.take`."""

    async def put_in_force(self, head: Head, again: bool = False) -> None:
        """Put the staged policy in force and note the head, in one commit."""

    async def note(self, head: Head) -> None:
        """Note the head of the audit log, durably."""
