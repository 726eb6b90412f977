"""One suite for each way of orders: a real engine with a hub's answers, and a real bridge."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
import pytest
from django.conf import settings
from django.db import connection
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from hubbridge.app import open_bridge, read_files
from hubbridge.config import Api, Config
from hubcore.access.words import HubName
from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_backend import Act, Release
from hubcore.backend.uplink.from_backend import Order as Ordered
from hubcore.backend.uplink.from_hub import (
    ActResult,
    DeviceOutcome,
    OrderResult,
    Result,
    Telemetry,
)
from hubcore.backend.uplink.words import ActOutcome, OrderOutcome, ReleaseOutcome
from hubcore.bridge.ceilings.devices import DeviceCeiling
from hubcore.bridge.from_bridge import CarriedOrder
from hubcore.bridge.mandate import Mandate, Use, issue_mandate
from hubcore.bridge.site.order import DoorsOrder, SiteRelease, prove_site_order
from hubcore.codec.cose import SigningKey
from hubcore.device.command import Command, Verb
from hubgateway.engine.buckets import Buckets
from hubgateway.rules import names
from hubsim.site.documents import certify_hub, make_key
from hubsite.config import Engine, Operators, operator_of
from hubsite.hubs.publisher import Publisher
from hubsite.orders import asking, kept
from hubsite.orders.giving.bybridge import BridgeWay
from hubsite.orders.giving.byengine import EngineWay
from hubsite.orders.giving.desk import OrderDesk
from hubsite.orders.giving.making import keep_orders
from hubsite.orders.giving.ways import OrderWay
from hubsite.orders.models import Given, Order
from hubsite.orders.words import Answered, OrderKind, OrderState, Told, Wish
from hubsite.pages.orders.confirming import new_key
from hubsite.register.models import AccessPoint, Door
from hubtls.identity import IdentityFiles
from tests.fakes.bridgedhub import (
    BEGINS,
    ENDS,
    ISSUER,
    SITE,
    BridgedHub,
    bridge_config,
    hub_files,
)
from tests.gateway.bench import WAIT_SECONDS, Bench, running

pytestmark = pytest.mark.once

RIGHTS = operator_of(Operators(("lock-down", "release", "hold-open", "command"), (1, 2)))
SHUTTER = Command("shutter", Verb.SET_LEVEL, 40)
DETAIL = "the door is held otherwise"
WAYS = pytest.mark.parametrize("kind", ["engine", "bridge"])
T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    def whole() -> T:
        try:
            return work()
        finally:
            connection.close()

    return await asyncio.to_thread(whole)


@dataclass
class Hub:
    """What a hub says to orders; None: it is silent. `heard` is what it was told."""

    outcome: OrderOutcome | None = OrderOutcome.TAKEN
    heard: list[tuple[str, bool | None, int | None, str]] = field(default_factory=list)
    """The order, on or its end, the access point, by whom; a release is neither on nor off.

    Of what a device is told the device, what it is told and the level stand in the first word.
    """

    def told(self, command: Command, by: str) -> None:
        words = f"{command.device} {command.verb.name} {command.level}"
        self.heard.append((words, None, None, by))


class Other(Protocol):
    """The other side of a way."""

    hub: Hub
    by: str

    def way(self) -> OrderWay: ...

    async def go(self) -> None:
        """Be away from now on."""

    async def come(self) -> None:
        """Be there again, with what lay on the disk."""


@dataclass
class EngineSide:
    """A real engine; hub-1 takes what lies on its subject as a gateway hands it on."""

    bench: Bench
    hub: Hub = field(default_factory=Hub)
    by: str = "olga"
    ids: set[bytes] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def there(cls, folder: Path) -> AsyncIterator[EngineSide]:
        async with running(folder) as bench:
            buckets = Buckets(bench.js)
            await bench.js.add_stream(name=names.COMMANDS_STREAM, subjects=[f"{names.COMMANDS}.*"])
            await bench.js.add_stream(name=names.RESULTS_STREAM, subjects=[f"{names.RESULTS}.*"])
            for bucket in (names.KEYS_BUCKET, names.CERTIFICATES_BUCKET, names.POLICY_BUCKET):
                await buckets.make(bucket, 1)
            side = cls(bench)
            for name, key, points in (("hub-1", "a", (1,)), ("hub-2", "b", (2,))):
                await buckets.put(names.KEYS_BUCKET, 64 * key, f"enrolled {name}".encode())
                await buckets.put(names.CERTIFICATES_BUCKET, name, _certificate(name, points))
            await side._subscribe()
            publisher = Publisher(_NoOffice(), Engine((bench.server.url,)), keep_orders)  # type: ignore[arg-type]
            publisher.start()
            try:
                yield side
            finally:
                await asyncio.to_thread(publisher.stop)

    def way(self) -> OrderWay:
        return EngineWay(SITE, Engine((self.bench.server.url,)), ISSUER.verify_key)

    async def go(self) -> None:
        await self.bench.server.kill()

    async def come(self) -> None:
        await self.bench.server.start()
        async with asyncio.timeout(WAIT_SECONDS):
            while not self.bench.client.is_connected:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await self.bench.client.flush()
        subject = names.subject(names.COMMANDS, "hub-1")
        with contextlib.suppress(NotFoundError):
            last = await self.bench.js.get_last_msg(names.COMMANDS_STREAM, subject)
            await self._hear(last.data or b"")

    async def _subscribe(self) -> None:
        await self.bench.client.subscribe(names.subject(names.COMMANDS, "hub-1"), cb=self._told)

    async def _told(self, message: Msg) -> None:
        await self._hear(message.data)

    async def _hear(self, data: bytes) -> None:
        said = codec.decode_from_backend(data)
        assert isinstance(said, (Ordered, Release, Act))
        if said.id in self.ids:
            return
        self.ids.add(said.id)
        answer: OrderResult | Result | ActResult
        if isinstance(said, Act):
            assert isinstance(said.target, str)
            self.hub.told(Command(said.target, said.verb, said.level), said.by)
            done = self.hub.outcome is OrderOutcome.TAKEN
            outcome = ActOutcome.CONFIRMED if done else ActOutcome.REFUSED
            answer = ActResult(said.id, (DeviceOutcome(said.target, outcome),), DETAIL)
        elif isinstance(said, Release):
            self.hub.heard.append(("release", None, said.access_point, said.by))
            answer = Result(said.id, ReleaseOutcome.RELEASED, "")
        else:
            word = said.order.name.lower()
            self.hub.heard.append((word, bool(said.on), said.access_point, said.by))
            answer = OrderResult(said.id, self.hub.outcome or OrderOutcome.TAKEN, DETAIL)
        assert said.expires_at <= time.time() + 60
        if self.hub.outcome is not None:
            data = codec.encode(answer)
            await self.bench.js.publish(names.subject(names.RESULTS, "hub-1"), data)


class _NoOffice:
    """Nobody signs here: what the publisher does for orders is to read answers."""

    def renew_at_once(self, _now: int, _above: int) -> None:
        return

    def renew_policy(self, _now: int, _above: int) -> None:
        return

    def renew_list(self, _now: int) -> None:
        return


def _certificate(hub: str, points: tuple[int, ...]) -> bytes:
    return certify_hub(ISSUER, site=SITE, hub=hub, key=make_key().verify_key, points=points)


@dataclass
class BridgeSide:
    """A real bridge with the site's key, and hub-1 on a real connection to it."""

    folder: Path
    key: SigningKey = field(default_factory=make_key)
    hub: Hub = field(default_factory=Hub)
    by: str = "office"
    says: Telemetry | None = None
    """What the hub says of its devices, once it was greeted."""
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def there(cls, folder: Path, says: Telemetry | None = None) -> AsyncIterator[BridgeSide]:
        side = cls(folder, says=says)
        document = issue_mandate(side.mandate, ISSUER)
        config = bridge_config(folder, (document,), side.key)
        api = Api(socket=str(side.socket), operator="office")
        side.config = msgspec.structs.replace(config, api=api)
        side.shown = hub_files(folder / "hub-1", "hub-1")
        await side.come()
        try:
            yield side
        finally:
            await side.go()

    config: Config | None = None
    shown: IdentityFiles | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    @property
    def mandate(self) -> Mandate:
        return Mandate(
            site=SITE,
            holder="somebody",
            use=Use.ORDERS,
            version=1,
            key=self.key.verify_key,
            not_before=BEGINS,
            expires=ENDS,
            devices=DeviceCeiling((Verb.CLOSE, Verb.SET_LEVEL), ("shutter",)),
        )

    def way(self) -> OrderWay:
        return BridgeWay(self.socket)

    async def go(self) -> None:
        if self.task is not None:
            self.stopped.set()
            await self.task
            self.task = None

    async def come(self) -> None:
        self.stopped.clear()
        greeted = asyncio.Event()
        self.task = asyncio.create_task(self._serve(greeted))
        async with asyncio.timeout(WAIT_SECONDS):
            await greeted.wait()

    async def _serve(self, greeted: asyncio.Event) -> None:
        assert self.config is not None
        files = read_files(self.config, self.folder / "hubbridge.toml")
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        async with open_bridge(files) as bridge, asyncio.TaskGroup() as group:
            running_bridge = group.create_task(bridge.run(ready.set_result))
            talking = group.create_task(self._talk(await ready, greeted))
            await self.stopped.wait()
            talking.cancel()
            running_bridge.cancel()

    async def _talk(self, port: int, greeted: asyncio.Event) -> None:
        assert self.shown is not None
        hub = await BridgedHub.connect("hub-1", self.shown, port)
        try:
            await hub.greet([])
            if self.says is not None:
                hub.say(self.says)
            greeted.set()
            while (message := await hub.next()) is not None:
                if isinstance(message, CarriedOrder):
                    self._told(hub, message.document)
        finally:
            hub.close()

    def _told(self, hub: BridgedHub, document: bytes) -> None:
        order = prove_site_order(document, HubName(SITE, "hub-1"), self.mandate)
        what = order.what
        if isinstance(what, Command):
            self.hub.told(what, order.by)
        elif isinstance(what, SiteRelease):
            self.hub.heard.append(("release", None, what.access_point, order.by))
        else:
            assert isinstance(what, DoorsOrder)
            word = what.order.name.lower()
            is_on = what.until is not None
            self.hub.heard.append((word, is_on, what.access_point, order.by))
        if self.hub.outcome is not None:
            hub.say(OrderResult(order.id, self.hub.outcome, DETAIL))


SIDES: dict[str, Any] = {"engine": EngineSide, "bridge": BridgeSide}


@asynccontextmanager
async def at_work(kind: str, folder: Path) -> AsyncIterator[tuple[Other, OrderDesk]]:
    """A desk with this way alone, and the other side of it."""
    await in_thread(_doors)
    async with SIDES[kind].there(folder) as side:
        desk = OrderDesk([side.way()], retry_seconds=0.02)
        settings.HUBSITE_RUNNING.orders = desk
        desk.start()
        try:
            await until(lambda: not desk.why_away())
            yield side, desk
        finally:
            await asyncio.to_thread(desk.stop)


def _doors() -> None:
    for number, name in ((1, "Front door"), (2, "Yard gate")):
        door = Door.objects.create(name=name)
        AccessPoint.objects.create(number=number, name="inward", door=door)


async def until(true: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    """Wait for what rows say. Raise TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await in_thread(true):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def place(
    kind: OrderKind, point: int | None, seconds: int | None = 600, ago: int = 0
) -> Order:
    now = int(time.time())
    wish = Wish(kind, on=True, point=point, until=None if seconds is None else now + seconds)
    return await in_thread(
        lambda: asking.place(new_key(), "olga", wish, RIGHTS, asking.Pace(), now - ago)
    )


async def end(order: Order) -> Order:
    now = int(time.time())
    return await in_thread(
        lambda: asking.place_end(new_key(), "bert", order.key, "", RIGHTS, asking.Pace(), now)
    )


def answer_of(order: Order, hub: str = "hub-1") -> tuple[str, str] | None:
    row = Given.objects.filter(order=order, hub=hub).first()
    return None if row is None else (row.answer, row.detail)


def is_taken(order: Order) -> bool:
    return (answer_of(order) or ("",))[0] == Answered.TAKEN


def state_of(order: Order) -> str:
    return str(Order.objects.get(pk=order.pk).state)


@WAYS
async def test_an_order_and_its_end_are_given_and_answered(kind: str, tmp_path: Path) -> None:
    async with at_work(kind, tmp_path) as (side, _desk):
        lockdown = await place(OrderKind.LOCKDOWN, None)
        await until(lambda: is_taken(lockdown))
        assert side.hub.heard == [("lockdown", True, None, side.by)]
        ended = await end(lockdown)
        await until(lambda: is_taken(ended))
        by = {"engine": "bert", "bridge": "office"}[kind]
        assert side.hub.heard[1:] == [("lockdown", False, None, by)]
        await until(lambda: Order.objects.get(pk=lockdown.pk).ended_by == "bert")


@WAYS
async def test_one_door_is_shut_and_opened_at_its_hub(kind: str, tmp_path: Path) -> None:
    async with at_work(kind, tmp_path) as (side, _desk):
        closed = await place(OrderKind.NO_ENTRY, 1)
        await until(lambda: is_taken(closed))
        opened = await place(OrderKind.HOLD_OPEN, 1)
        await until(lambda: is_taken(opened))
        released = await place(OrderKind.RELEASE, 1, None)
        done = {"engine": Answered.RELEASED, "bridge": Answered.TAKEN}[kind]
        await until(lambda: (answer_of(released) or ("", ""))[0] == done)
        assert side.hub.heard == [
            ("no_entry", True, 1, side.by),
            ("hold_open", True, 1, side.by),
            ("release", None, 1, side.by),
        ]


async def tell(command: Command, hub: str = "hub-1") -> Order:
    wish = Wish(OrderKind.DEVICE, on=True, point=None, until=None, told=Told(hub, command))
    now = int(time.time())
    return await in_thread(
        lambda: asking.place(new_key(), "olga", wish, RIGHTS, asking.Pace(), now)
    )


@WAYS
async def test_a_device_is_told_once_at_its_hub_and_the_answer_is_shown(
    kind: str, tmp_path: Path
) -> None:
    async with at_work(kind, tmp_path) as (side, _desk):
        moved = await tell(SHUTTER)
        await until(lambda: is_taken(moved))
        side.hub.outcome = OrderOutcome.REFUSED
        refused = await tell(Command("shutter", Verb.CLOSE))
        await until(lambda: answer_of(refused) == (Answered.REFUSED, DETAIL))
        nowhere = await tell(SHUTTER, "hub-9")
        await until(lambda: state_of(nowhere) == OrderState.FAILED)
        assert side.hub.heard == [
            ("shutter SET_LEVEL 40", None, None, side.by),
            ("shutter CLOSE None", None, None, side.by),
        ]


async def test_what_the_sites_key_is_not_for_is_refused_in_words(tmp_path: Path) -> None:
    """The mandate of the bridge's key names the verbs and the devices."""
    async with at_work("bridge", tmp_path) as (side, _desk):
        refused = await tell(Command("lamp", Verb.ON))
        await until(lambda: state_of(refused) == OrderState.FAILED)
        why = await in_thread(lambda: Order.objects.get(pk=refused.pk).why)
        assert "not for ON of devices" in why
        assert side.hub.heard == []


@WAYS
async def test_what_a_hub_refuses_is_shown_in_its_words(kind: str, tmp_path: Path) -> None:
    async with at_work(kind, tmp_path) as (side, _desk):
        side.hub.outcome = OrderOutcome.REFUSED
        lockdown = await place(OrderKind.LOCKDOWN, None)
        await until(lambda: answer_of(lockdown) == (Answered.REFUSED, DETAIL))
        assert len(side.hub.heard) == 1


@WAYS
async def test_a_silent_hub_has_not_answered_and_is_given_nothing_twice_at_once(
    kind: str, tmp_path: Path
) -> None:
    async with at_work(kind, tmp_path) as (side, _desk):
        side.hub.outcome = None
        released = await place(OrderKind.RELEASE, 1, None)
        await until(lambda: state_of(released) == OrderState.GIVEN)
        side.hub.outcome = OrderOutcome.TAKEN
        after = await place(OrderKind.LOCKDOWN, None)
        await until(lambda: is_taken(after))
        assert await in_thread(lambda: answer_of(released)) == ("", "")
        assert [word for word, *_ in side.hub.heard] == ["release", "lockdown"]


@WAYS
async def test_away_what_shuts_is_kept_and_what_opens_is_not_given_later(
    kind: str, tmp_path: Path
) -> None:
    async with at_work(kind, tmp_path) as (side, desk):
        await side.go()
        lockdown = await place(OrderKind.LOCKDOWN, None)
        await until(lambda: bool(desk.why_away()))
        released = await place(OrderKind.RELEASE, 1, None, ago=kept.GIVE_SECONDS)
        await until(lambda: state_of(released) == OrderState.FAILED)
        assert await in_thread(lambda: state_of(lockdown)) == OrderState.WAITING
        await side.come()
        await until(lambda: is_taken(lockdown))
        # perhaps twice: what shuts is said again while nobody knows whether it came
        assert {word for word, *_ in side.hub.heard} == {"lockdown"}
        await until(lambda: not desk.problem)
