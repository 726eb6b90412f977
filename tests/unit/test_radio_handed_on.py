"""A radio that changes hands on a fake bluetoothd, over a real bus: who is connected notices
nothing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dbus_fast import Message, MessageType, Variant

from hubcore.errors import LinkError
from hubcore.ports.radio import PkocListener
from hubd.adapters.bluez.advert import PATHS
from hubd.adapters.bluez.gatt_server import INFO_PATH
from hubd.adapters.bluez.mirror import ADAPTER
from hubd.adapters.bluez.radio import BluezRadio
from hubd.adapters.dbus.handing import HandedBus
from tests.fakes.radio import FakePkocListener, FakeRadioListener, Listens
from tests.unit.test_bluez_radio import (
    HCI0,
    PATIENCE_SECONDS,
    PHONE,
    QUICK,
    FakeBluez,
    Rig,
    a_bus,
)

OPTIONS = {"device": Variant("o", PHONE), "mtu": Variant("q", 247)}
NEVER_AGAIN = {"RegisterApplication", "RegisterAdvertisement", "Disconnect", "Powered"}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    if shutil.which("dbus-daemon") is None:
        pytest.skip("needs dbus-daemon: apt-get install dbus-daemon")
    async with a_bus(tmp_path) as address:
        made = Rig(address, tmp_path / "bus.services")
        yield made
        made.serving.cancel()
        await asyncio.wait([made.serving], timeout=PATIENCE_SECONDS)
        assert made.serving.cancelled(), "the radio did not end when it was told to"


async def hand_on(rig: Rig) -> HandedBus:
    """End the radio, but for its connection."""
    assert rig.radio.half_done == 0
    rig.radio.hand_on()
    rig.serving.cancel()
    await asyncio.wait([rig.serving], timeout=PATIENCE_SECONDS)
    handed = rig.radio.handed_on()
    assert handed is not None
    return handed


def take_up(rig: Rig, handed: HandedBus, pkoc: PkocListener | None = None) -> None:
    """Let another radio go on."""
    rig.listener = FakeRadioListener()
    rig.radio = BluezRadio("default", bus_address=rig.address, times=QUICK)
    rig.radio.take_up(handed)
    rig.serving = asyncio.create_task(rig.radio.serve(rig.listener, rig.ready.put_nowait, pkoc))


async def is_taken(rig: Rig) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await rig.radio.taken()


def forget(bluez: FakeBluez) -> None:
    while not bluez.calls.empty():
        bluez.calls.get_nowait()


def called(bluez: FakeBluez) -> set[str]:
    seen: set[str] = set()
    while not bluez.calls.empty():
        seen.add(bluez.calls.get_nowait()[0])
    return seen


async def read_info(bluez: FakeBluez) -> Message:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await bluez.ask(INFO_PATH, "ReadValue", "a{sv}", OPTIONS)


async def at_rest(rig: Rig) -> None:
    """Wait until nothing is half done."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while rig.radio.half_done:  # noqa: ASYNC110 - what is awaited is in another process
            await asyncio.sleep(0.002)


async def test_a_phone_that_is_connected_asks_the_next_radio_and_nothing_is_registered_again(
    rig: Rig,
) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        rig.serve()
        await rig.is_ready(True)
        bluez.phone()
        assert (await read_info(bluez)).message_type is MessageType.METHOD_RETURN
        await at_rest(rig)
        forget(bluez)
        sender = bluez.radio
        for _ in range(3):
            take_up(rig, await hand_on(rig))
            await is_taken(rig)
            assert [visit.link.peer for visit in rig.listener.visits] == [PHONE]
            assert (await read_info(bluez)).message_type is MessageType.METHOD_RETURN
            assert len(rig.listener.minted) == 1
            await at_rest(rig)
        assert bluez.radio == sender
        assert not called(bluez) & NEVER_AGAIN


async def test_the_next_radio_takes_somebody_to_listen_to_the_second_service(rig: Rig) -> None:
    """Who has subscribed to it bluetoothd does not say again."""
    async with rig.bluetoothd(lambda fake: fake.adapter()):
        rig.serve(pkoc=FakePkocListener())
        await rig.is_ready(True)
        await at_rest(rig)
        pkoc = FakePkocListener()
        take_up(rig, await hand_on(rig), pkoc)
        await is_taken(rig)
        assert pkoc.told.get_nowait() == Listens(True)


# bus, law 4
async def test_what_a_phone_asks_between_two_radios_is_answered_by_the_next(rig: Rig) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        rig.serve()
        await rig.is_ready(True)
        bluez.phone()
        await read_info(bluez)
        await at_rest(rig)
        handed = await hand_on(rig)
        asked = [asyncio.create_task(read_info(bluez)) for _ in range(5)]
        await asyncio.wait(asked, timeout=0.05)
        assert not any(one.done() for one in asked)
        take_up(rig, handed)
        for one in asked:
            answer = await one
            assert answer.message_type is MessageType.METHOD_RETURN, answer.body
        assert len(rig.listener.minted) == 5


async def test_a_phone_that_left_between_two_radios_is_no_link_of_the_next(rig: Rig) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        rig.serve()
        await rig.is_ready(True)
        bluez.phone()
        await read_info(bluez)
        await at_rest(rig)
        handed = await hand_on(rig)
        bluez.phone(False)
        take_up(rig, handed)
        await is_taken(rig)
        assert rig.listener.visits == []


async def test_the_next_radio_goes_on_with_the_advertisement_that_is_on_air(rig: Rig) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        rig.serve(new_seconds=0.05, replace_seconds=600.0)
        await bluez.called("UnregisterAdvertisement")
        await at_rest(rig)
        handed = await hand_on(rig)
        assert handed.talk.advertisement == 1
        take_up(rig, handed)
        await is_taken(rig)
        forget(bluez)
        bluez.phone()
        assert await bluez.calls.get() == ("ServiceUUIDs", PATHS[1])


# radio, law 4; bus, law 6
async def test_a_connection_to_another_bluetoothd_is_not_taken_up_and_not_ended(rig: Rig) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()):
        rig.serve()
        await rig.is_ready(True)
        await at_rest(rig)
        handed = await hand_on(rig)
    kept = os.dup(handed.descriptor)
    async with rig.bluetoothd(lambda fake: fake.adapter()) as another:
        take_up(rig, handed)
        with pytest.raises(LinkError, match="another than the one"):
            await is_taken(rig)
        assert not called(another) & NEVER_AGAIN
        assert not rig.serving.done()
        asks = Message(
            destination=handed.talk.unique_name,
            path="/",
            interface="org.freedesktop.DBus.Peer",
            member="Ping",
            flags=1,
        )
        await another.bus.send(asks)
        async with asyncio.timeout(PATIENCE_SECONDS):
            loop = asyncio.get_running_loop()
            readable = asyncio.Event()
            loop.add_reader(kept, readable.set)
            await readable.wait()
            loop.remove_reader(kept)
        assert os.read(kept, 1) == b"l"
    os.close(kept)


async def test_an_adapter_that_was_switched_off_meanwhile_is_not_taken_up(rig: Rig) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        rig.serve()
        await rig.is_ready(True)
        await at_rest(rig)
        handed = await hand_on(rig)
        bluez.change(HCI0, ADAPTER, Powered=Variant("b", False))
        take_up(rig, handed)
        with pytest.raises(LinkError, match="switched off"):
            await is_taken(rig)


async def test_a_radio_that_is_not_on_air_has_nothing_to_hand_on(rig: Rig) -> None:
    async with rig.bluetoothd() as bluez:
        rig.serve()
        await bluez.called("GetManagedObjects")
        rig.radio.hand_on()
        rig.serving.cancel()
        await asyncio.wait([rig.serving], timeout=PATIENCE_SECONDS)
        assert rig.radio.handed_on() is None


# bus, law 5
async def test_nothing_is_said_after_a_radio_was_told_to_hand_on(rig: Rig) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        rig.serve()
        await rig.is_ready(True)
        bluez.phone()
        await read_info(bluez)
        await at_rest(rig)
        forget(bluez)
        link = rig.listener.visits[-1].link
        rig.radio.hand_on()
        late = asyncio.create_task(rig.radio.drop(link))
        await asyncio.wait([late], timeout=0.05)
        rig.serving.cancel()
        late.cancel()
        await asyncio.wait([rig.serving, late], timeout=PATIENCE_SECONDS)
        handed = rig.radio.handed_on()
        assert handed is not None
        os.close(handed.descriptor)
        assert called(bluez) == set()
