"""Any bytes at either end of the OSDP panel's socket, and on its serial line: nothing is raised.

Oracle: an order or report that decodes has sizes that its type allows, and encodes to what decodes
the same. What passes the gate to libosdp is a whole, undamaged reply; what the gate keeps is
bounded; at a new command the next good frame passes, whatever came before.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.osdp.gate import FRAME_MAX, PLAIN_CODES, Gate, is_whole
from drivers.osdp.messages import card_of, keys_of
from drivers.osdp.readers import OsdpReader, OsdpReaders
from drivers.osdp.wire.orders import decode_order
from drivers.osdp.wire.reports import decode_report
from drivers.osdp.wire.words import PACKET_MAX
from hubcore.errors import HardwareError
from tests.fakes.reader import FakeReaderListener
from tests.fuzz.common import effort, some, spoiled
from tests.unit.test_osdp_wire import ORDERS, REPORTS, frame

PACKETS = st.one_of(
    st.binary(max_size=40),
    st.binary(max_size=PACKET_MAX + 10),
    some([*ORDERS, *REPORTS]).flatmap(lambda good: spoiled(good.encode())),
    some([*ORDERS, *REPORTS]).map(lambda good: good.encode()),
)


@given(PACKETS)
@effort(600)
def test_any_packet_is_an_order_or_none(data: bytes) -> None:
    order = decode_order(data)
    if order is not None:
        assert decode_order(order.encode()) == order


@given(st.lists(PACKETS, max_size=8))
@effort(300)
def test_any_reports_reach_the_listener_whole_or_end_the_panel(packets: list[bytes]) -> None:
    key = bytes(range(16))
    configured = [
        OsdpReader(id=str(address), device="/dev/ttyS0", address=address, key=key)
        for address in range(3)
    ]
    readers = OsdpReaders(configured, lambda _up, _why: None)
    told = FakeReaderListener()
    readers._listener = told
    for data in packets:
        report = decode_report(data)
        if report is None:
            continue
        again = decode_report(report.encode())
        assert again == report
        try:
            readers.take_report(report)
        except HardwareError:
            return
    names = {"0", "1", "2"}
    assert {read.reader for read in told.cards} <= names
    assert {read.reader for read in told.presses} <= names


@given(st.lists(st.one_of(st.binary(max_size=600), spoiled(frame(0x40, b"12"))), max_size=6))
@effort(600)
def test_what_passes_the_gate_is_a_whole_reply(pieces: list[bytes]) -> None:
    gate = Gate()
    for piece in pieces:
        for reply in gate.feed(piece):
            assert 7 <= len(reply.frame) <= FRAME_MAX
            assert is_whole(reply.frame)
            assert reply.frame[1] == reply.address | 0x80
            if not reply.frame[4] & 0x08:
                assert reply.code in PLAIN_CODES
        assert len(gate._bytes) <= FRAME_MAX
    gate.forget()
    assert [reply.code for reply in gate.feed(frame(0x40))] == [0x40]


EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "reader_no": st.integers(-1, 3),
        "format": st.integers(0, 3),
        "length": st.integers(-10, 2000),
        "data": st.binary(max_size=200),
    },
)


@given(EVENTS)
@effort(400)
def test_any_event_is_a_card_or_keys_or_nothing(event: dict[str, object]) -> None:
    card = card_of(1, event, 1.0)
    assert card is None or decode_report(card.encode()) == card
    for keys in keys_of(1, event, 1.0):
        assert decode_report(keys.encode()) == keys
