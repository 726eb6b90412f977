"""What a technician does with a Z-Wave network: one act at a time, recorded, never left open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from hubcore.errors import AuditError, HardwareError
from hubcore.evidence.records import Record, RecordKind
from hubcore.ports.network import PIN_MAX, NodeSecurity
from hubd.calls.networks import NetworkCalls
from hubd.config.devices import ZwaveNode
from hubd.networks.acts import (
    LEASE_SECONDS,
    PACE,
    WHY_CHARS_MAX,
    Act,
    ActBusyError,
    ActPhase,
    ActState,
    NetworkActs,
    PrintedKey,
    Wanted,
)
from hubd.upkeep.shown.network import NetworkReport
from hublocal.calls import CallRefused
from hublocal.peer import PeerProcess
from hublocal.roles import Role
from tests.facts_fit import misfits_of_record
from tests.fakes.audit import FakeAudit
from tests.fakes.network import SHOWN, FakeCare, Wish
from tests.virtualtime import VirtualLoop, run_virtually, virtual_clock

PIN = 4711
UID = 1000
TECHNICIAN = PeerProcess(pid=1, uid=UID, gid=UID)
INCLUDE = Wanted(Act.INCLUDE, 60.0, key=PrintedKey(PIN))
EXCLUDE = Wanted(Act.EXCLUDE, 60.0)
CONFIG: Any = SimpleNamespace(
    devices=[ZwaveNode(id="vault", name="Vault", node=2, capability="lock")],
    door_locks=[],
    zwave=None,
    openzwave=None,
)


class Bench:
    """Acts on a network of nodes 2 and 3."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.care = FakeCare((2, 3))
        self.log = FakeAudit()
        self.told: list[tuple[Any, Any]] = []
        self.acts = NetworkActs(
            self.care,
            log=self.log,
            clock=virtual_clock(loop),
            tell=lambda event, facts: self.told.append((event, facts)),
        )
        self.calls = NetworkCalls(self.acts, NetworkReport(CONFIG, self.care))

    async def begin(self, wanted: Wanted) -> ActState:
        return await self.acts.begin(wanted, "technician", UID)

    async def end(self, state: ActState) -> ActState:
        """Ask for news until it is over, as hubctl does."""
        while state.phase not in (ActPhase.DONE, ActPhase.FAILED):
            found = await self.acts.wait(state.number, state.round)
            assert found is not None
            state = found
        return state

    async def done(self, wanted: Wanted) -> ActState:
        return await self.end(await self.begin(wanted))

    def kept(self) -> list[Record]:
        return [Record.decode(one.body) for one in self.log.stored]

    def recorded(self) -> list[tuple[object, ...]]:
        found = []
        for record in self.kept():
            assert record.kind is RecordKind.ACT
            assert not list(misfits_of_record(record.kind, record.detail))
            assert record.detail["uid"] == UID
            found.append((record.detail["what"], record.detail["state"], record.detail.get("node")))
        return found


def play(scene: Callable[[Bench], Awaitable[None]]) -> None:
    loop = VirtualLoop()

    async def run() -> None:
        bench = Bench(loop)
        task = asyncio.create_task(bench.acts.run())
        try:
            await scene(bench)
        finally:
            task.cancel()
            await asyncio.wait({task})
        assert not bench.care.open, "the stick takes nothing in or out any more"

    run_virtually(loop, run())


def test_a_device_is_taken_in_with_its_key_and_the_steps_are_told() -> None:
    async def scene(bench: Bench) -> None:
        state = await bench.begin(INCLUDE)
        bench.care.wants_in(Wish(12, PIN))
        ended = await bench.end(state)
        assert (ended.phase, ended.node, ended.shown, ended.fits) == (
            ActPhase.DONE,
            12,
            SHOWN,
            True,
        )
        assert ended.included is not None
        assert ended.included.node.security is NodeSecurity.S2_ACCESS_CONTROL
        assert bench.recorded() == [
            ("zwave_include", "asked", None),
            ("zwave_include", "done", 12),
        ]

    play(scene)


def test_another_devices_key_is_refused_by_the_groups_that_were_typed() -> None:
    async def scene(bench: Bench) -> None:
        key = PrintedKey(PIN, (1, *SHOWN[1:]))
        state = await bench.begin(Wanted(Act.INCLUDE, 60.0, key=key))
        bench.care.wants_in(Wish(12, PIN))
        ended = await bench.end(state)
        assert ended.fits is False
        assert ended.included is not None
        assert ended.included.low_security

    play(scene)


def test_no_part_of_a_key_is_in_a_record_an_event_or_a_repr() -> None:  # law 4
    async def scene(bench: Bench) -> None:
        key = PrintedKey(31337, SHOWN)
        wanted = Wanted(Act.INCLUDE, 60.0, key=key)
        state = await bench.begin(wanted)
        bench.care.wants_in(Wish(12, 31337))
        ended = await bench.end(state)
        said = f"{bench.kept()} {bench.told} {wanted!r} {ended!r} {key!r}"
        for secret in ("31337", *map(str, SHOWN)):
            assert secret not in said

    play(scene)


def test_nothing_is_done_before_it_is_recorded() -> None:  # law 2
    async def scene(bench: Bench) -> None:
        bench.log.failing = AuditError("full")
        with pytest.raises(AuditError):
            await bench.begin(INCLUDE)
        await asyncio.sleep(1.0)
        assert not bench.care.open
        assert bench.acts.under_way() is None

    play(scene)


def test_an_end_that_cannot_be_recorded_is_told() -> None:
    async def scene(bench: Bench) -> None:
        state = await bench.begin(Wanted(Act.PING, 9.0, node=2))
        bench.log.failing = AuditError("full")
        ended = await bench.end(state)
        assert (ended.phase, ended.answered) == (ActPhase.DONE, True)
        assert "not recorded" in ended.why

    play(scene)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (KeyError("requested_grant"), "it failed inside hubd: KeyError"),
        (HardwareError("x" * 100_000), "x" * WHY_CHARS_MAX),
        (HardwareError("\ud800"), "\\ud800"),
    ],
)
def test_a_server_that_says_what_nobody_expects_ends_its_act_alone(
    error: Exception, says: str
) -> None:
    """And there is a record of that: its words may be longer than a record, or no text at all."""

    async def scene(bench: Bench) -> None:
        wanted = Wanted(Act.PING, 9.0, node=2)
        bench.care.breaking = error
        ended = await bench.done(wanted)
        assert (ended.phase, ended.why) == (ActPhase.FAILED, says)
        assert bench.recorded()[-1] == ("zwave_ping", "failed", 2)
        bench.care.breaking = None
        assert (await bench.done(wanted)).phase is ActPhase.DONE

    play(scene)


def test_one_act_at_a_time() -> None:  # law 1
    async def scene(bench: Bench) -> None:
        state = await bench.begin(INCLUDE)
        with pytest.raises(ActBusyError, match="under way"):
            await bench.begin(EXCLUDE)
        ended = await bench.acts.stop(state.number)
        assert ended is not None
        assert (ended.phase, ended.why) == (ActPhase.FAILED, "it was stopped")
        assert not bench.care.open
        assert (await bench.done(Wanted(Act.PING, 9.0, node=2))).answered is True
        assert await bench.acts.stop(state.number) is None

    play(scene)


def test_acts_keep_a_pace() -> None:  # law 1
    async def scene(bench: Bench) -> None:
        wanted = Wanted(Act.PING, 9.0, node=2)
        for _ in range(int(PACE.burst)):
            await bench.done(wanted)
        with pytest.raises(ActBusyError, match="too many"):
            await bench.begin(wanted)
        assert len(bench.recorded()) == 2 * PACE.burst
        await asyncio.sleep(1 / PACE.per_second)
        await bench.done(wanted)

    play(scene)


def test_an_act_for_which_nobody_waits_any_more_is_stopped() -> None:  # law 3
    async def scene(bench: Bench) -> None:
        state = await bench.begin(INCLUDE)
        await bench.acts.wait(state.number, state.round)
        assert bench.care.open
        await asyncio.sleep(2 * LEASE_SECONDS)
        assert not bench.care.open
        ended = await bench.acts.wait(state.number, 0)
        assert ended is not None
        assert (ended.phase, "nobody waited" in ended.why) == (ActPhase.FAILED, True)
        assert bench.recorded()[-1] == ("zwave_include", "failed", None)

    play(scene)


def test_an_act_lasts_as_long_as_somebody_waits() -> None:
    async def scene(bench: Bench) -> None:
        ended = await bench.done(Wanted(Act.EXCLUDE, 5 * LEASE_SECONDS))
        assert (ended.phase, ended.why) == (ActPhase.FAILED, "no device asked for it")

    play(scene)


def test_who_is_taken_out_is_told_and_a_stranger_is_none() -> None:
    async def scene(bench: Bench) -> None:
        for number in (2, 0):
            state = await bench.begin(EXCLUDE)
            bench.care.wants_out(number)
            assert (await bench.end(state)).node == number
        assert [node for _, state, node in bench.recorded() if state == "done"] == [2, 0]

    play(scene)


def test_a_dead_node_is_told_forgotten_and_then_unknown() -> None:
    async def scene(bench: Bench) -> None:
        with_node = {act: Wanted(act, 9.0, node=3) for act in Act}
        refused = await bench.done(with_node[Act.REMOVE_FAILED])
        assert (refused.phase, refused.why) == (ActPhase.FAILED, "node 3 answers")
        bench.care.silent.add(3)
        assert (await bench.done(with_node[Act.PING])).answered is False
        assert (await bench.done(with_node[Act.HEAL])).answered is False
        assert (await bench.done(with_node[Act.REMOVE_FAILED])).phase is ActPhase.DONE
        with pytest.raises(HardwareError, match="node 3 is not in the network"):
            await bench.begin(with_node[Act.PING])

    play(scene)


def test_without_a_stick_nothing_is_begun_and_nothing_recorded() -> None:
    async def scene(bench: Bench) -> None:
        bench.care.failing = HardwareError("the stick is gone")
        with pytest.raises(HardwareError, match="gone"):
            await bench.begin(INCLUDE)
        assert not bench.recorded()

    play(scene)


# The local calls.


@pytest.mark.parametrize(
    "typed",
    [
        {"act": "zwave_include"},
        {"act": "zwave_include", "pin": "1234"},
        {"act": "zwave_include", "pin": 12345},
        {"act": "zwave_include", "pin": str(PIN_MAX + 1)},
        {"act": "zwave_include", "pin": "12345", "dsk": "-".join(["12345"] * 8)},
        {"act": "zwave_include", "dsk": "-".join(["99999"] * 8)},
        {"act": "zwave_include", "pin": "12345", "node": 3},
        {"act": "zwave_include", "pin": "12345", "seconds": float("nan")},
        {"act": "zwave_exclude", "seconds": 1e9},
        {"act": "zwave_ping"},
        {"act": "zwave_ping", "node": "2"},
        {"act": "zwave_ping", "node": True},
        {"act": "reset", "node": 2},
        {},
    ],
)
def test_what_is_no_act_is_refused_and_tells_no_key(typed: dict[str, Any]) -> None:
    async def scene(bench: Bench) -> None:
        with pytest.raises(CallRefused) as refused:
            await bench.calls.act(typed, TECHNICIAN)
        assert "12345" not in str(refused.value)
        assert not bench.recorded()

    play(scene)


def test_calls_that_change_something_need_the_role() -> None:
    calls = NetworkCalls(None, NetworkReport(CONFIG, None))
    roles = {call.name: call.role for call in calls.table()}
    assert roles.pop("zwave") is Role.LOOK
    assert set(roles.values()) == {Role.ACT}


def test_an_answer_says_what_the_configuration_has_a_node_as() -> None:
    async def scene(bench: Bench) -> None:
        state: Any = await bench.calls.act({"act": "zwave_exclude"}, TECHNICIAN)
        bench.care.wants_out(2)
        while state["phase"] not in ("done", "failed"):
            asked = {"number": state["number"], "round": state["round"]}
            state = await bench.calls.wait(asked, TECHNICIAN)
        assert state["node"] == 2
        assert [one["id"] for one in state["devices"]] == ["vault"]
        with pytest.raises(CallRefused, match="no such act"):
            await bench.calls.wait({"number": 99, "round": 0}, TECHNICIAN)

    play(scene)


async def test_a_hub_without_a_network_says_so_and_one_with_openzwave_what_it_cannot() -> None:
    calls = NetworkCalls(None, NetworkReport(CONFIG, None))
    assert await calls.show({}, None) == {"zwave": None, "openzwave": None, "under_way": None}
    with pytest.raises(CallRefused, match="no Z-Wave network"):
        await calls.act({"act": "zwave_exclude"}, TECHNICIAN)
    old: Any = SimpleNamespace(
        devices=[], door_locks=[], zwave=None, openzwave=SimpleNamespace(port="/dev/ttyS9")
    )
    calls = NetworkCalls(None, NetworkReport(old, None))
    with pytest.raises(CallRefused, match="OpenZWave"):
        await calls.act({"act": "zwave_exclude"}, TECHNICIAN)
    shown: Any = await calls.show({}, None)
    assert shown["openzwave"] == {"port": "/dev/ttyS9", "devices": []}
