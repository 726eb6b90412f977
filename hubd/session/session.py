"""One session: what it is given, its run, and what it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

from hubcore.codec.cose import SigningKey
from hubcore.errors import HardwareError, unguarded_in
from hubcore.evidence.records import RecordKind, keep_what_is_read
from hubcore.phone.epochs import EpochRing
from hubcore.policy import document as policies
from hubcore.update.gap import Gap, GapStep
from hubcore.update.packets import Descriptor
from hubcore.update.quiet import Activity
from hubd.adapters.host.systemd import Notifier
from hubd.ahead import Ahead
from hubd.app import Hub, build
from hubd.config.file import Config
from hubd.session.first import first_of
from hubd.session.running import after_taken, until_stopped
from hubd.session.writing import LAST_RECORD_SECONDS, append_record, in_time
from hubd.stores import Stores, make_retention, open_stores
from hubd.takeover.changing import Changing
from hubd.wiring.handed.belongings import Belongings, Handed
from hubd.wiring.parts import MakeParts


class Session:
    """Runs once. `given`: what it begins with, which is its own from now on."""

    def __init__(
        self,
        config: Config,
        make_parts: MakeParts,
        notifier: Notifier,
        ring: EpochRing,
        changing: Changing,
        ahead: Ahead,
        gap: Gap,
        given: Belongings | None = None,
    ) -> None:
        self._config = config
        self._make_parts = make_parts
        self._notifier = notifier
        self._ring = ring
        self._changing = changing
        self._ahead = ahead
        self._gap = gap
        self._given = given
        self._stop = asyncio.Event()
        self._built = asyncio.Event()
        self._is_handed_on = False
        self._hub: Hub | None = None
        self._stores: Stores | None = None
        self.left = Belongings()
        """What the next session may begin with, once this one has ended to be handed on."""

    @property
    def is_built(self) -> bool:
        """Whether its parts have what was given."""
        return self._hub is not None

    def stop(self) -> None:
        """End it, with every strike at rest."""
        self._stop.set()

    def hand_on(self) -> None:
        """End it, and leave what can be handed on."""
        self._gap.note(GapStep.SETTLED)
        self._is_handed_on = True
        for part in self._hands():
            part.hand_on()
        self._stop.set()

    def alone(self) -> None:
        """Let every part know that this process drives alone."""
        for part in self._hands():
            part.alone()

    async def taken(self) -> None:
        """Return once it drives with all that was given. Raise HubError when something cannot be.

        A session that was given nothing drives once it is built.
        """
        await self._built.wait()
        if self._hub is None:
            raise HardwareError("The hub cannot be taken up: its lines before say why.")
        for part in self._hub.handed:
            await part.taken()

    def missing(self) -> tuple[str, ...]:
        """Return the parts that are not up, and must be."""
        return () if self._hub is None else self._hub.health.missing()

    def activity(self) -> Activity:
        """Return what happens at this moment."""
        hub = self._hub
        if hub is None or self._stores is None:
            return Activity(records=1)
        return Activity(
            releases=hub.unlock.at_work,
            door_cycles=sum(hub.doors.is_in_cycle(door.id) for door in self._config.doors),
            records=self._stores.audit.pending,
            replies=sum(part.half_done() for part in hub.handed),
            handshakes=hub.links.unanswered(),
            calls=hub.api.asking,
            exits=sum(hub.doors.asks_out(door.id) for door in self._config.doors),
        )

    def _hands(self) -> Sequence[Handed]:
        return () if self._hub is None else self._hub.handed

    async def run(self) -> None:
        """Run until it is stopped or handed on.

        Raise ConfigError or StoreError when it cannot start, UnguardedError when it must end.
        """
        try:
            await self._run()
        finally:
            self._built.set()  # nobody waits for what does not come

    async def _run(self) -> None:
        config = self._config
        keys = self._ahead.keys(config)
        site = config.hub.site
        prove = partial(policies.prove, issuer=keys.issuer_key, site=site)
        async with AsyncExitStack() as stack:
            retention = make_retention(
                budget_bytes=config.hub.records_mib << 20,
                hub=config.hub.id,
                site=site,
                key=SigningKey(keys.identity),
            )
            keep_what_is_read(True)
            look = self._ahead.look()
            if look is not None:
                stack.callback(look.end)
            try:
                stores = await open_stores(
                    config.hub.state_directory, site, prove, stack, retention, look
                )
                self._gap.note(GapStep.OPEN)
                hub = build(config, keys, stores, self._make_parts, self._ring, self._changing)
            finally:
                keep_what_is_read(False)
            self._take_up(hub)
            hub.api.bind()
            self._gap.note(GapStep.BUILT)
            stack.callback(hub.api.close)
            self._hub = hub
            self._stores = stores
            self._built.set()
            first = first_of(hub, stores)
            if self._given is None:
                await first
            is_well_left = False
            try:
                goes_on = self._given is not None
                beside = []
                if goes_on:
                    beside = [first, after_taken(hub.parts.handed, partial(_begin, stores))]
                await until_stopped(
                    hub,
                    self._notifier,
                    self._stop,
                    beside,
                    self._is_leaving,
                    goes_on,
                )
                is_well_left = self._is_handed_on
            except BaseExceptionGroup as group:
                raise (unguarded_in(group) or group) from None
            finally:
                self._gap.note(GapStep.ENDED)
                if not is_well_left:
                    await in_time(LAST_RECORD_SECONDS, append_record(hub, RecordKind.STOPPED, {}))
            if is_well_left:
                await self._leave(hub, stores)

    async def _leave(self, hub: Hub, stores: Stores) -> None:
        """Write the last record, close the databases, and leave what can be handed on."""
        stores.audit.relax()
        self.left = _left_by(hub.handed)
        await asyncio.gather(
            in_time(LAST_RECORD_SECONDS, append_record(hub, RecordKind.STOPPED, {})),
            stores.audit.hand_on(),
            stores.policy.hand_on(),
        )
        self._gap.note(GapStep.CLOSED)

    def _is_leaving(self) -> bool:
        return self._is_handed_on

    def _take_up(self, hub: Hub) -> None:
        """Give each part what is its own, and close the rest."""
        given = self._given or Belongings()
        taken: set[Descriptor] = set()
        for part in hub.handed:
            taken |= part.take_up(given)
        given.without(*(one for one in given.descriptors if one not in taken))


def _left_by(parts: Sequence[Handed]) -> Belongings:
    left = Belongings()
    for part in parts:
        left = left.joined(part.left())
    return left


async def _begin(stores: Stores) -> None:
    """Let records go to the disk: phones are answered."""
    stores.audit.begin()
