"""A device as the installer has configured it, whatever drives it."""

from __future__ import annotations

from dataclasses import dataclass

from hubcore.device.command import Capability


@dataclass(frozen=True, slots=True)
class Device:
    """What a device can do; `stale_seconds` is how long its state is believed."""

    id: str
    capability: Capability
    stale_seconds: float
