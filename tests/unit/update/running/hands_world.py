"""A hub that changes hands, as an update meets it: processes, links and disk, without the metal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from enum import Enum
from pathlib import Path
from typing import Any

from hubcore.update.health import Required
from hubcore.update.image import Image
from hubcore.update.running.pauses import CHANGES_HANDS, Outcome
from hubcore.update.slots import Phase, Slot, Slots, start
from hubupdate.disk import Disk
from hubupdate.duties import Duties, Place
from hubupdate.running.daemon import Reply
from hubupdate.running.machine import MOUNTED, MOUNTED_FOR_A_START, NOW, Machine, Passing
from hubupdate.running.orders import Order
from tests.fakes.clock import FakeClock

OLD = Image("hubd-1", "1.0", b"\x01" * 32, 3)
NEW = Image("hubd-2", "2.0", b"\x02" * 32, 3)
TICK_SECONDS = 10.0


class Nature(Enum):
    """What the new version is like."""

    GOOD = "good"
    NEVER = "neither starts nor takes over"
    DIES = "dies soon after it drives"
    ILL = "drives, and holds no radio"


@dataclass
class World:
    """Slot A holds the old version, which drives. Slot B holds the new one, to be switched to."""

    folder: Path
    nature: Nature = Nature.GOOD
    phones: int = 0
    is_unit_changed: bool = False
    is_quiet: bool = True
    """Whether a moment comes in which no door moves."""
    can_hand_over: bool = True
    ordered: list[str] = field(default_factory=list)
    main: Slot | None = Slot.A
    """The slot of the process that systemd knows."""
    other: Slot | None = None
    """The slot of the process beside it."""
    on_trial: bool = False
    """That one drives."""
    why: str = ""
    is_tried: bool = False
    silent_seconds: float = 0.0
    """So long nobody answers after the word on a trial."""
    silent_until: float = 0.0
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        (self.folder / "slots").mkdir(parents=True)
        self.mounts = self.folder / "mounts"
        self.mounts.mkdir()
        self.disk = Disk(self.folder / "slots")
        for slot in Slot:
            self.disk.image_file(slot).write_text(f"{slot}")
        self.disk.keep_state(Slots(Slot.A, OLD, NEW, Phase.SWITCHING))
        self.disk.point(Slot.A)
        self._turn(Slot.A)
        self.new_program()

    def new_program(self) -> None:
        """hubupdate was killed, and is another process now: nothing of its memory is left."""
        passing = Passing(self.clock.monotonic, self.clock.advance)
        self.machine = Machine(self.mounts, self, self.ask, self.call, passing)
        place = Place("hub-1", "stable", UTC)
        self.duties = Duties(self.disk, _NoTrust(), self.machine, self.clock, place)

    # hubd

    @property
    def drives(self) -> Slot | None:
        return self.other if self.on_trial else self.main

    @property
    def standing(self) -> str:
        if self.other is None:
            return "alone"
        return "on-trial" if self.on_trial else "changing"

    def ask(self) -> Mapping[str, Any] | None:
        if self.drives is None or self.clock.monotonic() < self.silent_until:
            return None
        is_on_air = not (self.drives is Slot.B and self.nature is Nature.ILL)
        return {
            "ready": True,
            "missing": [],
            "late": [],
            "problems": [],
            "radio": {"on_air": is_on_air, "links": self.phones},
            "doors": [],
        }

    def call(self, name: str, arguments: Mapping[str, Any]) -> Reply:
        if self.drives is None or self.clock.monotonic() < self.silent_until:
            return Reply()
        if not self.can_hand_over:
            return Reply(code="unknown-call")
        if name == "takeover":
            assert self.disk.linked() is self.linked_now, "root has mounted it"
            assert arguments["program"] == f"{self.mounts}/{self.linked_now}/bin/python"
            if self.other is not None:
                return Reply(code="sequence")
            self.other = self.linked_now
            self.why = ""
            self.is_tried = False
        if name == "takeover-end":
            if not self.on_trial:
                return Reply(code="sequence")
            self._end_trial(arguments["well"])
            self.silent_until = self.clock.monotonic() + self.silent_seconds
        return Reply(
            {
                "place": f"{self.mounts}/{self.drives}",
                "standing": self.standing,
                "why": self.why,
                "tried": self.is_tried,
            }
        )

    def _end_trial(self, is_well: bool) -> None:
        if is_well:
            self.main = self.other
            self.other = None
            self.on_trial = False
        else:
            self._comes_to_nothing()

    def _comes_to_nothing(self, is_tried: bool = True) -> None:
        self.other = None
        self.on_trial = False
        self.why = "it has not stayed"
        self.is_tried = is_tried

    def tick(self) -> None:
        """Let hubd go on, and time pass."""
        self.clock.advance(TICK_SECONDS)
        if self.other is not None and not self.on_trial:
            if not self.is_quiet:
                self._comes_to_nothing(is_tried=False)
            elif self.nature is Nature.NEVER and self.other is Slot.B:
                self._comes_to_nothing()
            else:
                self.on_trial = True
        elif self.nature is Nature.DIES and self.drives is Slot.B:
            self.kill_new()

    def kill_new(self) -> None:
        """The process that took over dies, or the only one."""
        if self.other is not None:
            self._comes_to_nothing()
        else:
            self.start()

    def kill_old(self) -> None:
        """The process that systemd knows dies: it ends the other, and starts hubd again."""
        self.start()

    def ceiling(self) -> None:
        """Nobody has said for two hours that the new version may stay."""
        if self.on_trial:
            self._comes_to_nothing()

    def cut_power(self) -> None:
        (self.mounts / NOW).unlink()
        self.start()
        self.new_program()

    def start(self) -> None:
        """Start hubd as systemd does, until a version is ready."""
        self.other = None
        self.on_trial = False
        self.silent_until = 0.0
        while True:
            linked = self.disk.linked()
            assert linked is not None
            slots, slot = start(self.disk.state(), linked)
            self.disk.keep_state(slots)
            self.disk.point(slot)
            self._turn(slot)
            self.main = slot
            self.why = ""
            if slot is Slot.A or self.nature is not Nature.NEVER:
                return

    # root

    def give(self, order: Order) -> int | None:
        self.ordered.append(order)
        if order is Order.RESTART:
            self.start()
            return 0
        assert order is Order.MOUNT
        linked = self.disk.linked()
        assert linked is not None
        self._turn(linked)
        return MOUNTED_FOR_A_START if self.is_unit_changed else MOUNTED

    def _turn(self, slot: Slot) -> None:
        (self.mounts / NOW).unlink(missing_ok=True)
        (self.mounts / NOW).symlink_to(slot)

    @property
    def linked_now(self) -> Slot:
        return Slot((self.mounts / NOW).readlink().name)

    # hubupdate

    def step(self) -> Outcome:
        """Do a step, unless nothing is left to do."""
        if self.disk.state().phase not in CHANGES_HANDS:
            return None
        return self.duties.step()

    def settle(self) -> Slots:
        """Go on until the update is over; then everything must agree."""
        for _ in range(400):
            slots = self.disk.state()
            if slots.phase not in CHANGES_HANDS:
                self.agrees(slots)
                return slots
            self.step()
            self.tick()
        raise AssertionError(f"it never ends: {self.disk.state()}, {self}")

    def agrees(self, slots: Slots) -> None:
        assert self.standing == "alone", self
        assert slots.well is self.drives
        assert slots.well is self.disk.linked()
        assert slots.well is self.linked_now


class _NoTrust:
    """Nothing of a change of hands asks a list."""


ALL = frozenset(Required)
