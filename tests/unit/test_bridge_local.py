"""The bridge's local socket: who may look and act, what is answered, what strangers achieve."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbridge.app import Bridge, open_bridge, read_files
from hubbridge.config import Api
from hubbridge.hubs.doors import (
    DOORS_MAX,
    NAME_CHARS_MAX,
    ORDERS_MAX,
    DoorSeen,
    OrderPlace,
    OrderSeen,
)
from hubbridge.hubs.state import ALARM_CHARS_MAX, ALARMS_MAX, MEASURED_MAX, Alarm, Heard, HubStates
from hubbridge.local.acts import SiteActs
from hubbridge.local.api import HUBBRIDGE
from hubbridge.local.doubts import DoubtActs
from hubbridge.local.events import SiteEvents
from hubbridge.local.log import LocalLog
from hubbridge.local.looks import SiteLooks
from hubbridge.local.operators import Operators, read_operators
from hubbridge.local.report.site import SiteReport
from hubbridge.local.report.sources import Site
from hubbridge.rules.doubts import Accepted, DoubtEnded
from hubbridge.rules.kept import Kept, Span
from hubbridge.rules.papers import ORDERS_MAX as PAPERS_MAX
from hubbridge.rules.papers import Paper, Papers
from hubbridge.siteorders import SiteOrderDesk
from hubbridge.told import EACH, Told
from hubcore.access.precedence import DoorOrder
from hubcore.access.words import HubName
from hubcore.backend.uplink.from_hub import Measured, OrderResult
from hubcore.backend.uplink.words import MAX_DETAIL_BYTES, OrderOutcome
from hubcore.bridge.ceilings.devices import DeviceCeiling
from hubcore.bridge.ends import Ends
from hubcore.bridge.from_bridge import CarriedOrder
from hubcore.bridge.mandate import Mandate, Use, issue_mandate
from hubcore.bridge.site.order import (
    DISABLED_SECONDS_MAX,
    LIFE_SECONDS_MAX,
    CredentialDisabled,
    DoorsOrder,
    SiteRelease,
    prove_site_order,
)
from hubcore.bridge.witness import SeenChain
from hubcore.codec.cose import SigningKey
from hubcore.device.command import Verb
from hubcore.device.state import Quantity
from hubcore.door.phases import Happening
from hubcore.errors import ConfigError, StoreError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import GENESIS, Head, Record, RecordKind, StoredRecord, chain_hash
from hubcore.localapi import BRIDGE_ACTORS_GROUP
from hublocal.calls import ANSWER_BYTES_MAX, Call, CallRefused, CallTable
from hublocal.messages import Request
from hublocal.peer import PeerProcess
from hublocal.roles import Role, Roles
from hublocal.sparselog import SparseLog
from hublocal.tail.events import EventTail, Filter
from hubsim.site.documents import make_key
from tests.fakes.bridgedhub import (
    BEGINS,
    ENDS,
    ISSUER,
    PATIENCE_SECONDS,
    SITE,
    BridgedHub,
    bridge_config,
    hub_files,
)
from tests.fakes.clock import FakeClock

KEY = make_key()
READER = PeerProcess(pid=1, uid=1001, gid=1001, groups=frozenset({1001, 50}))
ACTOR = PeerProcess(pid=2, uid=1002, gid=1002, groups=frozenset({1002, 50, 77}))
ACTORS = 77
ACTS = {
    "site-order",
    "site-release",
    "site-credential",
    "site-guest",
    "site-guest-end",
    "site-device",
    "site-accept",
}


def mandate(key: SigningKey = KEY, expires: int = ENDS) -> Mandate:
    return Mandate(
        site=SITE,
        holder="somebody",
        use=Use.ORDERS,
        version=1,
        key=key.verify_key,
        not_before=BEGINS,
        expires=expires,
    )


@dataclass
class Held:
    """What is held of hubs: nothing, of those that the test names."""

    hubs: dict[str, Kept] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    is_tight: bool = False
    ends: Ends = field(default_factory=Ends)
    heads: dict[str, int] = field(default_factory=dict)

    def covered(self, hub: str) -> int:
        return self.heads.get(hub, 0)

    def seen(self, _hub: str) -> SeenChain | None:
        return None


class Bench:
    """A bridge's desk, and its calls, with hubs that the test makes come and answer."""

    def __init__(self, operators: Operators | None = None, key: SigningKey | None = KEY) -> None:
        self.clock = FakeClock()
        self.mandate: Mandate | None = mandate()
        self.states = HubStates(2048)
        self.held = Held()
        self.said: list[tuple[str, bytes]] = []
        self.numbers = 0
        self.is_disk_full = False
        self.tail = EventTail()
        self.desk = SiteOrderDesk(
            site=SITE,
            key=key,
            mandate=lambda: self.mandate,
            papers=Papers(),
            file=self,
            hubs=self,
            clock=self.clock,
            make_id=self._make_id,
        )
        site = Site(SITE, "bridge-1", 1 << 30, self.clock.wall())
        self.report = SiteReport(site, self.states, self.held, self.desk, self.clock)
        self.looks = SiteLooks(self.report)
        self.acts = SiteActs(
            self.desk,
            self.report,
            operators or Operators({1002: "anna"}, "office"),
            SiteEvents(self.tail, self.clock, 8),
            self.clock,
        )
        self.doubts = DoubtActs(
            self,
            self,
            self.report,
            operators or Operators({1002: "anna"}, "office"),
            SiteEvents(self.tail, self.clock, 8),
            self.clock,
        )

    async def accept(self, hub: str, head: Head, by: str, uid: int, at_ms: int) -> Accepted:
        """`DoubtActs` asks whoever keeps doubts; here none stands."""
        return Accepted(why="this hub is not doubted")

    async def doubts_ended(self) -> tuple[DoubtEnded, ...]:
        return ()

    def accepted(self, hub: str, head: Head) -> None:
        raise AssertionError("no doubt stands")

    def _make_id(self, size: int) -> bytes:
        self.numbers += 1
        return self.numbers.to_bytes(size, "big")

    async def write(self, papers: Sequence[Paper]) -> None:
        """Keep nothing: no test starts again."""
        if self.is_disk_full:
            raise StoreError("the disk is full")

    def connected(self) -> Collection[str]:
        return sorted(self.report.hubs.connected())

    def say_order(self, hub: str, document: bytes) -> None:
        self.said.append((hub, document))

    def come(self, *hubs: str) -> None:
        for hub in hubs:
            self.states.of(hub).connected = True

    def answer(self, hub: str, order: dict[str, Any], outcome: OrderOutcome, why: str = "") -> None:
        assert self.desk.answered(hub, OrderResult(bytes.fromhex(order["order"]), outcome, why))

    async def order(self, caller: PeerProcess = ACTOR, **arguments: Any) -> dict[str, Any]:
        found: Any = await self.acts.order({"order": "lockdown", "on": True, **arguments}, caller)
        return dict(found)

    def calls(self) -> tuple[Call, ...]:
        return (*self.looks.table(), *self.acts.table(), *self.doubts.table())

    def table(self) -> CallTable:
        return CallTable(
            calls=self.calls(),
            handler_seconds=5.0,
            log=LocalLog(Told(self.clock)),
            sparse_log=SparseLog(LocalLog(Told(self.clock))),
            roles=Roles(actors=ACTORS),
            owner=HUBBRIDGE,
        )


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.come("hub-1", "hub-2")
    return made


async def asked(bench: Bench, call: str, caller: PeerProcess, **args: Any) -> dict[str, Any]:
    line = await bench.table().perform(Request(id=1, call=call, args=args), caller)
    found: dict[str, Any] = json.loads(line)
    return found


async def test_who_may_only_look_orders_nothing(bench: Bench) -> None:
    roles = {one.name: one.role for one in bench.calls()}
    assert {name for name, role in roles.items() if role is Role.ACT} == ACTS
    for name in ACTS:
        found = await asked(bench, name, READER, order="lockdown", on=True)
        assert found["error"]["code"] == "not-allowed"
        assert f"group {BRIDGE_ACTORS_GROUP}" in found["error"]["message"]
    assert bench.said == []
    assert len((await asked(bench, "site-status", READER))["result"]["hubs"]) == 2
    found = await asked(bench, "site-order", ACTOR, order="lockdown", on=True)
    assert found["result"]["by"] == "anna"
    assert [hub for hub, _ in bench.said] == ["hub-1", "hub-2"]


async def test_an_order_is_by_the_operator_of_the_user_and_by_nobody_else(bench: Bench) -> None:
    """operators, laws 1 and 2"""
    order = await bench.order(READER)
    assert order["by"] == "office"
    found = await asked(bench, "site-order", ACTOR, order="lockdown", on=True, by="boss")
    assert found["result"]["by"] == "anna"
    nobody = Bench(Operators({1002: "anna"}, ""))
    nobody.come("hub-1")
    with pytest.raises(CallRefused) as caught:
        await nobody.order(READER)
    assert caught.value.code == "no-operator"
    assert "1001" in str(caught.value)
    assert nobody.said == []


def test_operators_are_users_of_this_machine() -> None:
    own = pwd.getpwuid(os.geteuid()).pw_name
    operators = read_operators(Api(operator="office", operators={own: "anna"}))
    assert operators.of(os.geteuid()) == "anna"
    assert operators.of(4_000_000) == "office"
    assert read_operators(Api()).of(os.geteuid()) == ""
    with pytest.raises(ConfigError, match="no user 'nobody-of-this-name'"):
        read_operators(Api(operators={"nobody-of-this-name": "anna"}))
    for wrong in ("x" * 33, "a\x1bb"):
        with pytest.raises(ConfigError, match="api"):
            read_operators(Api(operator=wrong))


@pytest.mark.parametrize("word", ["lockdown", "no-entry"])
async def test_what_shuts_stands_as_long_as_hubs_take_it(bench: Bench, word: str) -> None:
    """acts, law 2"""
    now = int(bench.clock.wall())
    order = await bench.order(order=word)
    assert order["until"] == now + LIFE_SECONDS_MAX[DoorOrder.LOCKDOWN]
    assert (await bench.order(order=word, seconds=60))["until"] == now + 60
    assert (await bench.order(order=word, on=False))["until"] is None


async def test_what_opens_needs_its_time(bench: Bench) -> None:
    """acts, law 2"""
    with pytest.raises(CallRefused, match="for how long"):
        await bench.order(order="hold-open")
    longest = LIFE_SECONDS_MAX[DoorOrder.HOLD_OPEN]
    with pytest.raises(CallRefused, match="whole number"):
        await bench.order(order="hold-open", seconds=longest + 1)
    assert bench.said == []
    await bench.order(order="hold-open", seconds=longest)
    assert len(bench.said) == 2


async def test_a_credential_and_a_release_are_what_hubs_take(bench: Bench) -> None:
    now = int(bench.clock.wall())
    await bench.acts.credential({"credential": "3fa9c2d18b7e40c2", "on": True}, ACTOR)
    await bench.acts.release({"hub": "hub-2", "point": 3, "seconds": 9}, ACTOR)
    orders = [
        prove_site_order(document, HubName(SITE, hub), mandate()) for hub, document in bench.said
    ]
    until = now + DISABLED_SECONDS_MAX
    assert [one.what for one in orders[:2]] == [CredentialDisabled("3fa9c2d18b7e40c2", until)] * 2
    assert orders[2].what == SiteRelease(3, 9)
    assert [hub for hub, _ in bench.said] == ["hub-1", "hub-2", "hub-2"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"hub": "hub-9"}, "unknown-hub"),
        ({"point": 3}, "bad-argument"),
        ({"hub": "hub-1", "point": 0}, "bad-argument"),
        ({"hub": "hub-1", "point": True}, "bad-argument"),
        ({"on": 1}, "bad-argument"),
        ({"order": "fire"}, "bad-argument"),
        ({"seconds": 7 * 86_400 + 1}, "bad-argument"),
        ({"hub": "x" * 65}, "bad-argument"),
    ],
)
async def test_what_cannot_be_meant_orders_nothing(
    bench: Bench, arguments: dict[str, Any], code: str
) -> None:
    with pytest.raises(CallRefused) as caught:
        await bench.order(**arguments)
    assert caught.value.code == code
    assert bench.said == []


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80)


@given(
    call=st.sampled_from(sorted({*ACTS, "site-answers", "site-hub"})),
    args=st.dictionaries(
        st.sampled_from(("order", "on", "hub", "point", "seconds", "credential", "known")), PLAIN
    ),
)
async def test_odd_arguments_are_answered_by_a_sentence(call: str, args: dict[str, Any]) -> None:
    """words, its law"""
    bench = Bench()
    bench.come("hub-1")
    found = await asked(bench, call, ACTOR, **args)
    if "error" in found:
        assert found["error"]["code"] not in ("internal", "timeout", "too-large")
        assert bench.said == []


async def test_without_a_key_or_its_mandate_nothing_is_ordered(bench: Bench) -> None:
    keyless = Bench(key=None)
    keyless.come("hub-1")
    foreign = Bench(key=make_key())
    foreign.come("hub-1")
    ended = Bench()
    ended.come("hub-1")
    ended.mandate = mandate(expires=BEGINS + 1)
    for one, why in ((keyless, "office"), (foreign, "no mandate"), (ended, "does not hold")):
        with pytest.raises(CallRefused, match=why) as caught:
            await one.order()
        assert caught.value.code == "no-key"
        assert one.said == []
        status: Any = await one.looks.status({}, None)
        assert (status["orders_here"], why in status["orders_by"]) == (False, True)


async def test_answers_are_shown_as_they_come(bench: Bench) -> None:
    """acts, law 3"""
    bench.states.of("hub-3").connected = False
    order = await bench.order()
    assert [(one["hub"], one["connected"], one["answer"]) for one in order["hubs"]] == [
        ("hub-1", True, None),
        ("hub-2", True, None),
        ("hub-3", False, None),
    ]
    assert not order["complete"]
    about = {"order": order["order"], "seconds": 10}

    async def wait(known: int) -> dict[str, Any]:
        found: Any = await bench.acts.answers({**about, "known": known}, READER)
        return dict(found)

    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(wait(0))
        await asyncio.sleep(0)
        assert not waiting.done()
        bench.answer("hub-1", order, OrderOutcome.TAKEN)
        first = await waiting
        assert (first["answered"], first["complete"]) == (1, False)
        waiting = tasks.create_task(wait(1))
        await asyncio.sleep(0)
        assert not waiting.done()
        bench.answer("hub-2", order, OrderOutcome.REFUSED, "who ordered it may not")
        last = await waiting
    assert (last["answered"], last["complete"]) == (2, True)
    found = {one["hub"]: (one["answer"], one["detail"]) for one in last["hubs"]}
    assert found == {
        "hub-1": ("taken", ""),
        "hub-2": ("refused", "who ordered it may not"),
        "hub-3": (None, ""),
    }
    orders: Any = await bench.looks.orders({}, None)
    (shown,) = orders["orders"]
    assert (shown["taken"], shown["missing_hubs"]) == (1, ["hub-2", "hub-3"])


async def test_who_asks_for_answers_waits_no_longer_than_he_says(bench: Bench) -> None:
    order = await bench.order()
    found: Any = await bench.acts.answers({"order": order["order"], "known": 0, "seconds": 0}, None)
    assert (found["answered"], found["complete"]) == (0, False)
    with pytest.raises(CallRefused) as caught:
        await bench.acts.answers({"order": "00" * 16, "known": 0}, None)
    assert caught.value.code == "unknown-order"


async def test_a_newer_order_about_the_same_is_the_one_that_counts(bench: Bench) -> None:
    first = await bench.order()
    await bench.order(seconds=3600)
    await bench.order()
    with pytest.raises(CallRefused) as caught:
        await bench.acts.answers({"order": first["order"]}, None)
    assert caught.value.code == "unknown-order"


async def test_what_opens_and_the_disk_does_not_take_is_not_ordered(bench: Bench) -> None:
    bench.is_disk_full = True
    found = await asked(bench, "site-order", ACTOR, order="lockdown", on=False)
    assert found["error"] == {"code": "store", "message": "the disk is full"}
    assert bench.said == []
    orders: Any = await bench.looks.orders({}, None)
    assert orders["orders"] == []


async def test_what_shuts_is_ordered_and_people_hear_that_the_disk_did_not_take_it(
    bench: Bench,
) -> None:
    assert (await bench.order())["kept"] is True
    said = len(bench.said)
    bench.is_disk_full = True
    given = await bench.order()
    assert given["kept"] is False
    assert len(bench.said) == 2 * said
    assert bench.report.status()["orders_unkept"] == 1


async def test_a_hub_that_was_ended_is_not_waited_for(bench: Bench) -> None:
    """report, law 2"""
    bench.held.hubs["hub-3"] = Kept()
    bench.states.of("hub-4").connected = False
    order = await bench.order()
    assert [one["hub"] for one in order["hubs"]] == ["hub-1", "hub-2", "hub-3", "hub-4"]
    bench.held.ends = Ends(1, frozenset({"hub-2", "hub-3", "hub-4"}))
    bench.states.of("hub-2").connected = False
    bench.answer("hub-1", order, OrderOutcome.TAKEN)
    found: Any = await bench.acts.answers({"order": order["order"]}, None)
    assert [(one["hub"], one["answer"]) for one in found["hubs"]] == [("hub-1", "taken")]
    assert found["complete"]
    status: Any = await bench.looks.status({}, None)
    assert [one["hub"] for one in status["hubs"]] == ["hub-1"]
    with pytest.raises(CallRefused):
        await bench.order(hub="hub-3")


async def test_records_that_wait_for_their_hub_are_counted(bench: Bench) -> None:
    bench.held.hubs["hub-1"] = Kept((Span(Head(), Head(9, bytes(32))),))
    for covered, unsigned in ((0, 9), (7, 2), (9, 0), (12, 0)):
        bench.held.heads["hub-1"] = covered
        found: Any = await bench.looks.hub({"hub": "hub-1"}, None)
        assert (found["waiting_records"], found["unsigned_records"]) == (9, unsigned)


async def test_who_watches_sees_who_ordered_what(bench: Bench) -> None:
    order = await bench.order(seconds=60)
    with bench.tail.subscribe(Filter(level="warning", since=0.0)) as onlooker:
        (told,) = [json.loads(one) for one in onlooker.past]
    assert (told["event"], told["order"]) == ("order_given", order["order"])
    assert (told["by"], told["uid"]) == ("anna", 1002)


async def test_the_longest_documents_fit_into_an_answer() -> None:
    """report, law 3: as many hubs as a configuration allows, each with all that is kept of it"""
    bench = Bench()
    name = "x" * NAME_CHARS_MAX
    for number in range(1024):
        hub = f"hub-{number:028}"
        bench.come(hub)
        state = bench.states.of(hub)
        state.software = "9" * 32
        for one in range(ALARMS_MAX):
            state.alarms[one] = Alarm(one, 1_800_000_000_000, "a" * ALARM_CHARS_MAX, True)
        for one in range(DOORS_MAX):
            alarms = frozenset(map(str, Happening))
            state.doors.doors[f"{one:02}{name[2:]}"] = DoorSeen("forced", 1, alarms)
        for one in range(ORDERS_MAX):
            place = OrderPlace("lockdown", name, f"door {one:02}{name[2:]}")
            state.doors.orders[place] = OrderSeen(1_800_000_000_000, None)
        for one in range(MEASURED_MAX):
            value = Measured(f"{one:02}{name[2:34]}", Quantity.CARBON_MONOXIDE, 10**15, 10**6)
            state.measured[(value.device, one)] = Heard(value, 0.0)
    order = await bench.order()
    for number in range(1024):
        bench.answer(f"hub-{number:028}", order, OrderOutcome.REFUSED, "d" * MAX_DETAIL_BYTES)
    for number in range(PAPERS_MAX - 1):
        await bench.acts.credential({"credential": f"{number:032}", "on": True}, ACTOR)
    hub = f"hub-{0:028}"
    for call, args in (
        ("site-status", {}),
        ("site-doors", {}),
        ("site-now", {}),
        ("site-readings", {}),
        ("site-orders", {}),
        ("site-hub", {"hub": hub}),
        ("site-answers", {"order": order["order"]}),
    ):
        line = await bench.table().perform(Request(id=1, call=call, args=args), READER)
        assert b'"result"' in line[:64], (call, line[:200])
        assert len(line) <= ANSWER_BYTES_MAX, call
    doors: Any = await bench.looks.doors({}, None)
    assert doors["doors_left_out"] == 1024 * DOORS_MAX - len(doors["doors"]) > 0


async def test_acts_are_told_in_the_log_at_a_pace(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    table = bench.table()
    for _ in range(50):
        args: dict[str, Any] = {"order": "lockdown", "on": True}
        await table.perform(Request(id=1, call="site-order", args=args), ACTOR)
    lines = [line for line in capsys.readouterr().err.splitlines() if "write_call" in line]
    assert len(lines) == EACH.burst
    assert "uid=1002" in lines[0]
    assert "site-order" in lines[0]


# A bridge that runs.


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Bridge, int, Path]]:
    socket = folder / "b.sock"
    document = issue_mandate(mandate(), ISSUER)
    config = bridge_config(folder, (document,), orders=KEY)
    api = Api(socket=str(socket), operator="office")
    config = msgspec.structs.replace(config, api=api)
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        open_bridge(read_files(config, folder / "hubbridge.toml")) as bridge,
        asyncio.TaskGroup() as group,
    ):
        task = group.create_task(bridge.run(ready.set_result))
        yield bridge, await ready, socket
        task.cancel()


async def ask(socket: Path, call: str, **args: Any) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(str(socket), limit=1 << 22)
    with closing(writer):
        request = {"id": 1, "api": 1, "call": call, "args": args}
        writer.write(json.dumps(request).encode() + b"\n")
        found: dict[str, Any] = json.loads(await reader.readline())
        return found


HOSTILE = (
    b"\x00" * 70_000,
    b'{"id": 1, "call": "site-order", "args": {"order": {"a": 1}}}\n' * 200,
    b'{"id": 1, "call": "site-status", "body": 99999999}\n' + b"x" * 1000,
    b"[" * 5000 + b"\n",
    b'{"id": 99999999999999999999, "call": ""}\n',
    b'{"id": 1, "call": "tail"}\n' * 50,
    b"\xff\xfe\n" * 500,
    b'{"id": 1, "call": "site-order", "args": {"order": "lockdown", "on": "yes"}}\n',
)


async def test_strangers_at_the_socket_hold_up_no_hub_and_order_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as (bridge, port, socket):
        hub = await BridgedHub.connect("hub-1", hub_files(tmp_path / "hub", "hub-1"), port)
        with closing(hub):
            await hub.greet([])
            for noise in HOSTILE:
                _, writer = await asyncio.open_unix_connection(str(socket))
                writer.write(noise)
                writer.close()
            found = await ask(socket, "site-status")
            assert [one["phase"] for one in found["result"]["hubs"]] == ["speaking"]
            assert bridge.orders.shown() == []
            given = (await ask(socket, "site-order", order="lockdown", on=True))["result"]
            assert given["by"] == "office"
            carried = await hub.until(CarriedOrder)
            assert isinstance(carried, CarriedOrder)
            order = prove_site_order(carried.document, HubName(SITE, "hub-1"), mandate())
            assert order.id.hex() == given["order"]
            assert order.what == DoorsOrder(DoorOrder.LOCKDOWN, None, given["until"])
            hub.say(OrderResult(order.id, OrderOutcome.TAKEN, ""))
            about = {"order": given["order"], "known": 0, "seconds": 10}
            told = (await ask(socket, "site-answers", **about))["result"]
            assert (told["complete"], told["hubs"][0]["answer"]) == (True, "taken")


def alarm_log() -> list[StoredRecord]:
    """Return a log whose second record is an alarm."""
    log: list[StoredRecord] = []
    before = GENESIS
    for number, what in enumerate((Happening.CLOSED, Happening.FORCED), 1):
        detail = {Fact.DOOR: "front", Fact.WHAT: str(what)}
        body = Record.at(RecordKind.DOOR, 1_800_000_000.0, 1.0, detail).encode()
        before = chain_hash(before, number, body)
        log.append(StoredRecord(number, body, before))
    return log


async def test_an_alarm_that_comes_as_a_record_is_seen_by_who_watches(tmp_path: Path) -> None:
    """holding, law 4"""
    log = alarm_log()
    async with running(tmp_path) as (_, port, socket):
        reader, writer = await asyncio.open_unix_connection(str(socket))
        with closing(writer):
            writer.write(b'{"id": 1, "api": 1, "call": "tail", "args": {"level": "warning"}}\n')
            assert json.loads(await reader.readline())["result"] == "tailing"
            hub = await BridgedHub.connect("hub-1", hub_files(tmp_path / "hub", "hub-1"), port)
            with closing(hub):
                await hub.greet(log)
                hub.send(log)
                await hub.held(2)
                told = json.loads(await reader.readline())["event"]
                assert (told["event"], told["hub"], told["record"]) == ("alarm", "hub-1", 2)
                found = (await ask(socket, "site-doors"))["result"]["doors"]
                assert [(one["door"], one["alarms"]) for one in found] == [("front", ["forced"])]
            told = json.loads(await reader.readline())["event"]
            assert told["event"] == "hub_gone"


async def test_a_socket_that_another_bridge_answers_refuses_the_start(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with running(tmp_path / "one") as (_, _, socket):
        config = bridge_config(tmp_path / "two")
        config = msgspec.structs.replace(config, api=Api(socket=str(socket)))
        with pytest.raises(ConfigError, match="another hubbridge"):
            async with open_bridge(read_files(config, tmp_path / "two/x.toml")) as second:
                await second.run(lambda _: None)


async def test_a_device_is_commanded_up_to_the_ceiling_of_the_mandate(bench: Bench) -> None:
    """siteorders, law 6: what no hub would take is not given"""
    asks: dict[str, Any] = {"hub": "hub-1", "device": "shutter", "verb": "close"}
    refused = await asked(bench, "site-device", ACTOR, **asks)
    assert refused["error"]["code"] == "bad-argument"
    assert "for no devices" in refused["error"]["message"]
    ceiling = DeviceCeiling((Verb.CLOSE, Verb.SET_LEVEL), ("shutter",))
    bench.mandate = replace(mandate(), devices=ceiling)
    given = (await asked(bench, "site-device", ACTOR, **asks))["result"]
    assert (given["what"], given["hub"], given["until"]) == ("close shutter", "hub-1", None)
    assert [hub for hub, _ in bench.said] == ["hub-1"]
    for wrong in (
        {"device": "light"},
        {"verb": "open"},
        {"verb": "unlock"},
        {"verb": "set-level"},
        {"verb": "set-level", "level": 101},
        {"level": 5},
        {"device": "Shutter"},
    ):
        refused = await asked(bench, "site-device", ACTOR, **{**asks, **wrong})
        assert refused["error"]["code"] == "bad-argument", wrong
    assert (await asked(bench, "site-device", READER, **asks))["error"]["code"] == "not-allowed"
    assert len(bench.said) == 1
