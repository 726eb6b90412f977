"""What every radio keeps: the suite of `ports.radio.Radio`, on the fake, on bumble's virtual air
and on BlueZ's D-Bus.

bluetoothd is the fake one of tests/unit/test_bluez_radio.py, on a real bus.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import pytest
from bumble.att import ATT_Error
from bumble.core import UUID
from bumble.device import Device, Peer
from bumble.gatt_client import CharacteristicProxy
from dbus_fast import MessageType, Variant

from hubcore.errors import LinkError
from hubcore.pkoc import gatt as pkoc_gatt
from hubcore.ports.radio import LinkId, Radio
from hubd.adapters.bluez.advert import ADVERTISEMENT, PATHS
from hubd.adapters.bluez.bus import PROPERTIES
from hubd.adapters.bluez.gatt_server import (
    INFO_PATH,
    PKOC_NOTIFY_PATH,
    PKOC_WRITE_PATH,
    RX_PATH,
    TXR_PATH,
)
from hubsim.chromium.sight import hubs_near
from hubsim.phone.radio import BumbleLink, connect, on_air
from hubsim.radio.air import serve_radio
from hubsim.radio.hub_radio import BumbleRadio
from tests.fakes.radio import (
    INFO_BYTES,
    Closed,
    FakePkocListener,
    FakeRadio,
    FakeRadioListener,
    Listens,
    Opened,
    PkocWrote,
    Wrote,
)
from tests.unit.test_bluez_radio import PHONE, FakeBluez, Rig, a_bus

PATIENCE_SECONDS = 20.0


class Refused(Exception):
    """The phone's write was answered with an ATT error."""


class Bench(Protocol):
    """A radio that is on air, the listener behind it, and one phone that comes and goes."""

    radio: Radio
    listener: FakeRadioListener
    pkoc: FakePkocListener

    async def shown_name(self) -> str:
        """What a phone that looks around reads as the hub's name, "" for none."""

    async def come(self) -> None:
        """Let the phone connect and subscribe."""

    async def leave(self) -> None:
        """Let the phone go."""

    async def read_info(self) -> bytes:
        """Let the phone read INFO."""

    async def pull(self) -> bytes:
        """Let the phone read TXR."""

    async def write(self, frame: bytes) -> None:
        """Let the phone write a frame. Raise Refused."""

    async def notified(self) -> bytes:
        """Wait for the phone's next notification."""

    async def listen_to_pkoc(self) -> None:
        """Let the phone subscribe to the second service."""

    async def write_pkoc(self, message: bytes) -> None:
        """Let the phone write to the second service. Raise Refused."""

    async def notified_by_pkoc(self) -> bytes:
        """Wait for the next notification of the second service."""


class FakeBench:
    def __init__(
        self,
        radio: FakeRadio,
        listener: FakeRadioListener,
        pkoc: FakePkocListener,
        sent: asyncio.Queue[bytes],
        sent_by_pkoc: asyncio.Queue[bytes],
    ) -> None:
        self.pkoc = pkoc
        self._sent_by_pkoc = sent_by_pkoc
        self.radio = radio
        self.listener = listener
        self._sent = sent
        self._epochs = itertools.count(1)
        self._link = LinkId("phone", 0)

    async def shown_name(self) -> str:
        return self.radio.shown_name

    async def come(self) -> None:
        self._link = LinkId("phone", next(self._epochs))
        self.radio.come(self._link)

    async def leave(self) -> None:
        self.radio.leave(self._link)

    async def read_info(self) -> bytes:
        return self.listener.info(self._link)

    async def pull(self) -> bytes:
        return self.listener.next_frame(self._link, 247)

    async def write(self, frame: bytes) -> None:
        try:
            self.listener.frame(self._link, frame, 247)
        except Exception as error:
            raise Refused from error

    async def notified(self) -> bytes:
        return await self._sent.get()

    async def listen_to_pkoc(self) -> None:
        self.pkoc.listens(True)

    async def write_pkoc(self, message: bytes) -> None:
        try:
            self.pkoc.pkoc_frame(self._link, message)
        except Exception as error:
            raise Refused from error

    async def notified_by_pkoc(self) -> bytes:
        return await self._sent_by_pkoc.get()


@contextlib.asynccontextmanager
async def fake(_folder: Path, name: str = "") -> AsyncIterator[Bench]:
    sent: asyncio.Queue[bytes] = asyncio.Queue()
    sent_by_pkoc: asyncio.Queue[bytes] = asyncio.Queue()
    radio = FakeRadio(
        on_notify=lambda _link, frame: sent.put_nowait(frame),
        on_drop=lambda link: None if link in radio.gone else radio.leave(link),
        on_pkoc=sent_by_pkoc.put_nowait,
        shown_name=name,
    )
    listener = FakeRadioListener()
    pkoc = FakePkocListener()
    async with serving(radio, listener, pkoc):
        yield FakeBench(radio, listener, pkoc, sent, sent_by_pkoc)


class BumbleBench:
    def __init__(
        self,
        radio: BumbleRadio,
        listener: FakeRadioListener,
        pkoc: FakePkocListener,
        phone: Device,
    ) -> None:
        self.pkoc = pkoc
        self._by_pkoc: asyncio.Queue[bytes] = asyncio.Queue()
        self.radio = radio
        self.listener = listener
        self._phone = phone
        self._visit = contextlib.AsyncExitStack()
        self._link: BumbleLink

    async def shown_name(self) -> str:
        (name,) = (await hubs_near(self._phone, 1)).values()
        return name

    async def come(self) -> None:
        self._visit = contextlib.AsyncExitStack()
        self._link = await self._visit.enter_async_context(connect(self._phone))

    async def leave(self) -> None:
        await self._visit.aclose()

    async def read_info(self) -> bytes:
        return await self._link.read_info()

    async def pull(self) -> bytes:
        return await self._link.pull()

    async def write(self, frame: bytes) -> None:
        try:
            await self._link.write(frame)
        except LinkError as error:
            raise Refused from error

    async def notified(self) -> bytes:
        return await self._link.notifications.get()

    async def _of_pkoc(self, uuid: str) -> CharacteristicProxy[bytes]:
        peer = Peer(self._link.connection)
        (service,) = await peer.discover_service(UUID.from_16_bits(pkoc_gatt.SERVICE_NUMBER))
        table = await service.discover_characteristics()
        return next(one for one in table if one.uuid == UUID(uuid))

    async def listen_to_pkoc(self) -> None:
        notify = await self._of_pkoc(pkoc_gatt.NOTIFY)
        await notify.subscribe(lambda value: self._by_pkoc.put_nowait(bytes(value)))

    async def write_pkoc(self, message: bytes) -> None:
        write = await self._of_pkoc(pkoc_gatt.WRITE)
        try:
            await write.write_value(message, with_response=True)
        except ATT_Error as error:
            raise Refused from error

    async def notified_by_pkoc(self) -> bytes:
        return await self._by_pkoc.get()


@contextlib.asynccontextmanager
async def bumble(_folder: Path, name: str = "") -> AsyncIterator[Bench]:
    place: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    air = serve_radio(
        "127.0.0.1", 0, lambda host, port: place.set_result(f"tcp-client:{host}:{port}")
    )
    async with asyncio.TaskGroup() as tasks:
        transmitting = tasks.create_task(air)
        transport = await place
        radio = BumbleRadio(transport, shown_name=name)
        listener = FakeRadioListener()
        pkoc = FakePkocListener()
        async with serving(radio, listener, pkoc), on_air(transport) as phone:
            bench = BumbleBench(radio, listener, pkoc, phone)
            yield bench
            await bench.leave()
        transmitting.cancel()


class BluezBench:
    def __init__(self, rig: Rig, bluez: FakeBluez, pkoc: FakePkocListener) -> None:
        self.radio = rig.radio
        self.listener = rig.listener
        self.pkoc = pkoc
        self._bluez = bluez
        self._options = {
            "device": Variant("o", PHONE),
            "mtu": Variant("q", 247),
            "link": Variant("s", "LE"),
        }

    async def shown_name(self) -> str:
        asked = (PATHS[0], "GetAll", "s", ADVERTISEMENT)
        answer = await self._bluez.ask(*asked, interface=PROPERTIES)
        name = answer.body[0].get("LocalName")
        return "" if name is None else str(name.value)

    async def come(self) -> None:
        self._bluez.phone()

    async def leave(self) -> None:
        self._bluez.phone(False)

    async def read_info(self) -> bytes:
        return bytes(
            (await self._bluez.ask(INFO_PATH, "ReadValue", "a{sv}", self._options)).body[0]
        )

    async def pull(self) -> bytes:
        return bytes((await self._bluez.ask(TXR_PATH, "ReadValue", "a{sv}", self._options)).body[0])

    async def write(self, frame: bytes) -> None:
        answer = await self._bluez.ask(RX_PATH, "WriteValue", "aya{sv}", frame, self._options)
        if answer.message_type is MessageType.ERROR:
            raise Refused(answer.body)

    async def notified(self) -> bytes:
        return await self._bluez.notified.get()

    async def listen_to_pkoc(self) -> None:
        await self._bluez.ask(PKOC_NOTIFY_PATH, "StartNotify", "")

    async def write_pkoc(self, message: bytes) -> None:
        answer = await self._bluez.ask(
            PKOC_WRITE_PATH, "WriteValue", "aya{sv}", message, self._options
        )
        if answer.message_type is MessageType.ERROR:
            raise Refused(answer.body)

    async def notified_by_pkoc(self) -> bytes:
        return await self._bluez.notified_by_pkoc.get()


@contextlib.asynccontextmanager
async def bluez(folder: Path, name: str = "") -> AsyncIterator[Bench]:
    if shutil.which("dbus-daemon") is None:
        pytest.skip("needs dbus-daemon: apt-get install dbus-daemon")
    async with a_bus(folder) as address:
        rig = Rig(address, folder / "bus.services")
        async with rig.bluetoothd(lambda one: one.adapter()) as daemon:
            pkoc = FakePkocListener()
            rig.serve(pkoc=pkoc, shown_name=name)
            await rig.is_ready(True)
            yield BluezBench(rig, daemon, pkoc)
            rig.serving.cancel()
            await asyncio.wait([rig.serving])


Make = Callable[[Path, str], contextlib.AbstractAsyncContextManager[Bench]]


@contextlib.asynccontextmanager
async def serving(
    radio: Radio, listener: FakeRadioListener, pkoc: FakePkocListener
) -> AsyncIterator[None]:
    """Serve until the end; begin when the radio is on air."""
    up = asyncio.Event()
    task = asyncio.create_task(radio.serve(listener, lambda ready: ready and up.set(), pkoc))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await up.wait()
        yield
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=PATIENCE_SECONDS)
        assert task.cancelled(), "the radio did not end when it was told to"


@pytest.mark.parametrize("kind", [fake, bumble, bluez])
@pytest.mark.parametrize("name", ["", "Hub 12"])
async def test_a_hub_is_called_on_the_air_what_it_is_told_and_nothing_else(
    kind: Make, name: str, tmp_path: Path
) -> None:
    async with kind(tmp_path, name) as bench:
        assert await bench.shown_name() == name


@pytest.fixture(params=[fake, bumble, bluez], ids=["fake", "bumble", "bluez"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with request.param(tmp_path) as made:
        yield made


async def comes(bench: Bench) -> LinkId:
    """Let the phone come; return the link that the listener was told of."""
    before = len(bench.listener.visits)
    await bench.come()
    await until(bench, before + 1)
    opened = bench.listener.visits[-1]
    assert isinstance(opened, Opened)
    return opened.link


async def until(bench: Bench, visits: int) -> None:
    """Wait until so many comings and goings were told."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(bench.listener.visits) < visits:
            await bench.listener.told.get()


async def test_an_adapter_is_known_while_it_is_in_use(bench: Bench) -> None:
    adapter = bench.radio.adapter()
    assert adapter is not None
    assert adapter.name


async def test_a_link_that_is_gone_is_not_heard(bench: Bench) -> None:
    assert bench.radio.rssi(LinkId("nobody", 99)) is None


async def test_a_visit_is_told_with_what_is_read_and_written_in_it(bench: Bench) -> None:
    link = await comes(bench)
    info = await bench.read_info()
    assert bench.listener.minted == [(link, info)]
    assert len(info) == INFO_BYTES
    await bench.write(b"a frame")
    assert bench.listener.frames == [Wrote(link, b"a frame", 247)]
    await bench.leave()
    await until(bench, 2)
    assert bench.listener.visits == [Opened(link), Closed(link)]


async def test_a_read_of_txr_has_the_frame_that_is_due_or_nothing(bench: Bench) -> None:
    link = await comes(bench)
    assert await bench.pull() == b""
    bench.listener.due[link.peer] = b"a frame"
    assert await bench.pull() == b"a frame"


async def test_a_new_visit_is_a_new_link(bench: Bench) -> None:
    first = await comes(bench)
    await bench.leave()
    await until(bench, 2)
    second = await comes(bench)
    assert second.visit > first.visit


async def test_a_phone_hears_what_is_notified(bench: Bench) -> None:
    link = await comes(bench)
    await bench.radio.notify(link, b"a frame")
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await bench.notified() == b"a frame"


async def test_a_write_that_breaks_a_rule_is_refused_and_the_next_is_not(bench: Bench) -> None:
    link = await comes(bench)
    bench.listener.refuses = True
    with pytest.raises(Refused):
        await bench.write(b"broken")
    bench.listener.refuses = False
    await bench.write(b"whole")
    assert bench.listener.frames == [Wrote(link, b"whole", 247)]


async def test_a_dropped_link_is_closed_once_and_nothing_reaches_it(bench: Bench) -> None:
    link = await comes(bench)
    await bench.radio.drop(link)
    await until(bench, 2)
    assert bench.listener.visits == [Opened(link), Closed(link)]
    with pytest.raises(LinkError):
        await bench.radio.notify(link, b"too late")
    await bench.radio.drop(link)
    assert bench.listener.visits == [Opened(link), Closed(link)]


async def test_who_listens_to_the_second_service_is_told_and_hears_what_it_says(
    bench: Bench,
) -> None:
    await comes(bench)
    await bench.listen_to_pkoc()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await bench.pkoc.told.get() == Listens(True)
        await bench.radio.notify_pkoc(b"hello")
        assert await bench.notified_by_pkoc() == b"hello"


async def test_a_write_to_the_second_service_is_its_own_links_and_no_frame(bench: Bench) -> None:
    link = await comes(bench)
    await bench.write_pkoc(b"a message")
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await bench.pkoc.told.get() == PkocWrote(link, b"a message")
    assert bench.listener.frames == []


async def test_a_write_to_the_second_service_that_breaks_a_rule_is_refused(bench: Bench) -> None:
    await comes(bench)
    bench.pkoc.refuses = True
    with pytest.raises(Refused):
        await bench.write_pkoc(b"broken")
