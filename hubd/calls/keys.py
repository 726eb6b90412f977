"""Which keys the hub has, and how one is changed, on the local socket."""

from __future__ import annotations

import asyncio

from hubd.calls.words import TECHNICIAN, Arguments
from hubd.keys.changing import KeyChanges, Rotated
from hubd.keys.report import KeyReport
from hublocal.calls import Call, CallRefused
from hublocal.peer import PeerProcess
from hublocal.roles import Role


class KeyCalls:
    """A method for each call."""

    def __init__(self, report: KeyReport, changes: KeyChanges) -> None:
        self._report = report
        self._changes = changes
        self._writing = asyncio.Lock()

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (
            Call("keys", self.keys),
            Call("rotate-key", self.rotate, role=Role.ACT),
        )

    async def keys(self, _arguments: Arguments, _caller: object) -> object:
        """Answer which keys the hub has; no secret byte of any."""
        return self._report.document()

    async def rotate(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Begin to change a key; takes {key}, answers {key, before}: the id until now."""
        try:
            key = Rotated(str(arguments.get("key")))
        except ValueError:
            said = ", ".join(Rotated)
            raise CallRefused("unknown-key", f"A hub changes these keys: {said}.") from None
        async with self._writing:
            before = self._report.id_of(key.value)
            refusal = await self._changes.begin(key, TECHNICIAN, caller.uid)
        if refusal is not None:
            raise CallRefused(refusal.code, refusal.sentence)
        return {"key": key.value, "before": before}
