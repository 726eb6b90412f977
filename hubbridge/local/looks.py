"""What the people of a site ask at the bridge."""

from __future__ import annotations

from hubbridge.local.report.site import SiteReport
from hubbridge.local.words import Arguments, needed_text
from hublocal.calls import Call, CallRefused


class SiteLooks:
    """A method for each call."""

    def __init__(self, report: SiteReport) -> None:
        self._report = report

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (
            Call("site-status", self.status),
            Call("site-hub", self.hub),
            Call("site-doors", self.doors),
            Call("site-now", self.now),
            Call("site-readings", self.readings),
            Call("site-orders", self.orders),
        )

    async def status(self, _arguments: Arguments, _caller: object) -> object:
        """Answer how the site is."""
        return self._report.status()

    async def hub(self, arguments: Arguments, _caller: object) -> object:
        """Answer all that is known of one hub; takes {hub}."""
        return self._report.hubs.hub(known_hub(self._report, needed_text(arguments, "hub")))

    async def doors(self, _arguments: Arguments, _caller: object) -> object:
        """Answer what is known of the doors."""
        return self._report.things.doors()

    async def now(self, _arguments: Arguments, _caller: object) -> object:
        """Answer how hubs, doors and alarms are, for a program that looks again and again."""
        return self._report.now()

    async def readings(self, _arguments: Arguments, _caller: object) -> object:
        """Answer what devices have said last."""
        return self._report.things.readings()

    async def orders(self, _arguments: Arguments, _caller: object) -> object:
        """Answer what the site has ordered and has not ended."""
        return self._report.orders.standing()


def known_hub(report: SiteReport, name: str) -> str:
    """Return the name of a hub that the bridge knows. Raise CallRefused."""
    hubs = report.hubs.names()
    if name not in hubs:
        shown = ", ".join(hubs[:16]) or "none yet"
        raise CallRefused("unknown-hub", f"This bridge knows no hub {name!r}. It knows: {shown}")
    return name
