"""The pace of a real radio."""

from __future__ import annotations

import asyncio

from lab.paced import INTERVAL_SECONDS, Paced

COMMAND = bytes([1, 3, 12, 0])
FIRST = bytes([2, 1, 0x00, 1, 0, 0])
MORE = bytes([2, 1, 0x10, 1, 0, 1])


class Sink:
    def __init__(self) -> None:
        self.came: list[tuple[bytes, float]] = []
        self.news = asyncio.Event()

    def on_packet(self, packet: bytes) -> None:
        self.came.append((packet, asyncio.get_running_loop().time()))
        self.news.set()


async def test_one_request_an_event_with_all_its_parts_and_commands_at_once() -> None:
    sink = Sink()
    paced = Paced(sink)
    for packet in (FIRST, MORE, MORE, FIRST, MORE, COMMAND):
        paced.on_packet(packet)
    assert [packet for packet, _ in sink.came] == [COMMAND]
    while len(sink.came) < 6:
        sink.news.clear()
        await sink.news.wait()
    assert [packet for packet, _ in sink.came[1:]] == [FIRST, MORE, MORE, FIRST, MORE]
    paced.on_packet(MORE)
    assert len(sink.came) == 7, "a late part follows its beginning at once"
    first = sink.came[1][1]
    second = sink.came[4][1]
    assert second - first > INTERVAL_SECONDS / 2
    assert sink.came[3][1] - first < second - first
