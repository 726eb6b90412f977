"""A bridge: its parts made, joined, and run."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hubbridge.backend.calling import CallTimes, Gateway
from hubbridge.backend.papers import PapersOfBackend
from hubbridge.backend.way import BackendWay, Own
from hubbridge.config import Api, Config, place_of
from hubbridge.hubs.papers.ended import EndedBridges
from hubbridge.hubs.papers.mandates import KnownMandates
from hubbridge.hubs.state import HubStates
from hubbridge.hubs.talk import HubTalks
from hubbridge.hubs.talking import Times
from hubbridge.local.acts import SiteActs
from hubbridge.local.api import make_api
from hubbridge.local.doubts import DoubtActs
from hubbridge.local.events import SiteEvents
from hubbridge.local.looks import SiteLooks
from hubbridge.local.operators import Operators, read_operators
from hubbridge.local.report.site import SiteReport
from hubbridge.local.report.sources import Site
from hubbridge.policy.cache import PolicyCache
from hubbridge.policy.files import PolicyFiles
from hubbridge.port.announcer import Announcer
from hubbridge.port.hubsport import HubsPort
from hubbridge.renewal.files import OwnFiles
from hubbridge.renewal.own import OwnPairs, OwnRenewal, load_pairs
from hubbridge.rules.papers import Papers
from hubbridge.siteorders import SiteOrderDesk
from hubbridge.store.store import Store
from hubbridge.told import Told
from hubcore.backend.uplink.words import ID_BYTES
from hubcore.bridge.mandate import Use
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.codec.tls import TlsName, TlsRole
from hubcore.errors import ConfigError, HubError, ProofError, TrustError
from hubcore.ports.clock import Clock, ClockState
from hubcore.version import BUILD_TIME
from hublocal.api import LocalApi
from hublocal.tail.events import EventTail
from hubtls.identity import Identity
from hubtls.keys import new_key, read_document, read_issuer, read_signing_key

POLICY = "policy"
"""The folder of the site's policy, beside the records."""


class MachineClock:
    """`hubcore.ports.clock.Clock` of a bridge, which knows a wrong time by the build alone."""

    def wall(self) -> float:
        """Return Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds of CLOCK_MONOTONIC."""
        return time.monotonic()

    def state(self) -> ClockState:
        """Judge the wall clock now."""
        return ClockState.TRUSTED if self.wall() >= BUILD_TIME else ClockState.BEFORE_BUILD


@dataclass(frozen=True, slots=True)
class Files:
    """What a bridge's files hold: checked, before anything is opened."""

    config: Config
    config_file: Path
    pairs: OwnPairs
    issuer: VerifyKey
    testimony: SigningKey | None
    orders: SigningKey | None
    mandates: tuple[bytes, ...]
    records: Path
    operators: Operators

    @property
    def identity(self) -> Identity:
        """Who the bridge is, by the pair in force at its start."""
        return self.pairs.in_force.identity


def read_files(config: Config, config_file: Path) -> Files:
    """Read what the configuration names. Raise ConfigError."""

    def key(named: str) -> SigningKey | None:
        return read_signing_key(place_of(named, config_file)) if named else None

    records = place_of(config.records, config_file)
    name = TlsName(config.site, TlsRole.BRIDGE, config.name)
    return Files(
        config=config,
        config_file=config_file,
        pairs=load_pairs(name, config.files(config_file), OwnFiles(records.parent)),
        issuer=read_issuer(place_of(config.issuer, config_file)),
        testimony=key(config.testimony_key),
        orders=key(config.orders_key),
        mandates=tuple(read_document(place_of(one, config_file)) for one in config.mandates),
        records=records,
        operators=read_operators(config.api or Api()),
    )


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge whose parts are joined. `run` serves until cancelled."""

    store: Store
    mandates: KnownMandates
    states: HubStates
    talks: HubTalks
    orders: SiteOrderDesk
    port: HubsPort
    policy: PolicyCache
    renewal: OwnRenewal
    api: LocalApi | None
    backend: BackendWay | None
    """None: no gateway is in the configuration."""
    announcer: Announcer | None = None
    """None: nobody is answered who searches for this bridge."""

    async def run(self, ready: Callable[[int], None]) -> None:
        """Serve; `ready` hears the port's number once hubs may come. Raise HubError."""
        listening = asyncio.Event()
        if self.api is not None:
            self.api.bind()
        async with asyncio.TaskGroup() as group:
            if self.api is not None:
                group.create_task(self.api.serve())
            group.create_task(self.policy.run())
            group.create_task(self.orders.run())
            group.create_task(self.port.serve(listening))
            await listening.wait()
            if self.backend is not None:
                group.create_task(self.backend.run())
            if self.announcer is not None:
                group.create_task(self.announcer.run())
            ready(self.port.port)


@asynccontextmanager
async def open_bridge(
    files: Files,
    clock: Clock | None = None,
    times: Times | None = None,
    call_times: CallTimes | None = None,
) -> AsyncIterator[Bridge]:
    """Open the file and join the parts; at the end write what waits. Raise HubError."""
    clock = clock or MachineClock()
    store = await Store.open(files.records, files.config.limits())
    refused: list[HubError] = []
    try:
        async with asyncio.TaskGroup() as group:
            storing = group.create_task(store.run())
            try:
                yield await _joined(files, store, Told(clock), clock, times, call_times)
            finally:
                storing.cancel()
    except* HubError as errors:
        refused.append(_first(errors))
    if refused:
        raise refused[0]


def _nobody(_names: Sequence[bytes]) -> None:
    """A bridge without a backend asks nobody for pieces."""


def _first(errors: BaseExceptionGroup[HubError]) -> HubError:
    found: BaseExceptionGroup[HubError] | HubError = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


async def _joined(
    files: Files,
    store: Store,
    told: Told,
    clock: Clock,
    times: Times | None,
    call_times: CallTimes | None,
) -> Bridge:
    config = files.config
    for hub in store.damaged:
        told.trouble(f"{hub}: some of its records did not prove themselves; it sends them again")
    mandates = KnownMandates(config.site, files.issuer, store)
    await mandates.load()
    await _take_all(mandates, files, told)
    ended = EndedBridges(config.site, files.issuer, store)
    await ended.load()
    states = HubStates(config.room.hubs)
    tail = EventTail(begins=clock.wall())
    events = SiteEvents(tail, clock, config.room.hubs)
    policy = PolicyCache(
        site=config.site,
        issuer=files.issuer,
        files=PolicyFiles(files.records.with_name(POLICY)),
        told=told,
        clock=clock,
        hubs_max=config.room.hubs,
    )
    talks = HubTalks(
        bridge=config.name,
        site=config.site,
        records=store,
        mandates=mandates,
        ended=ended,
        states=states,
        clock=clock,
        policy=policy,
        testimony=files.testimony,
        times=times,
        happenings=events,
    )
    orders = await _order_desk(files, store, mandates, talks, clock)
    talks.obeys(orders)
    port = HubsPort(
        config.listen,
        config.port,
        files.identity,
        store.ends,
        talks,
        told,
        clock,
        sessions_max=config.room.hubs,
    )
    papers = PapersOfBackend(
        site=config.site,
        issuer=files.issuer,
        store=store,
        mandates=mandates,
        ended=ended,
        hubs=talks,
        port=port,
        told=told,
    )
    await papers.load()
    renewal = OwnRenewal(
        files.pairs,
        configured=config.files(files.config_file),
        own=OwnFiles(files.records.parent),
        make_key=new_key,
        put_in_force=port.renew,
        told=told,
        clock=clock,
    )
    way = _way_up(files, store, papers, policy, renewal, mandates, told, clock, call_times)
    if way is not None:
        talks.reports_to(way)
    policy.joins(way.ask_pieces if way is not None else _nobody, talks.say_policy)
    site = Site(config.site, config.name, config.limits().budget_bytes, clock.wall())
    report = SiteReport(site, states, store, orders, clock, way, renewal, policy)
    acts = SiteActs(orders, report, files.operators, events, clock)
    api = None
    if config.api is not None:
        socket = place_of(config.api.socket, files.config_file)
        doubts = DoubtActs(store, talks, report, files.operators, events, clock)
        api = make_api(socket, SiteLooks(report), acts, doubts, tail, told)
    announcer = _announcer(config, told, clock)
    return Bridge(
        store=store,
        mandates=mandates,
        states=states,
        talks=talks,
        orders=orders,
        port=port,
        policy=policy,
        renewal=renewal,
        api=api,
        backend=way,
        announcer=announcer,
    )


async def _order_desk(
    files: Files, store: Store, mandates: KnownMandates, talks: HubTalks, clock: Clock
) -> SiteOrderDesk:
    """Make who gives the site's orders, with those that were kept and prove themselves."""
    site = files.config.site
    for_orders = mandates.find(Use.ORDERS)
    kept = () if for_orders is None else await store.site_orders(site, for_orders)
    return SiteOrderDesk(
        site=site,
        key=files.orders,
        mandate=lambda: mandates.find(Use.ORDERS),
        papers=Papers(kept),
        file=store,
        hubs=talks,
        clock=clock,
        make_id=secrets.token_bytes,
    )


def _way_up(
    files: Files,
    store: Store,
    papers: PapersOfBackend,
    policy: PolicyCache,
    renewal: OwnRenewal,
    mandates: KnownMandates,
    told: Told,
    clock: Clock,
    times: CallTimes | None,
) -> BackendWay | None:
    """Make the way to the backend, None where no gateway is named."""
    config = files.config
    if not config.backend:
        return None
    return BackendWay(
        own=Own(config.name, config.site, secrets.token_bytes(ID_BYTES)),
        gateways=tuple(Gateway(one.name, one.host, one.port) for one in config.backend),
        renewal=renewal,
        store=store,
        papers=papers,
        policy=policy,
        mandate=lambda: mandates.find(Use.RECEIPTS),
        hubs_max=config.room.hubs,
        told=told,
        clock=clock,
        chance=random.SystemRandom().random,
        times=times,
    )


def _announcer(config: Config, told: Told, clock: Clock) -> Announcer | None:
    """Make who answers those that search for this bridge, None where nobody is to."""
    if not config.announce:
        return None
    return Announcer(
        bridge=config.name, address=config.listen, port=config.port, told=told, clock=clock
    )


async def _take_all(mandates: KnownMandates, files: Files, told: Told) -> None:
    """Take the mandates in the files that the configuration names; an older one changes nothing."""
    for document in files.mandates:
        try:
            await mandates.take(document)
        except ProofError as error:
            raise ConfigError(f"hubbridge: mandates: {error}") from error
        except TrustError as error:
            told.trouble(f"a file of `mandates` is left out: {error}")
