"""Goes on air for phones."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

from hubcore.checks import Part, Topic
from hubd.app import Hub
from hubd.upkeep.standing import READY_PARTS

FIRST_STRIKES_SECONDS = 3.0
"""How long the radio waits for the strikes at a start; less than the deadline of the links' loop.
"""


async def serve_links(
    hub: Hub, goes_on: bool, strikes_seconds: float = FIRST_STRIKES_SECONDS
) -> None:
    """Go on air once the strikes are held, or cannot be, so that no first phone meets a fault.

    Strikes that say nothing are waited for `strikes_seconds`. With `goes_on` the hub is on air, and
    its guard at work: a release waits for that until it is taken up (`drivers.strike`).
    """
    for name in READY_PARTS - hub.runs.keys():
        hub.health.part(name, True)  # a hub without such a part waits for none
    tell_radio = partial(_tell_radio, hub)
    tell_radio(False)
    if not goes_on:
        await _strikes_reported(hub, strikes_seconds)
    beat = partial(hub.health.beat, "links")
    await hub.links.run(tell_radio, beat)


async def _strikes_reported(hub: Hub, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for name in READY_PARTS & hub.runs.keys():
                await hub.problems.reported(name)


def _tell_radio(hub: Hub, up: bool) -> None:
    if up:
        hub.problems.part(Part.RADIO, True, "on air")
    elif not hub.problems.stands(Topic.RADIO):  # a sentence of the radio's own says more
        hub.problems.part(Part.RADIO, False, "The radio is not on air.")
