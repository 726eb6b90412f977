"""From the last byte of a request to the driven strike, over the virtual radio.

Radio, backend and hub are real processes.

Laws:
1. Each round makes one full and one short open, one ATT echo on the same link and the two bare
   bounds, in turns.
2. A time begins when the hub's radio adapter got the last write, and ends when the guard says that
   it had driven the line.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from bumble.core import UUID
from bumble.device import Device, Peer
from cryptography.hazmat.primitives.asymmetric import rsa

from benchmarks import processes
from benchmarks.cpu import bare_crypto, bare_short
from benchmarks.desk import ACCESS, MTU, RSA_BITS
from benchmarks.disk import BareSqlite
from benchmarks.processes import HubProcess
from hubcore.access.once import OPS_AN_ASKER
from hubcore.phone import gatt
from hubsim.phone import wallet as wallets
from hubsim.phone.attempt import Report, Session
from hubsim.phone.radio import BumbleLink, connect, on_air
from hubsim.phone.wallet import Wallet
from hubsim.site import Site

ROUNDS_A_LINK = OPS_AN_ASKER // 2
"""Two opens a round: each link is another phone's, since nobody is let in more often."""
PAUSE_SECONDS = 0.3
"""Between two opens, so that the release and the receipts of the backend are over."""
REST_SECONDS = 1.0
"""After each link, so that the strike comes to rest long before its cap."""
STATE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Trip:
    """One open up to and with its verdict: round trips of the application, path, bytes."""

    round_trips: int
    short: bool
    bytes_over_air: int


@dataclass(slots=True)
class AirRounds:
    """Seconds of each round, and what the first opens sent."""

    full: list[float] = field(default_factory=list)
    short: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)
    echo: list[float] = field(default_factory=list)
    crypto_full: list[float] = field(default_factory=list)
    crypto_short: list[float] = field(default_factory=list)
    commit: list[float] = field(default_factory=list)
    trips: dict[str, Trip] = field(default_factory=dict)
    state_bytes: int = 0


class CountedLink:
    """A `PhoneLink` around another: counts every value that is read, written or notified."""

    def __init__(self, link: BumbleLink) -> None:
        self._link = link
        self.mtu = link.mtu
        self.bytes_over_air = 0
        self.last_bytes = 0
        self.notifications: asyncio.Queue[bytes] = _CountedQueue(self)

    def count(self, data: bytes) -> bytes:
        """Count one value."""
        self.last_bytes = len(data)
        self.bytes_over_air += len(data)
        return data

    async def read_info(self) -> bytes:
        """See `PhoneLink.read_info`."""
        return self.count(await self._link.read_info())

    async def write(self, frame: bytes) -> None:
        """See `PhoneLink.write`."""
        await self._link.write(self.count(frame))

    async def pull(self) -> bytes:
        """See `PhoneLink.pull`."""
        return self.count(await self._link.pull())

    async def notified(self) -> bytes:
        """Return the next value that the hub notified."""
        return self.count(await self._link.notifications.get())


class _CountedQueue(asyncio.Queue[bytes]):
    """The notifications of a link, counted as they are taken."""

    def __init__(self, link: CountedLink) -> None:
        super().__init__()
        self._counted = link

    async def get(self) -> bytes:
        return await self._counted.notified()


class Bounds:
    """The bare work that an open cannot do without, in this process."""

    def __init__(self, directory: Path) -> None:
        self._full = list(bare_crypto(rsa.generate_private_key(65537, RSA_BITS)).values())
        self._short = list(bare_short().values())
        self._database = BareSqlite(directory / "bare.db")

    def measure(self, rounds: AirRounds) -> None:
        """Add one round."""
        rounds.crypto_full.append(_seconds(*self._full))
        rounds.crypto_short.append(_seconds(*self._short))
        rounds.commit.append(_seconds(self._database.commit))

    def close(self) -> None:
        """Close the database."""
        self._database.close()


async def measure(directory: Path, rounds: int) -> AirRounds:
    """Measure `rounds` opens of each path."""
    result = AirRounds()
    bounds = Bounds(directory)
    log = directory / "log"
    endpoint = processes.free_endpoint()
    site = processes.make_site(directory / "site", endpoint)
    wallet = wallet_of(site, "phone")
    stranger = wallet_of(site, "stranger")
    async with (
        processes.radio(log) as transport,
        processes.backend(site, endpoint, log),
        processes.hub(site, transport, log) as hub,
        on_air(transport) as device,
    ):
        await hub.note("ready")
        await until_epoch_key(device, stranger)
        await hub.note("driven")
        await _first_opens(device, hub, wallet, result)
        for done in range(0, rounds, ROUNDS_A_LINK):
            await asyncio.sleep(REST_SECONDS)
            async with connect(device, MTU) as link:
                phone = Phone(
                    link=link,
                    wallet=wallet_of(site, f"phone-{done}"),
                    hub=hub,
                    result=result,
                )
                echo = await _echo(link)
                for _ in range(min(ROUNDS_A_LINK, rounds - done)):
                    await phone.open(short=False)
                    result.echo.append(await echo())
                    await phone.open(short=True)
                    bounds.measure(result)
    bounds.close()
    return result


def wallet_of(site: Site, name: str) -> Wallet:
    """Return the wallet of a phone that has a grant from now on."""
    return wallets.load(site.grant(name, ACCESS))


async def _first_opens(
    device: Device,
    hub: HubProcess,
    wallet: Wallet,
    result: AirRounds,
) -> None:
    """Count a phone that never met the hub, one with a ticket, one with the certificate only.

    Count a state message, too.
    """
    for name in ("cold", "short", "full"):
        if name == "full":
            wallet.tickets.clear()
        async with connect(device, MTU) as link:
            counted = CountedLink(link)
            session = Session(counted, wallet)
            report = await _until_allowed(session)
            result.trips[name] = Trip(report.round_trips, report.short, counted.bytes_over_air)
            await hub.note("driven")
            if name == "full" and await session.state(STATE_SECONDS) is not None:
                result.state_bytes = counted.last_bytes


async def until_epoch_key(device: Device, wallet: Wallet) -> None:
    """Wait until a phone is let in: the hub is busy until it has an RSA key and its strikes."""
    async with asyncio.timeout(processes.START_SECONDS):
        while True:
            async with connect(device, MTU) as link:
                report = await Session(link, wallet).run(1)
            if report.verdict is not None and report.verdict.allowed:
                return


async def _until_allowed(session: Session) -> Report:
    report = await session.run(1)
    if report.verdict is None or not report.verdict.allowed:
        raise RuntimeError(f"the phone was not let in: {report.why or report.verdict}")
    return report


class Phone:
    """Opens on one link and reads the hub's notes."""

    def __init__(
        self,
        link: BumbleLink,
        wallet: Wallet,
        hub: HubProcess,
        result: AirRounds,
    ) -> None:
        self._session = Session(link, wallet)
        self._wallet = wallet
        self._hub = hub
        self._result = result

    async def open(self, short: bool) -> None:
        """Open once; add the seconds from the last frame to the driven strike."""
        if not short:
            self._wallet.tickets.clear()
        report = await _until_allowed(self._session)
        at = dict(await self._hub.notes_until("driven"))
        if report.short is not short:
            raise RuntimeError("the phone took the other path")

        def seconds(begin: str, end: str) -> float:
            return (at[end] - at[begin]) / 1e9

        result = self._result
        name = "short" if short else "full"
        latencies = result.short if short else result.full
        latencies.append(seconds("frame", "driven"))
        result.parts.setdefault(f"{name}: taken", []).append(seconds("frame", "taken"))
        result.parts.setdefault(f"{name}: guard", []).append(seconds("release", "driven"))
        await asyncio.sleep(PAUSE_SECONDS)


async def _echo(link: BumbleLink) -> Callable[[], Awaitable[float]]:
    """Return what reads the declaration of the hub's service, which no code of hubd sees."""
    peer = Peer(link.connection)
    (service,) = await peer.discover_service(UUID(gatt.SERVICE))

    async def echo() -> float:
        began = time.perf_counter()
        await peer.gatt_client.read_value(service.handle)
        return time.perf_counter() - began

    return echo


def _seconds(*work: Callable[[], object]) -> float:
    began = time.perf_counter()
    for piece in work:
        piece()
    return time.perf_counter() - began
