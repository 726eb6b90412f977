"""Commands of the backend to devices: judged, recorded, performed once, with honest outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.uplink.from_backend import Act
from hubcore.backend.uplink.from_hub import ActResult, DeviceOutcome
from hubcore.backend.uplink.words import MAX_DEVICES, ActOutcome
from hubcore.device.breaker import BreakerRule
from hubcore.device.command import (
    LEVELS_OF,
    VERBS_OF,
    Capability,
    Command,
    CommandOutcome,
    Verb,
)
from hubcore.device.device import Device
from hubcore.device.remote import (
    FROM_AFAR,
    OPENS_DOORS,
    SENTENCES,
    ActDenial,
    why_not,
    why_not_to,
)
from hubcore.errors import DriverGoneError, HardwareError, StoreError
from hubcore.evidence.facts import EventName, Fact
from hubcore.evidence.records import Record, RecordKind
from hubcore.policy.policy import Operator, OperatorRight
from hubcore.ports.clock import ClockState
from hubd.devices.asked import AskedActs, read_outcomes, write_outcomes
from hubd.devices.commands import ACTS, NOT_RECORDED, OUTCOME_OF, RemoteCommands
from hubd.devices.supervisor import Supervisor
from hubd.evidence.paced import EACH, PacedLog
from hubd.evidence.refusals import Refusals
from tests.facts_fit import misfits_of_event, misfits_of_record
from tests.fakes.audit import FakeAudit
from tests.fakes.device import FakeDriver
from tests.fakes.policy import FakePolicy
from tests.virtualtime import VirtualLoop, run_virtually, virtual_clock

SENTINEL = "anna-muster"
"""Who orders: no driver ever learns it."""
DEVICES = (
    Device("light", Capability.SWITCH, 60.0),
    Device("fan", Capability.SWITCH, 60.0),
    Device("shutter", Capability.COVER, 60.0),
    Device("front-lock", Capability.LOCK, 60.0),
    Device("garage", Capability.BARRIER, 60.0),
)
SHUTTERS = 7
EVERYTHING = 8
CROWD = 9
SHUTTER_AND_GARAGE = 10


class Rig:
    """The use case over a supervisor and a driver that notes what it is told."""

    def __init__(self, loop: VirtualLoop, devices: tuple[Device, ...] = DEVICES) -> None:
        self.loop = loop
        self.log = FakeAudit()
        self.policy = FakePolicy(
            operators={SENTINEL: Operator(OperatorRight.COMMAND)},
            groups={
                SHUTTERS: ("shutter", "shutter-of-another-hub", "shutter"),
                EVERYTHING: ("light", "fan", "shutter"),
                SHUTTER_AND_GARAGE: ("shutter", "garage"),
            },
        )
        self.clock = virtual_clock(loop)
        self.driver = FakeDriver(loop.time)
        self.devices = devices
        self.told: list[EventName] = []
        self.supervisor = Supervisor(
            devices={device.id: (device, self.driver) for device in devices},
            clock=self.clock,
            tell_fault=lambda *_: None,
            breaker=BreakerRule(),
        )
        self.commands = self.begin()
        self._ids = 0

    def begin(self) -> RemoteCommands:
        """Make the use case, as a start does."""
        return RemoteCommands(
            devices={device.id: device for device in self.devices},
            performer=self.supervisor,
            rights=self.policy,
            log=self.log,
            clock=self.clock,
            tell=self._tell,
        )

    def _tell(self, event: EventName, detail: Any) -> None:
        assert misfits_of_event(event, detail) == []
        self.told.append(event)

    def order(
        self,
        target: str | int,
        verb: Verb,
        level: int | None = None,
        *,
        lives_seconds: float = 30,
        by: str = SENTINEL,
    ) -> Act:
        self._ids += 1
        return Act(
            id=self._ids.to_bytes(16),
            by=by,
            target=target,
            verb=verb,
            level=level,
            expires_at=int(self.clock.wall() + lives_seconds),
        )

    async def act(self, target: str | int, verb: Verb, level: int | None = None) -> ActResult:
        return await self.commands.act(self.order(target, verb, level))

    def records(self) -> list[dict[str, Any]]:
        found = []
        for stored in self.log.stored:
            record = Record.decode(stored.body)
            assert record.kind is RecordKind.COMMAND
            assert misfits_of_record(record.kind, record.detail) == []
            found.append(dict(record.detail))
        return found

    def sent(self) -> list[Command]:
        return [command for command, _ in self.driver.given]


def play(scene: Callable[[Rig], Awaitable[None]], devices: tuple[Device, ...] = DEVICES) -> None:
    """Run a scene with the supervisor at work."""
    loop = VirtualLoop()

    async def run() -> None:
        rig = Rig(loop, devices)
        task = asyncio.create_task(rig.supervisor.run())
        await asyncio.sleep(0)
        try:
            await scene(rig)
        finally:
            task.cancel()
            await asyncio.wait({task})

    run_virtually(loop, run())


def test_a_command_is_recorded_then_done_and_its_outcome_is_recorded() -> None:  # laws 1, 5
    async def scene(rig: Rig) -> None:
        rig.log.hold()
        asked = asyncio.create_task(rig.act("light", Verb.ON))
        await asyncio.sleep(0.5)
        assert rig.sent() == []
        rig.log.move_on()
        result = await asked
        assert result.outcomes == (DeviceOutcome("light", ActOutcome.CONFIRMED),)
        assert rig.sent() == [Command("light", Verb.ON)]
        asked_record, outcome = rig.records()
        assert asked_record[Fact.ASKER] == SENTINEL
        assert (asked_record[Fact.TARGET], asked_record[Fact.VERB]) == ("light", Verb.ON)
        assert (asked_record[Fact.ALLOWED], asked_record[Fact.WHY]) == (True, None)
        assert outcome[Fact.OF] == asked_record[Fact.OP] == result.id
        assert outcome[Fact.OUTCOMES] == "light=confirmed"

    play(scene)


def test_a_disk_that_takes_nothing_moves_nothing_and_the_id_is_new_again() -> None:  # law 1
    async def scene(rig: Rig) -> None:
        order = rig.order("light", Verb.ON)
        rig.log.hold()
        result = await rig.commands.act(order)
        assert result.outcomes == (DeviceOutcome("light", ActOutcome.REFUSED),)
        assert result.detail == NOT_RECORDED
        rig.log.move_on()
        assert rig.sent() == []
        assert (await rig.commands.act(order)).outcomes[0].outcome is ActOutcome.CONFIRMED

    play(scene)


def test_the_same_id_is_done_once_and_answered_alike() -> None:  # law 2
    async def scene(rig: Rig) -> None:
        order = rig.order("shutter", Verb.SET_LEVEL, 40)
        rig.driver.seconds = 5.0
        first = asyncio.create_task(rig.commands.act(order))
        again = asyncio.create_task(rig.commands.act(order))
        assert await first == await again == await rig.commands.act(order)
        assert len(rig.sent()) == 1
        other = Act(order.id, SENTINEL, "shutter", Verb.SET_LEVEL, 41, order.expires_at)
        assert (await rig.commands.act(other)).detail == SENTENCES[ActDenial.OP_CONFLICT]
        assert len(rig.sent()) == 1

    play(scene)


@pytest.mark.parametrize("ended", [True, False])
def test_a_restart_does_not_do_it_again(ended: bool) -> None:  # law 2
    async def scene(rig: Rig) -> None:
        order = rig.order(EVERYTHING, Verb.OFF)
        await rig.commands.act(order)
        if not ended:
            rig.log.stored.pop()
        sent = len(rig.sent())
        restarted = rig.begin()
        restarted.remember(rig.log.newest(99, 99))
        result = await restarted.act(order)
        expected = ActOutcome.CONFIRMED if ended else ActOutcome.UNKNOWN
        assert ("light", expected) in result.outcomes
        assert len(rig.sent()) == sent

    play(scene)


def test_a_group_is_the_policys_and_each_device_has_its_own_outcome() -> None:  # law 5
    async def scene(rig: Rig) -> None:
        result = await rig.act(SHUTTERS, Verb.CLOSE)
        assert result.outcomes == (("shutter", ActOutcome.CONFIRMED),)
        rig.driver.failing["light"].extend([HardwareError("no"), HardwareError("no")])
        rig.driver.failing["fan"].append(DriverGoneError("its process ended"))
        rig.driver.failing["fan"].append(DriverGoneError("its process ended"))
        result = await rig.act(EVERYTHING, Verb.ON)
        assert dict(result.outcomes) == {
            "light": ActOutcome.FAILED,
            "fan": ActOutcome.UNKNOWN,
            "shutter": ActOutcome.REFUSED,
        }
        assert result.detail == "light: no"

    play(scene)


def test_who_hangs_is_a_timeout_and_holds_nobody_up() -> None:
    async def scene(rig: Rig) -> None:
        rig.driver.hanging.add("light")
        result = await rig.act(EVERYTHING, Verb.ON)
        assert dict(result.outcomes)["light"] is ActOutcome.TIMEOUT
        assert dict(result.outcomes)["fan"] is ActOutcome.CONFIRMED

    play(scene)


def denied(rig: Rig) -> dict[ActDenial, Act]:
    """An order for each denial that a policy, an order or a device makes."""
    return {
        ActDenial.OPENS_A_DOOR: rig.order("front-lock", Verb.UNLOCK),
        ActDenial.NO_RIGHT: rig.order("light", Verb.ON, by="somebody-else"),
        ActDenial.NO_DEVICE: rig.order("no-such", Verb.ON),
        ActDenial.NOT_ITS_VERB: rig.order("light", Verb.OPEN),
        ActDenial.WRONG_LEVEL: rig.order("shutter", Verb.SET_LEVEL, 101),
        ActDenial.TOO_LATE: rig.order("light", Verb.ON, lives_seconds=-1),
        ActDenial.LIVES_TOO_LONG: rig.order("light", Verb.ON, lives_seconds=62),
        ActDenial.TOO_MANY_DEVICES: rig.order(CROWD, Verb.ON),
    }


def test_each_denial_moves_nothing_and_is_recorded_with_its_reason() -> None:
    crowd = tuple(
        Device(f"light-{number}", Capability.SWITCH, 60.0) for number in range(MAX_DEVICES + 1)
    )

    async def scene(rig: Rig) -> None:
        rig.policy.groups[CROWD] = tuple(device.id for device in crowd)
        orders = denied(rig)
        for why, order in orders.items():
            result = await rig.commands.act(order)
            assert result.detail == SENTENCES[why], why
            assert {outcome for _, outcome in result.outcomes} <= {ActOutcome.REFUSED}
        rig.clock.trust = ClockState.BEHIND_RECORDS
        assert (await rig.act("light", Verb.ON)).detail == SENTENCES[ActDenial.TIME_UNTRUSTED]
        rig.clock.trust = ClockState.TRUSTED
        rig.policy.failing = StoreError("the policy is damaged")
        assert (await rig.act("light", Verb.ON)).detail == SENTENCES[ActDenial.POLICY_UNREADABLE]
        rig.policy.failing = None
        whys = [record[Fact.WHY] for record in rig.records()]
        assert whys == [*map(str, orders), "time-untrusted", "policy-unreadable"]
        assert rig.sent() == []
        reached = {*orders, ActDenial.TIME_UNTRUSTED, ActDenial.POLICY_UNREADABLE}
        elsewhere = {ActDenial.OP_CONFLICT, ActDenial.BUSY}  # have tests of their own
        assert reached | elsewhere == set(ActDenial) == set(SENTENCES)

    play(scene, (*DEVICES, *crowd))


@pytest.mark.parametrize("verb", sorted(OPENS_DOORS))
@pytest.mark.parametrize("target", ["front-lock", "light", 8])
def test_no_command_from_afar_opens_a_door(target: str | int, verb: Verb) -> None:  # law 4
    async def scene(rig: Rig) -> None:
        level = 5 if verb is Verb.PULSE else None
        result = await rig.act(target, verb, level)
        assert result.detail == SENTENCES[ActDenial.OPENS_A_DOOR]
        assert rig.sent() == []

    play(scene)


OPENING = {
    (Capability.STRIKE, Verb.PULSE),
    (Capability.LOCK, Verb.UNLOCK),
    (Capability.LOCK, Verb.PULSE),
    (Capability.BARRIER, Verb.OPEN),
}
"""All that opens an entrance."""


@pytest.mark.parametrize("capability", Capability)
@pytest.mark.parametrize("verb", Verb)
def test_each_verb_to_each_capability_from_afar(capability: Capability, verb: Verb) -> None:
    level = 5 if verb in LEVELS_OF else None  # remote, law 1
    if (capability, verb) in OPENING or verb in (Verb.UNLOCK, Verb.PULSE):
        expected = ActDenial.OPENS_A_DOOR
    elif verb in VERBS_OF[capability]:
        expected = None
    else:
        expected = ActDenial.NOT_ITS_VERB
    assert why_not(verb, level, [capability]) is expected
    assert why_not_to(verb, capability) is expected


def test_what_may_be_told_from_afar_is_what_a_device_can_but_opening() -> None:
    assert {Verb.UNLOCK, Verb.PULSE} == OPENS_DOORS
    for capability, verbs in VERBS_OF.items():
        opening = {verb for one, verb in OPENING if one is capability}
        assert FROM_AFAR[capability] == verbs - opening


def test_a_garage_door_is_closed_from_afar_and_never_opened() -> None:  # law 4
    async def scene(rig: Rig) -> None:
        for verb in (Verb.CLOSE, Verb.READ):
            result = await rig.act("garage", verb)
            assert result.outcomes == (("garage", ActOutcome.CONFIRMED),)
        refused = await rig.act("garage", Verb.OPEN)
        assert refused.outcomes == (("garage", ActOutcome.REFUSED),)
        assert refused.detail == SENTENCES[ActDenial.OPENS_A_DOOR]
        for verb, level in ((Verb.SET_LEVEL, 100), (Verb.STOP, None), (Verb.ON, None)):
            refused = await rig.act("garage", verb, level)
            assert refused.detail == SENTENCES[ActDenial.NOT_ITS_VERB]
        mixed = await rig.act(SHUTTER_AND_GARAGE, Verb.OPEN)
        assert dict(mixed.outcomes) == {
            "shutter": ActOutcome.CONFIRMED,
            "garage": ActOutcome.REFUSED,
        }
        assert mixed.detail == f"garage: {SENTENCES[ActDenial.OPENS_A_DOOR]}"
        told = [(one.device, one.verb) for one in rig.sent()]
        assert told == [
            ("garage", Verb.CLOSE),
            ("garage", Verb.READ),
            ("shutter", Verb.OPEN),
        ]

    play(scene)


def test_what_expires_while_it_is_recorded_or_waits_is_never_sent() -> None:  # law 3
    async def scene(rig: Rig) -> None:
        order = rig.order("light", Verb.ON, lives_seconds=1)
        rig.log.commit_seconds = 1.4
        rig.clock.offset += 0.9  # the wall clock is set meanwhile
        result = await rig.commands.act(order)
        assert result.detail == SENTENCES[ActDenial.TOO_LATE]
        rig.log.commit_seconds = 0.0
        rig.driver.seconds = 5.0
        first = asyncio.create_task(rig.act("fan", Verb.ON))
        await asyncio.sleep(0.1)
        late = await rig.commands.act(rig.order("fan", Verb.OFF, lives_seconds=3))
        assert late.outcomes == (("fan", ActOutcome.TIMEOUT),)
        await first
        assert rig.sent() == [Command("fan", Verb.ON)]

    play(scene)


def test_more_than_its_pace_is_refused_and_forgotten() -> None:  # law 7
    async def scene(rig: Rig) -> None:
        results = [await rig.act("light", Verb.ON) for _ in range(40)]
        done = [result for result in results if result.outcomes]
        refused = [result for result in results if not result.outcomes]
        assert len(done) <= ACTS.burst + 2
        assert {result.detail for result in refused} == {SENTENCES[ActDenial.BUSY]}
        await asyncio.sleep(1 / ACTS.per_second + 1)
        assert (await rig.act("light", Verb.ON)).outcomes

    play(scene)


def test_orders_refused_without_end_are_written_at_the_hubs_pace() -> None:  # law 7
    async def scene(rig: Rig) -> None:
        log = FakeAudit()
        refusals = Refusals(log, rig.clock, rig._tell)
        rig.commands = RemoteCommands(
            devices={},
            performer=rig.supervisor,
            rights=rig.policy,
            log=PacedLog(log, refusals, rig.clock, lambda: True),
            clock=rig.clock,
            tell=lambda _event, _facts: None,
        )
        for _ in range(200):
            assert not (await rig.act(SHUTTERS, Verb.CLOSE)).outcomes
        assert len(log.stored) == EACH.burst

    play(scene)


def test_no_more_ids_are_remembered_than_the_ceiling() -> None:
    acts = AskedActs(seconds=100.0, acts_max=2)
    for number, now in ((1, 0.0), (2, 50.0)):
        assert acts.has_room()
        order = Act(number.to_bytes(16), "x", "light", Verb.ON, None, 1)
        acts.begin(order, now)
        acts.end(order.id, ActResult(order.id, (), ""), keep=True)
    assert not acts.has_room()
    assert acts.get((1).to_bytes(16), 101.0) is None
    assert acts.get((2).to_bytes(16), 101.0) is not None
    assert acts.has_room()


def test_a_driver_gets_the_device_the_verb_and_the_level_alone() -> None:  # law 6
    async def scene(rig: Rig) -> None:
        for target, verb, level in (
            ("light", Verb.ON, None),
            (EVERYTHING, Verb.READ, None),
            ("shutter", Verb.SET_LEVEL, 30),
        ):
            await rig.act(target, verb, level)
        for command in rig.sent():
            assert type(command) is Command
            assert SENTINEL not in repr(command)
            assert command.device in {device.id for device in DEVICES}

    play(scene)


def test_each_outcome_has_its_number_for_the_backend() -> None:
    assert set(OUTCOME_OF) == set(CommandOutcome)
    assert set(OUTCOME_OF.values()) == set(ActOutcome) - {ActOutcome.REFUSED}


@given(
    st.lists(
        st.builds(
            DeviceOutcome,
            st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True),
            st.sampled_from(ActOutcome),
        ),
        max_size=MAX_DEVICES,
    )
)
def test_outcomes_survive_their_record(outcomes: list[DeviceOutcome]) -> None:
    assert read_outcomes(write_outcomes(outcomes)) == tuple(outcomes)


@given(st.text(max_size=200))
def test_outcomes_of_another_version_are_passed_over(text: str) -> None:
    ActResult(bytes(16), read_outcomes(text), "")


orders = st.tuples(
    st.integers(1, 6),
    st.sampled_from(["light", "shutter", "front-lock", 8, 3]),
    st.sampled_from(Verb),
    st.sampled_from([None, 0, 5, 100, 101]),
    st.floats(0, 200),
)


@given(st.lists(orders, max_size=20))
def test_whatever_is_ordered_no_id_is_done_twice_and_nothing_opens(
    script: list[tuple[int, str | int, Verb, int | None, float]],
) -> None:
    async def scene(rig: Rig) -> None:
        allowed = dict[bytes, float]()
        for number, target, verb, level, pause in script:
            await asyncio.sleep(pause)
            expires_at = int(rig.clock.wall()) + 30
            order = Act(number.to_bytes(16), SENTINEL, target, verb, level, expires_at)
            before = len(rig.log.stored)
            result = await rig.commands.act(order)
            for record in rig.records()[before:]:
                if record.get(Fact.ALLOWED):
                    assert rig.loop.time() - allowed.get(order.id, -1e9) > 420.0
                    allowed[order.id] = rig.loop.time()
            assert result.id == order.id
        assert not OPENS_DOORS & {command.verb for command in rig.sent()}
        for command in rig.sent():
            device = next(one for one in DEVICES if one.id == command.device)
            assert command.verb in VERBS_OF[device.capability]

    play(scene)
