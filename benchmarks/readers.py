"""From a card at an OSDP reader to the driven strike: a real panel, a simulated reader on a pty.

The bound is one poll: libosdp asks each reader every POLL_SECONDS, and a card waits for its turn.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from hubcore.access.cards import CardNumber
from hubcore.access.grant import Access
from hubsim.site import OPEN_AND_QUERY, DeskDoor
from hubsim.site.cards import Pins, add_card
from hubsim.site.readers import add_reader
from hubsim.stage import Stage

POLL_SECONDS = 0.050
"""`OSDP_PD_POLL_TIMEOUT_MS` of libosdp 3.2.9, set when it is compiled."""
BITS = 34
SETTLE_SECONDS = 1.0
REST_SECONDS = 0.6
DOOR = DeskDoor("front", "Front door", access_point=1, strike_seconds=0.2)


@dataclass(slots=True)
class ReaderRounds:
    """Seconds from a card held to the reader to the strike's line driven."""

    card: list[float] = field(default_factory=list)


async def measure(directory: Path, rounds: int) -> ReaderRounds:
    """Hold a card of somebody else's in each round: nobody opens a door so often."""
    result = ReaderRounds()
    stage = Stage(directory / "site", [DOOR], person=False)
    add_reader(stage.site, stage.site.first_hub, "front", 1)
    access = (Access(1, OPEN_AND_QUERY, ()),)
    cards = [CardNumber.of(secrets.randbits(BITS), BITS) for _ in range(rounds)]
    for index, card in enumerate(cards):
        add_card(stage.site, f"card-{index}", card, access, Pins())
    async with stage:
        await stage.start_readers()
        await stage.until(lambda: _is_proven(stage), "the reader is proven")
        await asyncio.sleep(SETTLE_SECONDS)
        for card in cards:
            result.card.append(await _open(stage, card))
    return result


async def _is_proven(stage: Stage) -> bool:
    problems = (await stage.hub("status"))["problems"]
    return not any(problem["id"].startswith("reader") for problem in problems)


async def _open(stage: Stage, card: CardNumber) -> float:
    rises = stage.strike().rises
    order = {"reader": "front", "bits": card.bits, "data": card.data.hex()}
    held_ns = int((await stage.at_reader("hold", **order))["at_ns"])
    await stage.until(lambda: stage.strike().rises == rises + 1, "the strike is driven")
    driven_ns = stage.strike().changed_ns
    await stage.until(lambda: not stage.strike().active, "the strike rests")
    await asyncio.sleep(REST_SECONDS + secrets.randbelow(50) / 1000)
    return (driven_ns - held_ns) / 1e9
