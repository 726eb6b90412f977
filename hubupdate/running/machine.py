"""The hub that an update renews, as this machine has it: hubd's socket, and root's two acts.

Laws:
1. Only the hubd of the slot that is on trial can be well: the link that root turned at the last
   start (`systemd/hubd-mount.sh`) says which slot runs.
2. A slot has taken over when root's start succeeded, that link names it, and hubd answers within
   ANSWER_SECONDS.
3. An act that root did not do blames no image: StoreError, and it is ordered again. So it is with a
   self-test that found no room.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hubcore.errors import StoreError
from hubcore.update.health import Look, Seen
from hubcore.update.slots import Slot
from hubupdate.running.daemon import Ask, look_of, rests, seen_of
from hubupdate.running.orders import Order, Orders

ANSWER_SECONDS = 60.0
LOOK_SECONDS = 0.5
NOW = "now"
TEST_PASSED = 0
TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: there was no room for the copies, or the disk did not answer."""


class Machine:
    """`hubupdate.hub.Hub`. `mounts` is the folder below which root mounts the slots."""

    def __init__(
        self,
        mounts: Path,
        orders: Orders,
        ask: Ask,
        monotonic: Callable[[], float],
        rest: Callable[[float], None],
    ) -> None:
        self._mounts = mounts
        self._orders = orders
        self._ask = ask
        self._monotonic = monotonic
        self._rest = rest

    def passes_its_test(self, image_file: Path) -> bool:
        """Let the other slot's image test itself. Raise StoreError when that cannot be told."""
        status = self._orders.give(Order.SELF_TEST)
        if status is None or status == TRY_AGAIN:
            raise StoreError(
                f"{image_file.name} could not be tested now: journalctl -u hubd-selftest says why"
            )
        return status == TEST_PASSED

    def is_at_rest(self) -> bool:
        """Tell whether no phone is connected and every door rests."""
        return rests(self._ask())

    def switch(self, slot: Slot) -> bool:
        """Start hubd again, of this slot; tell whether that runs and answers.

        Raise StoreError when nobody started it.
        """
        status = self._orders.give(Order.RESTART)
        if status is None:
            raise StoreError("nobody starts hubd again: systemctl status hubd-orders.path")
        if status != 0 or self._runs() is not slot:
            return False
        ends = self._monotonic() + ANSWER_SECONDS
        while self._ask() is None:
            if self._monotonic() > ends:
                return False
            self._rest(LOOK_SECONDS)
        return True

    def seen(self) -> frozenset[Seen]:
        """Return who is there now."""
        return seen_of(self._ask())

    def look(self, slot: Slot) -> Look:
        """Return what is right of this slot's hubd, and who is there."""
        if self._runs() is not slot:
            return Look(frozenset(), frozenset())
        return look_of(self._ask())

    def _runs(self) -> Slot | None:
        """Return the slot that was mounted for the last start."""
        try:
            name = Path(os.readlink(self._mounts / NOW)).name
        except OSError:
            return None
        return Slot(name) if name in list(Slot) else None
