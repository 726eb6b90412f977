"""The life of the radio on a fake bluetoothd, over a real bus of its own: come, serve, lose
everything, come again.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import Message, MessageFlag, MessageType, Variant
from dbus_fast.aio import MessageBus

from hubcore.errors import LinkError
from hubcore.phone import gatt
from hubcore.phone.beacon import Beacon, resolves
from hubcore.pkoc import gatt as pkoc_gatt
from hubcore.ports.radio import Adapter, PkocListener
from hubd.adapters.bluez.adapter_session import AWAY_TRIES
from hubd.adapters.bluez.advert import ADVERTISEMENT, PATHS, Advert
from hubd.adapters.bluez.bus import (
    OBJECT_MANAGER,
    PROPERTIES,
    Bluez,
    BluezError,
    Method,
)
from hubd.adapters.bluez.choice import choose, seen
from hubd.adapters.bluez.gatt_server import (
    CHARACTERISTIC,
    INFO_PATH,
    PKOC_NOTIFY_PATH,
    RX_PATH,
    TX_PATH,
)
from hubd.adapters.bluez.mirror import ADAPTER, ADVERTISING_MANAGER, DEVICE, GATT_MANAGER
from hubd.adapters.bluez.on_air import PACE_SECONDS
from hubd.adapters.bluez.plan import SYSFS, Patience, RadioNews, RadioTimes
from hubd.adapters.bluez.radio import BluezRadio, back_off_seconds
from hubd.adapters.bluez.watch import is_blocked
from tests.fakes.radio import Closed, FakeRadioListener, Opened, Wrote

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<servicedir>{path}.services</servicedir>
<policy context="default">
<allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"""
NEVER = "[D-BUS Service]\nName=org.bluez\nExec={program} 3\n"
"""A bluetoothd that the bus starts and that does not come; it holds up the end of the bus as long
as it lasts.
"""
HCI0 = "/org/bluez/hci0"
HCI1 = "/org/bluez/hci1"
PHONE = "/org/bluez/hci0/dev_F0"
ADDRESS = "C0:00:00:00:00:01"
PATIENCE_SECONDS = 10.0
QUICK = RadioTimes(power_retry_seconds=0.1, retry_seconds=0.1)


class FakeBluez:
    """A bluetoothd as far as the radio sees it.

    `refuses` names the members that it answers with an error, `silent` those that it never answers,
    `idle` the properties that it lets be set and does not change.
    """

    def __init__(self, bus: MessageBus) -> None:
        self.bus = bus
        self.objects: dict[str, dict[str, dict[str, Variant]]] = {}
        self.calls: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.refuses = set[str]()
        self.silent = set[str]()
        self.idle = set[str]()
        self.refusal = "org.bluez.Error.Failed"
        self.notified: asyncio.Queue[bytes] = asyncio.Queue()
        self.notified_by_pkoc: asyncio.Queue[bytes] = asyncio.Queue()
        self.radio = ""
        self.properties: dict[str, Any] = {}
        bus.add_message_handler(self._message)

    async def called(self, member: str, path: str | None = None) -> None:
        """Wait until the radio has called this."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                seen, at = await self.calls.get()
                if seen == member and path in (None, at):
                    return

    def adapter(self, path: str = HCI0, address: str = ADDRESS, powered: bool = False) -> None:
        properties = {"Address": Variant("s", address), "Powered": Variant("b", powered)}
        self.add(path, {ADAPTER: properties, GATT_MANAGER: {}, ADVERTISING_MANAGER: {}})

    def add(self, path: str, interfaces: dict[str, dict[str, Variant]]) -> None:
        self.objects[path] = interfaces
        self._signal("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, interfaces])

    def remove(self, path: str) -> None:
        self._signal(
            "/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [path, list(self.objects.pop(path))]
        )

    def change(self, path: str, interface: str, **properties: Variant) -> None:
        self.objects[path][interface].update(properties)
        self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, properties, []])

    def phone(self, connected: bool = True, path: str = PHONE) -> None:
        if path in self.objects:
            self.change(path, DEVICE, Connected=Variant("b", connected))
        else:
            self.add(
                path,
                {DEVICE: {"Connected": Variant("b", connected), "Adapter": Variant("o", HCI0)}},
            )

    async def ask(
        self, path: str, member: str, signature: str, *body: Any, interface: str = CHARACTERISTIC
    ) -> Message:
        """Call the radio, as for a phone."""
        message = Message(
            destination=self.radio,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=[*body],
        )
        answer = await self.bus.call(message)
        assert answer is not None
        return answer

    def _signal(
        self, path: str, interface: str, member: str, signature: str, body: list[Any]
    ) -> None:
        self.bus.send(Message.new_signal(path, interface, member, signature, body))

    def _message(self, message: Message) -> Message | bool | None:
        if message.message_type is MessageType.SIGNAL and message.path == TX_PATH:
            self.notified.put_nowait(message.body[1]["Value"].value)
        if message.message_type is MessageType.SIGNAL and message.path == PKOC_NOTIFY_PATH:
            self.notified_by_pkoc.put_nowait(message.body[1]["Value"].value)
        if message.message_type is MessageType.SIGNAL and message.path in PATHS:
            (name, value), *_ = message.body[1].items()
            self.calls.put_nowait((name, message.path))
            self.properties[name] = value.value
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        member = message.body[1] if message.member == "Set" else message.member
        self.radio = message.sender or ""
        self.calls.put_nowait((member, message.path or ""))
        if member in self.refuses:
            return Message.new_error(message, self.refusal, "told to")
        if member in self.silent:
            return True
        if member == "GetManagedObjects":
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [self.objects])
        if message.member == "Set" and member not in self.idle:
            self.change(message.path or "", message.body[0], **{member: message.body[2]})
        if member == "Disconnect":
            self.phone(False, message.path or "")
        if message.flags & MessageFlag.NO_REPLY_EXPECTED:
            return True
        return Message.new_method_return(message)


class Rig:
    """A bus of its own, the radio on it, and as many bluetoothds as a test wants, one after
    another.
    """

    def __init__(self, address: str, services: Path) -> None:
        self.address = address
        self._services = services
        self.serving: asyncio.Task[None]
        self.listener = FakeRadioListener()
        self.ready: asyncio.Queue[bool] = asyncio.Queue()
        self.said: list[str] = []
        self.amiss: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._spoken = asyncio.Event()
        self.stuck = asyncio.Event()
        self.radio: BluezRadio

    def serve(
        self,
        adapter: str = "default",
        beacon: Beacon | None = None,
        rfkill: Path = SYSFS,
        pkoc: PkocListener | None = None,
        shown_name: str = "",
        **times: float,
    ) -> BluezRadio:
        """Serve; `times` are those of `RadioTimes` that differ from QUICK."""
        news = RadioNews(
            lost=self._say,
            settings=lambda what: self.amiss.put_nowait(("settings", what)),
            pairing=lambda what: self.amiss.put_nowait(("pairing", what)),
            stuck=self._stick,
        )
        self.radio = BluezRadio(
            adapter,
            news,
            bus_address=self.address,
            beacon=beacon,
            times=replace(QUICK, **times),
            rfkill=rfkill,
            shown_name=shown_name,
        )
        self.serving = asyncio.create_task(
            self.radio.serve(self.listener, self.ready.put_nowait, pkoc)
        )
        return self.radio

    def start_in_vain(self) -> None:
        """Have the bus try to start a bluetoothd, which does not come."""
        text = NEVER.format(program=shutil.which("sleep"))
        (self._services / "org.bluez.service").write_text(text)

    async def has_said(self, what: str) -> None:
        """Wait until the radio has said a sentence with this in it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any(what in sentence for sentence in self.said):
                self._spoken.clear()
                await self._spoken.wait()

    def _stick(self) -> None:
        self.stuck.set()

    def _say(self, sentence: str) -> None:
        self.said.append(sentence)
        self._spoken.set()

    async def is_ready(self, wanted: bool) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.ready.get() is not wanted:
                pass

    @asynccontextmanager
    async def bluetoothd(
        self, prepare: Callable[[FakeBluez], None] = lambda _: None
    ) -> AsyncIterator[FakeBluez]:
        bus = await MessageBus(bus_address=self.address).connect()
        fake = FakeBluez(bus)
        prepare(fake)
        await bus.request_name("org.bluez")
        try:
            yield fake
        finally:
            bus.disconnect()


@asynccontextmanager
async def a_bus(folder: Path) -> AsyncIterator[str]:
    path = folder / "bus"
    (folder / "bus.services").mkdir()
    (folder / "bus.conf").write_text(CONFIG.format(path=path))
    argv = (
        "dbus-daemon",
        f"--config-file={folder / 'bus.conf'}",
        "--nofork",
        "--nopidfile",
        "--print-address",
    )
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


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


async def test_it_powers_up_registers_and_is_on_air(rig: Rig) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        rig.serve()
        for member in ("Powered", "Pairable", "RegisterApplication", "RegisterAdvertisement"):
            await bluez.called(member, HCI0)
        await rig.is_ready(True)
        assert bluez.objects[HCI0][ADAPTER]["Pairable"].value is False


async def test_it_waits_for_bluetoothd_and_for_its_adapter_and_takes_no_other(rig: Rig) -> None:
    rig.serve(ADDRESS)
    await rig.is_ready(False)
    async with rig.bluetoothd() as bluez:
        bluez.adapter(HCI0, "C0:00:00:00:00:02", powered=True)
        bluez.adapter(HCI1)
        await bluez.called("RegisterAdvertisement", HCI1)
        await rig.is_ready(True)


async def test_each_coming_and_going_renews_the_advertisement_and_never_takes_it_off(
    rig: Rig,
) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        rig.serve()
        await rig.is_ready(True)
        for connected in (True, False):
            while not bluez.calls.empty():
                bluez.calls.get_nowait()
            bluez.phone(connected)
            assert await bluez.calls.get() == ("ServiceUUIDs", PATHS[0])


async def test_the_last_of_a_crowd_is_not_left_out_and_a_crowd_does_not_hold_up_the_replacing(
    rig: Rig,
) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        rig.serve(new_seconds=0.2)
        await rig.is_ready(True)
        stop = asyncio.Event()

        async def crowd() -> None:
            numbers = itertools.cycle(range(20))
            while not stop.is_set():
                bluez.phone(path=f"{PHONE}{next(numbers)}")
                await asyncio.sleep(0.005)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(crowd())
            await bluez.called("UnregisterAdvertisement")
            stop.set()
        while not bluez.calls.empty():
            bluez.calls.get_nowait()
        bluez.phone(path=f"{PHONE}last")
        await bluez.called("ServiceUUIDs", PATHS[1])


class Manager:
    """BlueZ's LEAdvertisingManager1 with room for so many; notes which were on air after
    each call.
    """

    def __init__(self, room: int = 2) -> None:
        self.room = room
        self.held = list[str]()
        self.seen: list[tuple[str, ...]] = []
        self.emitted: list[tuple[str, str, str, Any]] = []

    async def call(self, path: str, method: Method, *body: Any) -> list[Any]:
        assert (path, method.interface) == (HCI0, ADVERTISING_MANAGER)
        if method.name == "RegisterAdvertisement":
            if len(self.held) >= self.room:
                raise BluezError("org.bluez.Error.NotPermitted", "no room")
            assert body[0] not in self.held
            self.held.append(body[0])
        elif body[0] in self.held:
            self.held.remove(body[0])
        else:
            raise BluezError("org.bluez.Error.DoesNotExist", "no such advertisement")
        self.seen.append(tuple(self.held))
        return []

    async def call_unanswered(self, path: str, method: Method, *body: Any) -> None:
        await self.call(path, method, *body)

    async def emit(self, path: str, interface: str, name: str, value: Variant) -> None:
        self.emitted.append((path, interface, name, value.value))


async def test_an_advertisement_is_replaced_without_a_moment_off_the_air() -> None:
    manager = Manager()
    advert = Advert(manager, HCI0)
    await advert.begin()
    for _ in range(5):
        await advert.replace()
    assert all(manager.seen)
    assert len(manager.held) == 1
    await advert.renew()
    assert manager.emitted == [(manager.held[0], ADVERTISEMENT, "ServiceUUIDs", [gatt.SERVICE])]


async def test_with_room_for_one_advertisement_it_gives_way_to_its_successor() -> None:
    manager = Manager(room=1)
    advert = Advert(manager, HCI0)
    await advert.begin()
    await advert.replace()
    await advert.replace()
    assert manager.held == [PATHS[0]]


async def test_an_advertisement_that_was_refused_comes_back_when_it_is_no_longer() -> None:
    manager = Manager()
    advert = Advert(manager, HCI0)
    await advert.begin()
    manager.room = 0
    for _ in range(2):
        with pytest.raises(BluezError):
            await advert.replace()
    manager.room = 2
    await advert.replace()
    await advert.replace()
    assert len(manager.held) == 1


def test_bluez_reads_the_services_uuid_alone_and_on_both_paths() -> None:
    advert = Advert(Manager(), HCI0)
    for path in PATHS:
        message = Message(
            path=path,
            interface=PROPERTIES,
            member="GetAll",
            signature="s",
            body=[ADVERTISEMENT],
            serial=1,
            sender=":1.1",
        )
        answer = advert.called(message)
        assert answer is not None
        properties = answer.body[0]
        assert properties["ServiceUUIDs"].value == [gatt.SERVICE]
        assert not {"LocalName", "Includes", "ManufacturerData", "ServiceData"} & set(properties)


@pytest.mark.parametrize("with_pkoc", [False, True])
async def test_the_second_service_is_on_air_only_where_it_is_on(with_pkoc: bool) -> None:
    """And behind the own one, which keeps its place."""
    advert = Advert(Manager(), HCI0, with_pkoc=with_pkoc)
    expected = [gatt.SERVICE, *([pkoc_gatt.SERVICE] if with_pkoc else [])]
    assert advert.properties()["ServiceUUIDs"].value == expected


def test_a_name_changes_nothing_else_of_the_advertisement() -> None:
    beacon = Beacon(bytes(16))
    named = Advert(Manager(), HCI0, beacon, shown_name="Hub 12").properties()
    plain = Advert(Manager(), HCI0, beacon).properties()
    assert named.pop("LocalName").value == "Hub 12"
    tags = [one.pop("ManufacturerData").value[0xFFFF].value for one in (named, plain)]
    assert [len(tag) for tag in tags] == [6, 6]
    assert named == plain


async def test_the_tag_changes_in_time_without_leaving_the_air(rig: Rig) -> None:
    beacon = Beacon(bytes(16), company=0x1234, rotate_seconds=0.1)
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        rig.serve(beacon=beacon)
        await rig.is_ready(True)
        seen = set()
        for _ in range(3):
            assert await _rotated(bluez) == ("ManufacturerData", PATHS[0])
            seen.add(bytes(bluez.properties["ManufacturerData"][0x1234].value))
        assert len(seen) == 3
        assert all(resolves(beacon.key, tag) for tag in seen)


async def _rotated(bluez: FakeBluez) -> tuple[str, str]:
    """Wait for what the radio does next once it is on air."""
    while True:
        async with asyncio.timeout(PATIENCE_SECONDS):
            seen = await bluez.calls.get()
        if seen[0] in ("ManufacturerData", "UnregisterAdvertisement"):
            return seen


def test_what_is_advertised_with_a_tag_fills_the_31_bytes_and_stays_until_it_is_changed() -> None:
    advert = Advert(Manager(), HCI0, Beacon(bytes(16)))
    before, again = (advert.properties()["ManufacturerData"].value[0xFFFF].value for _ in range(2))
    assert before == again
    assert 3 + (2 + 16) + (2 + 2 + len(before)) == 31


async def test_links_begin_and_end_with_connected_and_carry_frames(rig: Rig) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        radio = rig.serve()
        await rig.is_ready(True)
        bluez.phone()
        link = (await rig.listener.next()).link
        assert rig.listener.visits == [Opened(link)]
        assert link.peer == PHONE
        options = {
            "device": Variant("o", PHONE),
            "mtu": Variant("q", 247),
            "link": Variant("s", "LE"),
        }
        assert (await bluez.ask(INFO_PATH, "ReadValue", "a{sv}", options)).body == [
            rig.listener.minted[0][1]
        ]
        await bluez.ask(RX_PATH, "WriteValue", "aya{sv}", b"hello", options)
        assert await rig.listener.next() == Wrote(link, b"hello", 247)
        await radio.notify(link, b"answer")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await bluez.notified.get() == b"answer"
        await radio.drop(link)
        assert await rig.listener.next() == Closed(link)
        with pytest.raises(LinkError):
            await radio.notify(link, b"too late")
        await radio.drop(link)
        bluez.phone()
        again = (await rig.listener.next()).link
        assert (again.peer, again.visit > link.visit) == (PHONE, True)
        bluez.remove(PHONE)
        assert await rig.listener.next() == Closed(again)


async def test_phones_of_an_earlier_hub_are_sent_away_and_what_is_paired_is_not(rig: Rig) -> None:
    keyboard = "/org/bluez/hci0/dev_KEYBOARD"

    def prepare(fake: FakeBluez) -> None:
        fake.adapter()
        fake.phone()
        fake.add(
            keyboard, {DEVICE: {"Connected": Variant("b", True), "Bonded": Variant("b", True)}}
        )

    async with rig.bluetoothd(prepare) as bluez:
        rig.serve()
        await rig.is_ready(True)
        assert bluez.objects[PHONE][DEVICE]["Connected"].value is False
        assert bluez.objects[keyboard][DEVICE]["Connected"].value is True


@pytest.mark.parametrize("loss", ["adapter", "power", "release", "daemon"])
async def test_each_loss_ends_every_link_and_it_comes_again(rig: Rig, loss: str) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        radio = rig.serve()
        await rig.is_ready(True)
        bluez.phone()
        link = (await rig.listener.next()).link
        match loss:
            case "adapter":
                bluez.remove(HCI0)
            case "power":
                bluez.change(HCI0, ADAPTER, Powered=Variant("b", False))
            case "release":
                message = Message(
                    destination=bluez.radio,
                    path=PATHS[0],
                    interface=ADVERTISEMENT,
                    member="Release",
                )
                await bluez.bus.call(message)
            case "daemon":
                bluez.bus.disconnect()
        assert await rig.listener.next() == Closed(link)
        await rig.is_ready(False)
        with pytest.raises(LinkError):
            await radio.notify(link, b"to nobody")
        if loss == "adapter":
            bluez.objects.clear()
            bluez.adapter()
        if loss != "daemon":
            await rig.is_ready(True)
    if loss == "daemon":
        async with rig.bluetoothd(lambda fake: fake.adapter()):
            await rig.is_ready(True)


async def test_an_adapter_switched_off_while_nobody_is_there_comes_again(rig: Rig) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        rig.serve()
        for _ in range(3):
            await rig.is_ready(True)
            await asyncio.sleep(2 * PACE_SECONDS)  # until it waits for nothing but the next event
            bluez.change(HCI0, ADAPTER, Powered=Variant("b", False))
            await rig.is_ready(False)
        await rig.is_ready(True)


@pytest.mark.parametrize("member", ["RegisterApplication", "RegisterAdvertisement", "Powered"])
async def test_what_is_refused_is_tried_again(rig: Rig, member: str) -> None:
    def prepare(fake: FakeBluez) -> None:
        fake.adapter()
        fake.refuses.add(member)

    async with rig.bluetoothd(prepare) as bluez:
        rig.serve()
        await bluez.called(member)
        await bluez.called(member)
        bluez.refuses.clear()
        await rig.is_ready(True)


async def test_phones_are_kept_when_the_controller_cannot_advertise_beside_them(rig: Rig) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        # it must be the phone's leaving that brings it back
        radio = rig.serve(new_seconds=0.3, retry_seconds=600.0)
        await rig.is_ready(True)
        while not bluez.calls.empty():
            bluez.calls.get_nowait()
        bluez.refuses.add("RegisterAdvertisement")
        bluez.phone()
        link = (await rig.listener.next()).link
        for _ in range(2):  # beside the former advertisement, and in its place
            await bluez.called("RegisterAdvertisement")
        await rig.is_ready(False)
        assert "refuses RegisterAdvertisement" in rig.said[-1]
        await radio.notify(link, b"still here")
        assert rig.listener.told.empty()
        bluez.refuses.clear()
        bluez.phone(False)
        assert await rig.listener.next() == Closed(link)
        await bluez.called("RegisterAdvertisement")
        await rig.is_ready(True)


async def test_who_came_by_an_advertisement_that_is_gone_has_it_replaced_at_leaving(
    rig: Rig,
) -> None:
    """The kernel goes on with that advertisement's instance then, and nobody can connect."""
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        rig.serve(new_seconds=0.3)
        await rig.is_ready(True)
        bluez.phone()
        await bluez.called("UnregisterAdvertisement")
        _drain(bluez)
        bluez.phone(False)
        await bluez.called("RegisterAdvertisement", HCI0)
        await bluez.called("UnregisterAdvertisement")
        _drain(bluez)
        bluez.phone(path=f"{PHONE}first")
        # it is in force by now: who comes from now on comes by it
        await bluez.called("ServiceUUIDs", PATHS[0])
        bluez.phone(path=f"{PHONE}second")
        await bluez.called("ServiceUUIDs", PATHS[0])
        bluez.phone(False, path=f"{PHONE}second")
        assert await asyncio.wait_for(bluez.calls.get(), PATIENCE_SECONDS) == (
            "ServiceUUIDs",
            PATHS[0],
        )


def _drain(bluez: FakeBluez) -> list[tuple[str, str]]:
    drained = []
    while not bluez.calls.empty():
        drained.append(bluez.calls.get_nowait())
    return drained


async def test_a_phone_that_bluez_cannot_send_away_does_not_keep_the_hub_off_the_air(
    rig: Rig,
) -> None:
    def prepare(fake: FakeBluez) -> None:
        fake.adapter()
        fake.phone()
        fake.silent.add("Disconnect")

    async with rig.bluetoothd(prepare) as bluez:
        rig.serve()
        await bluez.called("Disconnect", PHONE)
        await rig.is_ready(True)


@pytest.mark.parametrize("ends", ["it goes", "it comes to this hub", "never"])
async def test_a_phone_of_an_earlier_hub_that_stays_is_sent_away_again_with_a_ceiling(
    rig: Rig, ends: str
) -> None:
    def prepare(fake: FakeBluez) -> None:
        fake.adapter()
        fake.phone()
        fake.refuses.add("Disconnect")

    async with rig.bluetoothd(prepare) as bluez:
        rig.serve()
        await bluez.called("Disconnect", PHONE)
        await bluez.called("Disconnect", PHONE)
        match ends:
            case "it goes":
                bluez.phone(False)
            case "it comes to this hub":
                await rig.is_ready(True)
                await bluez.ask(INFO_PATH, "ReadValue", "a{sv}", {"device": Variant("o", PHONE)})
            case "never":
                for _ in range(AWAY_TRIES - 2):
                    await bluez.called("Disconnect", PHONE)
        await asyncio.sleep(3 * QUICK.retry_seconds)
        _drain(bluez)
        await asyncio.sleep(5 * QUICK.retry_seconds)
        assert ("Disconnect", PHONE) not in _drain(bluez)


@pytest.mark.parametrize("loss", ["adapter", "power"])
async def test_a_loss_is_not_sat_out_in_a_call_that_nobody_answers_any_more(
    rig: Rig, loss: str
) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        bluez.silent.add("RegisterApplication")
        rig.serve(call_seconds=600.0)
        await bluez.called("RegisterApplication")
        bluez.silent.clear()
        if loss == "adapter":
            bluez.remove(HCI0)
            bluez.adapter()
        else:
            bluez.change(HCI0, ADAPTER, Powered=Variant("b", False))
        await rig.is_ready(True)


async def test_an_adapter_that_is_not_on_is_not_taken_for_one(rig: Rig) -> None:
    def prepare(fake: FakeBluez) -> None:
        fake.adapter()
        fake.idle.add("Powered")

    async with rig.bluetoothd(prepare) as bluez:
        rig.serve()
        for _ in range(3):
            await bluez.called("Powered")
        assert rig.ready.get_nowait() is False
        assert rig.ready.empty()
        bluez.change(HCI0, ADAPTER, Powered=Variant("b", True))
        await rig.is_ready(True)


async def test_another_bluetoothd_in_place_of_one_without_an_adapter_is_looked_at_anew(
    rig: Rig,
) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter(HCI1, "C0:00:00:00:00:02")):
        rig.serve(ADDRESS, tell_seconds=0.2)
        await rig.has_said(
            f"no adapter {ADDRESS} that can advertise and serve; it has: C0:00:00:00:00:02"
        )
    async with rig.bluetoothd(lambda fake: fake.adapter()):
        await rig.is_ready(True)


async def test_a_bus_that_starts_bluetoothd_in_vain_is_not_waited_for(rig: Rig) -> None:
    rig.start_in_vain()
    rig.serve(call_seconds=0.5, grace_seconds=0.1, tell_seconds=1.5)
    await rig.has_said("")
    assert rig.said == ["radio: bluetoothd does not run"]
    async with rig.bluetoothd(lambda fake: fake.adapter()):
        await rig.is_ready(True)
    assert "does not answer" not in "".join(rig.said)


@pytest.mark.parametrize("why", ["no answer", "told to end"])
async def test_a_registration_that_is_given_up_is_taken_back(rig: Rig, why: str) -> None:
    """BlueZ 5.66 never frees the instance of one whose owner left meanwhile."""

    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        bluez.silent.add("RegisterAdvertisement")
        rig.serve(call_seconds=0.5 if why == "no answer" else 600.0)
        await bluez.called("RegisterAdvertisement")
        if why == "told to end":
            rig.serving.cancel()
        assert await asyncio.wait_for(bluez.calls.get(), PATIENCE_SECONDS) == (
            "UnregisterAdvertisement",
            HCI0,
        )
        if why == "no answer":
            bluez.silent.clear()
            await rig.is_ready(True)


async def test_a_bluetoothd_that_is_slow_once_keeps_its_phones_and_one_that_is_stuck_does_not(
    rig: Rig,
) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        rig.serve(call_seconds=0.5, new_seconds=0.3, replace_seconds=0.3)
        await rig.is_ready(True)
        bluez.phone()
        link = (await rig.listener.next()).link
        for _ in range(2):
            bluez.silent.add("RegisterAdvertisement")
            while not bluez.calls.empty():
                bluez.calls.get_nowait()
            await bluez.called("RegisterAdvertisement")
            bluez.silent.clear()
            for _ in range(2):  # the one that was given up, and the former
                await bluez.called("UnregisterAdvertisement")
            assert rig.listener.told.empty()
        bluez.silent.add("RegisterAdvertisement")
        assert await rig.listener.next() == Closed(link)
        bluez.silent.clear()
        await rig.is_ready(True)


@pytest.mark.parametrize(
    ("refusal", "switch", "stuck"),
    [("Busy", "0", True), ("Blocked", "0", False), ("Failed", "1", False)],
)
async def test_why_an_adapter_does_not_go_on_is_told_and_a_stuck_bluetoothd_is_asked_for_anew(
    rig: Rig, tmp_path: Path, refusal: str, switch: str, stuck: bool
) -> None:
    """BlueZ 5.66 may be busy for ever with a power that it has set; what rfkill blocks, no
    bluetoothd switches on.
    """
    (tmp_path / "hci0" / "rfkill0").mkdir(parents=True)
    for name in ("soft", "hard"):
        (tmp_path / "hci0" / "rfkill0" / name).write_text(switch if name == "soft" else "0")

    def prepare(fake: FakeBluez) -> None:
        fake.adapter()
        fake.refuses.add("Powered")
        fake.refusal = f"org.bluez.Error.{refusal}"

    async with rig.bluetoothd(prepare) as bluez:
        rig.serve(stuck_seconds=0.3, rfkill=tmp_path)
        await rig.has_said("the adapter does not go on")
        assert bluez.refusal in rig.said[-1]
        assert ("rfkill blocks it" in rig.said[-1]) is not stuck
        if stuck:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await rig.stuck.wait()
        for _ in range(10):
            await bluez.called("Powered")
        assert rig.stuck.is_set() is stuck
        bluez.refuses.clear()
        await rig.is_ready(True)


async def test_a_bluetoothd_that_does_not_answer_is_asked_for_anew(rig: Rig) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        bluez.silent.add("GetManagedObjects")
        rig.serve(call_seconds=0.5, tell_seconds=0.2, stuck_seconds=0.3)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await rig.stuck.wait()
        assert any("does not answer GetManagedObjects" in sentence for sentence in rig.said)


async def test_a_bluetoothd_that_falls_silent_while_it_serves_is_noticed(rig: Rig) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        bluez.refuses.add("Ping")
        rig.serve(call_seconds=0.3, ping_seconds=0.1)
        await rig.is_ready(True)
        for _ in range(3):  # one that says no is there
            await bluez.called("Ping")
        assert rig.ready.empty()
        bluez.refuses.clear()
        bluez.silent.add("Ping")
        await rig.is_ready(False)
        assert "does not answer Ping" in rig.said[-1]


async def test_what_is_paired_is_told_each_time_it_changes(rig: Rig) -> None:
    async def told() -> str:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (amiss := await rig.amiss.get())[0] != "pairing":
                pass
        return amiss[1]

    def prepare(fake: FakeBluez) -> None:
        fake.adapter()
        fake.adapter(HCI1)
        others = {"Bonded": Variant("b", True), "Adapter": Variant("o", HCI1)}
        fake.add(f"{HCI1}/dev_F1", {DEVICE: others})

    async with rig.bluetoothd(prepare) as bluez:
        rig.serve()
        assert await told() == ""
        bluez.phone()
        bluez.change(PHONE, DEVICE, Bonded=Variant("b", True))
        assert "1 device is paired" in await told()
        bluez.add(
            f"{PHONE}2", {DEVICE: {"Bonded": Variant("b", True), "Adapter": Variant("o", HCI0)}}
        )
        assert "2 devices are paired" in await told()
        bluez.remove(PHONE)
        assert "1 device is paired" in await told()
        bluez.remove(f"{PHONE}2")
        assert await told() == ""


def test_rfkill_is_seen_where_the_kernel_shows_it(tmp_path: Path) -> None:
    assert not is_blocked(HCI0, tmp_path)
    switch = tmp_path / "hci0" / "rfkill7"
    switch.mkdir(parents=True)
    for soft, hard in itertools.product("01", "01"):
        (switch / "soft").write_text(f"{soft}\n")
        (switch / "hard").write_text(f"{hard}\n")
        assert is_blocked(HCI0, tmp_path) is ("1" in soft + hard)
        assert not is_blocked(HCI1, tmp_path)


def test_bluetoothd_is_given_time_and_is_not_started_anew_without_end() -> None:
    now = [0.0]
    asked = list[float]()
    patience = Patience(lambda: asked.append(now[0]), lambda: now[0])
    for now[0] in range(40):
        patience.failed()
    assert asked == [3, 13, 23, 33]
    patience.excused()
    asked.clear()
    for now[0] in (200, 202):
        patience.failed()
    patience.excused()
    for now[0] in (204, 206):
        patience.failed()
    assert not asked


async def test_only_bluetoothd_is_answered(rig: Rig) -> None:
    async with rig.bluetoothd(lambda fake: fake.adapter()) as bluez:
        rig.serve()
        await rig.is_ready(True)
        stranger = await MessageBus(bus_address=rig.address).connect()
        options = {"device": Variant("o", PHONE)}
        message = Message(
            destination=bluez.radio,
            path=RX_PATH,
            interface=CHARACTERISTIC,
            member="WriteValue",
            signature="aya{sv}",
            body=[b"x", options],
        )
        answer = await stranger.call(message)
        stranger.disconnect()
        assert answer is not None
        assert answer.error_name == "org.freedesktop.DBus.Error.AccessDenied"
        assert rig.listener.told.empty()


async def test_without_a_bus_it_says_so_and_goes_on(tmp_path: Path) -> None:
    ready: asyncio.Queue[bool] = asyncio.Queue()
    said: list[str] = []
    radio = BluezRadio(
        "default", RadioNews(said.append), bus_address=f"unix:path={tmp_path / 'none'}"
    )
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(radio.serve(FakeRadioListener(), ready.put_nowait))
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert [await ready.get() for _ in range(4)] == [False] * 4
        serving.cancel()
    assert "system D-Bus" in said[0]


def test_the_pause_grows_to_its_ceiling() -> None:
    assert [back_off_seconds(failures, 0.999999) for failures in (0, 1, 2)] == pytest.approx(
        [0.5, 1, 2], rel=1e-3
    )
    assert back_off_seconds(1000, 0.999999) == pytest.approx(3, rel=1e-3)
    assert back_off_seconds(0, 0) == 0.25


@pytest.mark.parametrize(
    ("wanted", "powered", "chosen"),
    [
        ("default", (), HCI0),
        ("default", (HCI1,), HCI1),
        ("B", (), HCI1),
        ("C", (), None),
        ("D", (), None),
    ],
)
def test_the_adapter_is_found_by_its_address(
    wanted: str, powered: tuple[str, ...], chosen: str | None
) -> None:
    def able(path: str, address: str) -> dict[str, dict[str, Any]]:
        return {
            ADAPTER: {"Address": address, "Powered": path in powered},
            GATT_MANAGER: {},
            ADVERTISING_MANAGER: {},
        }

    unable = {ADAPTER: {"Address": "D", "Powered": True}}
    assert (
        choose({HCI1: able(HCI1, "B"), HCI0: able(HCI0, "A"), "/org/bluez/hci2": unable}, wanted)
        == chosen
    )


class BatchBus:
    """A bus that hands a reply and the signal after it to the handler in one go, before whoever
    awaits the reply.
    """

    def __init__(self, then: Message) -> None:
        self._serial = 0
        self._then = then
        self._handler: Callable[[Message], Any] = lambda _: None

    def add_message_handler(self, handler: Callable[[Message], Any]) -> None:
        self._handler = handler

    def next_serial(self) -> int:
        self._serial += 1
        return self._serial

    async def call(self, message: Message) -> Message:
        bodies: dict[str, tuple[str, list[Any]]] = {
            "GetNameOwner": ("s", [":1.9"]),
            "GetManagedObjects": ("a{oa{sa{sv}}}", [{}]),
        }
        signature, body = bodies.get(message.member or "", ("", []))
        reply = Message.new_method_return(message, signature, body)
        reply.sender = message.destination
        self._handler(reply)
        if message.member == "GetManagedObjects":
            self._handler(self._then)
        return reply


async def test_a_signal_read_together_with_the_objects_is_not_lost() -> None:
    added = [HCI0, {ADAPTER: {"Address": Variant("s", ADDRESS)}}]
    signal = Message.new_signal("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", added)
    signal.sender = ":1.9"
    bluez = Bluez(BatchBus(signal))  # type: ignore[arg-type]
    await bluez.appear()
    assert bluez.objects == {HCI0: {ADAPTER: {"Address": ADDRESS}}}


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (
            {"Address": "02:00:00:00:00:01", "Powered": True, "Version": 11},
            Adapter("hci0", "02:00:00:00:00:01", True, "5.2"),
        ),
        ({"Version": 99}, Adapter("hci0")),
        ({"Address": 7, "Powered": "yes", "Version": "5"}, Adapter("hci0")),
    ],
)
def test_an_adapter_is_shown_as_far_as_bluez_tells(
    properties: dict[str, Any], expected: Adapter
) -> None:
    assert seen("/org/bluez/hci0", properties) == expected
