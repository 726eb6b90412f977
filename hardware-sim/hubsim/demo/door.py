"""The demo's steps at the front door without a phone: the backend, a card and PIN, and force."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from hubsim.demo.site import PIN
from hubsim.demo.steps import Steps, expect
from hubsim.demo.strike import StrikeLine
from hubsim.door.person import Act, do
from hubsim.site.building import FRONT, READER
from hubsim.site.cards import card_number
from hubsim.stage import Stage

READER_SETTLES_SECONDS = 0.7
"""For so long after its proof a reader's cards are dropped, and a little more."""


class DemoDoor:
    """What happens at the front door."""

    def __init__(self, stage: Stage, steps: Steps, strike: StrikeLine) -> None:
        self._stage = stage
        self._steps = steps
        self._strike = strike

    async def remote(self) -> None:
        """The backend opens the door, once for one order."""
        await self._strike.until_at_rest("the strike rests")
        began = time.monotonic()
        answer = await self._stage.backend(
            "release", hub="hub-1", access_point=FRONT.access_point, by="operator-7"
        )
        expect(answer["outcome"] == "released", f"the backend opens the door: {answer}")
        took = time.monotonic() - began
        self._strike.rose(1)
        again = await self._stage.backend(
            "release",
            hub="hub-1",
            access_point=FRONT.access_point,
            by="operator-7",
            id=answer["id"],
        )
        expect(again["outcome"] == "released", "the same order again gets the same answer")
        self._strike.rose(0)
        self._steps.done(
            "the backend opens the door remotely; the same order again moves nothing", took
        )

    async def card_and_pin(self) -> None:
        """A card alone opens nothing; with its PIN it opens the door."""
        await self._strike.until_at_rest("the strike rests")
        await self._stage.until(self._reader_is_proven, "the reader has proven itself")
        await asyncio.sleep(READER_SETTLES_SECONDS)
        card = card_number(self._stage.site, "ella")
        order = {"reader": READER, "bits": card.bits, "data": card.data.hex()}
        await self._stage.at_reader("hold", **order)

        async def waits() -> bool:
            return "amber" in await self._stage.at_reader("shown", reader=READER)

        await self._stage.until(waits, "the reader asks for the PIN")
        self._strike.rose(0)
        self._steps.done("a card at an OSDP reader: not enough alone, the reader asks for its PIN")
        pressed = time.monotonic()
        await self._stage.at_reader("press", reader=READER, keys=f"{PIN}#")
        await self._stage.until(lambda: self._stage.strike().active, "card and PIN open the door")
        took = time.monotonic() - pressed
        self._strike.rose(1)
        self._steps.done("card and PIN open the door, decided and recorded as for a phone", took)

    async def _reader_is_proven(self) -> bool:
        problems = (await self._stage.hub("status"))["problems"]
        return not any(problem["id"].startswith("reader") for problem in problems)

    async def forced(self) -> None:
        """Force the front door, and let it fall shut again."""
        await self._stage.until(self._front_is_secured, "the front door has fallen shut")
        state = self._stage.site.hub / "state"
        do(state, Act.FORCE, FRONT.id)
        took = await self._stage.until(self._told("forced"), "the alarm reaches the backend")
        do(state, Act.LET_GO, FRONT.id)
        await self._stage.until(self._told("forced_ended"), "the end of the alarm, too")
        self._steps.done(
            "the door is forced: an alarm at the backend, and its end with its cause", took
        )

    async def _front_is_secured(self) -> bool:
        doors = await self._stage.hub("doors")
        return any(door["id"] == FRONT.id and door["state"] == "secured" for door in doors)

    def _told(self, what: str) -> Callable[[], Awaitable[bool]]:
        async def told() -> bool:
            records = await self._stage.records()
            return any(record["detail"].get("what") == what for record in records)

        return told
