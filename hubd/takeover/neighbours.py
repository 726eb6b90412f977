"""What a process of hubd asks of the world while a hub changes hands (`hubcore.update.takeover`).

Law: every call but `quiet`, `ended`, `hear` and `healthy` ends by itself within some seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hubcore.update.packets import Holdings, Packet


class Talk(Protocol):
    """The socket pair to the other process. Descriptors that are heard are the caller's."""

    async def say(self, packet: Packet, descriptors: Sequence[int] = ()) -> None:
        """Raise LinkError when the other end is closed."""
        ...

    async def hear(self) -> tuple[Packet, tuple[int, ...]]:
        """Raise LinkError when the other end is closed, FrameError for what is no packet."""
        ...

    def close(self) -> None:
        """Close this end."""
        ...


class NewProcess(Protocol):
    """The process of the new version, a child of this one."""

    async def start(self) -> Talk:
        """Start it. Raise HubError when it cannot be started; then there is none."""
        ...

    def kill(self) -> None:
        """Have the kernel end it. One that has ended is none of its business."""
        ...

    async def ended(self) -> None:
        """Return once the kernel has told its end; at once when there is none."""
        ...

    async def promoted(self) -> bool:
        """Make it the unit's main process. Return whether the service manager has heard it."""
        ...


class Hub(Protocol):
    """The hub of this process, as far as it can be handed over."""

    async def quiet(self) -> None:
        """Return in a moment in which the hub may change hands (`hubcore.update.quiet`)."""
        ...

    async def settle(self) -> bool:
        """Read nothing more, drain what is to be sent, close the books.

        Return False when something began before that was done; then nothing is changed, or
        `reopen` changes it back.
        """
        ...

    async def reopen(self) -> None:
        """Open the books and read on: nothing was given away."""
        ...

    def holdings(self) -> tuple[Holdings, tuple[int, ...]]:
        """Return everything and its descriptors, once it is settled. They stay open here."""
        ...

    async def adopt(self, holdings: Holdings, descriptors: Sequence[int]) -> None:
        """Take up what was handed back, in place of what this process has. Raise HubError."""
        ...

    async def register(self) -> None:
        """Take up what this process has, and register with the radio anew. Raise HubError."""
        ...

    async def secure(self) -> None:
        """Drive each mover to rest. It does not fail: what cannot be driven, the guard ends."""
        ...


class NewHub(Protocol):
    """The hub of the new process."""

    async def check(self) -> None:
        """Check everything that can be checked without the turn. Raise HubError."""
        ...

    async def take(self, holdings: Holdings, descriptors: Sequence[int]) -> None:
        """Take everything up and drive. Raise HubError; then nothing has been read or changed."""
        ...

    async def healthy(self) -> None:
        """Return when the trial went well. Raise HubError when a required part is not well.

        It takes as long as the trial does.
        """
        ...

    async def give_back(self) -> tuple[Holdings, tuple[int, ...]]:
        """Read nothing more, close the books, return everything. Raise HubError."""
        ...

    async def secure(self) -> None:
        """Drive each mover to rest. It does not fail: what cannot be driven, the guard ends."""
        ...
