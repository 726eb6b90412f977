"""What the backend orders is carried out here, and answered.

Laws:
1. Releases, orders for doors and commands of devices have tasks of their own: none waits for
   another, they wait for no record, and no record for them.
2. A release or an order for a door beyond those at work and those waiting is answered with BUSY. A
   command of devices is refused then. A release beyond the pace RELEASES is answered with BUSY,
   too, since each leaves a record.
3. A STOP has a place of its own: it waits for no shutter that travels.
4. Orders for doors have one task: they are carried out in the order in which they came.
5. Certificates wait elsewhere (`beside.certificates`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from hubcore.backend.pace import Pace
from hubcore.backend.uplink.fields import sentence
from hubcore.backend.uplink.from_backend import Act, Order, Release
from hubcore.backend.uplink.from_hub import ActResult, OrderResult, Result
from hubcore.backend.uplink.words import OrderOutcome, ReleaseOutcome
from hubcore.device.command import Verb
from hubcore.errors import HubError, TrustError
from hubcore.ports.clock import Clock
from hubcore.timing.pace import Bucket, Rate
from hubd.backend.beside.certificates import TakeCertificate
from hubd.backend.policies import PolicyWorker

log = structlog.get_logger()

RELEASES = Rate(burst=60, per_second=1.0)
"""Each release that is done leaves a record: a backend makes no more of them than these."""


async def no_certificate(_document: bytes) -> None:
    """Refuse one, on a hub that has none to renew."""
    raise TrustError("this hub takes no certificate over its uplink")


async def _no_devices(order: Act) -> ActResult:
    return ActResult(order.id, (), "this hub has no devices")


@dataclass(frozen=True, slots=True)
class Orders:
    """Who carries out what the backend orders."""

    release: Callable[[Release], Awaitable[Result]]
    """Judges a repeated id, expiry and lateness, and bounds its own waits. Raises HubError.

    Only the end of the daemon cancels it between its record and its strike.
    """
    accept_policy: Callable[[bytes, PolicyWorker], Awaitable[int]]
    """Returns the version now in force; the carrier brings its pieces. Raises HubError."""
    policy_version: Callable[[], int]
    """Returns the version in force, for every Hello."""
    policy_digest: Callable[[], bytes]
    """Returns the digest of the policy in force, for every Hello."""
    stand: Callable[[Order], Awaitable[OrderResult]]
    """Takes an order for a door, or its end; judges a repeated id, and bounds its own waits."""
    take_certificate: TakeCertificate = no_certificate
    take_tls_certificate: TakeCertificate = no_certificate
    """The same of the certificate for TLS."""
    act: Callable[[Act], Awaitable[ActResult]] = _no_devices
    """Judges a repeated id, expiry and pace, and bounds its own waits. Raises HubError."""


class OrderWorkers:
    """The tasks that carry out orders. Call `run` once."""

    def __init__(
        self,
        *,
        orders: Orders,
        clock: Clock,
        pace: Pace,
        answer: Callable[[Result | OrderResult | ActResult], object],
        counters: Counter[str],
    ) -> None:
        """`answer` hands an answer to the uplink, which may lose it."""
        self._orders = orders
        self._clock = clock
        self._pace = pace
        self._release_pace = Bucket(RELEASES)
        self._answer = answer
        self._counters = counters
        self._releases: asyncio.Queue[Release] = asyncio.Queue(pace.releases_waiting)
        self._orders_for_doors: asyncio.Queue[Order] = asyncio.Queue(pace.orders_waiting)
        self._acts: asyncio.Queue[Act] = asyncio.Queue(pace.acts_waiting)
        self._stops: asyncio.Queue[Act] = asyncio.Queue(pace.acts_waiting)

    def take_release(self, order: Release) -> None:
        """Let a release wait for its turn, or answer BUSY."""
        if not self._releases.full() and self._release_pace.take(self._clock.monotonic()):
            self._releases.put_nowait(order)
            return
        self._counters["releases_busy"] += 1
        why = "too many releases at once"
        self._answer(Result(order.id, ReleaseOutcome.BUSY, why))

    def take_order(self, order: Order) -> None:
        """Let an order for a door wait for its turn, or answer BUSY."""
        try:
            self._orders_for_doors.put_nowait(order)
        except asyncio.QueueFull:
            self._counters["orders_busy"] += 1
            why = "too many orders for doors at once"
            self._answer(OrderResult(order.id, OrderOutcome.BUSY, why))

    def take_act(self, order: Act) -> None:
        """Let a command of devices wait for its turn, or refuse it."""
        queue = self._stops if order.verb is Verb.STOP else self._acts
        try:
            queue.put_nowait(order)
        except asyncio.QueueFull:
            self._counters["acts_busy"] += 1
            self._answer(ActResult(order.id, (), "too many commands at once"))

    def give_back_waiting(self) -> list[Release | Order | Act]:
        """Return what waits for its turn; it is no longer carried out."""
        waiting: list[Release | Order | Act] = []
        while not self._releases.empty():
            waiting.append(self._releases.get_nowait())
        while not self._orders_for_doors.empty():
            waiting.append(self._orders_for_doors.get_nowait())
        for queue in (self._stops, self._acts):
            while not queue.empty():
                waiting.append(queue.get_nowait())
        return waiting

    async def run(self) -> None:
        """Carry out orders until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._carry_out_orders())
            for _ in range(self._pace.releases_in_flight):
                group.create_task(self._carry_out_releases())
            group.create_task(self._carry_out_acts(self._stops))
            for _ in range(self._pace.acts_in_flight):
                group.create_task(self._carry_out_acts(self._acts))

    async def _carry_out_releases(self) -> None:
        while True:
            order = await self._releases.get()
            try:
                result = await self._orders.release(order)
            except HubError as error:
                log.warning("release_failed", why=str(error))
                why = sentence(str(error))
                result = Result(order.id, ReleaseOutcome.FAILED, why)
            self._answer(result)

    async def _carry_out_orders(self) -> None:
        while True:
            order = await self._orders_for_doors.get()
            try:
                result = await self._orders.stand(order)
            except HubError as error:
                log.warning("order_failed", why=str(error))
                why = sentence(str(error))
                result = OrderResult(order.id, OrderOutcome.FAILED, why)
            self._answer(result)

    async def _carry_out_acts(self, queue: asyncio.Queue[Act]) -> None:
        while True:
            order = await queue.get()
            try:
                result = await self._orders.act(order)
            except HubError as error:
                log.warning("act_failed", why=str(error))
                result = ActResult(order.id, (), sentence(str(error)))
            self._answer(result)
