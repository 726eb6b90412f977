"""A hub as a process of its own, with what the uplink touches: log, clock, doors, uplink, talk.

The real log on the disk, the real decision and its record, the real uplink with short times. Its
door is simulated, and its wall clock is moved by command. It obeys one JSON line on its input after
the other, and answers each with one on its output.

`python -m tests.scenario.uplink_faults.hub_process FOLDER ENDPOINT HUB-SECRET BACKEND-PUBLIC`
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from hubcore.access.claim import Claim, Strength
from hubcore.access.grant import Access
from hubcore.access.words import Action
from hubcore.backend.backendtime import BackendTime
from hubcore.backend.pace import Pace
from hubcore.backend.uplink import from_backend, from_hub
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.door.state import DoorState
from hubcore.errors import SignatureError, StoreError
from hubcore.evidence.facts import Detail, EventName
from hubcore.evidence.records import RecordKind
from hubcore.evidence.timefloor import from_records
from hubcore.policy.policy import ALL_RIGHTS, Operator
from hubcore.ports.doors import InputEvent
from hubd.adapters.curve.timings import Timings
from hubd.adapters.curve.uplink import CurveUplink
from hubd.adapters.host.clock import SystemClock
from hubd.adapters.keys.uplinkkeys import UplinkKeys, key_from_text, public_of
from hubd.adapters.sqlite.audit import AuditStore
from hubd.backend.identity import Identity
from hubd.backend.orders import Orders
from hubd.backend.sync import Sync
from hubd.doors.persons import Persons
from hubd.doors.rules import Point, SiteRules
from hubd.doors.unlock import Unlock
from hubd.evidence.paced import PacedLog
from hubd.evidence.refusals import Refusals
from hubd.evidence.reporting import ReportingLog
from hubd.recording import record_now
from hubd.upkeep.backendtime import Contradiction
from hubd.upkeep.clockcare import ClockCare, backend_agrees
from hubsim.door.door import SimDoor
from hubsim.site import OPEN_AND_QUERY
from tests.fakes.policy import FakePolicy

TIMINGS = Timings(
    connect_seconds=1.0,
    handshake_seconds=0.5,
    heartbeat_seconds=0.2,
    heartbeat_timeout_seconds=0.8,
    backoff_first_seconds=0.05,
    backoff_cap_seconds=0.2,
    settled_seconds=5.0,
)
PACE = Pace(
    welcome_seconds=0.5,
    acknowledge_seconds=0.5,
    acknowledge_cap_seconds=2.0,
    ping_seconds=1.0,
    silent_seconds=2.0,
    measure_seconds=0.5,
    halted_seconds=0.5,
)
POINT = 1
OPERATOR = "operator-7"
TURN_SECONDS = 0.05


class Watch:
    """`movers.Watch` of a door that nobody looks at."""

    def failed(self, door: str) -> None:
        """Not asked here."""

    def released(
        self, door: str, access_point: int, seconds: float, *, extended: bool = False
    ) -> None:
        """Not asked here."""

    def state(self, door: str) -> DoorState:
        return DoorState.SECURED


def _unseen(_event: InputEvent) -> None:
    """Nobody watches the door's contact."""


class Hub:
    """The parts, joined as `hubd.app` joins them."""

    def __init__(self, store: AuditStore, endpoint: str, keys: UplinkKeys) -> None:
        self.ahead_seconds = 0.0
        self.told = 0
        self.store = store
        self.floor = from_records(store.newest, store.last())
        backend_time = BackendTime()
        contradiction = Contradiction(self.floor, backend_time)
        self.clock = SystemClock(
            lambda: self.floor.floor_ms / 1000,
            wall=lambda: time.time() + self.ahead_seconds,
            is_contradicted=contradiction.stands,
        )
        appended = asyncio.Event()
        self.log = ReportingLog(
            store,
            self.floor,
            apart=partial(contradiction.facts, self.clock),
            on_append=appended.set,
        )
        self.refusals = Refusals(self.log, self.clock, self.tell)
        self.door = SimDoor("front", asyncio.get_running_loop(), _unseen)
        self.unlock = Unlock(
            rules=SiteRules({POINT: Point(POINT, "front", False, 0.05)}, ZoneInfo("UTC"), 86_400),
            policy=FakePolicy(operators={OPERATOR: Operator(ALL_RIGHTS)}),
            log=PacedLog(self.log, self.refusals, self.clock, lambda: True),
            clock=self.clock,
            tell=self.tell,
            doors={"front": self.door},
            watch=Watch(),
            persons=Persons(self.clock),
        )
        self.unlock.remember(store.newest(store.last() + 1, 1000))
        self.sync = Sync(
            uplink=CurveUplink(endpoint, keys, TIMINGS),
            records=self.log,
            orders=Orders(
                release=self.unlock.release,
                accept_policy=self.accept,
                policy_version=lambda: 1,
                policy_digest=lambda: bytes(32),
                stand=self.stand,
            ),
            identity=Identity("hub-1", "site-1", secrets.token_bytes(16), "0.1.0"),
            clock=self.clock,
            pace=PACE,
            appended=appended,
            backend_time=backend_time,
        )
        self.care = ClockCare(
            log=self.log,
            floor=self.floor,
            clock=self.clock,
            tell=self.tell,
            backend_agrees=partial(backend_agrees, self.sync),
            time_service=lambda: None,
            kernel_time=lambda: None,
            contradiction=contradiction,
        )

    def tell(self, _event: EventName, _facts: Detail) -> None:
        self.told += 1

    async def accept(self, _document: bytes, _carrier: object) -> int:
        raise SignatureError("nobody signed it")

    async def stand(self, order: from_backend.Order) -> from_hub.OrderResult:
        return from_hub.OrderResult(order.id, OrderOutcome.REFUSED, "no door here")

    async def run(self) -> None:
        """Do as `hubd.serve` does, until cancelled."""
        await self.log.append(record_now(self.clock, RecordKind.STARTED, {**self.floor.begin()}))
        async with asyncio.TaskGroup() as group:
            group.create_task(self.sync.run())
            group.create_task(self.refusals.run())
            group.create_task(self._look_after_the_clock())

    async def _look_after_the_clock(self) -> None:
        while True:
            await self.care.confirm_if_possible()
            await asyncio.sleep(TURN_SECONDS)

    # What the test orders.

    async def append(self, count: int) -> None:
        """Record something, so many times."""
        for _ in range(count):
            detail: Detail = {}
            await self.log.append(record_now(self.clock, RecordKind.DOOR, detail))

    async def present(self, strength: str) -> str | None:
        """Somebody presents a credential; return why it was denied."""
        claim = Claim(
            credential="c0ffee",
            grant_id=bytes(16),
            not_before=int(self.clock.wall()) - 10,
            expires=int(self.clock.wall()) + 1000,
            entry=Access(POINT, OPEN_AND_QUERY, ()),
            access_point=POINT,
            action=Action.OPEN,
            op=secrets.token_bytes(8),
            strength=Strength(strength),
            arrived=self.clock.monotonic(),
        )
        outcome = await self.unlock.present(claim, lambda: True)
        return outcome.why

    def state(self) -> dict[str, Any]:
        """Return all that a test may ask."""
        trouble = self.care.trouble()
        return {
            "last": self.store.last(),
            "waiting": self.store.waiting(),
            "strikes": self.door.strikes,
            "driven": self.door.driven,
            "uplink": asdict(self.sync.state),
            "clock": self.clock.state().value,
            "confirmed": self.care.confirmed(),
            "floor": self.floor.floor_ms,
            "trouble": None if trouble is None else trouble.check.value,
            "cpu_seconds": time.process_time(),
            "told": self.told,
        }


async def obey(hub: Hub, order: Mapping[str, Any]) -> Any:
    """Do one thing."""
    match order["do"]:
        case "append":
            await hub.append(order["count"])
        case "fill":
            with suppress(StoreError):
                await hub.append(order["count"])
        case "clock":
            hub.ahead_seconds = order["ahead"]
        case "present":
            return await hub.present(order["strength"])
        case "vouch":
            await hub.care.vouch("technician")
    return hub.state()


async def main(folder: str, endpoint: str, secret: str, backend: str) -> None:
    """Run until the input ends."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    own = key_from_text(secret)
    keys = UplinkKeys(own, public_of(own), key_from_text(backend))
    store = await AuditStore.open(Path(folder) / "audit.db")
    hub = Hub(store, endpoint, keys)
    running = asyncio.create_task(hub.run())
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("up", flush=True)
    while line := await reader.readline():
        answer = await obey(hub, json.loads(line))
        print(json.dumps(answer, default=str), flush=True)
        if running.done():
            break
    running.cancel()
    await asyncio.wait([running])
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
