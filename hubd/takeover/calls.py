"""How a hub changes hands, on the local socket: for the update that wants it."""

from __future__ import annotations

import sys
from pathlib import Path

from hubcore.version import __version__
from hubd.calls.words import Arguments
from hubd.takeover.changing import Changing
from hublocal.calls import Call, CallRefused
from hublocal.roles import Role

WHY_CHARS_MAX = 200


class TakeoverCalls:
    """A method for each call."""

    def __init__(self, changing: Changing, place: str = sys.prefix) -> None:
        """`place`: the environment from which this process runs, such as a slot."""
        self._changing = changing
        self._place = place

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (
            Call("takeover", self.takeover, role=Role.RENEW),
            Call("takeover-end", self.end, role=Role.RENEW),
            Call("takeover-status", self.status),
        )

    async def takeover(self, arguments: Arguments, _caller: object) -> object:
        """Have another program take this hub over; takes {program}, answers as `status`.

        It is answered before that begins: `takeover-status` says how it went, of whoever drives.
        """
        program = arguments.get("program")
        if not isinstance(program, str):
            raise CallRefused("bad-program", "`program` is the path of a slot's python.")
        self._changing.order(Path(program))
        return await self.status({}, None)

    async def end(self, arguments: Arguments, _caller: object) -> object:
        """End the trial; takes {well} and, when it is false, {why}."""
        well = arguments.get("well")
        why = arguments.get("why", "the update took it back")
        if (
            not isinstance(well, bool)
            or not isinstance(why, str)
            or not 0 < len(why) <= WHY_CHARS_MAX
        ):
            raise CallRefused(
                "bad-word", f"`well` is true or false, `why` a text of up to {WHY_CHARS_MAX}."
            )
        self._changing.end_trial("" if well else why)
        return await self.status({}, None)

    async def status(self, _arguments: Arguments, _caller: object) -> object:
        """Answer {version, place, standing, why, tried}: of the process that drives."""
        return {
            "version": __version__,
            "place": self._place,
            "standing": str(self._changing.standing),
            "why": self._changing.why,
            "tried": self._changing.is_tried,
        }
