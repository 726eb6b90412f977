"""A laptop's own adapter: which one may be used, what is told when none may, and a link on a fake
of bleak's client.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakGATTProtocolError,
)
from click.testing import CliRunner

from hubcore.errors import LinkError
from hubcore.phone import gatt
from hubcore.phone.beacon import COMPANY_NONE, Beacon
from hubsim.main import main
from hubsim.phone.bleak import radio as bleak_radio
from hubsim.phone.bleak.adapters import Adapter, choose, pick
from hubsim.phone.bleak.radio import BleakLink, explain
from hubsim.phone.radio import NOTIFICATIONS_MAX

HUBS = Adapter("hci0", "C0:00:00:00:00:01", powered=True, serves=True)
FREE = Adapter("hci1", "C0:00:00:00:00:02", powered=True, serves=False)
OFF = Adapter("hci2", "C0:00:00:00:00:03", powered=False, serves=False)


@pytest.mark.parametrize("wanted", ["", "hci1", "C0:00:00:00:00:02", "c0:00:00:00:00:02"])
def test_an_adapter_that_is_free_and_on_is_taken(wanted: str) -> None:
    assert pick([HUBS, OFF, FREE], wanted, hub_runs=True) == "hci1"


@pytest.mark.parametrize(
    ("adapters", "wanted", "hub_runs", "sentence"),
    [
        ([], "", False, "this machine has no Bluetooth adapter"),
        (
            [HUBS],
            "",
            True,
            "a hub of this machine advertises on hci0; name another one with --adapter",
        ),
        ([HUBS, FREE], "hci0", True, "a hub of this machine advertises on hci0"),
        ([HUBS, FREE], HUBS.address, False, "a hub of this machine advertises on hci0"),
        ([FREE], "hci1", True, "a hub runs on this machine, on no adapter just now"),
        (
            [FREE, OFF],
            "hci9",
            False,
            "there is no adapter hci9; there are hci1 (C0:00:00:00:00:02), hci2",
        ),
        ([HUBS, OFF], "", True, "hci2 is switched off: try `bluetoothctl power on`"),
    ],
)
def test_what_is_told_when_none_may_be_used(
    adapters: list[Adapter], wanted: str, hub_runs: bool, sentence: str
) -> None:
    with pytest.raises(LinkError, match=r"^phone: ") as caught:
        pick(adapters, wanted, hub_runs)
    assert str(caught.value).removeprefix("phone: ").startswith(sentence)


async def test_without_a_system_bus_the_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="the system D-Bus does not answer"):
        await choose("", f"unix:path={tmp_path / 'none'}", tmp_path / "hubd.sock")


async def test_a_bus_that_says_nothing_has_a_time_limit(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "bus"))
        silent.listen()
        with pytest.raises(LinkError, match="the system D-Bus does not answer"):
            await choose(
                "", f"unix:path={tmp_path / 'bus'}", tmp_path / "hubd.sock", bus_seconds=0.1
            )


WHY = BleakBluetoothNotAvailableReason


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            BleakBluetoothNotAvailableError("", WHY.NO_BLUETOOTH),
            "this machine has no Bluetooth adapter",
        ),
        (
            BleakBluetoothNotAvailableError("", WHY.POWERED_OFF),
            "the Bluetooth adapter is switched off",
        ),
        (
            BleakBluetoothNotAvailableError("", WHY.DENIED_BY_USER),
            "this program may not use Bluetooth",
        ),
        (BleakDBusError("org.bluez.Error.NotReady", []), "the Bluetooth adapter is switched off"),
        (
            BleakDBusError("org.freedesktop.DBus.Error.AccessDenied", []),
            "this program may not use Bluetooth",
        ),
        (BleakGATTProtocolError(0x80), "the hub refused or left"),
        (TimeoutError(), "the hub does not answer"),
    ],
)
def test_what_bleak_raises_is_told_in_a_sentence(error: Exception, sentence: str) -> None:
    assert explain(error).startswith(sentence)


class Characteristic:
    def __init__(self, uuid: str, writes_bytes_max: int) -> None:
        self.uuid = uuid
        self.max_write_without_response_size = writes_bytes_max


class Client:
    """bleak's client as far as the link uses it.

    `error` is raised by all that is asked; `silent` answers nothing.
    """

    def __init__(self, writes_bytes_max: int = 509) -> None:
        self.services = self
        self.address = "A"
        self.error: Exception | None = None
        self.silent = False
        self.written: list[tuple[str, bytes, bool]] = []
        self.notify: Callable[[Any, bytearray], None] | None = None
        self._table = {
            uuid: Characteristic(uuid, writes_bytes_max)
            for uuid in (gatt.INFO, gatt.RX, gatt.TX, gatt.TXR)
        }

    def get_characteristic(self, uuid: str) -> Characteristic | None:
        return self._table.get(uuid)

    async def start_notify(
        self, of: Characteristic, callback: Callable[[Any, bytearray], None]
    ) -> None:
        await self._asked()
        assert of.uuid == gatt.TX
        self.notify = callback

    async def read_gatt_char(self, of: Characteristic) -> bytearray:
        await self._asked()
        return bytearray(of.uuid.encode())

    async def write_gatt_char(self, of: Characteristic, data: bytes, response: bool) -> None:
        await self._asked()
        self.written.append((of.uuid, data, response))

    async def _asked(self) -> None:
        if self.silent:
            await asyncio.get_running_loop().create_future()
        if self.error is not None:
            raise self.error


async def _link(client: Client, mtu_max: int = 247, att_seconds: float = 6.0) -> BleakLink:
    link = BleakLink(client, mtu_max, att_seconds)  # type: ignore[arg-type]
    await link.prepare()
    return link


@pytest.mark.parametrize(
    ("writes", "mtu_max", "mtu"), [(509, 247, 247), (182, 247, 185), (509, 23, 23), (0, 247, 23)]
)
async def test_frames_fit_the_link_and_the_wish(writes: int, mtu_max: int, mtu: int) -> None:
    assert (await _link(Client(writes), mtu_max)).mtu == mtu


async def test_it_reads_writes_with_response_and_hears() -> None:
    client = Client()
    link = await _link(client)
    assert await link.read_info() == gatt.INFO.encode()
    assert await link.pull() == gatt.TXR.encode()
    await link.write(b"frame")
    assert client.written == [(gatt.RX, b"frame", True)]
    assert client.notify is not None
    for number in range(NOTIFICATIONS_MAX + 1):
        client.notify(None, bytearray(number.to_bytes(2)))
    assert link.notifications.qsize() == NOTIFICATIONS_MAX
    assert link.notifications.get_nowait() == b"\0\0"


async def test_whatever_fails_is_a_link_error_and_silence_has_an_end() -> None:
    client = Client()
    link = await _link(client, att_seconds=0.05)
    client.error = BleakGATTProtocolError(0x80)
    for ask in (link.read_info, link.pull, lambda: link.write(b"")):
        with pytest.raises(LinkError, match="the hub refused or left"):
            await ask()
    client.silent = True
    with pytest.raises(LinkError, match="the hub does not answer"):
        await link.write(b"")


class Scanner:
    """bleak's scanner as far as it is used: from its start it shows what it was given, each at its
    time (seconds).
    """

    def __init__(self, shown: list[tuple[float, str, AdvertisementData]]) -> None:
        self._shown = shown
        self.running = False
        self.options: dict[str, Any] = {}

    def __call__(self, seen: Callable[[BLEDevice, AdvertisementData], None], **options: Any) -> Any:
        self._seen = seen
        self.options = options
        return self

    async def start(self) -> None:
        self.running = True
        for seconds, address, told_ in self._shown:
            asyncio.get_running_loop().call_later(
                seconds, self._seen, BLEDevice(address, None, None), told_
            )

    async def stop(self) -> None:
        self.running = False


KEY = bytes(range(16))
OTHER = bytes(16)
LAMP = "00001815-0000-1000-8000-00805f9b34fb"


def hub(key: bytes | None, service: str = gatt.SERVICE) -> AdvertisementData:
    """What a hub tells: a tag of `key`, none without it."""
    tag = {COMPANY_NONE: Beacon(key).tag(lambda size: b"\1\2\3"[:size])} if key else {}
    return AdvertisementData(None, tag, {}, [service], None, -50, ())


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        ([(0, "plain", hub(None)), (0, "foreign", hub(OTHER)), (0.2, "ours", hub(KEY))], "ours"),
        ([(0, "lamp", hub(KEY, LAMP)), (0, "ours", hub(KEY))], "ours"),
        ([(0, "foreign", hub(OTHER)), (0, "plain", hub(None))], "plain"),
    ],
    ids=["ours comes later than one without a tag", "another service", "nothing better comes"],
)
async def test_a_hub_without_a_tag_is_tried_when_no_better_comes(
    shown: list[tuple[float, str, AdvertisementData]], found: str
) -> None:
    scanner = Scanner(shown)
    assert (await bleak_radio._find("hci1", KEY, scanner)).address == found
    assert not scanner.running
    assert scanner.options == {"service_uuids": [gatt.SERVICE], "bluez": {"adapter": "hci1"}}


async def test_when_no_hub_is_to_be_tried_it_says_what_was_seen() -> None:
    for shown, sentence in (
        ([], "no hub in sight"),
        ([(0.0, "a", hub(OTHER))], "only hubs of other sites in sight"),
    ):
        scanner = Scanner(shown)
        with pytest.raises(LinkError, match=sentence):
            await bleak_radio._find("", KEY, scanner, scan_seconds=0.1)
        assert not scanner.running


def test_an_adapter_is_named_only_for_bleak() -> None:
    result = CliRunner().invoke(main, ("phone", "unlock", "anna", "--adapter", "hci1"))
    assert (result.exit_code, "--adapter goes with --radio bleak" in result.output) == (2, True)
