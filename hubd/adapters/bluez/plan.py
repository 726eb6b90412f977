"""What the radio is to do, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hubcore.phone.beacon import Beacon
from hubd.adapters.bluez.times import HUB_TIMES, RadioTimes

SYSFS = Path("/sys/class/bluetooth")


def _say_nothing(*_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class RadioNews:
    """Who hears of the radio.

    `lost` takes a sentence for a technician each time the radio is lost or does not come.
    `settings` and `pairing` take what is not right with BlueZ's settings, and with what is paired,
    each time it is looked at; "" when all is. `stuck` is called when a bluetoothd that is there has
    failed for `stuck_seconds` to put the hub on air, and again each `again_seconds`
    (`times.RadioTimes`).
    """

    lost: Callable[[str], None] = _say_nothing
    settings: Callable[[str], None] = _say_nothing
    pairing: Callable[[str], None] = _say_nothing
    stuck: Callable[[], None] = _say_nothing


class Patience:
    """How long bluetoothd has failed the hub.

    BlueZ 5.66 has states that only a new bluetoothd leaves.
    """

    def __init__(
        self,
        stuck: Callable[[], None],
        monotonic: Callable[[], float],
        times: RadioTimes = HUB_TIMES,
    ) -> None:
        self._stuck = stuck
        self._monotonic = monotonic
        self._times = times
        self._ends: float | None = None

    def failed(self) -> None:
        """It has failed again."""
        now = self._monotonic()
        if self._ends is None:
            self._ends = now + self._times.stuck_seconds
        elif now >= self._ends:
            self._ends = now + self._times.again_seconds
            self._stuck()

    def excused(self) -> None:
        """The hub is on air, or lacks something that no other bluetoothd would give it."""
        self._ends = None


@dataclass(frozen=True, slots=True)
class RadioPlan:
    """Which adapter is to serve ("default" or an address), how the hub shows its site, and who
    hears what.

    `rfkill` is the folder in which the kernel shows what holds an adapter.
    """

    adapter: str
    beacon: Beacon | None
    tells: RadioNews
    patience: Patience
    times: RadioTimes = HUB_TIMES
    rfkill: Path = SYSFS
