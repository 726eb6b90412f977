"""How long the radio waits for bluetoothd, and how often it does what it does again."""

from __future__ import annotations

from dataclasses import dataclass


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
    """A bluetoothd that has just started may clear the controller after it has taken our
    advertisement, so the advertisement is replaced once after this.
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
