"""How calls of bluetoothd become calls of a listener: each for the phone that BlueZ names, in the
right pieces.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from dbus_fast import Message, MessageType, Variant

from hubcore.phone import gatt
from hubcore.pkoc import gatt as pkoc_gatt
from hubcore.ports.radio import LinkId
from hubd.adapters.bluez.connections import Connections
from hubd.adapters.bluez.gatt_server import (
    CHARACTERISTIC,
    INFO_PATH,
    PKOC_NOTIFY_PATH,
    PKOC_WRITE_PATH,
    RX_PATH,
    TX_PATH,
    TXR_PATH,
    GattServer,
    managed_objects,
)
from tests.fakes.radio import (
    Closed,
    FakePkocListener,
    FakeRadioListener,
    Listens,
    Opened,
    Wrote,
)

ONE = "/org/bluez/hci0/dev_1"
TWO = "/org/bluez/hci0/dev_2"


class Rig:
    """A table with its listener."""

    def __init__(self, pkoc: FakePkocListener | None = None) -> None:
        self.listener = FakeRadioListener()
        self.visits = Connections(self.listener, itertools.count(1))
        self.table = GattServer(self.listener, self.visits, pkoc)

    def call(
        self,
        path: str,
        member: str,
        signature: str,
        body: list[Any],
        interface: str = CHARACTERISTIC,
    ) -> Any:
        message = Message(
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=body,
            serial=7,
            sender=":1.2",
        )
        return self.table.called(message)

    def read(self, path: str, device: str = ONE, **options: Variant) -> Any:
        return self.call(path, "ReadValue", "a{sv}", [{"device": Variant("o", device), **options}])

    def write(
        self, value: bytes, device: str = ONE, path: str = RX_PATH, **options: Variant
    ) -> Any:
        return self.call(
            path, "WriteValue", "aya{sv}", [value, {"device": Variant("o", device), **options}]
        )


@pytest.fixture
def rig() -> Rig:
    return Rig()


def refused(answer: Message) -> tuple[str, str]:
    assert answer.message_type is MessageType.ERROR
    return str(answer.error_name), str(answer.body[0])


def offset(value: int) -> Variant:
    return Variant("q", value)


def test_the_table_is_the_protocols_in_its_order() -> None:
    objects = [
        properties
        for interfaces in managed_objects().values()
        for properties in interfaces.values()
    ]
    seen = [(p["UUID"].value, p["Flags"].value if "Flags" in p else None) for p in objects]
    assert seen == [
        (gatt.SERVICE, None),
        (gatt.INFO, ["read"]),
        (gatt.RX, ["write"]),
        (gatt.TX, ["notify"]),
        (gatt.TXR, ["read"]),
    ]


def test_the_second_service_stands_behind_the_own_and_changes_nothing_of_it() -> None:
    """BlueZ gives handles in this order: phones remember them."""
    alone = managed_objects()
    both = managed_objects(with_pkoc=True)
    assert list(both)[: len(alone)] == list(alone)
    assert {path: both[path] for path in alone} == alone
    behind = [both[path] for path in list(both)[len(alone) :]]
    seen = [
        (p["UUID"].value, p["Flags"].value if "Flags" in p else None)
        for interfaces in behind
        for p in interfaces.values()
    ]
    assert seen == [
        (pkoc_gatt.SERVICE, None),
        (pkoc_gatt.WRITE, ["write", "write-without-response"]),
        (pkoc_gatt.NOTIFY, ["notify"]),
    ]


async def test_without_the_second_service_its_paths_are_nothing(rig: Rig) -> None:
    assert refused(rig.write(b"x", path=PKOC_WRITE_PATH))[0].endswith("NotSupported")
    assert rig.listener.frames == []


async def test_who_subscribes_to_the_second_service_is_told_and_to_the_own_is_not() -> None:
    pkoc = FakePkocListener()
    rig = Rig(pkoc)
    for member, anybody in (("StartNotify", True), ("StopNotify", False)):
        rig.call(PKOC_NOTIFY_PATH, member, "", [])
        assert pkoc.told.get_nowait() == Listens(anybody)
        rig.call(TX_PATH, member, "", [])
        assert pkoc.told.empty()


async def test_a_write_goes_to_the_link_of_the_phone_that_wrote(rig: Rig) -> None:
    rig.write(b"a", ONE, mtu=Variant("q", 185))
    rig.write(b"b", TWO)
    rig.write(b"c", ONE)
    one = LinkId(ONE, 1)
    two = LinkId(TWO, 2)
    assert rig.listener.happened == [
        Opened(one),
        Wrote(one, b"a", 185),
        Opened(two),
        Wrote(two, b"b", 23),
        Wrote(one, b"c", 23),
    ]


async def test_a_refused_frame_is_the_applications_att_error(rig: Rig) -> None:
    rig.listener.refuses = True
    assert refused(rig.write(b"x")) == ("org.bluez.Error.Failed", "0x80")


@pytest.mark.parametrize(
    ("path", "options", "name"),
    [
        (RX_PATH, {"offset": offset(3)}, "InvalidOffset"),
        (RX_PATH, {"link": Variant("s", "BR/EDR")}, "NotSupported"),
        (TX_PATH, {}, "NotSupported"),
        (INFO_PATH, {}, "NotSupported"),
    ],
)
async def test_what_is_no_write_of_a_frame_is_refused_and_not_heard(
    rig: Rig, path: str, options: dict[str, Variant], name: str
) -> None:
    answer = rig.call(
        path, "WriteValue", "aya{sv}", [b"x", {"device": Variant("o", ONE), **options}]
    )
    assert refused(answer)[0].endswith(name)
    assert rig.listener.frames == []


async def test_a_call_that_names_no_device_is_refused(rig: Rig) -> None:
    assert refused(rig.call(RX_PATH, "WriteValue", "aya{sv}", [b"x", {}]))[0].endswith(
        "InvalidArgs"
    )
    assert refused(rig.call(INFO_PATH, "ReadValue", "as", [[]]))[0].endswith("InvalidArgs")
    assert rig.listener.happened == []


async def test_info_is_one_value_however_it_is_read_and_each_phone_has_its_own(rig: Rig) -> None:
    first = rig.read(INFO_PATH, ONE).body[0]
    other = rig.read(INFO_PATH, TWO).body[0]
    assert rig.listener.minted == [(LinkId(ONE, 1), first), (LinkId(TWO, 2), other)]
    assert rig.read(INFO_PATH, ONE, offset=offset(4)).body[0] == first[4:]
    assert rig.read(INFO_PATH, ONE, offset=offset(len(first))).body[0] == b""
    assert refused(rig.read(INFO_PATH, ONE, offset=offset(len(first) + 1)))[0].endswith(
        "InvalidOffset"
    )
    again = rig.read(INFO_PATH, ONE).body[0]
    assert rig.listener.minted[2:] == [(LinkId(ONE, 1), again)]


async def test_what_was_served_ends_with_the_visit(rig: Rig) -> None:
    rig.visits.connected(ONE)
    rig.read(INFO_PATH, ONE)
    rig.visits.gone(ONE)
    rig.visits.connected(ONE)
    assert refused(rig.read(INFO_PATH, ONE, offset=offset(1)))[0].endswith("InvalidOffset")


def test_a_read_of_txr_is_answered_at_once_and_each_phone_has_its_own(rig: Rig) -> None:
    assert rig.read(TXR_PATH).body[0] == b""
    rig.listener.due |= {ONE: b"one", TWO: b"two"}
    assert [rig.read(TXR_PATH, device).body[0] for device in (TWO, ONE, ONE)] == [
        b"two",
        b"one",
        b"",
    ]


def test_a_frame_is_read_in_parts(rig: Rig) -> None:
    rig.listener.due[ONE] = b"one"
    assert rig.read(TXR_PATH).body[0] == b"one"
    assert rig.read(TXR_PATH, offset=offset(1)).body[0] == b"ne"


def test_visits_never_share_a_link_and_a_late_announcement_is_no_new_visit() -> None:
    listener = FakeRadioListener()
    visits = Connections(listener, itertools.count(1))
    link = visits.of(ONE).link
    visits.connected(ONE)  # the news comes after the first call
    assert visits.of(ONE).link == link
    visits.connected(ONE)  # a second one is a second visit, whose end BlueZ did not tell
    visits.gone(ONE)
    visits.gone(ONE)
    visits.connected(TWO)
    visits.end()
    first = link
    second = LinkId(ONE, 2)
    third = LinkId(TWO, 3)
    assert listener.visits == [
        Opened(first),
        Closed(first),
        Opened(second),
        Closed(second),
        Opened(third),
        Closed(third),
    ]
    assert visits.device(link) is None
