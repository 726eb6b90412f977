"""A power cut before, in and after each write of a whole update, over real files and the helper."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from hubcore.update.health import Required, Seen
from hubcore.update.image import Image
from hubcore.update.slots import Phase, Slot, Slots
from hubupdate.disk import Disk
from tests.unit.update.machine import OLD, Machine

pytestmark = pytest.mark.once

WRITES_MAX = 40


class PowerCutError(Exception):
    """The machine has no power from here on."""


class CutDisk(Disk):
    """Loses the power at the write number `cut`: before it, in its middle if it has one, or after.

    `moment` is 0, 1 or 2 for that.
    """

    def __init__(self, folder: Path, cut: int, moment: int) -> None:
        super().__init__(folder)
        self.cut = cut
        self.moment = moment
        self.writes = 0

    def keep_state(self, slots: Slots) -> None:
        self._write(lambda: Disk.keep_state(self, slots))

    def keep_before(self, seen: frozenset[Seen]) -> None:
        self._write(lambda: Disk.keep_before(self, seen))

    def point(self, slot: Slot) -> None:
        self._write(lambda: Disk.point(self, slot))

    def write_image(self, slot: Slot, image: Image, pieces: Iterable[bytes]) -> None:
        def half() -> None:
            self.image_file(slot).write_bytes(b"".join(pieces)[: image.size // 2])

        self._write(lambda: Disk.write_image(self, slot, image, pieces), half)

    def _write(self, whole: Callable[[], None], half: Callable[[], None] | None = None) -> None:
        is_here = self.writes == self.cut
        self.writes += 1
        if is_here and self.moment == 0:
            raise PowerCutError
        if is_here and self.moment == 1 and half is not None:
            half()
            raise PowerCutError
        whole()
        if is_here:
            raise PowerCutError


def live(machine: Machine, cut: int, moment: int) -> bool:
    """Live through an update with one cut; tell whether it came to the cut."""
    disk = CutDisk(machine.folder, cut, moment)
    machine.disk = disk
    machine.duties = machine.new_program()
    had_cut = False
    began = False
    while not (began and machine.phase is Phase.RESTING):
        try:
            machine.duties.step()
            began = True
            machine.clock.advance(120)
        except PowerCutError:
            had_cut = True
            machine.hub.running = None
            machine.hub.start()
            machine.duties = machine.new_program()
    return had_cut


@pytest.mark.long
@pytest.mark.parametrize("moment", [0, 1, 2])
@pytest.mark.parametrize("ends", ["well", "never up", "no radio"])
def test_a_power_cut_at_any_write_ends_in_a_slot_that_runs(
    tmp_path: Path, moment: int, ends: str
) -> None:
    for cut in range(WRITES_MAX):
        machine = Machine(tmp_path / str(cut))
        if ends == "never up":
            machine.hub.bad = {Slot.B}
        if ends == "no radio":
            machine.hub.right = frozenset(Required) - {Required.ON_AIR}
        had_cut = live(machine, cut, moment)
        slots = machine.disk.state()
        assert machine.hub.running is machine.disk.linked() is slots.well
        machine.disk.prove_image(slots.well, slots.running)
        expected = machine.site.image if ends == "well" else OLD
        assert slots.running == expected, cut
        if not had_cut:
            assert cut > 8
            return
    pytest.fail("an update has fewer writes than that")
