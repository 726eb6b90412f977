"""The pace of a real radio, on a virtual clock."""

from __future__ import annotations

import asyncio

import pytest

from lab.paced import INTERVAL_SECONDS, Paced
from tests.virtualtime import VirtualLoop, run_virtually

COMMAND = bytes([1, 3, 12, 0])
FIRST = bytes([2, 1, 0x00, 1, 0, 0])
MORE = bytes([2, 1, 0x10, 1, 0, 1])


class Sink:
    def __init__(self) -> None:
        self.came: list[tuple[bytes, float]] = []

    def on_packet(self, packet: bytes) -> None:
        self.came.append((packet, asyncio.get_running_loop().time()))


def test_one_request_an_event_with_all_its_parts_and_commands_at_once() -> None:
    run_virtually(VirtualLoop(), _one_request_an_event())


async def _one_request_an_event() -> None:
    sink = Sink()
    paced = Paced(sink)
    for packet in (FIRST, MORE, MORE, FIRST, MORE, COMMAND):
        paced.on_packet(packet)
    assert [packet for packet, _ in sink.came] == [COMMAND]
    await asyncio.sleep(3 * INTERVAL_SECONDS)
    assert [packet for packet, _ in sink.came[1:]] == [FIRST, MORE, MORE, FIRST, MORE]
    paced.on_packet(MORE)
    assert len(sink.came) == 7, "a late part follows its beginning at once"
    first = sink.came[1][1]
    second = sink.came[4][1]
    assert second - first == pytest.approx(INTERVAL_SECONDS, abs=1e-4)
    assert sink.came[3][1] == first
    assert sink.came[5][1] == second
