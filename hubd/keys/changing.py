"""The use case of a technician who has a key of the hub changed.

Laws:
1. The record of who asked is durable before anything begins.
2. Only what the hub can change by itself is changed: its key of the uplink and its epoch key.
3. A change is only begun here. `keys.report` tells how far it is.
4. The pace of each key holds for a technician, too.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from hubcore.backend.rotation import NotNow
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import RecordKind
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubcore.timing.pace import Bucket, Rate
from hubd.backend.rotation import KeyRotation
from hubd.recording import record_now

EPOCH_PACE = Rate(burst=4, per_second=1 / 300)
"""A small board takes up to a minute for an epoch key."""


class Rotated(StrEnum):
    """The keys that can be changed at the hub, by their roles."""

    UPLINK = "uplink"
    EPOCH = "epoch"


WHAT = {key: f"rotate {key.value} key" for key in Rotated}
"""What the record says was done."""


class Refusal(NamedTuple):
    """Why a key is not changed now: a code, and a sentence."""

    code: str
    sentence: str


NO_UPLINK = Refusal("no-uplink-key", "This hub has no key of the uplink that it could change.")
_NOT_NOW = {
    NotNow.TOO_SOON: Refusal(
        "too-soon",
        "The key was changed, or refused by the backend, a short while ago: hubctl keys says when.",
    ),
    NotNow.TIME_UNTRUSTED: Refusal(
        "time-untrusted", "The hub does not trust its clock now: hubctl clock says why."
    ),
}
EPOCH_TOO_SOON = Refusal(
    "too-soon", "Epoch keys were made by hand a short while ago: again in some minutes."
)


class KeyChanges:
    """`renew_epoch` has another epoch key made."""

    def __init__(
        self,
        rotation: KeyRotation | None,
        renew_epoch: Callable[[], None],
        log: AuditLog,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._rotation = rotation
        self._renew_epoch = renew_epoch
        self._log = log
        self._clock = clock
        self._tell = tell
        self._epochs = Bucket(EPOCH_PACE)

    async def begin(self, key: Rotated, by: str, uid: int) -> Refusal | None:
        """Record and begin a change; return why not. Raise AuditError when it is not recorded.

        `by` is the kind of person who asks, no name; `uid` the user of this machine.
        """
        refusal = self._why_not(key)
        if refusal is not None:
            return refusal
        detail: Detail = {Fact.WHAT: WHAT[key], Fact.VOUCHED_BY: by, Fact.UID: uid}
        await self._log.append(record_now(self._clock, RecordKind.ACT, detail))
        self._tell(EventName.ACT, detail)
        if key is Rotated.EPOCH:
            self._renew_epoch()
        elif self._rotation is not None:
            self._rotation.order()
        return None

    def _why_not(self, key: Rotated) -> Refusal | None:
        if key is Rotated.EPOCH:
            is_allowed = self._epochs.take(self._clock.monotonic())
            return None if is_allowed else EPOCH_TOO_SOON
        if self._rotation is None:
            return NO_UPLINK
        why = self._rotation.why_not()
        return None if why is None else _NOT_NOW[why]
