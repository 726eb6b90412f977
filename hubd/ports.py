"""What hubd asks of the world: a Protocol each, so that a hub's real parts and a desk's simulated ones are alike.

Laws: adapters and drivers raise only errors of `hubd.errors`; every method that waits can be cancelled; what a
stranger sends reaches `RadioListener` as bytes that nobody has looked at yet.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol

from hubd.core.policy import Mode, Policy
from hubd.core.records import Head, Record, StoredRecord
from hubd.core.schedule import Rule


@dataclass(frozen=True, slots=True)
class LinkId:
    """One visit of one peer: a routing handle, never an identity. A new visit has a new epoch."""

    peer: str
    epoch: int


class RadioListener(Protocol):
    """What a radio tells: links open, frames come, links close. Calls come on the event loop."""

    def opened(self, link: LinkId) -> None:
        """A peer has connected."""

    def info(self, link: LinkId) -> bytes:
        """Answer a read of INFO at offset 0: mint a new challenge for this link and return its bytes."""

    def frame(self, link: LinkId, data: bytes, mtu: int) -> None:
        """Take one write to RX; `mtu` is the link's ATT_MTU. Raise PeerError to answer with an ATT error."""

    def next_frame(self, link: LinkId, mtu: int) -> bytes:
        """Answer a read of TXR: the oldest outbound frame that the peer may lack, or b''."""

    def closed(self, link: LinkId) -> None:
        """The peer has gone; nothing more will reach it."""


class Radio(Protocol):
    """The BLE peripheral: one GATT table, several links at once."""

    async def serve(self, listener: RadioListener, ready: Callable[[bool], None]) -> None:
        """Advertise and serve until cancelled; call `ready(True)` when on air, `ready(False)` when not.

        A lost adapter is not an error of this method: it backs off and comes again by itself.
        """

    async def notify(self, link: LinkId, frame: bytes) -> None:
        """Send one frame by notification on TX. Every subscriber may see it. Raise LinkError if the link is gone."""

    async def drop(self, link: LinkId) -> None:
        """Disconnect the peer. Dropping a link that is gone does nothing."""


class Door(Protocol):
    """One door's strike. The driver owns the off-timer: a release ends by itself, whatever becomes of hubd."""

    async def release(self, seconds: float) -> None:
        """Drive the strike for `seconds` (at most its cap); return when the line is driven.

        A release during a release extends it to the later end. No strike is driven for longer than its cap at a
        stretch: then it rests, and the release goes on after a short rest (`drivers.stretch`).
        Raise RestingError when the strike must rest first, HardwareError when the line cannot be driven; the line is
        then, as far as known, inactive.
        """

    @property
    def driven(self) -> bool:
        """Whether the strike is driven now, as far as is known here."""

    def must_rest_seconds(self, seconds: float) -> float:
        """Return how long the strike must rest before a release of `seconds` can begin, as far as is known here.

        0 when it can begin now, or when nobody knows: `release` has the last word.
        """

    async def secure(self) -> None:
        """End a release now. Securing a secured door does nothing."""


class Input(StrEnum):
    """What a wired input says. REX and fire release act in hardware; hubd only observes and records them."""

    DOOR_OPEN = "door_open"
    DOOR_CLOSED = "door_closed"
    REX = "rex"
    STRIKE_ACTIVE = "strike_active"
    STRIKE_INACTIVE = "strike_inactive"


@dataclass(frozen=True, slots=True)
class InputEvent:
    """One edge seen at a door; `at` is CLOCK_MONOTONIC in seconds."""

    door: str
    what: Input
    at: float


class Inputs(Protocol):
    """The edges of all doors of the hub, in the order they were seen."""

    def events(self) -> AsyncIterator[InputEvent]:
        """Yield the level of every input once, then each edge, until cancelled."""


class AuditLog(Protocol):
    """Evidence: numbered, chained by hashes, durable before anything moves."""

    def append(self, record: Record) -> Awaitable[int]:
        """Take the record at once; awaited, give its number when it is durable.

        Raise AuditError, at once or then, when it is not durable and will not be.
        """

    def recent(self, since_ms: int) -> Sequence[StoredRecord]:
        """Records whose wall time is `since_ms` (Unix milliseconds) or later, oldest first, at most 10,000."""

    def newest(self, before: int, limit: int) -> Sequence[StoredRecord]:
        """At most `limit` records, those with the greatest numbers below `before`, oldest first."""

    async def unacknowledged(self, after: int, limit: int) -> Sequence[StoredRecord]:
        """At most `limit` records numbered above `after` that the backend has not acknowledged, in order."""

    async def acknowledge(self, numbers: Sequence[int]) -> None:
        """The backend holds these records."""

    def waiting(self) -> int:
        """How many records the backend has not acknowledged."""

    def last(self) -> int:
        """The number of the newest durable record, 0 when there is none."""

    def head(self) -> Head:
        """The head of the chain: number and hash of the newest durable record."""


@dataclass(frozen=True, slots=True)
class DiskState:
    """The disk of the state directory: bytes free for hubd, bytes in all, bytes of the log's write-ahead log.

    `holders` names other programs that have the log open, as far as they can be seen and were looked for.
    """

    free_bytes: int
    size_bytes: int
    journal_bytes: int
    holders: tuple[str, ...] = ()


class PolicyStore(Protocol):
    """The policy in force, on disk and indexed: 1,000,000 credentials and as many revocations must fit."""

    def version(self) -> int:
        """The version of the policy in force, 0 when none was ever accepted."""

    def revoked(self, credential: str, grant_id: bytes) -> bool:
        """Whether the credential or this one grant is revoked."""

    def schedule(self, number: int) -> tuple[Rule, ...] | None:
        """The schedule of that number, None when the policy has none."""

    def mode(self, access_point: int) -> Mode:
        """The mode ordered for the access point, `Mode.NORMAL` when the policy says nothing."""

    async def replace(self, policy: Policy, document: bytes) -> None:
        """Put this policy in force, whole and durable; `document` is what the issuer signed.

        Raise RollbackError unless its version is higher.
        """


class PolicyFile(Protocol):
    """The policy as one file keeps it, with the head of the audit log that was noted beside it."""

    def version(self) -> int:
        """The version of the proven policy, 0 when there is none."""

    def revoked(self, credential: str, grant_id: bytes) -> bool:
        """See `PolicyStore.revoked`."""

    def schedule(self, number: int) -> tuple[Rule, ...] | None:
        """See `PolicyStore.schedule`."""

    def mode(self, access_point: int) -> Mode:
        """See `PolicyStore.mode`."""

    async def replace(self, policy: Policy, document: bytes, head: Head, again: bool = False) -> None:
        """Put this policy in force and note the head, in one commit; `again` lets the same version through."""

    async def note(self, head: Head) -> None:
        """Note the head of the audit log, durably."""


class UplinkListener(Protocol):
    """What the link to the backend tells; `sync` listens."""

    def connected(self) -> None:
        """The link is up: encrypted, and the backend proved its key."""

    def disconnected(self, why: str) -> None:
        """The link is down; `why` is a sentence for a technician."""

    def received(self, message: bytes) -> None:
        """One whole message of `core.uplink`, undecoded."""


class Uplink(Protocol):
    """The link to the backend. A message sent is not a message received: `core.uplink` has its own receipts."""

    async def serve(self, listener: UplinkListener) -> None:
        """Connect, and connect again, until cancelled."""

    def send(self, message: bytes) -> bool:
        """Hand over one message; False when the link is down or its queue is full (nothing was queued)."""


class ClockState(Enum):
    """Whether the wall clock may decide about schedules and validity."""

    TRUSTED = "trusted"
    BEFORE_BUILD = "before_build"
    BEHIND_RECORDS = "behind_records"


class Clock(Protocol):
    """Time. Validity and records use the wall clock, spans and deadlines the monotonic one."""

    def wall(self) -> float:
        """Unix time in seconds."""

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""

    def state(self) -> ClockState:
        """Whether `wall` can be believed."""
