"""The two slots of a hub, A and B, and the way of a new image into one of them.

Laws:
1. The slot that was found well is never written. Only the other one is.
2. Each phase has one duty. A duty may be done again, from its beginning, as often as it is cut off.
3. The state is on the disk before its duty begins. A duty that is done is told by an event.
4. What is not in the table is refused, and nothing changes.
5. The link points to the other slot in SWITCHING, TRIAL and RETURNING alone. In SWITCHING and
   RETURNING nobody knows where it points.
6. Each start during a trial is counted before it. After STARTS_MAX starts the old slot comes back.
7. An image that failed its self-test or its trial is in quarantine. It is not taken again until a
   person lets it out.
8. An image that was only written badly is not to blame. It may be taken again.
9. An image whose trial ended because somebody who was there before was not seen is in doubt. It is
   tried again once the old version sees them again. After TRIALS_MAX such trials it is bad.
10. A start never waits for a network, and never for a person.

How it works: `hubupdate` reads the state, does the duty of its phase, and tells what came of it.
`take` says which state follows; `hubupdate` writes that, and goes on. A power cut changes nothing
in this: the state that is on the disk says again which duty is next. Before each start of hubd the
small helper asks `start`, because the duty of a trial is hubd's own start:

    RESTING ─▶ WRITING ─▶ WRITTEN ─▶ WAITING ─▶ SWITCHING ─▶ TRIAL ─▶ RESTING, the slots changed
       ▲          │           │          │           │          │
       └──────────┴───────────┴──────────┘           ▼          ▼
       └───────────────────────────────────────── RETURNING ◀───┘
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, StrEnum

from hubcore.update.image import DIGEST_BYTES, Image

STARTS_MAX = 3
"""Starts of a trial. A trial has one; two more are for a power cut and for a person."""
TRIALS_MAX = 3
"""Trials of one image that end in doubt, before it counts as bad."""
QUARANTINE_MAX = 32
"""Images that are remembered as bad; then the oldest is forgotten."""


class Slot(StrEnum):
    """Where an image lies. The words stand in the state's file and in paths."""

    A = "A"
    B = "B"

    @property
    def other(self) -> Slot:
        """The other of the two."""
        return Slot.B if self is Slot.A else Slot.A


class Phase(StrEnum):
    """How far an update is. The words stand in the state's file."""

    RESTING = "resting"
    WRITING = "writing"
    WRITTEN = "written"
    WAITING = "waiting"
    SWITCHING = "switching"
    TRIAL = "trial"
    RETURNING = "returning"


class Duty(Enum):
    """What is to be done in a phase."""

    NOTHING = "nothing"
    WRITE = "write the image into the other slot, force it to the disk, read it again"
    SELF_TEST = "let the other slot's image test itself on copies of the databases"
    WAIT = "wait until the plan allows it and no door moves"
    POINT_TO_OTHER = "let the link point to the other slot, and let that take over"
    WATCH = "watch the new version for the length of its trial"
    POINT_BACK = "let the link point to the slot that was found well, and let that take over"


DUTIES: dict[Phase, Duty] = {
    Phase.RESTING: Duty.NOTHING,
    Phase.WRITING: Duty.WRITE,
    Phase.WRITTEN: Duty.SELF_TEST,
    Phase.WAITING: Duty.WAIT,
    Phase.SWITCHING: Duty.POINT_TO_OTHER,
    Phase.TRIAL: Duty.WATCH,
    Phase.RETURNING: Duty.POINT_BACK,
}


class Event(Enum):
    """What came of a duty, or what a person or the plan wants."""

    PROVEN_ON_DISK = "the other slot's image was read again from the disk and is right"
    NOT_WRITTEN = "the image did not come whole, or did not come back from the disk"
    TEST_PASSED = "its self-test passed"
    TEST_FAILED = "its self-test failed"
    MAY_SWITCH = "the plan allows it and no door moves"
    GIVEN_UP = "a person or a newer image ends this update before its switch"
    TAKEN_OVER = "the other slot's hubd has taken over"
    NOT_TAKEN_OVER = "the other slot's hubd did not come up, or did not stay"
    NOT_NOW = "it cannot be switched in this moment"
    FOUND_WELL = "the trial ended well"
    FOUND_ILL = "the trial ended badly"
    FOUND_UNSEEN = "somebody who was there before was not seen in the whole trial"
    BACK = "the old slot's hubd runs again"


class After(Enum):
    """What an event does to the other slot's image, beside the phase."""

    KEPT = "it stays"
    GONE = "it counts as nothing"
    BAD = "it goes into quarantine"
    DOUBTED = "it is in doubt, or bad if it was too often"
    BETTER = "its slot is the one that was found well"


TABLE: dict[tuple[Phase, Event], tuple[Phase, After]] = {
    (Phase.WRITING, Event.PROVEN_ON_DISK): (Phase.WRITTEN, After.KEPT),
    (Phase.WRITING, Event.NOT_WRITTEN): (Phase.RESTING, After.GONE),
    (Phase.WRITING, Event.GIVEN_UP): (Phase.RESTING, After.GONE),
    (Phase.WRITTEN, Event.NOT_WRITTEN): (Phase.RESTING, After.GONE),
    (Phase.WRITTEN, Event.TEST_PASSED): (Phase.WAITING, After.KEPT),
    (Phase.WRITTEN, Event.TEST_FAILED): (Phase.RESTING, After.BAD),
    (Phase.WRITTEN, Event.GIVEN_UP): (Phase.RESTING, After.KEPT),
    (Phase.WAITING, Event.NOT_WRITTEN): (Phase.RESTING, After.GONE),
    (Phase.WAITING, Event.MAY_SWITCH): (Phase.SWITCHING, After.KEPT),
    (Phase.WAITING, Event.GIVEN_UP): (Phase.RESTING, After.KEPT),
    (Phase.SWITCHING, Event.TAKEN_OVER): (Phase.TRIAL, After.KEPT),
    (Phase.SWITCHING, Event.NOT_TAKEN_OVER): (Phase.RETURNING, After.BAD),
    (Phase.SWITCHING, Event.NOT_NOW): (Phase.WAITING, After.KEPT),
    (Phase.TRIAL, Event.TAKEN_OVER): (Phase.TRIAL, After.KEPT),
    (Phase.TRIAL, Event.NOT_TAKEN_OVER): (Phase.RETURNING, After.BAD),
    (Phase.TRIAL, Event.FOUND_WELL): (Phase.RESTING, After.BETTER),
    (Phase.TRIAL, Event.FOUND_ILL): (Phase.RETURNING, After.BAD),
    (Phase.TRIAL, Event.FOUND_UNSEEN): (Phase.RETURNING, After.DOUBTED),
    (Phase.RETURNING, Event.BACK): (Phase.RESTING, After.KEPT),
}


class Refusal(Enum):
    """Why nothing changes."""

    NOT_NOW = "this does not happen in this phase"
    BUSY = "another update is on its way"
    IN_QUARANTINE = "this image failed before"
    IN_DOUBT = "the old version does not see yet whom this image did not see"
    RUNS_ALREADY = "this image runs already"
    NOTHING_TO_RETURN_TO = "the other slot holds no whole image"


@dataclass(frozen=True, slots=True)
class Doubt:
    """An image, and how many of its trials ended in doubt."""

    digest: bytes
    trials: int

    def __post_init__(self) -> None:
        """Raise ValueError for a digest or a number that cannot be."""
        if len(self.digest) != DIGEST_BYTES or not 0 < self.trials < TRIALS_MAX:
            raise ValueError("a doubt has a digest and a number of trials")


@dataclass(frozen=True, slots=True)
class Slots:
    """What the state's file says."""

    well: Slot
    """The slot that was found well."""
    running: Image
    other: Image | None = None
    """In RESTING what lies whole in the other slot, None for nothing; else what is to lie there."""
    phase: Phase = Phase.RESTING
    starts: int = 0
    """How often the other slot was started in this trial."""
    quarantine: tuple[bytes, ...] = ()
    """Digests, the newest last."""
    doubt: Doubt | None = None
    by_person: bool = False
    """The update on its way is a person's return to the version before: no plan speaks of it."""

    def __post_init__(self) -> None:
        """Raise ValueError for what the laws rule out."""
        if self.phase is not Phase.RESTING and self.other is None:
            raise ValueError("an update without an image")
        if self.phase is Phase.RESTING and self.by_person:
            raise ValueError("a person's update that is none")
        if not 0 <= self.starts <= STARTS_MAX:
            raise ValueError(f"a trial has 0..{STARTS_MAX} starts")
        if len(self.quarantine) > QUARANTINE_MAX:
            raise ValueError(f"at most {QUARANTINE_MAX} images are in quarantine")
        if any(len(digest) != DIGEST_BYTES for digest in self.quarantine):
            raise ValueError(f"a digest in quarantine has {DIGEST_BYTES} bytes")

    @property
    def duty(self) -> Duty:
        """What is to be done now."""
        return DUTIES[self.phase]


def begin(slots: Slots, image: Image, sees_all: bool = True) -> Slots | Refusal:
    """Let this image be written into the other slot.

    `sees_all`: the version that runs sees everybody who was there before the last switch.
    """
    if slots.phase is not Phase.RESTING:
        return Refusal.BUSY
    if image.digest in slots.quarantine:
        return Refusal.IN_QUARANTINE
    if slots.running.digest == image.digest:
        return Refusal.RUNS_ALREADY
    is_in_doubt = slots.doubt is not None and slots.doubt.digest == image.digest
    if is_in_doubt and not sees_all:
        return Refusal.IN_DOUBT
    doubt = slots.doubt if is_in_doubt else None
    return replace(slots, other=image, phase=Phase.WRITING, starts=0, doubt=doubt)


def roll_back(slots: Slots) -> Slots | Refusal:
    """Let the version before come back, by a person's word; that of now goes into quarantine."""
    if slots.phase is not Phase.RESTING:
        return Refusal.BUSY
    if slots.other is None:
        return Refusal.NOTHING_TO_RETURN_TO
    blamed = _blame(slots, slots.running.digest)
    kept = tuple(one for one in blamed.quarantine if one != slots.other.digest)
    return replace(blamed, phase=Phase.WRITTEN, starts=0, quarantine=kept, by_person=True)


def let_out(slots: Slots, digest: bytes) -> Slots:
    """Let an image out of quarantine, by a person's word."""
    kept = tuple(one for one in slots.quarantine if one != digest)
    return replace(slots, quarantine=kept)


def take(slots: Slots, event: Event) -> Slots | Refusal:
    """Return what follows from an event."""
    row = TABLE.get((slots.phase, event))
    if row is None or slots.other is None:
        return Refusal.NOT_NOW
    phase, after = row
    starts = max(1, slots.starts) if phase is Phase.TRIAL else 0
    by_person = slots.by_person and phase is not Phase.RESTING
    moved = replace(slots, phase=phase, starts=starts, by_person=by_person)
    match after:
        case After.KEPT:
            return moved
        case After.GONE:
            return replace(moved, other=None)
        case After.BAD:
            return _blame(moved, slots.other.digest)
        case After.DOUBTED:
            return _doubt(moved, slots.other.digest)
        case After.BETTER:
            return _changed(moved, slots.other)


def start(slots: Slots, linked: Slot) -> tuple[Slots, Slot]:
    """Return the state to be written before a start, and the slot that is to be linked after it.

    `linked` is where the link points.
    """
    if slots.phase is Phase.SWITCHING and linked is slots.well:
        return replace(slots, phase=Phase.WAITING, starts=0), slots.well
    if slots.phase is Phase.TRIAL and linked is slots.well:
        return _returning(slots), slots.well
    if slots.phase not in (Phase.SWITCHING, Phase.TRIAL):
        return slots, slots.well
    if slots.starts >= STARTS_MAX:
        return _returning(slots), slots.well
    counted = replace(slots, phase=Phase.TRIAL, starts=slots.starts + 1)
    return counted, slots.well.other


def _changed(slots: Slots, tried: Image) -> Slots:
    """Let the slot of the trial be the one that was found well, and the old one the other."""
    well = slots.well.other
    return replace(slots, well=well, running=tried, other=slots.running, doubt=None)


def _doubt(slots: Slots, digest: bytes) -> Slots:
    """Count one more trial in doubt."""
    before = slots.doubt
    trials = 1
    if before is not None and before.digest == digest:
        trials += before.trials
    if trials >= TRIALS_MAX:
        return replace(_blame(slots, digest), doubt=None)
    return replace(slots, doubt=Doubt(digest, trials))


def _returning(slots: Slots) -> Slots:
    moved = replace(slots, phase=Phase.RETURNING, starts=0)
    return moved if slots.other is None else _blame(moved, slots.other.digest)


def _blame(slots: Slots, digest: bytes) -> Slots:
    """Put a digest into quarantine, as the newest."""
    others = tuple(one for one in slots.quarantine if one != digest)
    return replace(slots, quarantine=(*others, digest)[-QUARANTINE_MAX:])
