"""How a phone finds a hub of its site among others, on the virtual air."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubcore.errors import LinkError
from hubcore.phone.beacon import Beacon
from hubd.adapters.keys.keyfiles import load_beacon
from hubd.config.file import load as load_config
from hubsim import site as sites
from hubsim.phone import radio, wallet
from hubsim.radio.air import serve_radio
from hubsim.radio.hub_radio import BumbleRadio
from tests.fakes.radio import FakeRadioListener

PATIENCE_SECONDS = 20.0
OURS = bytes(range(16))
FOREIGN = bytes(16)


class Street:
    """One air; `hub` puts one on it and returns its address, `finds` tells which one a phone
    chooses.
    """

    def __init__(self, transport: str, tasks: asyncio.TaskGroup) -> None:
        self._transport = transport
        self._tasks = tasks
        self.running: list[asyncio.Task[None]] = []

    async def hub(self, beacon: Beacon | None) -> str:
        up = asyncio.Event()
        made = BumbleRadio(self._transport, beacon)
        self.running.append(
            self._tasks.create_task(
                made.serve(FakeRadioListener(), lambda ready: ready and up.set())
            )
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            await up.wait()
        assert made._device is not None
        return str(made._device.random_address)

    async def finds(self, key: bytes | None, scan_seconds: float = radio.SCAN_SECONDS) -> str:
        async with asyncio.timeout(PATIENCE_SECONDS), radio.on_air(self._transport) as phone:
            return str(await radio.find(phone, key, scan_seconds=scan_seconds))


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    place: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        air = serve_radio(
            "127.0.0.1", 0, lambda host, port: place.set_result(f"tcp-client:{host}:{port}")
        )
        serving = tasks.create_task(air)
        made = Street(await place, tasks)
        yield made
        for task in (*made.running, serving):
            task.cancel()


async def test_a_phone_tries_its_own_sites_hub_and_no_other(street: Street) -> None:
    await street.hub(Beacon(FOREIGN))
    await street.hub(None)
    ours = await street.hub(Beacon(OURS))
    for _ in range(3):
        assert await street.finds(OURS) == ours


async def test_a_hub_without_a_tag_is_tried_when_there_is_no_better(street: Street) -> None:
    await street.hub(Beacon(FOREIGN))
    plain = await street.hub(None)
    assert await street.finds(OURS) == plain


async def test_a_phone_says_that_only_hubs_of_other_sites_are_there(street: Street) -> None:
    with pytest.raises(LinkError, match="no hub in sight"):
        await street.finds(OURS, scan_seconds=1.0)
    foreign = await street.hub(Beacon(FOREIGN))
    with pytest.raises(LinkError, match="only hubs of other sites"):
        await street.finds(OURS, scan_seconds=1.0)
    assert await street.finds(None, scan_seconds=1.0) == foreign


def test_a_site_of_before_there_were_beacon_keys_works_as_it_did(tmp_path: Path) -> None:
    old = sites.init(tmp_path / "old")
    (old.hub / "beacon.key").unlink()
    assert wallet.load(old.grant("anna", [])).beacon_key is None
    config = load_config(sites.write_config(old, "tcp://127.0.0.1:1", [sites.DeskDoor()]))
    assert load_beacon(config) is None


def test_a_phone_gets_its_sites_beacon_key_and_keeps_it(tmp_path: Path) -> None:
    one, other = (sites.init(tmp_path / name) for name in ("one", "other"))
    kept = [wallet.load(site.grant("anna", [])).beacon_key for site in (one, other)]
    assert kept == [(site.hub / "beacon.key").read_bytes() for site in (one, other)]
    assert kept[0] != kept[1]
    assert (one.phone("anna") / "beacon.key").stat().st_mode & 0o077 == 0
