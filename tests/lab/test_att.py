"""What BlueZ makes of a phone's ATT requests, and what the hub makes of that: sizes, parts,
offsets.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from bumble import att
from bumble.device import Peer

from hubcore.errors import LinkError
from hubcore.phone import gatt
from hubcore.phone.framing import ATT_NOTIFY_OVERHEAD, Flag, control_frame
from hubcore.phone.messages import decode_challenge
from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import LabHub
from tests.lab.attlink import (
    Otherwise,
    RecordingQueue,
    Recut,
    error_of,
    gone,
    handle,
    prepare,
    request,
    write,
)
from tests.lab.conftest import AirAddress, allowed

REQUEST_NOT_SUPPORTED = 0x06
INVALID_OFFSET = 0x07
PREPARE_QUEUE_FULL = 0x09
INVALID_LENGTH = 0x0D
EXECUTE = 1
ABORT = 0
SEEN = "/run/lab.dbus-monitor"


def write_bytes_max(bluez: tuple[int, int]) -> int:
    """Return how long a value may be that is written at once: before 5.69 BlueZ counted its handle
    as part of it.
    """
    return 512 if bluez >= (5, 69) else 510


@pytest.mark.parametrize("mtu", [23, 24, 64, 185, 247, 517])
async def test_every_mtu_unlocks(
    hub: LabHub, air: AirAddress, phones: list[Wallet], mtu: int
) -> None:
    async with on_air(air.transport) as device, connect(device, mtu) as link:
        assert link.mtu == mtu
        assert allowed(await Session(link, phones[0]).run(1))


@pytest.mark.parametrize("after", [0, 5])
async def test_the_mtu_may_be_exchanged_in_mid_way(
    hub: LabHub, air: AirAddress, phones: list[Wallet], after: int
) -> None:
    """Frames are cut for the new MTU from there on, in both directions."""
    async with on_air(air.transport) as device, connect(device, 23) as link:
        sizes: list[int] = []

        async def exchanges(frame: bytes) -> None:
            if len(sizes) == after:
                other.mtu = await Peer(link.connection).request_mtu(247)
            sizes.append(len(frame))
            await link.write(frame)

        other = Otherwise(link, exchanges)
        other.notifications = heard = RecordingQueue()
        link.notifications = heard
        assert allowed(await Session(other, phones[0]).run(1))
    assert other.mtu == 247
    assert max(sizes) > 23 - ATT_NOTIFY_OVERHEAD
    assert max(map(len, heard.all)) > 23 - ATT_NOTIFY_OVERHEAD


async def test_a_frame_may_be_as_long_as_bluez_takes(
    hub: LabHub, air: AirAddress, phones: list[Wallet], bluez: tuple[int, int]
) -> None:
    longest = write_bytes_max(bluez)
    async with on_air(air.transport) as device, connect(device, 517) as link:
        recut = Recut(link, longest)
        assert allowed(await Session(Otherwise(link, recut.write), phones[0]).run(1))
    assert max(recut.sizes) == longest


@asynccontextmanager
async def calls_seen(guest: Guest, calls: list[str]) -> AsyncIterator[None]:
    """Fill `calls` with dbus-monitor's text of each WriteValue and ReadValue that happens
    inside.
    """
    rules = [f"member='{member}'" for member in ("WriteValue", "ReadValue", "Ping")]
    monitor = ["-p", f"StandardOutput=file:{SEEN}", "dbus-monitor", "--system", *rules]
    await guest.run("rm", "-f", SEEN)
    await guest.run("systemd-run", "--unit=lab-dbus-monitor", *monitor)
    try:
        # it greets the bus
        await guest.run("timeout", "20", "sh", "-c", f"until [ -s {SEEN} ]; do sleep 0.1; done")
        yield
        await guest.run("busctl", "call", "org.bluez", "/", "org.freedesktop.DBus.Peer", "Ping")
        await guest.run(
            "timeout", "20", "sh", "-c", f"until grep -q member=Ping {SEEN}; do sleep 0.1; done"
        )
    finally:
        await guest.run("systemctl", "stop", "lab-dbus-monitor")
    calls += re.findall(
        r"^method call .*member=(?:Read|Write)Value\n(?:\s.*\n)*", await seen(guest), re.M
    )


async def seen(guest: Guest) -> str:
    return (await guest.run("cat", SEEN)).out


async def test_bluez_names_device_link_and_mtu_in_every_call_and_no_more(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    """And the offset of a read in parts."""
    calls: list[str] = []
    async with (
        calls_seen(guest, calls),
        on_air(air.transport) as device,
        connect(device, 247) as link,
    ):
        assert allowed(await Session(link, phones[0]).run(1))
        part = att.ATT_Read_Blob_Request(attribute_handle=handle(link, gatt.INFO), value_offset=7)
        assert isinstance(await request(link, part), att.ATT_Read_Blob_Response)
    assert len([call for call in calls if "member=WriteValue" in call]) > 1
    offsets = []
    for call in calls:
        named = re.findall(r'dict entry\(\s+string "(.*)"\s+variant\s+(.*)\n', call)
        options = dict(named)
        assert len(named) == len(options), call
        if "offset" in options:
            offsets.append(options.pop("offset"))
        assert options.keys() == {"device", "link", "mtu"}, call
        assert re.fullmatch(r'object path "/org/bluez/hci\d/dev_(..(_|")){6}', options["device"]), (
            call
        )
        assert options["link"] == 'string "LE"', call
        assert options["mtu"] == "uint16 247", call
    assert offsets == ["uint16 7"]


async def test_a_frame_written_in_prepared_parts_is_one_frame(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    async with on_air(air.transport) as device, connect(device, 64) as link:

        async def in_parts(frame: bytes) -> None:
            for at in range(0, len(frame), 18):
                assert isinstance(
                    await prepare(link, at, frame[at : at + 18]), att.ATT_Prepare_Write_Response
                )
            answer = await request(link, att.ATT_Execute_Write_Request(flags=EXECUTE))
            assert isinstance(answer, att.ATT_Execute_Write_Response), answer

        assert allowed(await Session(Otherwise(link, in_parts), phones[0]).run(1))


async def test_an_aborted_prepared_write_was_none(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    async with on_air(air.transport) as device, connect(device) as link:

        async def after_an_abort(frame: bytes) -> None:
            await prepare(link, 0, b"noise of no session")
            await request(link, att.ATT_Execute_Write_Request(flags=ABORT))
            await link.write(frame)

        assert allowed(await Session(Otherwise(link, after_an_abort), phones[0]).run(1))


@pytest.mark.parametrize("offset", [5, 300])
async def test_a_prepared_write_from_an_offset_is_refused(
    hub: LabHub, air: AirAddress, offset: int
) -> None:
    async with on_air(air.transport) as device, connect(device) as link:
        await link.read_info()
        await prepare(link, offset, bytes(10))
        assert (
            error_of(await request(link, att.ATT_Execute_Write_Request(flags=EXECUTE)))
            == INVALID_OFFSET
        )


async def test_a_prepared_write_with_a_hole_is_refused_whole(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    """By BlueZ: nothing of it reaches the hub, to which what stands before the hole is noise that
    ends a link.
    """
    async with on_air(air.transport) as device, connect(device) as link:
        await link.read_info()
        for offset in (0, 30):
            assert isinstance(
                await prepare(link, offset, bytes(18)), att.ATT_Prepare_Write_Response
            )
        assert (
            error_of(await request(link, att.ATT_Execute_Write_Request(flags=EXECUTE)))
            == REQUEST_NOT_SUPPORTED
        )
        assert allowed(await Session(link, phones[0]).run(1))


async def test_too_many_prepared_parts_are_refused(hub: LabHub, air: AirAddress) -> None:
    async with on_air(air.transport) as device, connect(device) as link:
        # with gaps: BlueZ joins what touches
        answers = [await prepare(link, at * 8, bytes(4)) for at in range(40)]
        assert error_of(answers[-1]) == PREPARE_QUEUE_FULL


async def test_a_write_command_counts_as_a_write(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    """BlueZ 5.66 takes it although RX is `write` only, and does not say so: the same frame again is
    a repetition.
    """
    async with on_air(air.transport) as device:
        async with connect(device) as link:

            async def twice(frame: bytes) -> None:
                command = att.ATT_Write_Command(
                    attribute_handle=handle(link, gatt.RX), attribute_value=frame
                )
                await link.connection.gatt_client.send_command(command)
                await link.write(frame)

            with pytest.raises(LinkError):
                await Session(Otherwise(link, twice), phones[0]).run(1)
            await gone(link)
        async with connect(device) as link:
            assert allowed(await Session(link, phones[0]).run(1))


@pytest.mark.parametrize("size", [0, 1, 5, 244, 510])
async def test_noise_of_any_size_is_refused_and_ends_the_link(
    hub: LabHub, air: AirAddress, size: int
) -> None:
    async with on_air(air.transport) as device, connect(device, 517) as link:
        await link.read_info()
        assert error_of(await write(link, b"\xee" * size)) == gatt.APPLICATION_ERROR
        await gone(link)


@pytest.mark.parametrize("over", [1, 2])
async def test_a_value_longer_than_bluez_takes_never_reaches_the_hub(
    hub: LabHub, air: AirAddress, phones: list[Wallet], bluez: tuple[int, int], over: int
) -> None:
    """Noise ends a link; BlueZ refuses this, and the link lives."""
    size = write_bytes_max(bluez) + over
    async with on_air(air.transport) as device, connect(device, 517) as link:
        await link.read_info()
        assert error_of(await write(link, b"\xee" * size)) == INVALID_LENGTH
        assert allowed(await Session(link, phones[0]).run(1))


async def test_info_read_in_parts_is_one_challenge_and_read_again_another(
    hub: LabHub, air: AirAddress
) -> None:
    async with on_air(air.transport) as device, connect(device, 247) as link:
        info = handle(link, gatt.INFO)

        async def part(offset: int) -> att.ATT_PDU:
            return await request(
                link, att.ATT_Read_Blob_Request(attribute_handle=info, value_offset=offset)
            )

        assert error_of(await part(3)) == INVALID_OFFSET, "nothing was read before"
        whole = await link.read_info()
        for offset in (1, 7, len(whole)):
            assert bytes((await part(offset)).part_attribute_value) == whole[offset:]
        assert error_of(await part(len(whole) + 1)) == INVALID_OFFSET
        again = await link.read_info()
        assert decode_challenge(again).sid != decode_challenge(whole).sid


async def test_another_links_session_id_is_refused_and_the_other_link_lives(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    async with on_air(air.transport) as one, on_air(air.transport) as two, connect(one) as victim:
        async with connect(two) as thief:
            sid = decode_challenge(await victim.read_info()).sid
            await thief.read_info()
            assert (
                error_of(await write(thief, control_frame(Flag.BYE, sid, 0)))
                == gatt.APPLICATION_ERROR
            )
            await gone(thief)
        assert allowed(await Session(victim, phones[0]).run(1))
