"""How a program without rights has root do one of three things: by the name of a file.

An order is a file in a folder of `hubupdate`. A unit of root's waits for it, does it, and puts the
exit status into a folder of root's (`systemd/hubd-orders.sh`).

Laws:
1. There are three orders: start hubd again, let the other slot test itself, and mount the slot
   that the link names.
2. An order has a name of its own, which no earlier answer can have.
3. An order that is not answered in its time is taken back, and counts as not done.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from hubcore.errors import StoreError

POLL_SECONDS = 0.2
ANSWER_BYTES_MAX = 16
_NAME_BYTES = 8


class Order(StrEnum):
    """What may be ordered; the words are the names of files."""

    RESTART = "restart"
    SELF_TEST = "selftest"
    MOUNT = "mount"


SECONDS = {Order.RESTART: 180.0, Order.SELF_TEST: 1800.0, Order.MOUNT: 60.0}
"""A restart: a stop of 25 s and a start of 60 s, twice. A test copies the databases."""


class Orders:
    """`orders` is this program's folder, `answers` is root's. `rest` lets seconds pass."""

    def __init__(
        self,
        orders: Path,
        answers: Path,
        monotonic: Callable[[], float],
        rest: Callable[[float], None],
    ) -> None:
        self._orders = orders
        self._answers = answers
        self._monotonic = monotonic
        self._rest = rest

    def give(self, order: Order) -> int | None:
        """Have an order done; return its exit status, None without an answer. Raise StoreError."""
        name = f"{order}-{secrets.token_hex(_NAME_BYTES)}"
        file = self._orders / name
        ends = self._monotonic() + SECONDS[order]
        try:
            file.touch(mode=0o600, exist_ok=False)
            while self._monotonic() < ends:
                status = self._answer(name)
                if status is not None:
                    return status
                self._rest(POLL_SECONDS)
            file.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"an order: {error.strerror or error}") from error
        return None

    def _answer(self, name: str) -> int | None:
        try:
            with open(self._answers / name, "rb") as file:
                text = file.read(ANSWER_BYTES_MAX).strip()
        except FileNotFoundError:
            return None
        return int(text) if text.isdigit() else 1
