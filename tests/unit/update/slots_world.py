"""A hub with two slots whose power may be cut at each step, for the tests of the slots.

1. A step is what a disk does as one: a state, a link, a part of an image.
2. A cut comes before a step, or in its middle where it has one.
3. What must hold at every moment is looked at after every step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from hubcore.update.image import Image
from hubcore.update.slots import Duty, Event, Phase, Slot, Slots, begin, start, take
from hubcore.update.statefile import read_state, write_state

TORN = b"half of an image"
OLD = Image("hubd-1.squashfs", "1.0", b"\x01" * 32, 1000)
NEW = Image("hubd-2.squashfs", "2.0", b"\x02" * 32, 2000)


class Nature(Enum):
    """What the new image is like."""

    GOOD = "good"
    FAILS_ITS_TEST = "its self-test fails"
    NEVER_READY = "its hubd never gets ready"
    DIES_LATER = "its hubd gets ready and dies in its trial"


class PowerCutError(Exception):
    """The machine has no power from here on."""


@dataclass
class World:
    """The disk, and which hubd runs. `cuts` are the numbers of the steps at which power fails."""

    nature: Nature
    cuts: list[int]
    torn: bool = False
    """A cut comes in the middle of the step, where it has one."""
    steps: int = 0
    disk: dict[Slot, bytes] = field(default_factory=lambda: {Slot.A: OLD.digest, Slot.B: b""})
    link: Slot = Slot.A
    state: bytes = write_state(Slots(well=Slot.A, running=OLD))
    up: Slot | None = Slot.A

    @property
    def slots(self) -> Slots:
        """What the state's file says."""
        return read_state(self.state)

    def power_holds(self) -> bool:
        """Count a step; tell whether it is done to its end."""
        self.steps += 1
        return self.steps - 1 not in self.cuts

    def look(self) -> None:
        """What must hold at every moment: what starts is whole, and what was found well too."""
        assert self.disk[self.link] in (OLD.digest, NEW.digest)
        assert self.disk[self.slots.well] == self.slots.running.digest

    def write_state(self, slots: Slots) -> None:
        if not self.power_holds():
            raise PowerCutError
        self.state = write_state(slots)
        self.look()

    def point(self, slot: Slot) -> None:
        if not self.power_holds():
            raise PowerCutError
        self.link = slot
        self.look()

    def write_image(self, slot: Slot, image: Image) -> None:
        assert slot is not self.link
        for content in (TORN, image.digest):
            if not self.power_holds():
                if self.torn:
                    self.disk[slot] = TORN
                raise PowerCutError
            self.disk[slot] = content
            self.look()

    def start(self) -> None:
        """Start hubd, as systemd does: the helper first."""
        self.up = None
        slots, slot = start(self.slots, self.link)
        if slots != self.slots:
            self.write_state(slots)
        if self.link is not slot:
            self.point(slot)
        is_new = self.disk[slot] == NEW.digest
        if is_new and self.nature is Nature.NEVER_READY:
            return
        self.up = slot

    def do_duties(self) -> None:
        """Be `hubupdate` until nothing is left to do."""
        while self.slots.duty is not Duty.NOTHING:
            event = self.do(self.slots)
            after = take(self.slots, event)
            assert isinstance(after, Slots), (self.slots.phase, event)
            self.write_state(after)

    def do(self, slots: Slots) -> Event:
        other = slots.well.other
        assert slots.other is not None
        match slots.phase:
            case Phase.WRITING:
                self.write_image(other, slots.other)
                is_right = self.disk[other] == slots.other.digest
                return Event.PROVEN_ON_DISK if is_right else Event.NOT_WRITTEN
            case Phase.WRITTEN:
                assert self.disk[other] == slots.other.digest
                fails = self.nature is Nature.FAILS_ITS_TEST
                return Event.TEST_FAILED if fails else Event.TEST_PASSED
            case Phase.WAITING:
                return Event.MAY_SWITCH
            case Phase.SWITCHING:
                self.point(other)
                self.start()
                return Event.TAKEN_OVER if self.up is other else Event.NOT_TAKEN_OVER
            case Phase.TRIAL:
                is_well = self.up is other and self.nature is Nature.GOOD
                return Event.FOUND_WELL if is_well else Event.FOUND_ILL
            case _:
                self.point(slots.well)
                self.start()
                return Event.BACK

    def begin(self) -> None:
        """Let the new image come, unless it has come before."""
        after = begin(self.slots, NEW)
        if isinstance(after, Slots):
            self.write_state(after)

    def live(self) -> None:
        """Live until nothing is left to do, starting again after each cut."""
        is_first = True
        while True:
            try:
                if not is_first:
                    self.start()
                is_first = False
                self.do_duties()
                self.begin()
                if self.slots.duty is Duty.NOTHING:
                    return
            except PowerCutError:
                self.up = None
                self.look()
