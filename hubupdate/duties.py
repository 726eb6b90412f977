"""The duties of an update, one at a time: what `hubcore.update.slots` says is done here.

Laws:
1. Each step reads the state from the disk, does its duty, and keeps the state that follows. Nothing
   that a step needs lies in memory alone, so a program that died goes on as another.
2. A step waits for nobody: it does what can be done now, and tells what came of it.
3. What was there before a switch is kept before it.
4. An update before its switch is given up when the plan holds it, or names another image.
5. A person's return to the version before waits for rest at the doors, and for no plan and no time.
6. A carrier, a list or a disk that fails ends the step, never the state.
7. The newest moment that a proven plan was signed at is kept: a clock before it is wrong.
8. An image comes packed where its list has it so (`hubupdate.packed`), and whole where that fails.
9. A hub has windows of its own, beside the plan's: it switches inside both.
10. A trial that went well is kept once the new version drives alone. A program that dies between
   the two makes one more trial, and no hub goes back unseen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import assert_never

from hubcore.calendar.schedule import Rule, WallTime
from hubcore.errors import ExpiredError, HubError, StoreError
from hubcore.ports.clock import Clock
from hubcore.update.belief import belief
from hubcore.update.director import CLOCK_SECONDS, Word, may_fetch, may_switch
from hubcore.update.health import Spans, Trial, Verdict, look
from hubcore.update.image import Image
from hubcore.update.plan import Plan
from hubcore.update.running.pauses import Outcome
from hubcore.update.slots import Duty, Event, Refusal, Slots, begin, take
from hubupdate.disk import Disk
from hubupdate.hub import Hub, Switch
from hubupdate.packed import unpack
from hubupdate.trust import Trust

_ENDINGS = {
    Verdict.WELL: Event.FOUND_WELL,
    Verdict.ILL: Event.FOUND_ILL,
    Verdict.UNSEEN: Event.FOUND_UNSEEN,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Who this hub is for a plan."""

    hub: str
    channel: str
    zone: tzinfo
    windows: tuple[Rule, ...] = ()
    """When this hub may switch, by the wall clock at the door; none: whenever the plan says."""


class Duties:
    """Does the duties of one hub. Whoever calls it holds the disk's lock."""

    def __init__(
        self,
        disk: Disk,
        trust: Trust,
        hub: Hub,
        clock: Clock,
        place: Place,
        spans: Spans | None = None,
    ) -> None:
        """`spans`: how long a trial is."""
        self._spans = spans or Spans()
        self._disk = disk
        self._trust = trust
        self._hub = hub
        self._clock = clock
        self._place = place
        self._trial: Trial | None = None
        self.looked_at: float | None = None
        """When both repositories agreed last, in Unix seconds."""
        self.withdrawn: bool | None = None
        """Whether the version that runs is off the list of images; None: not known."""

    @property
    def lists_end(self) -> float | None:
        """When the first of the proven lists ends, in Unix seconds; None: not known."""
        return self._trust.lists_end

    def step(self) -> Outcome:
        """Do what is to be done now. Raise TrustError, LinkError, StoreError."""
        slots = self._disk.state()
        if slots.other is None:
            return self._begin(slots)
        match slots.duty:
            case Duty.NOTHING:
                return self._begin(slots)
            case Duty.WRITE:
                return self._write(slots, slots.other)
            case Duty.SELF_TEST:
                return self._self_test(slots, slots.other)
            case Duty.WAIT:
                return self._wait(slots, slots.other)
            case Duty.POINT_TO_OTHER:
                return self._switch(slots)
            case Duty.WATCH:
                return self._watch(slots)
            case Duty.POINT_BACK:
                return self._return(slots)
        assert_never(slots.duty)

    def _plan(self) -> Plan | None:
        """Return the plan of now. Raise TrustError, LinkError, StoreError."""
        at = self._clock.wall()
        floor = self._disk.floor()
        plan = self._trust.plan_of(
            self._place.channel, belief(self._clock.state(), at + CLOCK_SECONDS, floor)
        )
        self.withdrawn = self._trust.is_withdrawn(self._disk.state().running)
        if plan is not None and plan.issued > at + CLOCK_SECONDS:
            raise ExpiredError("the director's plan was signed later than this hub's clock says")
        if plan is not None and plan.issued > floor:
            self._disk.keep_floor(plan.issued)
        self.looked_at = at
        return plan

    def _begin(self, slots: Slots) -> Outcome:
        plan = self._plan()
        if plan is None:
            return None
        word = may_fetch(plan, self._place.hub, self._clock.wall())
        if word is not Word.GO:
            return word
        sees_all = slots.doubt is None or self._disk.before() <= self._hub.seen()
        after = begin(slots, plan.image, sees_all)
        if isinstance(after, Slots):
            self._disk.keep_state(after)
            return word
        return after

    def _write(self, slots: Slots, image: Image) -> Outcome:
        try:
            if not self._write_packed(slots, image):
                self._disk.write_image(slots.well.other, image, self._trust.pieces(image))
        except HubError:
            self._keep(Event.NOT_WRITTEN)
            raise
        return self._keep(Event.PROVEN_ON_DISK)

    def _write_packed(self, slots: Slots, image: Image) -> bool:
        """Write the image by what is fetched of a packed file; tell whether that went well."""
        for packed in self._trust.packed(image, slots.running):
            reference = self._disk.image_file(slots.well) if packed.is_change else None
            try:
                with self._disk.packed(packed, self._trust.packed_pieces(packed)) as file:
                    pieces = unpack(file, reference, image)
                    self._disk.write_image(slots.well.other, image, pieces)
            except HubError:
                continue  # the whole image proves itself, too
            return True
        return False

    def _self_test(self, slots: Slots, image: Image) -> Outcome:
        if not self._is_whole(slots, image):
            return self._keep(Event.NOT_WRITTEN)
        passed = self._hub.passes_its_test(self._disk.image_file(slots.well.other))
        return self._keep(Event.TEST_PASSED if passed else Event.TEST_FAILED)

    def _wait(self, slots: Slots, image: Image) -> Outcome:
        word = Word.GO if slots.by_person else self._word(image)
        if word is None or word is Word.HELD:
            return self._keep(Event.GIVEN_UP)
        if word is not Word.GO or not self._hub.is_at_rest():
            return word
        if not self._is_whole(slots, image):
            return self._keep(Event.NOT_WRITTEN)
        self._disk.keep_before(self._hub.seen())
        return self._keep(Event.MAY_SWITCH)

    def _word(self, image: Image) -> Word | None:
        """Return what the plan says of a switch to this image; None when it names another."""
        plan = self._plan()
        if plan is None or plan.image.digest != image.digest:
            return None
        at = self._clock.wall()
        wall = WallTime.at(at, self._place.zone)
        windows = self._place.windows
        if windows and not any(rule.holds(wall.day, wall.minute) for rule in windows):
            return Word.HELD if self._holds(plan) else Word.OUTSIDE_WINDOW
        return may_switch(plan, self._place.hub, at, wall)

    def _holds(self, plan: Plan) -> bool:
        return may_fetch(plan, self._place.hub, self._clock.wall()) is Word.HELD

    def _switch(self, slots: Slots) -> Outcome:
        self._disk.point(slots.well.other)
        switched = self._hub.switch(slots.well.other)
        match switched:
            case Switch.DONE:
                return self._keep(Event.TAKEN_OVER)
            case Switch.UNDER_WAY:
                return Verdict.GOES_ON
            case Switch.FAILED:
                return self._keep(Event.NOT_TAKEN_OVER)
            case Switch.NOT_NOW:
                return self._go_back(slots, Event.NOT_NOW)
        assert_never(switched)

    def _watch(self, slots: Slots) -> Outcome:
        now = self._clock.monotonic()
        found = self._hub.look(slots.well.other)
        if found is None:
            self._trial = None
            return self._keep(Event.NOT_TAKEN_OVER)
        trial = self._trial or self._begun_trial(now)
        self._trial = look(trial, found, now)
        verdict = self._trial.verdict
        if verdict is Verdict.GOES_ON:
            return verdict
        if verdict is Verdict.WELL and not self._hub.stays(slots.well.other):
            return Verdict.GOES_ON
        self._trial = None
        return self._keep(_ENDINGS[verdict])

    def _begun_trial(self, now: float) -> Trial:
        return Trial(began=now, unseen=self._disk.before(), spans=self._spans)

    def _return(self, slots: Slots) -> Outcome:
        self._trial = None
        return self._go_back(slots, Event.BACK)

    def _go_back(self, slots: Slots, event: Event) -> Outcome:
        self._disk.point(slots.well)
        return self._keep(event) if self._hub.go_back(slots.well) else Verdict.GOES_ON

    def _is_whole(self, slots: Slots, image: Image) -> bool:
        try:
            self._disk.prove_image(slots.well.other, image)
        except HubError:
            return False
        return True

    def _keep(self, event: Event) -> Outcome:
        """Keep what follows from an event; a start meanwhile may have changed the state."""
        after = take(self._disk.state(), event)
        if isinstance(after, Refusal):
            raise StoreError(f"the state changed meanwhile: {event.value}, and {after.value}")
        self._disk.keep_state(after)
        return event
