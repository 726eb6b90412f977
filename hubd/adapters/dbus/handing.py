"""What a hub's radio takes over from another process, and what it leaves to one.

Law: what was given is taken up once, or it is told why it cannot be.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hubcore.errors import LinkError
from hubcore.update.packets import Connection


@dataclass(frozen=True, slots=True)
class HandedBus:
    """An open connection on its way to another process, or from one; the descriptor is its own."""

    descriptor: int
    talk: Connection


class Handing:
    """How a radio changes hands: what it begins with, and what it leaves at its end."""

    def __init__(self) -> None:
        self.given: HandedBus | None = None
        self.taken: asyncio.Future[None] | None = None
        """Done once what was given is on air here, or cannot be."""
        self.is_handed_on = False
        self.left: HandedBus | None = None

    def give(self, given: HandedBus) -> None:
        """Begin the next session with this connection."""
        self.given = given
        self.taken = asyncio.get_running_loop().create_future()

    def failed(self, error: LinkError) -> bool:
        """Tell whether what was given could not be taken up, and this is why."""
        if self.taken is None or self.taken.done():
            return False
        self.taken.set_exception(error)
        self.taken.exception()  # retrieved, since nobody may ask
        return True

    def went_on(self) -> None:
        """What was given is on air here."""
        if self.taken is not None and not self.taken.done():
            self.taken.set_result(None)
