"""What happens on site, as the talk with the hubs tells it to whoever shows it to people."""

from __future__ import annotations

from typing import Protocol

from hubbridge.hubs.state import Alarm
from hubcore.backend.uplink.from_hub import OrderResult
from hubcore.bridge.witness import Doubt


class Happenings(Protocol):
    """Who is told what happens on site; nothing here waits or raises."""

    def came(self, hub: str) -> None:
        """A hub has said Hello, and is believed or doubted."""

    def gone(self, hub: str) -> None:
        """A hub is away."""

    def alarmed(self, hub: str, alarm: Alarm) -> None:
        """A hub alarms."""

    def doubted(self, hub: str, doubt: Doubt) -> None:
        """The records of a hub are not what was seen."""

    def answered(self, hub: str, result: OrderResult) -> None:
        """A hub has answered an order of the site."""


class Nobody:
    """Tells nobody."""

    def came(self, hub: str) -> None:
        """See `Happenings.came`."""

    def gone(self, hub: str) -> None:
        """See `Happenings.gone`."""

    def alarmed(self, hub: str, alarm: Alarm) -> None:
        """See `Happenings.alarmed`."""

    def doubted(self, hub: str, doubt: Doubt) -> None:
        """See `Happenings.doubted`."""

    def answered(self, hub: str, result: OrderResult) -> None:
        """See `Happenings.answered`."""
