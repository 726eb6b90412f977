"""What the radio is to do, how long it waits for what, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hubcore.phone.beacon import Beacon

SYSFS = Path("/sys/class/bluetooth")


@dataclass(frozen=True, slots=True)
class RadioTimes:
    """Spans in seconds. A hub uses these; tests make them short."""

    call_seconds: float = 5.0
    """Every call on the bus ends within this."""
    grace_seconds: float = 1.0
    """What a bluetoothd that is being restarted gets before the bus is asked to start one."""
    revive_seconds: float = 10.0
    """Between two such requests."""
    tell_seconds: float = 3.0
    """How long the hub waits for something before it says for what."""
    power_retry_seconds: float = 1.0
    replace_seconds: float = 60.0
    """Between two registrations of the advertisement."""
    retry_seconds: float = 5.0
    """Before BlueZ is asked again for what it refused."""
    new_seconds: float = 2.0
    """After this the advertisement is replaced once.

    A bluetoothd that has just started may clear the controller after it has taken it.
    """
    ping_seconds: float = 10.0
    """Between two questions whether bluetoothd is there."""
    settings_seconds: float = 60.0
    """Between two looks at the settings of BlueZ."""
    stuck_seconds: float = 3.0
    """How long a bluetoothd that is there may fail before another one is asked for."""
    again_seconds: float = 10.0
    """Between two such requests."""


HUB_TIMES = RadioTimes()


def _say_nothing(*_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class RadioNews:
    """Who hears of the radio.

    `lost` takes a sentence for a technician each time the radio is lost or does not come.
    `settings` and `pairing` take what is wrong with BlueZ's settings, and with what is paired, each
    time it is looked at; "" when nothing is. `stuck` is called when a bluetoothd that is there has
    failed for `stuck_seconds` to put the hub on air, and again each `again_seconds` (`RadioTimes`).
    """

    lost: Callable[[str], None] = _say_nothing
    settings: Callable[[str], None] = _say_nothing
    pairing: Callable[[str], None] = _say_nothing
    stuck: Callable[[], None] = _say_nothing


class Patience:
    """How long bluetoothd may fail before another one is asked for.

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
        self._ends_at: float | None = None

    def failed(self) -> None:
        """Count a failure of bluetoothd."""
        now = self._monotonic()
        if self._ends_at is None:
            self._ends_at = now + self._times.stuck_seconds
        elif now >= self._ends_at:
            self._ends_at = now + self._times.again_seconds
            self._stuck()

    def excused(self) -> None:
        """Begin again: the hub is on air, or needs what no other bluetoothd would give it."""
        self._ends_at = None


@dataclass(frozen=True, slots=True)
class RadioPlan:
    """What one radio is to do.

    `adapter` is "default" or an address, `beacon` how the hub shows its site, `shown_name` what it
    is called on the air ("": nothing). `rfkill` is the folder in which the kernel shows what holds
    an adapter.
    """

    adapter: str
    beacon: Beacon | None
    news: RadioNews
    patience: Patience
    times: RadioTimes = HUB_TIMES
    rfkill: Path = SYSFS
    shown_name: str = ""
