"""A machine with two slots that looks for updates: its disk and the helper are real."""

from __future__ import annotations

import hashlib
import subprocess
import time
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path

from hubcore.errors import StoreError
from hubcore.update.health import TRIAL_SECONDS, Look, Peer, Required, Seen, Verdict
from hubcore.update.image import Image
from hubcore.update.running.pauses import Outcome
from hubcore.update.slots import Phase, Slot, Slots
from hubupdate.disk import Disk
from hubupdate.duties import Duties, Place
from hubupdate.hub import Switch
from tests.fakes.clock import FakeClock
from tests.unit.update.site import BYTES, CHANNEL, Site

HELPER = Path(__file__).parents[3] / "systemd" / "hubd-slot.sh"
OLD_BYTES = b"the version before"
OLD = Image("hubd-1.squashfs", "1.0", hashlib.sha256(OLD_BYTES).digest(), len(OLD_BYTES))
ALL = frozenset(Required)


@dataclass
class FakeHub:
    """A machine whose hubd is started by the real helper; in `bad` slots it does not come up.

    It keeps in `running` which slot's hubd runs.
    """

    folder: Path
    running: Slot | None = Slot.A
    bad: set[Slot] = field(default_factory=set)
    test_passes: bool = True
    rests: bool = True
    there: frozenset[Seen] = frozenset({Peer.BACKEND})
    right: frozenset[Required] = ALL

    def passes_its_test(self, image_file: Path) -> bool:
        assert image_file.read_bytes() in (BYTES, OLD_BYTES)
        return self.test_passes

    def is_at_rest(self) -> bool:
        return self.rests

    def switch(self, slot: Slot) -> Switch:
        self.start()
        return Switch.DONE if self.running is slot else Switch.FAILED

    def go_back(self, slot: Slot) -> bool:
        self.start()
        if self.running is not slot:
            raise StoreError("the old version does not start")
        return True

    def stays(self, slot: Slot) -> bool:
        return self.running is slot

    def start(self) -> None:
        """Start hubd as systemd does, also after a power cut."""
        subprocess.run(["/bin/sh", HELPER, self.folder], check=True, timeout=60)
        linked = Disk(self.folder).linked()
        assert linked is not None
        assert Disk(self.folder).image_file(linked).read_bytes() in (OLD_BYTES, BYTES)
        self.running = None if linked in self.bad else linked

    def seen(self) -> frozenset[Seen]:
        return self.there

    def look(self, slot: Slot) -> Look:
        if self.running is not slot:
            return Look(frozenset(), frozenset())
        return Look(self.right, self.there)


class Machine:
    """One hub that looks for updates at a site's carrier."""

    def __init__(self, folder: Path) -> None:
        self.site = Site(folder)
        self.folder = folder / "slots"
        self.folder.mkdir()
        self.disk = Disk(self.folder)
        self.disk.image_file(Slot.A).write_bytes(OLD_BYTES)
        self.disk.keep_state(Slots(well=Slot.A, running=OLD))
        self.disk.point(Slot.A)
        self.hub = FakeHub(self.folder)
        self.clock = FakeClock(offset=time.time())
        self.place = Place("hub-1", CHANNEL, UTC)
        self.duties = self.new_program()

    def new_program(self) -> Duties:
        return Duties(self.disk, self.site.trust(), self.hub, self.clock, self.place)

    def steps(self, count: int) -> list[Outcome]:
        return [self.duties.step() for _ in range(count)]

    def go_to(self, phase: Phase) -> None:
        while self.disk.state().phase is not phase:
            self.duties.step()

    def pass_trial(self) -> None:
        assert self.duties.step() is Verdict.GOES_ON
        self.clock.advance(TRIAL_SECONDS)

    @property
    def phase(self) -> Phase:
        return self.disk.state().phase
