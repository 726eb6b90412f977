"""The trial of a new version: what must be right, what must be as before, and for how long.

Laws:
1. Required is what a hub cannot do without. After GRACE_SECONDS none of it may be missing for
   longer than LAPSE_SECONDS.
2. As before is what depends on others: the backend, the bridge, devices. Only what was there before
   the switch is asked for, and it is enough to have seen it once during the trial: that proves
   that the new version can reach it.
3. A trial ends well after TRIAL_SECONDS, with everything required right at that moment and
   everything as before seen.
4. While something as before has not been seen, a trial goes on, up to LONGEST_SECONDS. Then it ends
   badly.
5. Only looks count. Something is missing from the first look that finds it so, and until the first
   look that finds it right. A moment at which nobody looked proves nothing.
6. What was there before is kept as lines. A line that is none counts as nobody: a trial then asks
   for less, and the required things are asked for all the same.
7. A trial that ended stays as it ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

GRACE_SECONDS = 60.0
LAPSE_SECONDS = 30.0
TRIAL_SECONDS = 600.0
LONGEST_SECONDS = 3600.0
BEFORE_BYTES_MAX = 65_536
_DEVICE = "device "
_PEER = "peer "


class Required(Enum):
    """What a hub cannot do without."""

    READY = "hubd said READY"
    WATCHDOG = "hubd feeds its watchdog"
    RECORDS = "the disk has taken every record"
    GUARD = "the strike guard answers"
    ON_AIR = "the radio advertises"


class Peer(Enum):
    """Who was there before, beside devices."""

    BACKEND = "backend"
    BRIDGE = "bridge"


Seen = Peer | str
"""Somebody who may be there as before; a device by its id."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is found at one moment."""

    right: frozenset[Required]
    seen: frozenset[Seen]


class Verdict(Enum):
    """What a trial has come to."""

    GOES_ON = "it goes on"
    WELL = "the new version stays"
    ILL = "something required is missing: the old version comes back"
    UNSEEN = "something that was there before was never seen: the old version comes back"


@dataclass(frozen=True, slots=True)
class Spans:
    """How long what of a trial lasts, in seconds."""

    grace: float = GRACE_SECONDS
    lapse: float = LAPSE_SECONDS
    trial: float = TRIAL_SECONDS
    longest: float = LONGEST_SECONDS


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial since `began`; moments are those of one monotonic clock, in seconds."""

    began: float
    unseen: frozenset[Seen]
    """What was there before and was not seen since."""
    missing_since: Mapping[Required, float] = field(default_factory=dict)
    """What the last look found missing, and which look was the first to."""
    verdict: Verdict = Verdict.GOES_ON
    spans: Spans = field(default_factory=Spans)


def look(trial: Trial, found: Look, now: float) -> Trial:
    """Return the trial after one look."""
    if trial.verdict is not Verdict.GOES_ON:
        return trial
    missing = frozenset(Required) - found.right
    looked = replace(
        trial,
        unseen=trial.unseen - found.seen,
        missing_since={one: trial.missing_since.get(one, now) for one in missing},
    )
    return replace(looked, verdict=_verdict(looked, now))


def _verdict(trial: Trial, now: float) -> Verdict:
    spans = trial.spans
    grace_ends = trial.began + spans.grace
    lapse_began = now - spans.lapse
    if now > grace_ends and any(since < lapse_began for since in trial.missing_since.values()):
        return Verdict.ILL
    lasted = now - trial.began
    if lasted >= spans.trial and not trial.missing_since and not trial.unseen:
        return Verdict.WELL
    if lasted >= spans.longest:
        return Verdict.UNSEEN if trial.unseen else Verdict.ILL
    return Verdict.GOES_ON


def write_seen(seen: frozenset[Seen]) -> bytes:
    """Return these as lines, up to BEFORE_BYTES_MAX; what has no room is left out."""
    lines = sorted(_line_of(one) for one in seen)
    kept = b""
    for line in lines:
        encoded = line.encode() + b"\n"
        if "\n" not in line and len(kept) + len(encoded) <= BEFORE_BYTES_MAX:
            kept += encoded
    return kept


def read_seen(data: bytes) -> frozenset[Seen]:
    """Read such lines."""
    lines = data[:BEFORE_BYTES_MAX].decode("utf-8", "ignore").split("\n")
    peers = {_PEER + peer.value: peer for peer in Peer}
    found: set[Seen] = {peers[line] for line in lines if line in peers}
    found |= {line.removeprefix(_DEVICE) for line in lines if line.startswith(_DEVICE)}
    return frozenset(found)


def _line_of(one: Seen) -> str:
    return _PEER + one.value if isinstance(one, Peer) else _DEVICE + one
