"""The pace of a real radio: without it, virtual phones are faster than any that exist.

Law: one ATT packet of a phone leaves in a connection event, and events are INTERVAL_SECONDS apart.
That is the shortest interval that iOS grants and about Android's at high priority.
"""

from __future__ import annotations

import asyncio
import math

from bumble.hci import HCI_ACL_DATA_PACKET
from bumble.transport.common import TransportSink

INTERVAL_SECONDS = 0.015


CONTINUATION = 0b01
"""Of an HCI packet that continues the one before (Bluetooth Core, Vol 4, Part E, 5.4.2)."""


class Paced:
    """Holds each ATT packet until the next connection event; one packet an event.

    Implements TransportSink.
    """

    def __init__(self, sink: TransportSink) -> None:
        self._sink = sink
        self._last = 0
        self._held: list[bytes] = []

    def on_packet(self, packet: bytes) -> None:
        """Take a packet for the controller.

        Commands go at once, the parts of one ATT packet together.
        """
        if packet[0] != HCI_ACL_DATA_PACKET:
            self._sink.on_packet(packet)
            return
        boundary = packet[2] >> 4 & 0b11
        if boundary != CONTINUATION:
            loop = asyncio.get_running_loop()
            next_event = math.ceil(loop.time() / INTERVAL_SECONDS)
            self._last = max(next_event, self._last + 1)
            self._held = [packet]
            loop.call_at(self._last * INTERVAL_SECONDS, self._event, self._held)
        elif self._held:
            self._held.append(packet)
        else:  # its beginning has left
            self._sink.on_packet(packet)

    def _event(self, held: list[bytes]) -> None:
        for packet in held:
            self._sink.on_packet(packet)
        held.clear()
