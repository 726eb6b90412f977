"""A playbook for one link of the hub: events and what must come of them, in the order of a play.

    play >> InfoRead() << NewChallenge() << At(Phase.READY)
    play >> Sends(GET_EPOCH) << Says(Epoch) << At(Phase.READY)

`>>` lets something happen at the link, `<<` says what comes of it. The playbook fails when an
effect is another one or missing, when an event comes before all effects of the one before were
named, and at the end (`finish`, which the fixture calls) when an effect is left.

Laws:
1. The link is the real one, `hubcore.phone.link.HubLink`, with the real messages of a phone.
2. The phone's frames and acknowledgements are made here, so that a play speaks of messages. `Frame`
   is for what no phone would send.
3. Nothing is done that the play does not say: RSA, decisions and follow-ups wait for their events.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol, assert_never

from hubcore.access.claim import ClaimOutcome, Strength
from hubcore.access.words import Action
from hubcore.door.state import DoorState
from hubcore.errors import PeerError, ProofError
from hubcore.phone.effects import Drop, FollowUp, Presented, Refused, Unseal
from hubcore.phone.framing import Flag, Inbound, Outbound, control_frame, decode_frame
from hubcore.phone.handshake import HandshakePhase
from hubcore.phone.link import HubLink, LinkEffect, Notify
from hubcore.phone.messages import decode_challenge, decode_to_phone, encode_to_hub
from hubcore.phone.sealing import OpenJob, open_request
from hubsim import site
from tests.pair import DeskHub, make_wallet
from tests.requests import full_request, give_ticket, short_request

MTU = 247
SECRET = bytes(range(32))
"""Of the ticket that the hub knows."""
ANY: Any = object
"""What fits everything."""


# What may come of an event.


@dataclass(frozen=True)
class NewChallenge:
    """INFO has a challenge that was never there before."""


@dataclass(frozen=True)
class EmptyInfo:
    """INFO has an empty value."""


@dataclass(frozen=True)
class Says:
    """The phone gets this message. `message` may be the type of a message."""

    message: Any


@dataclass(frozen=True)
class SaysBye:
    """The phone gets a BYE."""


@dataclass(frozen=True)
class Unseals:
    """An open goes to the RSA thread."""


@dataclass(frozen=True)
class Presents:
    """A claim is handed over to be decided."""

    strength: Strength = ANY


@dataclass(frozen=True)
class AsksForState:
    """The state that follows an answer is asked for, for later."""


@dataclass(frozen=True)
class Refuses:
    """The hub notes a cause; `counted` is whether the link comes nearer to its end."""

    counted: bool = ANY
    cause: type[PeerError] | PeerError = ANY


@dataclass(frozen=True)
class Disconnects:
    """The link is to be dropped."""

    why: str = ANY


Effect = (
    NewChallenge
    | EmptyInfo
    | Says
    | SaysBye
    | Unseals
    | Presents
    | AsksForState
    | Refuses
    | Disconnects
)


@dataclass(frozen=True)
class At:
    """No effect, but where the link stands now."""

    phase: HandshakePhase


def fits(expected: Effect, seen: Effect) -> bool:
    """Whether an effect is as expected; a type expects any value of it."""
    if type(expected) is not type(seen):
        return False
    for one in fields(expected):
        wanted = getattr(expected, one.name)
        has = getattr(seen, one.name)
        if not (isinstance(has, wanted) if isinstance(wanted, type) else has == wanted):
            return False
    return True


# What may happen.


class Event(Protocol):
    """Something that happens at the link."""

    def happen(self, play: Playbook) -> list[Effect]:
        """Let it happen; return what came of it."""


@dataclass(frozen=True)
class InfoRead:
    """The phone reads INFO, and forgets its session."""

    def happen(self, play: Playbook) -> list[Effect]:
        info = play.link.challenge(play.now)
        if not info:
            return [EmptyInfo()]
        assert info not in play.challenges, "a challenge came twice"
        play.challenges.append(info)
        play.sid = decode_challenge(info).sid
        play.inbound = Inbound(play.sid, repeats=True)
        play.outbound = Outbound(play.sid)
        return [NewChallenge()]


@dataclass(frozen=True)
class Sends:
    """The phone sends a message, in as many frames as it takes."""

    message: bytes

    def happen(self, play: Playbook) -> list[Effect]:
        return play.send(self.message)


@dataclass(frozen=True)
class SendsOpen:
    """The phone sends an open.

    `changes` are fields of the message that are not as they should be.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    forged: bool = False

    def happen(self, play: Playbook) -> list[Effect]:
        made = replace(full_request(play.hub, play.wallet, play.challenges[-1]), **self.changes)
        if self.forged:
            made = replace(made, ciphertext=_spoiled(made.ciphertext))
        return play.send(encode_to_hub(made))


@dataclass(frozen=True)
class SendsResume:
    """The phone sends a resume. `known`: the hub knows its ticket. `changes` as with an open."""

    changes: dict[str, Any] = field(default_factory=dict)
    known: bool = True
    forged: bool = False
    action: Action = Action.OPEN

    def happen(self, play: Playbook) -> list[Effect]:
        if self.known:
            give_ticket(play.hub, play.wallet, SECRET)
        made = replace(
            short_request(play.hub, SECRET, play.challenges[-1], action=self.action), **self.changes
        )
        if self.forged:
            made = replace(made, ciphertext=_spoiled(made.ciphertext))
        return play.send(encode_to_hub(made))


@dataclass(frozen=True)
class SendsBye:
    """The phone says BYE."""

    def happen(self, play: Playbook) -> list[Effect]:
        return play.write(control_frame(Flag.BYE, play.sid, 0))


@dataclass(frozen=True)
class Frame:
    """These bytes are written to RX as they are."""

    data: bytes
    mtu: int = MTU

    def happen(self, play: Playbook) -> list[Effect]:
        return play.write(self.data, self.mtu)


@dataclass(frozen=True)
class Later:
    """Time passes."""

    seconds: float

    def happen(self, play: Playbook) -> list[Effect]:
        play.hub.clock.advance(self.seconds)
        return []


@dataclass(frozen=True)
class Unsealed:
    """The RSA thread has done its oldest work."""

    def happen(self, play: Playbook) -> list[Effect]:
        try:
            result = open_request(play.unsealing.popleft())
        except ProofError as error:
            return play.seen(play.link.unsealed(error, play.now))
        return play.seen(play.link.unsealed(result, play.now))


@dataclass(frozen=True)
class Decided:
    """The claim is decided, and what follows from it is done."""

    outcome: ClaimOutcome

    def happen(self, play: Playbook) -> list[Effect]:
        return play.seen(play.link.answer(self.outcome, play.now, play.wall))


@dataclass(frozen=True)
class DoorMoves:
    """The door of an access point is seen to do something."""

    door: DoorState
    access_point: int = 1

    def happen(self, play: Playbook) -> list[Effect]:
        return play.seen(play.link.door(self.access_point, self.door, play.now, play.wall))


@dataclass(frozen=True)
class StateIsDue:
    """The state that was asked for with an answer is brought."""

    door: DoorState

    def happen(self, play: Playbook) -> list[Effect]:
        due = play.follow_ups.popleft()
        return play.seen(play.link.follow_up(due.session, self.door, play.wall))


@dataclass(frozen=True)
class Sweep:
    """The deadlines of the link are looked at, as every half second."""

    def happen(self, play: Playbook) -> list[Effect]:
        why = play.link.expired(play.now)
        return [] if why is None else [Disconnects(why)]


@dataclass(frozen=True)
class LinkCloses:
    """The phone has gone."""

    def happen(self, play: Playbook) -> list[Effect]:
        play.link.close()
        return []


def _spoiled(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


class Playbook:
    """One link of `hub`, one phone, and what has come of the last event and was not named yet."""

    def __init__(self, hub: DeskHub | None = None) -> None:
        self.hub = hub or DeskHub(site.make_key())
        self.wallet = make_wallet(self.hub.issuer)
        self.link: HubLink = self.hub.connect()
        self.challenges: list[bytes] = []
        self.sid = b""
        self.inbound: Inbound | None = None
        self.outbound: Outbound | None = None
        self.unsealing: deque[OpenJob] = deque()
        self.follow_ups: deque[FollowUp] = deque()
        self._left: deque[Effect] = deque()
        self._failures = 0
        self._began = False

    @property
    def now(self) -> float:
        return self.hub.clock.monotonic()

    @property
    def wall(self) -> float:
        return self.hub.clock.wall()

    def __rshift__(self, event: Event) -> Playbook:
        """Let something happen."""
        self._none_left(f"before {event}")
        self._began = True
        self._left.extend(event.happen(self))
        return self

    def __lshift__(self, expected: Effect | At) -> Playbook:
        """Say what comes of it, or where the link stands."""
        if isinstance(expected, At):
            self._none_left(f"before {expected}")
            phase = self.link._handshake.phase
            assert phase is expected.phase, f"the link is {phase.name}, not {expected.phase.name}"
            return self
        assert self._left, f"nothing more comes of it, but {expected} was to come"
        seen = self._left.popleft()
        assert fits(expected, seen), f"{seen} came, not {expected}"
        return self

    def finish(self) -> None:
        """End the play; everything that came of it must have been named."""
        assert self._began, "nothing ever happened in this play"
        self._none_left("at the end")

    def _none_left(self, where: str) -> None:
        assert not self._left, (
            f"{where}: this came, and the play does not say so: {list(self._left)}"
        )

    def send(self, message: bytes) -> list[Effect]:
        """Send a whole message."""
        assert self.outbound is not None, "the phone has read no challenge yet"
        self.outbound.answered()
        self.outbound.load(message)
        seen: list[Effect] = []
        while frame := self.outbound.pull(MTU):
            seen += self.write(frame)
        return seen

    def write(self, frame: bytes, mtu: int = MTU) -> list[Effect]:
        """Write one frame."""
        return self.seen(self.link.frame(frame, mtu, self.now, self.wall))

    def seen(self, effects: list[LinkEffect]) -> list[Effect]:
        """Return how effects look from outside; keep the work that they ask for."""
        counted = self.link._handshake.failures > self._failures
        self._failures = self.link._handshake.failures
        seen: list[Effect] = []
        for effect in effects:
            match effect:
                case Notify(frame):
                    seen += self._notified(frame)
                case Unseal(job):
                    self.unsealing.append(job)
                    seen.append(Unseals())
                case Presented(claim):
                    seen.append(Presents(claim.strength))
                case FollowUp():
                    self.follow_ups.append(effect)
                    seen.append(AsksForState())
                case Refused(cause):
                    seen.append(Refuses(counted, cause))
                case Drop(why):
                    seen.append(Disconnects(why))
                case _:
                    assert_never(effect)
        return seen

    def _notified(self, data: bytes) -> list[Effect]:
        frame = decode_frame(data)
        if frame.flags & Flag.BYE:
            return [SaysBye()]
        if frame.flags & Flag.ACK or self.inbound is None:
            return []
        message, ack = self.inbound.accept(frame)
        more = self.write(ack) if ack else []
        return ([Says(decode_to_phone(message))] if message is not None else []) + more
