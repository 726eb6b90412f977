"""Strangers at a hub: eight ways to be a nuisance, on radios as slow as real ones; `python -m
lab.strangers`.

Laws: a stranger knows what any passer-by knows (the table, the protocol, what was once on air) and
holds no grant of this site; its radio is as fast as a phone's can be (`paced`), with
RECONNECT_SECONDS between two visits; thrown out, it comes again until it is ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bumble.core import BaseBumbleError
from bumble.transport import open_transport

from hubcore.errors import LinkError, PeerError
from hubcore.phone import gatt
from hubcore.phone.framing import Flag, Outbound, control_frame
from hubcore.phone.messages import decode_challenge
from hubsim.phone import wallet
from hubsim.phone.attempt import Session
from hubsim.phone.radio import POWER_ON_SECONDS, BumbleLink, connect, on_air
from hubsim.phone.wallet import Wallet
from lab.ending import end
from lab.paced import Paced

RECONNECT_SECONDS = 0.1
SILENT_SECONDS = 20.0
LORIS_SECONDS = 0.3
LORIS_MESSAGE_BYTES = 4000
POINT = 1
AT_WORK = "at work"


@dataclass(frozen=True, slots=True)
class Loot:
    """What a stranger may have got hold of: the messages of an honest phone's visit, another site's
    wallet.
    """

    recording: tuple[bytes, ...] = ()
    foreign: Wallet | None = None


@dataclass(slots=True)
class Tally:
    """How much a stranger did: `visits` connections, `deeds` requests beyond coming and
    preparing.
    """

    visits: int = 0
    deeds: int = 0
    at_work: asyncio.Event = field(default_factory=asyncio.Event)


Deed = Callable[[BumbleLink, Loot, Tally], Coroutine[object, object, None]]


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
    for deed in (
        silent,
        noise,
        slow_loris,
        byes,
        comes_and_goes,
        subscribes_and_leaves,
        replays,
        forges,
    )
}


def _foreign(loot: Loot) -> Wallet:
    assert loot.foreign is not None, "this stranger needs another site's wallet"
    return loot.foreign


async def be(transport: str, deed: Deed, loot: Loot, tally: Tally) -> None:
    """Be a stranger until cancelled, or the air is gone: whenever the hub throws one out, come
    again.
    """
    while await _is_served(transport):
        with _let_be():
            async with on_air(transport, Paced) as device:
                while True:
                    await asyncio.sleep(RECONNECT_SECONDS)
                    with suppress(LinkError, PeerError):
                        async with connect(device) as link:
                            tally.visits += 1
                            tally.at_work.set()
                            await _until_thrown_out(link, deed(link, loot, tally))


async def _is_served(transport: str) -> bool:
    """Tell whether there is an air, so that no stranger outlives it."""
    try:
        async with asyncio.timeout(POWER_ON_SECONDS), await open_transport(transport):
            return True
    except (OSError, TimeoutError):
        return False


@contextmanager
def _let_be() -> Iterator[None]:
    """Pass over what a stranger must expect; bumble cancels what waits on a connection that has
    ended.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
    except (
        LinkError,
        PeerError,
        BaseBumbleError,
        asyncio.InvalidStateError,
        TimeoutError,
        OSError,
    ):
        pass


async def _until_thrown_out(link: BumbleLink, doing: Coroutine[object, object, None]) -> None:
    """Do the deed until it is done or the link has ended."""
    over = asyncio.Event()
    link.connection.on("disconnection", lambda _: over.set())
    both = asyncio.create_task(_do(doing)), asyncio.create_task(over.wait())
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(both)


async def _do(deed: Coroutine[object, object, None]) -> None:
    with _let_be():
        await deed


async def _tell(tallies: Mapping[str, Tally]) -> None:
    for tally in tallies.values():
        await tally.at_work.wait()
    print(AT_WORK, flush=True)


async def _crowd(transport: str, kinds: list[str], loot: Loot) -> dict[str, Tally]:
    """Be all of them until SIGTERM, or until the air is gone."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    tallies = {f"{kind}-{number}": Tally() for number, kind in enumerate(kinds)}
    crowd = [
        asyncio.create_task(be(transport=transport, deed=KINDS[kind], loot=loot, tally=tally))
        for kind, tally in zip(kinds, tallies.values(), strict=True)
    ]
    for stranger in crowd:  # one ends by itself when the air is gone
        stranger.add_done_callback(lambda _: over.set())
    telling = asyncio.create_task(_tell(tallies))
    await over.wait()
    await end((telling, *crowd))
    return tallies


def main() -> None:
    """Be a crowd of strangers until SIGTERM: print AT_WORK when each has been there once, in the
    end what each did.
    """
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
    print(
        json.dumps(
            {name: {"visits": one.visits, "deeds": one.deeds} for name, one in tallies.items()}
        )
    )


if __name__ == "__main__":
    main()
