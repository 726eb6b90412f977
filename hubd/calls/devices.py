"""One device whole, on the local socket."""

from __future__ import annotations

from hubd.calls.words import Arguments
from hubd.upkeep.shown.devices import DeviceReport
from hublocal.calls import Call, CallRefused


class DeviceCalls:
    """A method for each call."""

    def __init__(self, report: DeviceReport) -> None:
        self._report = report

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (Call("device", self.device),)

    async def device(self, arguments: Arguments, _caller: object) -> object:
        """Answer one device whole; takes {device}, its id."""
        device = arguments.get("device")
        found = self._report.document(device) if isinstance(device, str) else None
        if found is None:
            raise CallRefused("unknown-device", "This hub has no such device. See: hubctl devices")
        return found
