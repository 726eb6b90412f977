"""The readers on the local socket: how they stand, and how a technician gives one its key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hubd.calls.words import TECHNICIAN, Arguments
from hubd.readers.attending import Attending
from hubd.upkeep.shown.readers import ReaderReport
from hublocal.calls import Call, CallRefused
from hublocal.peer import PeerProcess
from hublocal.roles import Role


class ReaderCalls:
    """A method for each call."""

    def __init__(self, readers: Attending | None, report: ReaderReport) -> None:
        self._readers = readers
        self._report = report
        self._writing = asyncio.Lock()

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (
            Call("readers", self.readers),
            Call("install-reader-key", self.install_reader_key, role=Role.ACT),
            Call("change-reader-key", self.change_reader_key, role=Role.ACT),
        )

    async def readers(self, _arguments: Arguments, _caller: object) -> object:
        """Answer how the readers are."""
        return self._report.documents()

    async def install_reader_key(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Give a reader with the default key its own; takes {reader}, answers the same."""
        readers = self._known_readers()
        return await self._give_key(readers, readers.install_key, arguments, caller)

    async def change_reader_key(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Give a reader the next key of the configuration; takes {reader}, answers the same."""
        readers = self._known_readers()
        return await self._give_key(readers, readers.renew_key, arguments, caller)

    def _known_readers(self) -> Attending:
        if self._readers is None:
            raise CallRefused(
                "no-readers", "This hub has no readers: see [[readers]] in config/hubd.toml."
            )
        return self._readers

    async def _give_key(
        self,
        readers: Attending,
        give: Callable[[str, str, int], Awaitable[None]],
        arguments: Arguments,
        caller: PeerProcess,
    ) -> object:
        reader = arguments.get("reader")
        names = readers.names()
        if not isinstance(reader, str) or reader not in names:
            raise CallRefused("unknown-reader", f"There are the readers {', '.join(names)}.")
        async with self._writing:
            await give(reader, TECHNICIAN, caller.uid)
        return {"reader": reader}
