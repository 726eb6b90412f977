"""What hubd shows on its local socket."""

from __future__ import annotations

from hubd.calls.words import Arguments
from hubd.upkeep.denials import DenialReport
from hubd.upkeep.status import Status
from hublocal.calls import Call


class LookCalls:
    """A method for each call."""

    def __init__(self, status: Status, denials: DenialReport) -> None:
        self._status = status
        self._denials = denials

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (
            Call("status", self.status),
            Call("doors", self.doors),
            Call("devices", self.devices),
            Call("denials", self.denials),
            Call("checks", self.checks),
            Call("measured", self.measured),
        )

    async def status(self, _arguments: Arguments, _caller: object) -> object:
        """Answer how the hub is."""
        return self._status.whole()

    async def doors(self, _arguments: Arguments, _caller: object) -> object:
        """Answer how the doors are."""
        return self._status.doors()

    async def devices(self, _arguments: Arguments, _caller: object) -> object:
        """Answer how the devices are."""
        return self._status.devices()

    async def checks(self, _arguments: Arguments, _caller: object) -> object:
        """Answer each topic of the table of checks; one that is well has no severity."""
        return self._status.checks()

    async def measured(self, _arguments: Arguments, _caller: object) -> object:
        """Answer what was decided how often, and how fast."""
        return self._status.measured.document()

    async def denials(self, _arguments: Arguments, _caller: object) -> object:
        """Answer what was denied last, and why."""
        return await self._denials.document()
