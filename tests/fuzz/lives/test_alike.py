"""A yes and a no look alike: the same phones do the same things at the same times to a hub that
lets one of them in and to one that does not, and what goes over the air is compared: when, on which
link, how long, what is readable in it, and when each link ends.

The whole hub is there but for the radio: links, core, decision, records, strike, the watch of the
doors. Some phones do what the acts say, whatever they are told; a visitor reads its answers and
keeps to the phone's table in docs/protocol.md. The front door is shut or stands open, and nobody
moves it: who sees a door open needs no radio.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from hubcore.access.grant import Access
from hubcore.access.words import Action, Mode
from hubcore.calendar.schedule import Rule, Schedule
from hubcore.codec.cose import Aead
from hubcore.door.machine import DoorMachine
from hubcore.door.state import DoorState
from hubcore.errors import PeerError
from hubcore.phone.framing import Flag, Outbound, control_frame
from hubcore.phone.messages import GET_EPOCH, decode_challenge, encode_to_hub
from hubcore.phone.sealing import BLE_GATT
from hubcore.ports.clock import ClockState
from hubcore.ports.radio import LinkId
from hubd.doors.watch import DoorWatch
from hubd.phones.links import Links
from hubd.upkeep.lately.traces import Traces
from hubsim import site
from hubsim.door.door import SimDoor, Times
from hubsim.phone.effects import (
    Leave,
    LinkPhoneEffect,
    Moved,
    ReadInfo,
    ReadTxr,
    SendMessage,
    WriteFrame,
)
from hubsim.phone.machine import Attempt
from hubsim.phone.onlink import OnLink
from hubsim.phone.wallet import KeptTicket, Wallet
from hubsim.site import OPEN_AND_QUERY
from tests.fakes.inputs import FakeInputs
from tests.fakes.radio import FakeRadio
from tests.fuzz.common import effort
from tests.pair import DeskHub, make_wallet, rsa_key, settle
from tests.requests import full_request, give_ticket, short_request
from tests.virtualtime import VirtualLoop, run_virtually, virtual_clock

REACHED: Counter[str] = Counter()
ISSUER = site.make_key()
RELEASE_SECONDS = 5.0
CAP_SECONDS = 600.0
"""No strike must rest here: one that must holds its yes back, as docs/protocol.md says."""
HELD_OPEN_SECONDS = 1.0
LINKS_MAX = 4
COMMIT_SECONDS = 0.002
TICK_SECONDS = 0.02
"""What may differ: a yes drives a line, and one that came to nothing is written down once more."""
ALWAYS = Rule(0b1111111, 0, 1440)
NEVER = Rule(0b1111111, 0, 1)
MTU = 247
READ_SECONDS = 0.025
"""A visitor's read of TXR takes so long; so none falls into the TICK_SECONDS in which one world has
a state already.
"""
LEFT = "the phone left"


@dataclass(frozen=True)
class Act:
    """What a phone does on a link, `after` seconds after the act before.

    A visitor comes on a link of its own.
    """

    what: str
    link: int = 0
    op: int = 0
    after: float = 0.0
    who: str = "anna"
    action: Action = Action.OPEN
    subscribed: bool = True


@cache
def wallet_of(credential: str) -> Wallet:
    return make_wallet(
        ISSUER, credential, (Access(1, OPEN_AND_QUERY, (7,)), Access(2, OPEN_AND_QUERY, (7,)))
    )


class _AtOnce(Executor):
    """Does the RSA where it is asked for."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Ear:
    """What anybody near the hub could hear, by link."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.heard: dict[LinkId, list[tuple[float, str]]] = {}
        self.visitors: dict[LinkId, Visitor] = {}
        self.radio = FakeRadio(on_notify=self._notified, on_drop=self._dropped)

    def hear(self, link: LinkId, what: str) -> None:
        self.heard.setdefault(link, []).append((self.loop.now, what))

    def _notified(self, link: LinkId, frame: bytes) -> None:
        readable = frame[6:10].hex() if frame[0] & Flag.FIRST else ""
        self.hear(link, f"{len(frame)} bytes, flags {frame[0]:02x}, {readable}")
        if link in self.visitors:
            self.loop.call_soon(self.visitors[link].notified, frame)

    def _dropped(self, link: LinkId) -> None:
        self.hear(link, "dropped")
        assert self.radio.listener is not None
        self.radio.listener.closed(link)
        if link in self.visitors:
            self.visitors[link].lost()


class World:
    """One hub and its phones."""

    def __init__(self, loop: VirtualLoop, refuse: Callable[[DeskHub], None]) -> None:
        self.loop = loop
        self.clock = virtual_clock(loop)
        self.ear = Ear(loop)
        self.hub = hub = DeskHub(ISSUER, self.clock)
        self.refuse = refuse
        hub.policy.schedules[7] = Schedule((ALWAYS,))
        self.inputs = FakeInputs()
        times = Times(cap_seconds=CAP_SECONDS)
        hub.doors = {name: SimDoor(name, loop, self.inputs.put, times) for name in ("front", "lab")}
        machines = {name: DoorMachine(True, HELD_OPEN_SECONDS) for name in hub.doors}
        self.watch = DoorWatch(machines, hub.log, self.clock, lambda _event, _facts: None)
        hub.watch = self.watch  # type: ignore[assignment]
        hub.log.commit_seconds = COMMIT_SECONDS
        unlock = hub.start_unlock()
        self.links = Links(
            side=hub.side,
            radio=self.ear.radio,
            transport=BLE_GATT,
            links_max=LINKS_MAX,
            rsa=_AtOnce(),
            present=unlock.present,
            door_state=unlock.door_state,
            strike_seconds={1: RELEASE_SECONDS, 2: RELEASE_SECONDS},
            refused=lambda _cause: None,
            take_revocations=hub.carried_intake().take,
            tell=self._told,
            traced=Traces({}, self.clock),
            clock=self.clock,
        )
        self.out: dict[int, tuple[bytes, Outbound]] = {}
        self.visits: Counter[int] = Counter()

    def _told(self, event: str, facts: object) -> None:
        assert event not in ("link_fault", "send_failed"), facts

    async def live(
        self, acts: list[Act], turn: int, ajar: bool
    ) -> dict[LinkId, list[tuple[float, str]]]:
        """Do the acts; from the act `turn` on this world refuses what it refuses. Return what was
        heard.

        `ajar`: the front door was opened long before, and stands open.
        """
        tasks = [
            asyncio.create_task(self.links.run(lambda _on_air: None, lambda: None)),
            asyncio.create_task(self.watch.run(self.inputs, lambda: None, self.links.door_changed)),
        ]
        await settle()
        if ajar:
            self.hub.doors["front"].force()
            await asyncio.sleep(HELD_OPEN_SECONDS + 1)
        for number, act in enumerate(acts):
            if act.after:
                await asyncio.sleep(act.after)
            if number == turn:
                self.refuse(self.hub)
            self.do(act)
        await asyncio.sleep(62)
        assert not any(task.done() for task in tasks)
        REACHED["strikes"] += self.hub.strikes
        return self.ear.heard

    def do(self, act: Act) -> None:
        link = LinkId(f"{act.link}", self.visits[act.link])
        match act.what:
            case "leave":
                self.links.closed(link)
                self.visits[act.link] += 1
                self.out.pop(act.link, None)
            case "connect":
                self.links.opened(link)
            case "visitor" | "cold visitor":
                Visitor(self, act, LinkId("visitor", len(self.ear.visitors))).come()
            case "info":
                info = self.links.info(link)
                self.ear.hear(link, f"INFO of {len(info)} bytes")
                if info:
                    self.out[act.link] = info, Outbound(decode_challenge(info).sid)
            case "read":
                self.ear.hear(link, f"TXR of {len(self.links.next_frame(link, MTU))} bytes")
            case "bye" if act.link in self.out:
                self.write(
                    link, control_frame(Flag.BYE, decode_challenge(self.out[act.link][0]).sid, 0)
                )
            case "epoch" if act.link in self.out:
                self.send(act.link, link, GET_EPOCH)
            case "open" | "resume" if act.link in self.out:
                make = self.opened if act.what == "open" else self.resumed
                self.send(act.link, link, make(act, self.out[act.link][0]))

    def send(self, number: int, link: LinkId, message: bytes) -> None:
        out = self.out[number][1]
        out.answered()
        out.load(message)
        while frame := out.pull(MTU):
            self.write(link, frame)

    def write(self, link: LinkId, frame: bytes) -> None:
        try:
            self.links.frame(link, frame, MTU)
        except PeerError:
            self.ear.hear(link, "ATT error")

    def opened(self, act: Act, challenge: bytes) -> bytes:
        """Return what a phone sends by the full path."""
        op = bytes([act.op]) * 8
        return encode_to_hub(
            full_request(self.hub, wallet_of(act.who), challenge, op=op, action=act.action)
        )

    def resumed(self, act: Act, challenge: bytes) -> bytes:
        """Return what a phone sends by the short path; it has a ticket in both worlds."""
        op = bytes([act.op]) * 8
        secret = self.ticket(act.who, challenge)
        return encode_to_hub(short_request(self.hub, secret, challenge, op=op, action=act.action))

    def ticket(self, who: str, challenge: bytes) -> bytes:
        """Have the hub know a ticket made of a challenge; return its secret, whose first 16 bytes
        are its id.
        """
        secret = hashlib.sha256(challenge).digest()
        give_ticket(self.hub, wallet_of(who), secret)
        return secret


class Visitor:
    """The reference phone on a link of its own: it stays and leaves as it does, by what it
    reads.
    """

    def __init__(self, world: World, act: Act, link: LinkId) -> None:
        self.world = world
        self.act = act
        self.link = link
        self.loop = world.loop
        self.wallet = replace(
            wallet_of(act.who), epochs={}, tickets={}, full_path_at=set(), unanswered={}
        )
        attempt = Attempt(self.wallet, 1, act.action, bytes, BLE_GATT, bytes([act.op]) * 8)
        self.phone = OnLink(attempt, act.subscribed)
        self.out: Outbound | None = None
        self.alarm: asyncio.TimerHandle | None = None
        self.gone = False

    def come(self) -> None:
        self.world.ear.visitors[self.link] = self
        self.world.links.opened(self.link)
        self.perform([ReadInfo()])

    def notified(self, frame: bytes) -> None:
        if self.act.subscribed:
            self.perform(self.phone.notified(frame, self.loop.now, self.world.clock.wall()))

    def pulled(self, value: bytes) -> None:
        self.perform(
            [] if self.gone else self.phone.pulled(value, self.loop.now, self.world.clock.wall())
        )

    def lost(self) -> None:
        self.perform(self.phone.lost("the hub has ended the link"))
        self.gone = True

    def due(self, at: float) -> None:
        self.perform(self.phone.passed(max(at, self.loop.now)))

    def perform(self, effects: list[LinkPhoneEffect]) -> None:
        todo = deque(effects)
        while todo and not self.gone:
            todo.extend(self.did(todo.popleft()))
        if self.alarm is not None:
            self.alarm.cancel()
        if self.phone.due is not None and not self.gone:
            self.alarm = self.loop.call_at(self.phone.due, self.due, self.phone.due)

    def did(self, effect: LinkPhoneEffect) -> list[LinkPhoneEffect]:
        now = self.loop.now
        wall = self.world.clock.wall()
        match effect:
            case ReadInfo(after_seconds) if after_seconds:
                self.loop.call_later(after_seconds, self.perform, [ReadInfo()])
            case ReadInfo():
                return self.phone.info(self.read_info(), now, wall)
            case SendMessage(message):
                return self.send(message) or self.phone.written(now)
            case WriteFrame(frame):
                return self.write(frame)
            case ReadTxr():
                value = self.world.links.next_frame(self.link, MTU)
                self.world.ear.hear(self.link, f"TXR of {len(value)} bytes")
                self.loop.call_later(READ_SECONDS, self.pulled, value)
            case Moved(state):
                REACHED[f"states that say {state.door.name}"] += 1
            case Leave():
                self.gone = True
                self.world.ear.hear(self.link, LEFT)
                self.world.links.closed(self.link)
        return []

    def read_info(self) -> bytes:
        info = self.world.links.info(self.link)
        self.world.ear.hear(self.link, f"INFO of {len(info)} bytes")
        if not info:
            return info
        challenge = decode_challenge(info)
        self.out = Outbound(challenge.sid)
        if self.act.what == "visitor":  # it has a ticket in both worlds
            secret = self.world.ticket(self.act.who, info)
            hub = self.world.hub.side.name.hub
            ends = int(self.world.clock.wall()) + 3600
            kept = KeptTicket(hub, secret[:16], secret, Aead.A256GCM, ends, frozenset({1}), ends)
            self.wallet.tickets[challenge.hub] = kept
        return info

    def send(self, message: bytes) -> list[LinkPhoneEffect]:
        """Return what the phone does when the link ends meanwhile."""
        assert self.out is not None
        self.out.answered()
        self.out.load(message)
        while frame := self.out.pull(MTU):
            if ended := self.write(frame):
                return ended
        return []

    def write(self, frame: bytes) -> list[LinkPhoneEffect]:
        self.world.ear.hear(self.link, f"RX of {len(frame)} bytes")
        try:
            self.world.links.frame(self.link, frame, MTU)
        except PeerError:
            self.world.ear.hear(self.link, "ATT error")
            return [*self.phone.lost("a write was refused"), Leave()]
        return []


def nothing(_hub: DeskHub) -> None:
    """The world of yes."""


def lockdown(hub: DeskHub) -> None:
    hub.policy.modes[1] = Mode.LOCKDOWN


def revoke(hub: DeskHub) -> None:
    """One phone is revoked; the other is let in as before."""
    hub.policy.credentials.add("anna")


def out_of_schedule(hub: DeskHub) -> None:
    hub.policy.schedules[7] = Schedule((NEVER,))


def no_time(hub: DeskHub) -> None:
    hub.clock.trust = ClockState.BEHIND_RECORDS


def heard(
    acts: list[Act], turn: int, refuse: Callable[[DeskHub], None], ajar: bool = False
) -> dict[LinkId, list[tuple[float, str]]]:
    loop = VirtualLoop()
    rsa_key()

    async def life() -> dict[LinkId, list[tuple[float, str]]]:
        return await World(loop, refuse).live(acts, turn, ajar)

    return run_virtually(loop, life())


PAUSES = st.sampled_from([0.0, 0.0, 0.05, 0.5, 1.0, 4.4, 5.0, 5.2, 12.0, 31.0])
LINK = st.integers(0, 2)
WHO = st.sampled_from(["anna", "anna", "anna", "ben"])
ACTION = st.sampled_from([Action.OPEN, Action.OPEN, Action.OPEN, Action.QUERY])
ASKS = st.builds(
    Act,
    st.sampled_from(["resume", "resume", "resume", "open"]),
    LINK,
    st.integers(0, 2),
    st.sampled_from([0.0, 0.05]),
    WHO,
    ACTION,
)
VISITORS = st.builds(
    Act,
    st.sampled_from(["visitor", "visitor", "cold visitor"]),
    op=st.integers(0, 2),
    after=PAUSES,
    who=WHO,
    action=ACTION,
    subscribed=st.booleans(),
)
OTHERS = st.builds(
    Act,
    st.sampled_from(["info", "info", "connect", "leave", "bye", "read", "epoch"]),
    st.integers(0, 6),
    after=PAUSES,
)
VISITS = st.tuples(st.builds(Act, st.just("info"), LINK, after=PAUSES), ASKS).map(
    lambda pair: [
        pair[0],
        Act(pair[1].what, pair[0].link, pair[1].op, pair[1].after, pair[1].who, pair[1].action),
    ]
)
"""INFO read, then a request on that link: what phones mostly do."""
SINGLE = st.one_of(ASKS, OTHERS, VISITORS, VISITORS).map(lambda act: [act])
LIVES = st.lists(st.one_of(VISITS, SINGLE), max_size=9).map(
    lambda parts: [act for part in parts for act in part]
)


def asked(link: int, op: int, after: float) -> list[Act]:
    return [Act("info", link, after=after), Act("resume", link, op)]


CROWD = [Act("info", link, after=0.05) for link in range(1, LINKS_MAX + 1)]


def visits(op: int, after: float, who: str = "anna") -> Act:
    return Act("visitor", op=op, after=after, who=who)


@given(
    LIVES,
    st.integers(0, 4),
    st.sampled_from([lockdown, revoke, out_of_schedule, no_time]),
    st.booleans(),
)
@example([*asked(0, 1, 0.0), *asked(0, 1, 0.5)], 0, lockdown, False)  # again on the same link
@example([*asked(0, 1, 0.0), *asked(1, 1, 0.5)], 0, revoke, False)  # again on another link
@example(
    [*asked(0, 1, 0.0), *asked(0, 1, 5.5)], 0, lockdown, False
)  # again after the release's end
@example(
    [*asked(0, 1, 0.0), *asked(1, 2, 2.0)], 0, lockdown, False
)  # a wish of its own prolongs the release
@example(
    [*asked(0, 1, 0.0), *asked(1, 2, 8.0)], 0, revoke, False
)  # a second release in the first one's session
@example(
    [*asked(0, 1, 0.0), Act("info", 0, after=1.0)], 0, lockdown, False
)  # the session is over before its state
@example([*asked(0, 1, 0.0), *asked(0, 1, 1.0)], 2, revoke, False)  # revoked in between
@example(
    [*asked(0, 1, 0.0), *CROWD], 0, lockdown, False
)  # others come until somebody has to make room
@example(
    [visits(1, 0.0)], 0, lockdown, False
)  # nobody else: the strike is at rest when the state comes
@example(
    [visits(1, 0.0), visits(2, 2.0)], 0, lockdown, False
)  # the second one's release is told to the first
@example([visits(1, 0.0), visits(2, 2.0, "ben")], 0, revoke, False)
@example([visits(1, 0.0)], 0, lockdown, True)  # the door stands open all the time
@effort(60)
def _look_alike(acts: list[Act], turn: int, refuse: Callable[[DeskHub], None], ajar: bool) -> None:
    yes = heard(acts, turn, nothing, ajar)
    no = heard(acts, turn, refuse, ajar)
    assert yes.keys() == no.keys()
    for link, told in yes.items():
        assert [what for _, what in told] == [what for _, what in no[link]], (
            f"\nyes {told}\nno  {no[link]}"
        )
        late = [abs(at - other) for (at, _), (other, _) in zip(told, no[link], strict=True)]
        assert max(late) <= TICK_SECONDS, f"\nyes {told}\nno  {no[link]}"
        REACHED["verdicts"] += sum("8202" in what for _, what in told)
        REACHED["states"] += sum("8203" in what for _, what in told)
        REACHED["left"] += sum(what == LEFT for _, what in told)


def test_a_yes_and_a_no_look_alike() -> None:
    _look_alike()
    assert min(REACHED[name] for name in ("strikes", "verdicts", "states", "left")) >= 10, REACHED
    read = {DoorState.SECURED, DoorState.RELEASED, DoorState.HELD_OPEN, DoorState.UNKNOWN}
    assert min(REACHED[f"states that say {door.name}"] for door in read) >= 1, REACHED
