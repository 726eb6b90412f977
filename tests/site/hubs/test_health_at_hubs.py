"""What breaks at a hub is on its page, and gone once it is mended: real engine, gateway, hubd."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from hubsim.relays.boards import SimModbus
from hubsite.config import Engine
from hubsite.fleet.judging import Judge
from hubsite.fleet.said.troubles import ALL_WELL
from hubsite.fleet.watch import FleetWatch
from hubsite.hubs.signer import FileSigner
from tests.gateway.desk import HUB
from tests.scenario.test_devices import config
from tests.site.fleetbench import AUTHORITY, shows
from tests.site.hubs.test_hubs import Place, at_site, in_thread

pytestmark = [pytest.mark.once, pytest.mark.long]

PAGE = f"/hubs/of/{HUB}"
RADIO = "Its radio is down: no phone reaches it."


async def test_a_radio_and_a_board_that_go_and_come_back_are_on_the_page(tmp_path: Path) -> None:
    board = SimModbus(4)
    try:
        async with at_site(tmp_path, config(board)) as place:
            signer = FileSigner.at(place.stage.site.path / "issuer.key")
            engine = Engine((place.bench.server.url,))
            judge = Judge(place.stage.site.name, signer.issuer, AUTHORITY.document)
            settings.HUBSITE_RUNNING.begin_parts([FleetWatch(judge, engine)])
            try:
                await goes_and_comes_back(place, board)
            finally:
                await in_thread(settings.HUBSITE_RUNNING.end_parts)
    finally:
        board.end()


async def goes_and_comes_back(place: Place, board: SimModbus) -> None:
    stage = place.stage
    await shows(place.browser, PAGE, ALL_WELL)
    port = stage.transport.rpartition(":")[2]
    await stage.kill("radio")
    await shows(place.browser, PAGE, RADIO, without="last word")
    board.unplug()
    await shows(place.browser, PAGE, RADIO, "Its stick, adapter or serial line is not there")
    text = (await in_thread(lambda: place.browser.get(PAGE))).text
    assert "Light in the hall" not in text, "an id, and no words of the hub's file"
    await stage.start("radio", "radio", "--listen", f"127.0.0.1:{port}")
    board.plug()
    await shows(place.browser, PAGE, ALL_WELL, without="is not there")
