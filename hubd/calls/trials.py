"""How somebody at the hub has its parts tried, on the local socket."""

from __future__ import annotations

from collections.abc import Mapping

from hubd.calls.words import TECHNICIAN, Arguments
from hubd.trying.trials import Trial, Trials
from hublocal.calls import Call, CallRefused
from hublocal.peer import PeerProcess
from hublocal.roles import Role


class TrialCalls:
    """A method for each call."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (Call("try-parts", self.try_parts, role=Role.ACT),)

    async def try_parts(self, _arguments: Arguments, caller: PeerProcess) -> object:
        """Try each part; answer a document for each step. Nothing moves, and it is recorded."""
        wait = self._trials.must_wait_seconds()
        if wait > 0:
            raise CallRefused(
                "busy", f"The parts are being tried, or just were: again in {wait:.0f} s."
            )
        return [_shown(trial) for trial in await self._trials.run(TECHNICIAN, caller.uid)]


def _shown(trial: Trial) -> Mapping[str, object]:
    return {
        "id": trial.id,
        "area": trial.area.value,
        "state": trial.state.value,
        "what": trial.what,
        "remedy": trial.remedy,
        "milliseconds": trial.milliseconds,
    }
