"""What BlueZ makes of a phone's ATT requests, and what the hub makes of that: sizes, parts, offsets, subscriptions."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest
from bumble import att
from bumble.core import UUID, ProtocolError

from hubd.core import gatt
from hubd.core.framing import Flag, control_frame
from hubd.core.messages import decode_challenge
from hubd.errors import LinkError
from hubsim.phone.attempt import Session
from hubsim.phone.radio import BumbleLink, _find, connect, on_air
from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import LabHub
from tests.lab.conftest import AirAddress, allowed

INVALID_OFFSET, PREPARE_QUEUE_FULL, INVALID_LENGTH = 0x07, 0x09, 0x0D
GONE_SECONDS = 8.0
ANSWER_SECONDS = 20.0
"""BlueZ fails a request that the application has not answered for 5 s."""
EXECUTE, ABORT = 1, 0


def handle(link: BumbleLink, uuid: str) -> int:
    """Return a value's handle."""
    return next(
        int(c.handle)
        for service in link.connection.gatt_client.services
        for c in service.characteristics
        if UUID(uuid) == c.uuid
    )


async def request(link: BumbleLink, pdu: att.ATT_PDU) -> att.ATT_PDU:
    async with asyncio.timeout(ANSWER_SECONDS):
        return await link.connection.gatt_client.send_request(pdu)


def error_of(answer: att.ATT_PDU) -> int:
    assert isinstance(answer, att.ATT_Error_Response), f"not refused: {answer}"
    return int(answer.error_code)


def write(link: BumbleLink, value: bytes) -> Awaitable[att.ATT_PDU]:
    return request(link, att.ATT_Write_Request(attribute_handle=handle(link, gatt.RX), attribute_value=value))


def prepare(link: BumbleLink, offset: int, part: bytes) -> Awaitable[att.ATT_PDU]:
    rx = handle(link, gatt.RX)
    pdu = att.ATT_Prepare_Write_Request(attribute_handle=rx, value_offset=offset, part_attribute_value=part)
    return request(link, pdu)


async def gone(link: BumbleLink) -> None:
    """Wait until the hub has disconnected the phone."""
    if link.connection.handle in link.connection.device.connections:
        left = asyncio.Event()
        link.connection.on("disconnection", lambda _: left.set())
        async with asyncio.timeout(GONE_SECONDS):
            await left.wait()


class Otherwise:
    """A link whose writes are done in another way. Implements PhoneLink."""

    def __init__(self, link: BumbleLink, write: Callable[[bytes], Awaitable[None]]) -> None:
        self._link, self.write = link, write
        self.mtu, self.notifications = link.mtu, link.notifications
        self.read_info, self.pull = link.read_info, link.pull


@pytest.mark.parametrize("mtu", [23, 24, 64, 185, 247, 517])
async def test_every_mtu_unlocks(hub: LabHub, air: AirAddress, phones: list[Wallet], mtu: int) -> None:
    async with on_air(air.transport) as device, connect(device, mtu) as link:
        assert link.mtu == mtu
        assert allowed(await Session(link, phones[0]).run(1))


@pytest.mark.parametrize("mtu", [23, 247])
async def test_without_a_subscription_the_answer_is_read(
    hub: LabHub, air: AirAddress, phones: list[Wallet], mtu: int
) -> None:
    async with on_air(air.transport) as device, connect(device, mtu, subscribe=False) as link:
        assert allowed(await Session(link, phones[0], pull_only=True).run(1))
        assert link.notifications.empty()


async def test_bluez_names_device_link_and_mtu_in_every_call(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    script = "timeout 9 dbus-monitor --system \"member='WriteValue'\" \"member='ReadValue'\"; true"
    async with asyncio.TaskGroup() as tasks:
        monitor = tasks.create_task(guest.run("sh", "-c", script))
        await asyncio.sleep(1)
        async with on_air(air.transport) as device, connect(device, 247) as link:
            assert allowed(await Session(link, phones[0]).run(1))
    calls = re.split(r"\nmethod call ", monitor.result().out)[1:]
    assert len(calls) > 3
    for call in calls:
        assert re.search(r'"device"\s+variant\s+object path "/org/bluez/hci\d/dev_', call), call
        assert re.search(r'"link"\s+variant\s+string "LE"', call), call
        assert re.search(r'"mtu"\s+variant\s+uint16 247', call), call


async def test_a_frame_written_in_prepared_parts_is_one_frame(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    async with on_air(air.transport) as device, connect(device, 64) as link:

        async def in_parts(frame: bytes) -> None:
            for at in range(0, len(frame), 18):
                assert isinstance(await prepare(link, at, frame[at : at + 18]), att.ATT_Prepare_Write_Response)
            answer = await request(link, att.ATT_Execute_Write_Request(flags=EXECUTE))
            assert isinstance(answer, att.ATT_Execute_Write_Response), answer

        assert allowed(await Session(Otherwise(link, in_parts), phones[0]).run(1))


async def test_an_aborted_prepared_write_was_none(hub: LabHub, air: AirAddress, phones: list[Wallet]) -> None:
    async with on_air(air.transport) as device, connect(device) as link:

        async def after_an_abort(frame: bytes) -> None:
            await prepare(link, 0, b"noise of no session")
            await request(link, att.ATT_Execute_Write_Request(flags=ABORT))
            await link.write(frame)

        assert allowed(await Session(Otherwise(link, after_an_abort), phones[0]).run(1))


async def test_a_prepared_write_with_a_gap_or_an_offset_is_refused(hub: LabHub, air: AirAddress) -> None:
    async with on_air(air.transport) as device:
        for offset in (5, 300):
            async with connect(device) as link:
                await link.read_info()
                await prepare(link, offset, bytes(10))
                assert error_of(await request(link, att.ATT_Execute_Write_Request(flags=EXECUTE))) == INVALID_OFFSET


async def test_too_many_prepared_parts_are_refused(hub: LabHub, air: AirAddress) -> None:
    async with on_air(air.transport) as device, connect(device) as link:
        answers = [await prepare(link, at * 8, bytes(4)) for at in range(40)]  # with gaps: BlueZ joins what touches
        assert error_of(answers[-1]) == PREPARE_QUEUE_FULL


async def test_a_write_command_counts_as_a_write(hub: LabHub, air: AirAddress, phones: list[Wallet]) -> None:
    """BlueZ 5.66 takes it although RX is `write` only, and does not say so: the same frame again is a repetition."""
    async with on_air(air.transport) as device:
        async with connect(device) as link:

            async def twice(frame: bytes) -> None:
                command = att.ATT_Write_Command(attribute_handle=handle(link, gatt.RX), attribute_value=frame)
                await link.connection.gatt_client.send_command(command)
                await link.write(frame)

            with pytest.raises(LinkError):
                await Session(Otherwise(link, twice), phones[0]).run(1)
            await gone(link)
        async with connect(device) as link:
            assert allowed(await Session(link, phones[0]).run(1))


@pytest.mark.parametrize("size", [0, 1, 5, 244, 510])
async def test_noise_of_any_size_is_refused_and_ends_the_link(hub: LabHub, air: AirAddress, size: int) -> None:
    async with on_air(air.transport) as device, connect(device, 517) as link:
        await link.read_info()
        assert error_of(await write(link, b"\xee" * size)) == gatt.APPLICATION_ERROR
        await gone(link)


async def test_a_value_longer_than_an_attribute_is_refused_by_bluez(hub: LabHub, air: AirAddress) -> None:
    async with on_air(air.transport) as device, connect(device, 517) as link:
        assert error_of(await write(link, bytes(513))) == INVALID_LENGTH


async def test_info_read_in_parts_is_one_challenge_and_read_again_another(hub: LabHub, air: AirAddress) -> None:
    async with on_air(air.transport) as device, connect(device, 247) as link:
        info = handle(link, gatt.INFO)

        async def part(offset: int) -> att.ATT_PDU:
            return await request(link, att.ATT_Read_Blob_Request(attribute_handle=info, value_offset=offset))

        assert error_of(await part(3)) == INVALID_OFFSET, "nothing was read before"
        whole = await link.read_info()
        for offset in (1, 7, len(whole)):
            assert bytes((await part(offset)).part_attribute_value) == whole[offset:]
        assert error_of(await part(len(whole) + 1)) == INVALID_OFFSET
        again = await link.read_info()
        assert decode_challenge(again).sid != decode_challenge(whole).sid


async def test_subscribing_oddly_does_no_harm(hub: LabHub, air: AirAddress, phones: list[Wallet]) -> None:
    async with on_air(air.transport) as device, connect(device, 247, subscribe=False) as link:
        tx = handle(link, gatt.TX)
        client = link.connection.gatt_client
        await client.discover_descriptors(start_handle=tx + 1, end_handle=tx + 1)
        for value in (b"\x01\x00", b"\x01\x00", b"\x00\x00", b"\x03\x00", b"\x00\x00", b"\x01\x00"):
            pdu = att.ATT_Write_Request(attribute_handle=tx + 1, attribute_value=value)
            await request(link, pdu)
        await link._of(gatt.TX).subscribe(link._take)
        assert allowed(await Session(link, phones[0]).run(1))


async def test_another_links_session_id_is_refused_and_the_other_link_lives(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    async with on_air(air.transport) as one, on_air(air.transport) as two, connect(one) as victim:
        async with connect(two) as thief:
            sid = decode_challenge(await victim.read_info()).sid
            await thief.read_info()
            assert error_of(await write(thief, control_frame(Flag.BYE, sid, 0))) == gatt.APPLICATION_ERROR
            await gone(thief)
        assert allowed(await Session(victim, phones[0]).run(1))


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 9])
async def test_a_phone_that_leaves_at_any_step_leaves_nothing_behind(
    hub: LabHub, air: AirAddress, phones: list[Wallet], steps: int
) -> None:
    async with on_air(air.transport) as device:
        async with connect(device, 64) as link:
            done = 0

            async def step(frame: bytes) -> None:
                nonlocal done
                if done == steps:
                    await link.connection.disconnect()
                    raise LinkError("left")
                done += 1
                await link.write(frame)

            with pytest.raises((LinkError, ProtocolError)):
                await Session(Otherwise(link, step), phones[0]).run(1)
        async with connect(device, 64) as link:  # from the same address: a new epoch
            assert allowed(await Session(link, phones[0]).run(1))
    async with on_air(air.transport) as device, connect(device, 64) as link:  # from a new address
        assert allowed(await Session(link, phones[0]).run(1))


async def test_a_phone_lost_without_a_word_leaves_nothing_behind(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    async with on_air(air.transport) as device:
        link = BumbleLink(await device.connect(await _find(device)))
        await link.prepare(247)
        await link.read_info()  # and its controller goes with its TCP connection
    async with on_air(air.transport) as device, connect(device) as link:
        assert allowed(await Session(link, phones[0]).run(1))
