"""Strangers at a hub: eight ways to be a nuisance, on radios as slow as real ones.

`python -m lab.strangers` runs a crowd of them.

Laws:
1. A stranger knows what any passer-by knows (the table, the protocol, what was once on air) and has
   no grant of this site.
2. Its radio is as fast as a phone's can be (`paced`), with RECONNECT_SECONDS between two visits.
3. When the hub throws it out, it comes again until it is ended.
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
class AttackMaterial:
    """What a stranger may have: a recording of an honest visit, a wallet of another site."""

    recording: tuple[bytes, ...] = ()
    foreign: Wallet | None = None


@dataclass(slots=True)
class Tally:
    """How much a stranger did: connections, and requests beyond coming and preparing."""

    visits: int = 0
    requests: int = 0
    at_work: asyncio.Event = field(default_factory=asyncio.Event)


Nuisance = Callable[[BumbleLink, AttackMaterial, Tally], Coroutine[object, object, None]]
"""What a stranger does on one link, until it is thrown out."""


async def silent(link: BumbleLink, _: AttackMaterial, tally: Tally) -> None:
    """Hold the link and say nothing."""
    tally.requests += 1
    await asyncio.sleep(SILENT_SECONDS)


async def noise(link: BumbleLink, _: AttackMaterial, tally: Tally) -> None:
    """Write nonsense of all lengths."""
    await link.read_info()
    while True:
        tally.requests += 1
        await link.write(secrets.token_bytes(secrets.randbelow(240)))


async def slow_loris(link: BumbleLink, _: AttackMaterial, tally: Tally) -> None:
    """Send a long message in the smallest frames, slowly."""
    out = Outbound(decode_challenge(await link.read_info()).sid)
    out.load(bytes(LORIS_MESSAGE_BYTES))
    while frame := out.pull(23):
        tally.requests += 1
        await link.write(frame)
        await asyncio.sleep(LORIS_SECONDS)


async def byes(link: BumbleLink, _: AttackMaterial, tally: Tally) -> None:
    """Flood within the rules: a challenge, a goodbye, without end."""
    while True:
        sid = decode_challenge(await link.read_info()).sid
        await link.write(control_frame(Flag.BYE, sid, 0))
        tally.requests += 2


async def comes_and_goes(link: BumbleLink, _: AttackMaterial, tally: Tally) -> None:
    """Subscribe and unsubscribe without end."""
    while True:
        await link._of(gatt.TX).unsubscribe(link._take)
        await link._of(gatt.TX).subscribe(link._take)
        tally.requests += 2


async def subscribes_and_leaves(link: BumbleLink, _: AttackMaterial, tally: Tally) -> None:
    """Connect, subscribe, disconnect: that is done on coming."""
    tally.requests += 1


async def replays(link: BumbleLink, material: AttackMaterial, tally: Tally) -> None:
    """Send again what an honest phone once sent, with a session id that is right."""
    session = Session(link, _foreign(material))
    while True:
        await session.read_info()
        for message in material.recording:
            await session.send(message)
            tally.requests += 1
            await session.message(1.0)


async def forges(link: BumbleLink, material: AttackMaterial, tally: Tally) -> None:
    """Seal well-formed requests whose proofs do not hold: each costs the hub its RSA."""
    session = Session(link, _foreign(material))
    while True:
        await session.run(POINT)
        tally.requests += 1


_NUISANCES: tuple[Nuisance, ...] = (
    silent,
    noise,
    slow_loris,
    byes,
    comes_and_goes,
    subscribes_and_leaves,
    replays,
    forges,
)
KINDS: Mapping[str, Nuisance] = {nuisance.__name__: nuisance for nuisance in _NUISANCES}


def _foreign(material: AttackMaterial) -> Wallet:
    assert material.foreign is not None, "this stranger needs another site's wallet"
    return material.foreign


async def be(
    transport: str,
    nuisance: Nuisance,
    material: AttackMaterial,
    tally: Tally,
) -> None:
    """Be a stranger until cancelled, or until the air is gone."""
    while await _is_served(transport):
        with _pass_over_expected():
            async with on_air(transport, Paced) as device:
                while True:
                    await asyncio.sleep(RECONNECT_SECONDS)
                    with suppress(LinkError, PeerError):
                        async with connect(device) as link:
                            tally.visits += 1
                            tally.at_work.set()
                            doing = nuisance(link, material, tally)
                            await _until_thrown_out(link, doing)


async def _is_served(transport: str) -> bool:
    """Tell whether there is an air, so that no stranger outlives it."""
    try:
        async with asyncio.timeout(POWER_ON_SECONDS), await open_transport(transport):
            return True
    except (OSError, TimeoutError):
        return False


@contextmanager
def _pass_over_expected() -> Iterator[None]:
    """Pass over what a stranger must expect.

    bumble cancels what waits on a connection that has ended; a true cancellation goes through.
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
    """Do it until it is done or the link has ended."""
    over = asyncio.Event()
    link.connection.on("disconnection", lambda _: over.set())
    both = (asyncio.create_task(_do(doing)), asyncio.create_task(over.wait()))
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(both)


async def _do(doing: Coroutine[object, object, None]) -> None:
    with _pass_over_expected():
        await doing


async def _say_when_at_work(tallies: Mapping[str, Tally]) -> None:
    for tally in tallies.values():
        await tally.at_work.wait()
    print(AT_WORK, flush=True)


async def _crowd(transport: str, kinds: list[str], material: AttackMaterial) -> dict[str, Tally]:
    """Be all of them until SIGTERM, or until the air is gone."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    tallies = {f"{kind}-{number}": Tally() for number, kind in enumerate(kinds)}
    crowd = [
        asyncio.create_task(
            be(
                transport=transport,
                nuisance=KINDS[kind],
                material=material,
                tally=tally,
            )
        )
        for kind, tally in zip(kinds, tallies.values(), strict=True)
    ]
    for stranger in crowd:  # one ends by itself when the air is gone
        stranger.add_done_callback(lambda _: over.set())
    saying = asyncio.create_task(_say_when_at_work(tallies))
    await over.wait()
    await end((saying, *crowd))
    return tallies


def main() -> None:
    """Be a crowd of strangers until SIGTERM.

    Print AT_WORK when each has been there once, and at the end what each did.
    """
    parser = argparse.ArgumentParser("python -m lab.strangers", description=__doc__)
    parser.add_argument("transport", help="bumble's name of the air")
    parser.add_argument("kinds", nargs="+", choices=sorted(KINDS))
    parser.add_argument("--recording", type=Path, help="JSON list of messages in hexadecimal")
    parser.add_argument("--wallet", type=Path, help="folder of a phone of another site")
    options = parser.parse_args()
    recorded = json.loads(options.recording.read_text()) if options.recording else []
    foreign = wallet.load(options.wallet) if options.wallet else None
    recording = tuple(bytes.fromhex(message) for message in recorded)
    material = AttackMaterial(recording, foreign)
    tallies = asyncio.run(_crowd(options.transport, options.kinds, material))
    did = {}
    for name, tally in tallies.items():
        did[name] = {"visits": tally.visits, "requests": tally.requests}
    print(json.dumps(did))


if __name__ == "__main__":
    main()
