"""The use case of commands from afar: judged, recorded, then performed, with an honest outcome.

Laws:
1. Nothing is sent to a device before the record of its command is durable.
2. An order does its work once, also across a restart (`asked`).
3. What was judged is judged again when the record is durable: nothing begins late.
4. No order opens a door (`hubcore.device.remote`). Who orders needs the right in the policy.
5. Each device has an outcome of its own, and only its own proof is CONFIRMED. The outcomes are
   recorded, too.
6. To a driver go the device, the verb and the level: never who ordered it, nor under which id.
7. A command that came by another way than the backend's own says so in its records.
8. Orders that are done keep to a pace (ACTS). Orders that are not are summed (`evidence.paced`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

from hubcore.backend.uplink.fields import sentence
from hubcore.backend.uplink.from_backend import Act
from hubcore.backend.uplink.from_hub import ActResult, DeviceOutcome
from hubcore.backend.uplink.words import MAX_DEVICES, ActOutcome
from hubcore.device.command import Command, CommandOutcome
from hubcore.device.device import Device
from hubcore.device.remote import (
    SENTENCES,
    ActDenial,
    Moment,
    why_not,
    why_not_in_time,
    why_not_to,
)
from hubcore.errors import AuditError, StoreError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import RecordKind, StoredRecord
from hubcore.policy.policy import Operator, OperatorRight
from hubcore.ports.clock import Clock, ClockState
from hubcore.ports.stores import AuditLog
from hubcore.timing.pace import Bucket, Rate
from hubd.devices.asked import ActContent, AskedActs, write_outcomes
from hubd.devices.worker import SECONDS_OF, CommandResult
from hubd.doors.judge import ORDER_SECONDS_MAX
from hubd.recording import record_now

ACTS = Rate(burst=16, per_second=0.2)
"""Orders that are done: two records each."""
RECORD_SECONDS = 1.5
NOT_RECORDED = "it could not be recorded in time, so nothing was sent"

OUTCOME_OF: Mapping[CommandOutcome, ActOutcome] = {
    CommandOutcome.CONFIRMED: ActOutcome.CONFIRMED,
    CommandOutcome.FAILED: ActOutcome.FAILED,
    CommandOutcome.TIMEOUT: ActOutcome.TIMEOUT,
    CommandOutcome.UNKNOWN: ActOutcome.UNKNOWN,
}


class Rights(Protocol):
    """What the policy in force says; each raises StoreError (`ports.stores.PolicyLookups`)."""

    def operator(self, name: str) -> Operator | None:
        """What an operator at the backend may order; None when the policy does not name him."""

    def group(self, number: int) -> tuple[str, ...]:
        """The device ids of a group; none when the policy has no such group."""


class Performer(Protocol):
    """Who commands devices: the supervisor."""

    async def perform(
        self, command: Command, within_seconds: float, begin_seconds: float
    ) -> CommandResult:
        """Do a command; it never raises."""


class RemoteCommands:
    """Judges, records, performs."""

    def __init__(
        self,
        *,
        devices: Mapping[str, Device],
        performer: Performer,
        rights: Rights,
        log: AuditLog,
        clock: Clock,
        tell: Tell,
        acts: AskedActs | None = None,
    ) -> None:
        """`devices` are those of this hub, by id."""
        self._devices = devices
        self._performer = performer
        self._rights = rights
        self._log = log
        self._clock = clock
        self._tell = tell
        self._acts = AskedActs() if acts is None else acts
        self._pace = Bucket(ACTS)

    def remember(self, records: Sequence[StoredRecord]) -> None:
        """Learn from the newest records what was ordered before a restart."""
        self._acts.remember(records, self._clock.monotonic())

    def has(self, device: str) -> bool:
        """Tell whether this hub has a device of this id."""
        return device in self._devices

    async def act(self, order: Act, source: str | None = None) -> ActResult:
        """Carry out an order of the backend; `source`: whose it is instead."""
        now = self._clock.monotonic()
        known = self._acts.get(order.id, now)
        if known is not None:
            if known.content != ActContent.of(order):
                return await self._refuse(order, ActDenial.OP_CONFLICT, source)
            answer = await known.result()
            return answer or ActResult(order.id, (), NOT_RECORDED)
        try:
            devices = self._targets(order)
            why = self._why_not(order, devices)
        except StoreError:
            return await self._refuse(order, ActDenial.POLICY_UNREADABLE, source)
        if why is None and not (self._acts.has_room() and self._pace.take(now)):
            why = ActDenial.BUSY
        if why is not None:
            return await self._refuse(order, why, source)
        self._acts.begin(order, now)
        return await self._begun(order, devices, source)

    # Judging.

    def _targets(self, order: Act) -> tuple[Device, ...]:
        """Return the devices of this hub that an order is for, each once. Raise StoreError."""
        ids = (order.target,) if isinstance(order.target, str) else self._rights.group(order.target)
        here = (self._devices[id_] for id_ in dict.fromkeys(ids) if id_ in self._devices)
        return tuple(here)

    def _why_not(self, order: Act, devices: Sequence[Device]) -> ActDenial | None:
        if len(devices) > MAX_DEVICES:
            return ActDenial.TOO_MANY_DEVICES
        operator = self._rights.operator(order.by)
        if operator is None or not operator.may(OperatorRight.COMMAND):
            return ActDenial.NO_RIGHT
        why = why_not(order.verb, order.level, [device.capability for device in devices])
        return why or self._why_not_now(order)

    def _why_not_now(self, order: Act) -> ActDenial | None:
        moment = Moment(
            now=self._clock.wall(),
            expires_at=order.expires_at,
            trusted=self._clock.state() is ClockState.TRUSTED,
            lives_seconds_max=ORDER_SECONDS_MAX,
        )
        return why_not_in_time(moment)

    async def _refuse(self, order: Act, why: ActDenial, source: str | None) -> ActResult:
        """Record a refusal, and answer it. Nothing was done."""
        await self._record(self._asked(order, (), why, source), RECORD_SECONDS)
        outcomes: tuple[DeviceOutcome, ...] = ()
        if isinstance(order.target, str) and why is not ActDenial.BUSY:
            outcomes = (DeviceOutcome(order.target, ActOutcome.REFUSED),)
        return ActResult(order.id, outcomes, SENTENCES[why])

    # Performing.

    async def _begun(self, order: Act, devices: Sequence[Device], source: str | None) -> ActResult:
        """Record, judge again, perform; whatever happens, the order has an end."""
        outcomes = [DeviceOutcome(device.id, ActOutcome.UNKNOWN) for device in devices]
        result = ActResult(order.id, tuple(outcomes), "the hub ends")
        keep = True
        try:
            asked = self._asked(order, devices, None, source)
            if await self._record(asked, RECORD_SECONDS):
                result = await self._performed(order, devices)
            else:
                result = _all_refused(order, devices, NOT_RECORDED)
                keep = False
        finally:
            self._acts.end(order.id, result, keep)
        return result

    async def _performed(self, order: Act, devices: Sequence[Device]) -> ActResult:
        changed = self._why_not_now(order)
        if changed is not None:
            result = _all_refused(order, devices, SENTENCES[changed])
        else:
            async with asyncio.TaskGroup() as tasks:
                done = [tasks.create_task(self._told(order, device)) for device in devices]
            told = [task.result() for task in done]
            outcomes = [
                DeviceOutcome(device.id, outcome)
                for device, (outcome, _) in zip(devices, told, strict=True)
            ]
            first_why = next((why for _, why in told if why), "")
            result = ActResult(order.id, tuple(outcomes), sentence(first_why))
        ended: Detail = {
            Fact.OF: order.id,
            Fact.OUTCOMES: write_outcomes(result.outcomes),
        }
        await self._record(ended, RECORD_SECONDS)
        return result

    async def _told(self, order: Act, device: Device) -> tuple[ActOutcome, str]:
        """Tell one device; return its outcome, and why it is none of the good ones."""
        denial = why_not_to(order.verb, device.capability)
        if denial is not None:
            return ActOutcome.REFUSED, f"{device.id}: {_of_a_group(denial, device)}"
        begin_seconds = max(0.0, order.expires_at - self._clock.wall())
        result = await self._performer.perform(
            Command(device.id, order.verb, order.level),
            within_seconds=begin_seconds + SECONDS_OF[device.capability],
            begin_seconds=begin_seconds,
        )
        why = f"{device.id}: {result.why}" if result.why else ""
        return OUTCOME_OF[result.outcome], why

    # Evidence.

    def _asked(
        self,
        order: Act,
        devices: Sequence[Device],
        why: ActDenial | None,
        source: str | None,
    ) -> Detail:
        detail: Detail = {
            Fact.ASKER: order.by,
            Fact.OP: order.id,
            Fact.TARGET: order.target,
            Fact.VERB: int(order.verb),
            Fact.LEVEL: order.level,
            Fact.DEVICES: " ".join(device.id for device in devices),
            Fact.ALLOWED: why is None,
            Fact.WHY: None if why is None else str(why),
        }
        if source is not None:
            detail = {**detail, Fact.GIVEN_BY: source}
        state = self._clock.state()
        if state is not ClockState.TRUSTED:
            detail = {**detail, Fact.CLOCK: state.value}
        return detail

    async def _record(self, detail: Detail, within_seconds: float) -> bool:
        """Write it down; tell whether it is durable in time. It is told in any case."""
        durable: Awaitable[int]
        try:
            durable = self._log.append(record_now(self._clock, RecordKind.COMMAND, detail))
            async with asyncio.timeout(within_seconds):
                await durable
        except AuditError as error:
            why = str(error)
        except TimeoutError:
            why = f"the disk took longer than {within_seconds:.1f} s"
        else:
            return True
        finally:
            self._tell(EventName.COMMAND, detail)
        self._tell(EventName.AUDIT_FAILED, {Fact.WHY: why})
        return False


def _of_a_group(denial: ActDenial, device: Device) -> str:
    """Say why one device of a group is not told what the others are."""
    if denial is ActDenial.OPENS_A_DOOR:
        return SENTENCES[denial]
    return f"a {device.capability.value} cannot do this"


def _all_refused(order: Act, devices: Sequence[Device], why: str) -> ActResult:
    outcomes = [DeviceOutcome(device.id, ActOutcome.REFUSED) for device in devices]
    return ActResult(order.id, tuple(outcomes), why)
