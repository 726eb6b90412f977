"""The hub that an update renews, as this machine has it: hubd's socket, and root's three acts.

Laws:
1. Only the hubd of the slot that is on trial can be well. It says itself from which slot it runs;
   of one that cannot, root's link says which slot was started last (`systemd/hubd-mount.sh`).
2. A version takes over from the one that runs, and no phone is disconnected. hubd is started again
   instead when it cannot be taken over, does not answer, or when its unit or its configuration was
   changed since its start. Only such a start waits until no phone is connected.
3. A slot has taken over when its hubd drives, on trial. It has failed when the former one drives
   again, a second time: the first may be an accident. A hub without a quiet moment blames nobody.
4. A start has succeeded when root says so, the slot is the one, and hubd answers within
   ANSWER_SECONDS.
5. An act that root did not do blames no image: StoreError, and it is ordered again. So it is with a
   self-test that found no room.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hubcore.errors import StoreError
from hubcore.update.health import Look, Seen
from hubcore.update.slots import Slot
from hubupdate.hub import Switch
from hubupdate.running.daemon import Ask, doors_rest, look_of, rests, seen_of
from hubupdate.running.handing import Call, Handing, Ordered, Stand, Told
from hubupdate.running.orders import Order, Orders

ANSWER_SECONDS = 60.0
SILENT_SECONDS = 20.0
"""For as long as a hub changes hands, nobody may answer."""
LOOK_SECONDS = 0.5
NOW = "now"
TEST_PASSED = 0
MOUNTED = 0
MOUNTED_FOR_A_START = 10
"""It is mounted, and only a start brings what was changed into force (`hubd-mount.sh`, law 4)."""
TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: there was no room for the copies, or the disk did not answer."""
TRIES = 2
"""Changes of hands in which a version had its try and came to nothing."""


@dataclass(frozen=True, slots=True)
class Passing:
    """Time as a machine has it: `rest` lets seconds pass."""

    monotonic: Callable[[], float]
    rest: Callable[[float], None]


class Machine:
    """`hubupdate.hub.Hub`. `mounts` is the folder below which root mounts the slots."""

    def __init__(
        self, mounts: Path, orders: Orders, ask: Ask, call: Call, passing: Passing
    ) -> None:
        self._mounts = mounts
        self._orders = orders
        self._ask = ask
        self._handing = Handing(mounts, call)
        self._passing = passing
        self._must_start = False
        """Only a start brings a version in: this hub's next switch waits for more rest."""
        self._ordered = False
        """A change of hands was ordered, and has not come to anything."""
        self._changes = False
        """This hub changed hands when it was asked last."""
        self._tries = 0

    def passes_its_test(self, image_file: Path) -> bool:
        """Let the other slot's image test itself. Raise StoreError when that cannot be told."""
        status = self._orders.give(Order.SELF_TEST)
        if status is None or status == TRY_AGAIN:
            raise StoreError(
                f"{image_file.name} could not be tested now: journalctl -u hubd-selftest says why"
            )
        return status == TEST_PASSED

    def is_at_rest(self) -> bool:
        """Tell whether every door rests and, where hubd is to be started, no phone is connected."""
        if self._must_start or self._handing.told().stand in (Stand.UNABLE, Stand.SILENT):
            return rests(self._ask())
        return doors_rest(self._ask())

    def switch(self, slot: Slot) -> Switch:
        """Let this slot's hubd take over, or start it. Raise StoreError when root does nothing."""
        told = self._told()
        match told.stand:
            case Stand.CHANGING:
                return Switch.UNDER_WAY
            case Stand.ON_TRIAL if told.slot is slot:
                return self._over(Switch.DONE)
            case Stand.ON_TRIAL:
                self._handing.end_trial(is_well=False)
                return Switch.UNDER_WAY
            case Stand.ALONE if told.slot is slot:
                return self._over(Switch.DONE)
            case Stand.ALONE:
                return self._after(told) if self._ordered else self._hand_over(slot)
            case Stand.UNABLE | Stand.SILENT:
                return self._start_at_rest(slot)

    def go_back(self, slot: Slot) -> bool:
        """Let this slot's hubd drive again, by its own hands or by a start. Raise StoreError."""
        told = self._told()
        match told.stand:
            case Stand.CHANGING:
                return False
            case Stand.ON_TRIAL:
                self._handing.end_trial(is_well=told.slot is slot)
                return False
            case Stand.ALONE if told.slot is slot:
                self._mount()  # the link names it again
            case _:
                if not self._start(slot):
                    raise StoreError("the old version does not start: journalctl -u hubd says why")
        self._forget()
        return True

    def stays(self, slot: Slot) -> bool:
        """End this slot's trial well; tell whether it drives alone."""
        told = self._handing.told()
        if told.stand is Stand.ON_TRIAL and told.slot is slot:
            self._handing.end_trial(is_well=True)
        stays = told.stand is Stand.UNABLE or (told.stand is Stand.ALONE and told.slot is slot)
        if stays:
            self._forget()
        return stays

    def seen(self) -> frozenset[Seen]:
        """Return who is there now."""
        return seen_of(self._ask())

    def look(self, slot: Slot) -> Look | None:
        """Return what is right of this slot's hubd, and who is there; None if another drives."""
        told = self._handing.told()
        self._changes = self._changes or told.stand is Stand.ON_TRIAL
        if told.stand is Stand.ALONE and told.slot is slot.other:
            return None
        drives = self._started() if told.stand is Stand.UNABLE else told.slot
        if drives is not slot:
            return Look(frozenset(), frozenset())
        return look_of(self._ask())

    def _hand_over(self, slot: Slot) -> Switch:
        """Have this slot mounted, and let it take over."""
        status = self._mount()
        if status == MOUNTED_FOR_A_START:
            return self._start_at_rest(slot)
        if status != MOUNTED:  # the image was proven, and mounted for its test: it is not to blame
            raise StoreError(
                f"slot {slot.value} cannot be mounted now: journalctl -u hubd-mount@take says why"
            )
        match self._handing.order(slot):
            case Ordered.TAKEN:
                self._ordered = True
                self._changes = True
                self._must_start = False
                return Switch.UNDER_WAY
            case Ordered.BUSY:
                return Switch.UNDER_WAY
            case Ordered.REFUSED:
                return self._start_at_rest(slot)

    def _after(self, told: Told) -> Switch:
        """Say what a change means that was ordered, and after which the former hubd drives."""
        self._ordered = False
        if not told.is_tried:
            return self._over(Switch.NOT_NOW)
        self._tries += 1
        return self._over(Switch.FAILED) if self._tries >= TRIES else Switch.UNDER_WAY

    def _over(self, switch: Switch) -> Switch:
        self._ordered = False
        self._tries = 0
        return switch

    def _forget(self) -> None:
        self._over(Switch.DONE)
        self._changes = False

    def _mount(self) -> int:
        """Have the slot mounted to which the link points. Raise StoreError."""
        status = self._orders.give(Order.MOUNT)
        if status is None:
            raise StoreError("nobody mounts a slot: systemctl status hubd-orders.path")
        return status

    def _start_at_rest(self, slot: Slot) -> Switch:
        """Start hubd again, of this slot, if that disturbs nobody. Raise StoreError."""
        self._must_start = True
        if not rests(self._ask()):
            return self._over(Switch.NOT_NOW)
        started = self._start(slot)
        self._must_start = False
        return self._over(Switch.DONE if started else Switch.FAILED)

    def _start(self, slot: Slot) -> bool:
        """Start hubd again; tell whether this slot runs and answers. Raise StoreError."""
        status = self._orders.give(Order.RESTART)
        if status is None:
            raise StoreError("nobody starts hubd again: systemctl status hubd-orders.path")
        if status != 0 or self._started() is not slot:
            return False
        ends = self._passing.monotonic() + ANSWER_SECONDS
        while self._ask() is None:
            if self._passing.monotonic() > ends:
                return False
            self._passing.rest(LOOK_SECONDS)
        return True

    def _told(self) -> Told:
        """Ask who drives. While a hub changes hands nobody may answer: ask for some time then."""
        ends = self._passing.monotonic() + SILENT_SECONDS
        while (told := self._handing.told()).stand is Stand.SILENT:
            if not self._changes or self._passing.monotonic() > ends:
                break
            self._passing.rest(LOOK_SECONDS)
        self._changes = told.stand in (Stand.CHANGING, Stand.ON_TRIAL)
        return told

    def _started(self) -> Slot | None:
        """Return the slot that was mounted for the last start."""
        try:
            name = Path(os.readlink(self._mounts / NOW)).name
        except OSError:
            return None
        return Slot(name) if name in list(Slot) else None
