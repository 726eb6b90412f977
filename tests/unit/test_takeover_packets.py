"""The packets of a hub that changes hands: each comes back as it was, and any other bytes are
refused.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.codec import cbor
from hubcore.errors import FrameError
from hubcore.update.packets import (
    DESCRIPTORS_MAX,
    NAME_BYTES_MAX,
    PACKET_BYTES_MAX,
    SERIAL_MAX,
    UNREAD_BYTES_MAX,
    VERSION,
    Back,
    Beat,
    Commit,
    Connection,
    Descriptor,
    DescriptorKind,
    Holdings,
    Packet,
    PacketType,
    Taken,
    Turn,
    Warm,
    decode,
    encode,
)

NAMED = (DescriptorKind.NOTIFYING, DescriptorKind.LISTENER, DescriptorKind.INPUTS)
BUS = Descriptor(DescriptorKind.BUS)
TALK = Connection(
    unique_name=":1.42",
    serial=7,
    unread=b"l\x01",
    service=":1.7",
    adapter="/org/bluez/hci0",
    advertisement=1,
)
AT = [":1.7", "/org/bluez/hci0", 0]
"""The service, the adapter and the advertisement of a connection."""
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}", fullmatch=True)
named = st.builds(Descriptor, st.sampled_from(NAMED), names)
ALONE = (DescriptorKind.GUARD, DescriptorKind.SPARE, DescriptorKind.TICKETS)
alone = st.sampled_from([Descriptor(kind) for kind in ALONE])
connections = st.builds(
    Connection,
    unique_name=st.from_regex(r":[0-9]{1,10}\.[0-9]{1,10}", fullmatch=True),
    serial=st.integers(1, SERIAL_MAX),
    unread=st.binary(max_size=64),
    service=st.from_regex(r":[0-9]{1,10}\.[0-9]{1,10}", fullmatch=True),
    adapter=st.from_regex(r"(/[A-Za-z0-9_]{1,9}){1,5}", fullmatch=True),
    advertisement=st.integers(0, 1),
)


@st.composite
def holdings(draw: st.DrawFn) -> Holdings:
    """What a hub has, in any order."""
    rest = draw(st.lists(named | alone, unique=True, max_size=12))
    connection = draw(st.none() | connections)
    having = rest if connection is None else [*rest, BUS]
    return Holdings(tuple(draw(st.permutations(having))), connection)


packets: st.SearchStrategy[Packet] = st.one_of(
    st.builds(Warm, st.from_regex(r"[!-~]{1,32}", fullmatch=True)),
    st.builds(Turn, holdings()),
    st.builds(Back, holdings()),
    st.sampled_from([Taken(), Beat(), Commit()]),
)


def _beside(packet: Packet) -> int:
    return len(packet.holdings.descriptors) if isinstance(packet, Turn | Back) else 0


@given(packets)
def test_a_packet_comes_back_as_it_was(packet: Packet) -> None:
    assert decode(encode(packet), _beside(packet)) == packet


@given(packets, st.integers(0, DESCRIPTORS_MAX + 1))
def test_the_descriptors_are_exactly_those_that_are_named(packet: Packet, came: int) -> None:
    """Law 3."""
    if came != _beside(packet):
        with pytest.raises(FrameError):
            decode(encode(packet), came)


@given(packets, st.data())
def test_any_other_bytes_are_refused_or_another_packet(packet: Packet, data: st.DataObject) -> None:
    """Law 1: what comes through is a packet that encodes to those very bytes."""
    whole = bytearray(encode(packet))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    _refused_or_exact(bytes(whole))
    _refused_or_exact(bytes(whole[:at]))


@given(st.binary(max_size=200))
def test_noise_is_refused_or_a_packet(noise: bytes) -> None:
    _refused_or_exact(noise)


def _refused_or_exact(data: bytes) -> None:
    for came in range(DESCRIPTORS_MAX + 1):
        try:
            packet = decode(data, came)
        except FrameError:
            continue
        assert encode(packet) == data
        assert _beside(packet) == came


def _turn(named: object, connection: object) -> bytes:
    return cbor.encode([VERSION, PacketType.TURN.value, named, connection])


@pytest.mark.parametrize(
    ("data", "came"),
    [
        (b"", 0),
        (cbor.encode([VERSION + 1, PacketType.BEAT.value]), 0),
        (cbor.encode([VERSION, 6]), 0),
        (cbor.encode([VERSION, PacketType.BEAT.value, 1]), 0),
        (cbor.encode([VERSION, PacketType.WARM.value, "a\nb"]), 0),
        (cbor.encode([VERSION, PacketType.WARM.value, ""]), 0),
        (_turn([[2, ""], [2, ""]], None), 2),
        (_turn([[0, ""]], None), 1),
        (_turn([], [":1.1", 1, b"", *AT]), 0),
        (_turn([[0, ""]], ["org.bluez", 1, b"", *AT]), 1),
        (_turn([[0, ""]], [":1.1", 0, b"", *AT]), 1),
        (_turn([[0, ""]], [":1.1", SERIAL_MAX + 1, b"", *AT]), 1),
        (_turn([[0, ""]], [":1.1", 1, bytes(UNREAD_BYTES_MAX + 1), *AT]), 1),
        (_turn([[0, ""]], [":1.1", 1, b""]), 1),
        (_turn([[0, ""]], [":1.1", 1, b"", "org.bluez", *AT[1:]]), 1),
        (_turn([[0, ""]], [":1.1", 1, b"", AT[0], "hci0", 0]), 1),
        (_turn([[0, ""]], [":1.1", 1, b"", AT[0], "/" + "a" * NAME_BYTES_MAX, 0]), 1),
        (_turn([[0, ""]], [":1.1", 1, b"", *AT[:2], 2]), 1),
        (_turn([[4, ""]], None), 1),
        (_turn([[4, "-a"]], None), 1),
        (_turn([[4, "a" * (NAME_BYTES_MAX + 1)]], None), 1),
        (_turn([[2, "guard"]], None), 1),
        (_turn([[6, "tickets"]], None), 1),
        (_turn([[7, ""]], None), 1),
        (_turn([[4, f"s{n}"] for n in range(DESCRIPTORS_MAX + 1)], None), DESCRIPTORS_MAX + 1),
    ],
)
def test_what_is_no_packet_is_refused(data: bytes, came: int) -> None:
    with pytest.raises(FrameError):
        decode(data, came)


def test_the_largest_packet_is_below_the_ceiling() -> None:
    """Law 2."""
    largest = Holdings(
        (
            BUS,
            *(
                Descriptor(DescriptorKind.NOTIFYING, f"{number:0{NAME_BYTES_MAX}d}")
                for number in range(DESCRIPTORS_MAX - 1)
            ),
        ),
        Connection(
            unique_name=":1234567890.1234567890",
            serial=SERIAL_MAX,
            unread=bytes(UNREAD_BYTES_MAX),
            service=":1234567890.1234567890",
            adapter="/" + "a" * (NAME_BYTES_MAX - 1),
            advertisement=1,
        ),
    )
    data = encode(Turn(largest))
    assert len(data) <= PACKET_BYTES_MAX
    assert decode(data, DESCRIPTORS_MAX) == Turn(largest)
    with pytest.raises(FrameError, match="longer than any"):
        decode(bytes(PACKET_BYTES_MAX + 1), 0)
