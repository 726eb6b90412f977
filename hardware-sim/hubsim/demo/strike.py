"""The strike's line of the front door, as the demo checks it."""

from __future__ import annotations

from hubsim.demo.steps import expect
from hubsim.site.building import FRONT
from hubsim.stage import Stage

REST_SECONDS = 5.0


class StrikeLine:
    """Knows how often the strike has risen."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._rises = 0

    def rose(self, times: int) -> None:
        """Check how often the strike has risen since the last look."""
        rises = self._stage.strike().rises
        rose = rises - self._rises
        expect(rose == times, f"the strike was driven {rose} times, not {times}")
        self._rises = rises

    async def until_at_rest(self, what: str) -> None:
        """Wait until the strike is at rest."""

        def rests() -> bool:
            return not self._stage.strike().active

        await self._stage.until(rests, what, REST_SECONDS)

    async def falls_back(self) -> float:
        """Wait until a driven strike falls back by itself; return the seconds of its pulse."""
        driven = self._stage.strike()
        expect(driven.active, "the strike line is driven")
        await self.until_at_rest("the strike falls back by itself")
        rested = self._stage.strike()
        pulse_seconds = (rested.changed_ns - driven.changed_ns) / 1e9
        of_wanted = pulse_seconds / FRONT.strike_seconds
        expect(0.9 < of_wanted < 1.5, f"the pulse was {pulse_seconds:.3f} s")
        return pulse_seconds
