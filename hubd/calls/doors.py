"""What a technician asks about one door on the local socket, and does to it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from hubcore.access.words import Denial
from hubd.calls.words import TECHNICIAN, Arguments
from hubd.orders.from_technician import Taken
from hubd.technician.acts import DoorActs
from hubd.technician.cardindex import NotReadyError
from hubd.technician.names import DoorNames, Meant, NoSuchDoorError
from hubd.technician.report import DoorReport
from hubd.technician.would import NotOneError, WouldOpen
from hublocal.calls import Call, CallRefused
from hublocal.peer import PeerProcess
from hublocal.roles import Role

RELEASE_SECONDS_MAX = 60
AT_MAX = 253_402_300_799
"""The last second of the year 9999."""
_BUSY = "Too many acts at this hub's doors: wait some seconds, and look before you type it again."


class DoorCalls:
    """A method for each call."""

    def __init__(
        self, names: DoorNames, acts: DoorActs, report: DoorReport, would: WouldOpen
    ) -> None:
        self._names = names
        self._acts = acts
        self._report = report
        self._would = would

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (
            Call("door", self.door),
            Call("door-test", self.test),
            Call("policy-why", self.why),
            Call("door-release", self.release, role=Role.ACT),
            Call("door-lockdown", self.lock_down, role=Role.ACT),
            Call("door-normal", self.normal, role=Role.ACT),
        )

    async def door(self, arguments: Arguments, _caller: object) -> object:
        """Answer all that is known of a door; takes {door}, as all calls here."""
        return self._report.door(self._meant(arguments))

    async def test(self, arguments: Arguments, _caller: object) -> object:
        """Answer what a release would do now; nothing is driven."""
        return self._report.dry_run(self._meant(arguments))

    async def why(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Answer whether a credential would open a door; takes {credential, door, at} too.

        `at` in Unix seconds; without it now.
        """
        credential = arguments.get("credential")
        at = arguments.get("at")
        if not isinstance(credential, str):
            raise CallRefused("bad-credential", "A credential is a text.")
        if at is not None and not _is_moment(at):
            raise CallRefused("bad-time", "`at` is a moment in Unix seconds.")
        meant = self._meant(arguments)
        try:
            return await self._would.document(credential, meant, at, caller.uid)  # type: ignore[arg-type]
        except (NotOneError, NotReadyError) as error:
            raise CallRefused(error.code, str(error)) from error

    async def release(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Release a door once; takes {seconds} too. Answers when its movers were driven."""
        meant = self._meant(arguments)
        seconds = arguments.get("seconds")
        if seconds is not None and not _is_span(seconds):
            raise CallRefused(
                "bad-seconds", f"A release is of 1 to {RELEASE_SECONDS_MAX} whole seconds."
            )
        why = await self._acts.release(meant, seconds, TECHNICIAN, caller.uid)  # type: ignore[arg-type]
        if why is Denial.BUSY:
            raise CallRefused("busy", _BUSY)
        if why is not None:
            raise CallRefused(str(why), f"Door {meant.door.id} was not released: {why}.")
        given = meant.door.strike_seconds if seconds is None else float(seconds)  # type: ignore[arg-type]
        return {
            "door": meant.door.id,
            "released": True,
            "seconds": min(given, meant.door.cap_seconds),
        }

    async def lock_down(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Lock a door down; answers when its movers have said that they are at rest."""
        meant = self._meant(arguments)
        outcome = await self._acts.lock_down(meant, TECHNICIAN, caller.uid)
        match outcome.taken:
            case Taken.BUSY:
                raise CallRefused("busy", _BUSY)
            case Taken.NOT_RECORDED:
                raise CallRefused(
                    "not-recorded",
                    f"Door {meant.door.id} is locked down, but that could not be recorded: it will "
                    "not outlast a restart of hubd. Type: hubctl status.",
                )
        if not outcome.secured:
            raise CallRefused(
                "timeout",
                f"Door {meant.door.id} is locked down and lets nobody in, but its movers have not "
                f"said that they are at rest. Type: hubctl door {meant.door.id}",
            )
        return self._after(meant, outcome.taken)

    async def normal(self, arguments: Arguments, caller: PeerProcess) -> object:
        """End what a technician ordered for a door; answers who still holds it."""
        meant = self._meant(arguments)
        taken = await self._acts.end(meant, caller.uid)
        match taken:
            case Taken.BUSY:
                raise CallRefused("busy", _BUSY)
            case Taken.NOT_RECORDED:
                raise CallRefused(
                    "not-recorded",
                    f"Door {meant.door.id} stays locked down: the end of it could not be "
                    "recorded. Type: hubctl status.",
                )
        return self._after(meant, taken)

    def _after(self, meant: Meant, taken: Taken) -> Mapping[str, object]:
        known = self._report.door(meant)
        return {
            "door": meant.door.id,
            "changed": taken is Taken.DONE,
            "mode": known["mode"],
            "orders": known["orders"],
        }

    def _meant(self, arguments: Arguments) -> Meant:
        try:
            return self._names.find(arguments.get("door"))
        except NoSuchDoorError as error:
            raise CallRefused("unknown-door", str(error)) from error


def _is_span(seconds: object) -> bool:
    is_number = isinstance(seconds, int) and not isinstance(seconds, bool)
    return is_number and 1 <= seconds <= RELEASE_SECONDS_MAX  # type: ignore[operator]


def _is_moment(at: object) -> bool:
    if isinstance(at, bool) or not isinstance(at, int | float):
        return False
    return math.isfinite(at) and 0 <= at <= AT_MAX
