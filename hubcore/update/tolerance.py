"""How many failures stop the rest: what those who publish a plan go by.

Laws:
1. Only hubs that tried count. One that nobody hears of neither helps nor hinders.
2. Failures up to `failures_max` never stop, whatever share they are: with few hubs a share says
   little.
3. Above that, a share of failures over `share_max` stops the rest.
4. A stop stands until a person ends it, by a plan for another image or a plan that goes on. What
   is heard afterwards never ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from hubcore.update.plan import HUBS_MAX, HUNDREDTHS


class Ending(Enum):
    """How an update ended at one hub."""

    STAYED = "the new version stays"
    CAME_BACK = "the image failed there, and the old version runs"
    SILENT = "it has said nothing new since its switch"


class Verdict(Enum):
    """What is to be done with the rest."""

    GO_ON = "the rest goes on"
    STOP = "the rest is to be stopped"
    STOPPED = "the rest was stopped before, and no person has ended that"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What is taken as chance; raise ValueError for what is none."""

    failures_max: int
    share_max: int
    """In hundredths of a per cent of the hubs that tried."""

    def __post_init__(self) -> None:
        """Look at both bounds."""
        if not 0 <= self.failures_max <= HUBS_MAX:
            raise ValueError(f"failures are 0..{HUBS_MAX}")
        if not 0 <= self.share_max <= HUNDREDTHS:
            raise ValueError(f"a share is 0..{HUNDREDTHS}")

    def is_exceeded(self, endings: Mapping[str, Ending]) -> bool:
        """Tell whether the rest is to be stopped; `endings` are of one image, by hub."""
        failed = sum(ending is not Ending.STAYED for ending in endings.values())
        if failed <= self.failures_max:
            return False
        return failed * HUNDREDTHS > self.share_max * len(endings)

    def verdict(self, endings: Mapping[str, Ending], was_stopped: bool) -> Verdict:
        """Judge the rest; `was_stopped` since a person's last plan."""
        if was_stopped:
            return Verdict.STOPPED
        return Verdict.STOP if self.is_exceeded(endings) else Verdict.GO_ON
