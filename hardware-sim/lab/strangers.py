"""Strangers at a hub: eight ways to be a nuisance, on radios as slow as real ones; `python -m lab.strangers`.

Laws: a stranger knows what any passer-by knows (the table, the protocol, what was once on air) and holds no grant of
this site; its radio is a real one's at its best: one ATT request a connection interval of INTERVAL_SECONDS, the
shortest that phones grant, and RECONNECT_SECONDS between two visits; thrown out, it comes again until it is ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from bumble.core import BaseBumbleError
from bumble.hci import HCI_ACL_DATA_PACKET
from bumble.transport.common import TransportSink

from hubd.core import gatt
from hubd.core.framing import Flag, Outbound, control_frame
from hubd.core.messages import decode_challenge
from hubd.errors import LinkError, PeerError
from hubsim.phone import wallet
from hubsim.phone.attempt import Session
from hubsim.phone.radio import BumbleLink, connect, on_air
from hubsim.phone.wallet import Wallet

INTERVAL_SECONDS = 0.015
RECONNECT_SECONDS = 0.1
SILENT_SECONDS = 20.0
LORIS_SECONDS = 0.3
LORIS_MESSAGE_BYTES = 4000
POINT = 1


class Paced:
    """Holds each ATT packet until the next connection event; one packet an event. Implements TransportSink."""

    def __init__(self, sink: TransportSink) -> None:
        self._sink = sink
        self._last = 0

    def on_packet(self, packet: bytes) -> None:
        """Take a packet for the controller; commands go at once."""
        if packet[0] != HCI_ACL_DATA_PACKET:
            self._sink.on_packet(packet)
            return
        loop = asyncio.get_running_loop()
        self._last = max(math.ceil(loop.time() / INTERVAL_SECONDS), self._last + 1)
        loop.call_at(self._last * INTERVAL_SECONDS, self._sink.on_packet, packet)


@dataclass(frozen=True, slots=True)
class Loot:
    """What a stranger may have got hold of: the messages of an honest phone's visit, another site's wallet."""

    recording: tuple[bytes, ...] = ()
    foreign: Wallet | None = None


@dataclass(slots=True)
class Tally:
    """How much a stranger did: `visits` connections, `deeds` requests beyond coming and preparing."""

    visits: int = 0
    deeds: int = 0


Deed = Callable[[BumbleLink, Loot, Tally], Awaitable[None]]


async def silent(link: BumbleLink, _: Loot, tally: Tally) -> None:
    """Hold the link and say nothing."""
    tally.deeds += 1
    await asyncio.sleep(SILENT_SECONDS)


async def noise(link: BumbleLink, _: Loot, tally: Tally) -> None:
    """Write nonsense of all lengths."""
    await link.read_info()
    while True:
        tally.deeds += 1
        await link.write(secrets.token_bytes(secrets.randbelow(240)))


async def slow_loris(link: BumbleLink, _: Loot, tally: Tally) -> None:
    """Send a long message in the smallest frames, slowly."""
    out = Outbound(decode_challenge(await link.read_info()).sid)
    out.load(bytes(LORIS_MESSAGE_BYTES))
    while frame := out.pull(23):
        tally.deeds += 1
        await link.write(frame)
        await asyncio.sleep(LORIS_SECONDS)


async def byes(link: BumbleLink, _: Loot, tally: Tally) -> None:
    """Flood within the rules: a challenge, a goodbye, without end."""
    while True:
        sid = decode_challenge(await link.read_info()).sid
        await link.write(control_frame(Flag.BYE, sid, 0))
        tally.deeds += 2


async def comes_and_goes(link: BumbleLink, _: Loot, tally: Tally) -> None:
    """Subscribe and unsubscribe without end."""
    while True:
        await link._of(gatt.TX).unsubscribe(link._take)
        await link._of(gatt.TX).subscribe(link._take)
        tally.deeds += 2


async def subscribes_and_leaves(link: BumbleLink, _: Loot, tally: Tally) -> None:
    """Connect, subscribe, disconnect: coming has done it."""
    tally.deeds += 1


async def replays(link: BumbleLink, loot: Loot, tally: Tally) -> None:
    """Send again what an honest phone once sent, with a session id that is right."""
    session = Session(link, _foreign(loot))
    while True:
        await session.read_info()
        for message in loot.recording:
            await session.send(message)
            tally.deeds += 1
            await session.message(1.0)


async def forges(link: BumbleLink, loot: Loot, tally: Tally) -> None:
    """Seal well-formed requests whose proofs do not hold: each costs the hub its RSA."""
    session = Session(link, _foreign(loot))
    while True:
        await session.run(POINT)
        tally.deeds += 1


KINDS: Mapping[str, Deed] = {
    deed.__name__: deed
    for deed in (silent, noise, slow_loris, byes, comes_and_goes, subscribes_and_leaves, replays, forges)
}


def _foreign(loot: Loot) -> Wallet:
    assert loot.foreign is not None, "this stranger needs another site's wallet"
    return loot.foreign


async def be(transport: str, deed: Deed, loot: Loot, tally: Tally) -> None:
    """Be a stranger until cancelled: whenever the hub throws one out, come again."""
    while True:
        with suppress(LinkError, PeerError, BaseBumbleError, asyncio.InvalidStateError, TimeoutError, OSError):
            async with on_air(transport, Paced) as device:
                while True:
                    await asyncio.sleep(RECONNECT_SECONDS)
                    with suppress(LinkError, PeerError):
                        async with connect(device) as link:
                            tally.visits += 1
                            await deed(link, loot, tally)


async def _crowd(transport: str, kinds: list[str], loot: Loot) -> dict[str, Tally]:
    """Be all of them until SIGTERM."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    tallies = {f"{kind}-{number}": Tally() for number, kind in enumerate(kinds)}
    async with asyncio.TaskGroup() as tasks:
        crowd = [
            tasks.create_task(be(transport, KINDS[kind], loot, tally))
            for kind, tally in zip(kinds, tallies.values(), strict=True)
        ]
        await over.wait()
        for stranger in crowd:
            stranger.cancel()
    return tallies


def main() -> None:
    """Be a crowd of strangers until SIGTERM; then print what each did, as JSON."""
    parser = argparse.ArgumentParser("python -m lab.strangers", description=__doc__)
    parser.add_argument("transport", help="bumble's name of the air")
    parser.add_argument("kinds", nargs="+", choices=sorted(KINDS))
    parser.add_argument("--recording", type=Path, help="JSON list of messages in hexadecimal")
    parser.add_argument("--wallet", type=Path, help="folder of a phone of another site")
    options = parser.parse_args()
    recorded = json.loads(options.recording.read_text()) if options.recording else []
    foreign = wallet.load(options.wallet) if options.wallet else None
    loot = Loot(tuple(bytes.fromhex(message) for message in recorded), foreign)
    tallies = asyncio.run(_crowd(options.transport, options.kinds, loot))
    json.dump({name: asdict(tally) for name, tally in tallies.items()}, sys.stdout)


if __name__ == "__main__":
    main()
