"""How many failures stop the rest: what a director, or a bridge for its site, goes by.

Laws:
1. Only hubs that tried count. One that nobody hears of neither helps nor hinders.
2. Failures up to `failures_max` never stop, whatever share they are: with few hubs a share says
   little.
3. Above that, a share of failures over `share_max` stops the rest.
4. A stop stands until a person ends it, by a plan for another image or a plan that goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hubcore.update.plan import HUNDREDTHS


class Ending(Enum):
    """How an update ended at one hub."""

    STAYED = "the new version stays"
    CAME_BACK = "the old version came back"
    SILENT = "the hub was not heard of since its switch"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What is taken as chance; raise ValueError for what is none."""

    failures_max: int
    share_max: int
    """In hundredths of a per cent of the hubs that tried."""

    def __post_init__(self) -> None:
        """Look at both bounds."""
        if self.failures_max < 0:
            raise ValueError("failures are counted from 0")
        if not 0 <= self.share_max <= HUNDREDTHS:
            raise ValueError(f"a share is 0..{HUNDREDTHS}")

    def is_exceeded(self, endings: dict[str, Ending]) -> bool:
        """Tell whether the rest is to be stopped; `endings` are of one image, by hub."""
        failed = sum(ending is not Ending.STAYED for ending in endings.values())
        if failed <= self.failures_max:
            return False
        return failed * HUNDREDTHS > self.share_max * len(endings)
