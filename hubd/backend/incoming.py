"""What the backend orders and offers goes to those who carry it out, each with its own queue."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import assert_never

from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import (
    TakeAct,
    TakeCertificate,
    TakeOrder,
    TakePieces,
    TakePolicy,
    TakeRelease,
    TakeTlsCertificate,
)
from hubcore.backend.uplink.from_backend import Act, Order, Release
from hubcore.backend.uplink.from_hub import HubMessage
from hubcore.ports.clock import Clock
from hubd.backend.beside.certificates import CertificateWorkers
from hubd.backend.orders import Orders, OrderWorkers
from hubd.backend.policies import PolicyWorker

Taken = (
    TakeRelease
    | TakeOrder
    | TakeAct
    | TakePolicy
    | TakePieces
    | TakeCertificate
    | TakeTlsCertificate
)


class Incoming:
    """`take` never waits. Call `run` once."""

    def __init__(
        self,
        *,
        orders: Orders,
        clock: Clock,
        pace: Pace,
        say: Callable[[HubMessage], bool],
        counters: Counter[str],
    ) -> None:
        self._workers = OrderWorkers(
            orders=orders, clock=clock, pace=pace, answer=say, counters=counters
        )
        self._certificates = CertificateWorkers(
            orders.take_certificate, orders.take_tls_certificate, pace, counters
        )
        self._policies = PolicyWorker(
            accept=orders.accept_policy,
            version=orders.policy_version,
            pace=pace,
            say=say,
            counters=counters,
        )

    @property
    def policy_refused(self) -> str:
        """Why the newest policy that was offered is not in force, "" when it is."""
        return self._policies.refusal

    async def run(self) -> None:
        """Carry out what comes, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._workers.run())
            group.create_task(self._certificates.run())
            group.create_task(self._policies.run())

    def take(self, effect: Taken) -> None:
        """Let it wait for its turn."""
        match effect:
            case TakeRelease(order):
                self._workers.take_release(order)
            case TakeOrder(for_door):
                self._workers.take_order(for_door)
            case TakeAct(act):
                self._workers.take_act(act)
            case TakePolicy(document):
                self._policies.take_policy(document)
            case TakePieces(pieces):
                self._policies.take_pieces(pieces)
            case TakeCertificate(document):
                self._certificates.take_certificate(document)
            case TakeTlsCertificate(document):
                self._certificates.take_tls_certificate(document)
            case _:
                assert_never(effect)

    def give_back_waiting(self) -> list[Release | Order | Act]:
        """Return the orders that have not begun, and forget them."""
        return list(self._workers.give_back_waiting())
