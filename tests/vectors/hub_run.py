"""Runs one vector file against the hub's reader: HubLink, real core parts and the Unlock use case.

Law: what the hub does is observed from outside only: the messages it sends, the strikes, the links
it ends; the cause inside is read from what it reports to its operator. The same run writes files
down and reads them back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from hubcore.access.claim import Claim
from hubcore.access.grant import read_grant
from hubcore.access.words import HubName, Mode
from hubcore.calendar.schedule import Rule, Schedule
from hubcore.codec.cose import Aead
from hubcore.door.state import DoorState
from hubcore.errors import HardwareError, PeerError, ProofError
from hubcore.phone.certificates import (
    CertificateInForce,
    read_epoch_certificate,
    read_hub_certificate,
)
from hubcore.phone.effects import Drop, Presented, Refused, Unseal
from hubcore.phone.epochs import Epoch, EpochRing
from hubcore.phone.framing import Flag, Inbound, Outbound, decode_frame
from hubcore.phone.handshake import HubSide, _Session
from hubcore.phone.link import HubLink, LinkEffect, Notify
from hubcore.phone.messages import (
    Error,
    StateMessage,
    VerdictMessage,
    decode_challenge,
    decode_to_phone,
)
from hubcore.phone.sealing import OpenJob, SessionKeys, open_request, open_state, open_verdict
from hubcore.phone.tickets import TicketTable
from hubcore.ports.clock import ClockState
from hubcore.timing.budget import Budget
from hubd.doors.persons import Persons
from hubd.doors.rules import Point, SiteRules
from hubd.doors.unlock import Unlock
from hubsim.timeline import VirtualTime
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import FakeClock
from tests.fakes.mover import FakeMover
from tests.fakes.policy import FakePolicy
from tests.vectors.form import MONOTONIC, WALL, Chance, Json, rsa_key, verify_key

MTU = 247
RSA_SIZES = (256, 384)


def policy_of(given: Json) -> FakePolicy:
    """Return the rules that a file's `policy` gives."""
    return FakePolicy(
        credentials=set(given["revoked_credentials"]),
        grants={bytes.fromhex(grant) for grant in given["revoked_grants"]},
        schedules={
            int(number): Schedule(tuple(Rule(*rule) for rule in rules))
            for number, rules in given["schedules"].items()
        },
        modes={int(point): Mode(mode) for point, mode in given["modes"].items()},
    )


class Strikes:
    """All doors of the hub in one list of strikes, and who watches them."""

    def __init__(self, broken: Sequence[str]) -> None:
        self.driven: list[str] = []
        self._broken = broken

    def door(self, name: str) -> FakeMover:
        """Return one door, which is broken when the file says so."""
        if name not in self._broken:
            return FakeMover(on_asked=lambda _seconds: self.driven.append(name))
        door = FakeMover()
        door.failing = HardwareError("told to fail")
        return door

    def failed(self, door: str) -> None:
        """Not asked here."""

    def released(
        self, door: str, access_point: int, seconds: float, *, extended: bool = False
    ) -> None:
        assert self.driven[-1] == door

    def state(self, door: str) -> DoorState:
        return DoorState.RELEASED if door in self.driven else DoorState.SECURED


class _Peer:
    """One link with the phone's end of its frames."""

    def __init__(self, link: HubLink) -> None:
        self.link = link
        self.inbound: Inbound | None = None
        self.outbound: Outbound | None = None
        self.keys: SessionKeys | None = None
        self.alive = True
        self.jobs: list[OpenJob] = []
        self.claims: list[Claim] = []
        self.lost: list[bytes] = []


class HubRun:
    """A hub in the state that a file gives, to be led through its steps."""

    def __init__(self, given: Json, chance: Chance) -> None:
        self.now = FakeClock(WALL - MONOTONIC, VirtualTime(MONOTONIC))
        self.now.trust = (
            ClockState.TRUSTED if given["clock"] == "trusted" else ClockState.BEFORE_BUILD
        )
        self.strikes = Strikes(given.get("broken_doors", []))
        self.audit = FakeAudit()
        self.chance = chance
        self.policy = policy_of(given["policy"])
        self.side = _side(given, chance)
        self._transport = given["transport"]
        points = {
            int(number): Point(int(number), point["door"], point["fresh"], 5.0)
            for number, point in given["access_points"].items()
        }
        rules = SiteRules(points, ZoneInfo(given["time_zone"]), given["grant_seconds_max"])
        self.unlock = Unlock(
            rules=rules,
            policy=self.policy,
            log=self.audit,
            clock=self.now,
            tell=lambda _event, _facts: None,
            doors={point.door: self.strikes.door(point.door) for point in points.values()},
            watch=self.strikes,
            persons=Persons(self.now),
        )
        self.peers: dict[str, _Peer] = {}
        self.causes: list[PeerError] = []

    async def step(self, step: Json) -> tuple[list[Json], list[PeerError]]:
        """Do what a step's `do` says; return what came out, and the reported causes."""
        self.now.go_to(MONOTONIC + step["at"])
        self.causes = []
        peer = self.peers.get(step.get("link", ""))
        match step["do"]:
            case "connect":
                link = HubLink(self.side, self._transport, self.now.monotonic())
                self.peers[step["link"]] = _Peer(link)
                return [], []
            case "policy":
                self.policy.be(policy_of(step["policy"]))
                self.side.tickets.drop_where(
                    lambda g: self.policy.revoked(g.credential, g.grant_id)
                )
                return [], []
        assert peer is not None
        return await self._at_link(peer, step), self.causes

    async def _at_link(self, peer: _Peer, step: Json) -> list[Json]:
        hold = step.get("hold", "")
        match step["do"]:
            case "read INFO":
                return self._read_info(peer)
            case "message":
                return await self._message(peer, bytes.fromhex(step["bytes"]), hold)
            case "frame":
                return await self._frame(
                    peer, bytes.fromhex(step["bytes"]), step.get("mtu", MTU), hold
                )
            case "rsa done":
                return await self._unsealed(peer, peer.jobs.pop(0), hold)
            case "decide":
                return await self._decide(peer, peer.claims.pop(0))
            case "lose the link":
                peer.link.close()
                peer.alive = False
                return []
            case "door":
                state = DoorState(step["state"])
                times = self.now.monotonic(), self.now.wall()
                self.chance.purpose = "iv"
                return await self._perform(
                    peer, peer.link.door(step["access_point"], state, *times), ""
                )
            case "sweep":
                why = peer.link.expired(self.now.monotonic())
                return [] if why is None else [{"verdict": "KICK"}]
        raise AssertionError(f"no step {step['do']}")

    def _read_info(self, peer: _Peer) -> list[Json]:
        self.chance.purpose = "nonce"
        info = peer.link.challenge(self.now.monotonic())
        if info:
            sid = decode_challenge(info).sid
            peer.inbound = Inbound(sid, repeats=True)
            peer.outbound = Outbound(sid)
        return [{"info": info.hex()}]

    async def _message(self, peer: _Peer, message: bytes, hold: str) -> list[Json]:
        """Send a whole message in frames, as a phone does."""
        assert peer.outbound is not None
        peer.outbound.answered()
        peer.outbound.load(message)
        out: list[Json] = []
        while frame := peer.outbound.pull(MTU):
            out += await self._frame(peer, frame, MTU, hold)
        return out or ([] if hold else [{"verdict": "DROP"}])

    async def _frame(self, peer: _Peer, frame: bytes, mtu: int, hold: str) -> list[Json]:
        self.chance.purpose = "decoy content key"
        return await self._perform(
            peer, peer.link.frame(frame, mtu, self.now.monotonic(), self.now.wall()), hold
        )

    async def _perform(self, peer: _Peer, effects: Sequence[LinkEffect], hold: str) -> list[Json]:
        out: list[Json] = []
        for effect in effects:
            match effect:
                case Notify(frame):
                    out += await self._notified(peer, frame)
                case Unseal(job):
                    if hold == "rsa":
                        peer.jobs.append(job)
                    else:
                        out += await self._unsealed(peer, job, hold)
                case Presented(claim):
                    if hold == "decision":
                        peer.claims.append(claim)
                    else:
                        out += await self._decide(peer, claim)
                case Refused(cause):
                    self.causes.append(cause)
                case Drop():
                    peer.alive = False
                    out.append({"verdict": "KICK"})
        return out

    async def _unsealed(self, peer: _Peer, job: OpenJob, hold: str) -> list[Json]:
        try:
            result: Any = open_request(job)
        except ProofError as error:
            result = error
        return await self._perform(peer, peer.link.unsealed(result, self.now.monotonic()), hold)

    async def _decide(self, peer: _Peer, claim: Claim) -> list[Json]:
        before = len(self.strikes.driven)
        self.chance.purpose = "ticket id"
        outcome = await self.unlock.present(claim, lambda: peer.alive)
        out: list[Json] = [{"strike": door} for door in self.strikes.driven[before:]]
        answer = peer.link.answer(outcome, self.now.monotonic(), self.now.wall())
        session = peer.link._handshake._state  # no other caller has a use for its keys
        peer.keys = session.opened.keys if isinstance(session, _Session) else None
        return out + await self._perform(peer, answer, "")

    async def _notified(self, peer: _Peer, data: bytes) -> list[Json]:
        frame = decode_frame(data)
        if peer.inbound is None or frame.flags & (Flag.ACK | Flag.BYE):
            return []
        message, ack = peer.inbound.accept(frame)
        out: list[Json] = [] if message is None else [describe(message, peer.keys)]
        if ack is not None:
            out += await self._perform(
                peer, peer.link.frame(ack, MTU, self.now.monotonic(), self.now.wall()), ""
            )
        return out


def describe(message: bytes, keys: SessionKeys | None) -> Json:
    """Say what a message of the hub is, with what its seal holds."""
    said: Json = {"message": message.hex()}
    match decode_to_phone(message):
        case Error(code):
            return {**said, "verdict": f"CLEAR {int(code)}"}
        case VerdictMessage() as sealed:
            assert keys is not None
            verdict = open_verdict(sealed, keys)
            ticket = verdict.ticket and {
                "id": verdict.ticket.id.hex(),
                "expires": verdict.ticket.expires,
            }
            said["opened"] = {
                "op": verdict.op.hex(),
                "door": int(verdict.door),
                "time": verdict.time,
                "ticket": ticket,
            }
            said |= {"h2p": keys.to_phone.hex(), "rs": keys.ratchet.hex()}
            return {
                **said,
                "verdict": "ACCEPT" if verdict.allowed else f"SEALED {int(verdict.reason)}",
            }
        case StateMessage() as sealed:
            assert keys is not None
            state = open_state(sealed, keys)
            said["opened"] = {
                "seq": state.seq,
                "op": state.op.hex(),
                "door": int(state.door),
                "time": state.time,
            }
            return {**said, "verdict": "STATE"}
    return {**said, "verdict": "EPOCH"}


def _side(given: Json, chance: Chance) -> HubSide:
    issuer = verify_key(given["issuer"])
    certificate = bytes.fromhex(given["hub_certificate"])
    hub = read_hub_certificate(certificate, issuer)
    ring = EpochRing()
    for epoch in given["epochs"]:
        data = bytes.fromhex(epoch["certificate"])
        read = read_epoch_certificate(data, hub, RSA_SIZES)
        key = rsa_key(epoch["private_key"])
        span = (read.not_before, read.expires)
        ring.add(Epoch(read.kid, data, hashlib.sha256(data).digest(), key, read.aeads, *span, 0.0))
    tickets = TicketTable(hub.expires)
    for ticket in given["tickets"]:
        grant = read_grant(bytes.fromhex(ticket["grant"]), issuer, given["site"])
        secret = bytes.fromhex(ticket["secret"])
        aead = Aead(ticket["aead"])
        tickets.issue(
            bytes.fromhex(ticket["id"]),
            secret,
            aead,
            grant,
            ticket["issued_at"],
            ticket["chain_began"],
        )
    rate = given["rsa_budget"]
    budget = Budget(rate["a_second"], rate["burst"], rate["at_once"])
    return HubSide(
        name=HubName(given["site"], given["hub"]),
        identity_kid=hub.key.kid,
        certificate=CertificateInForce(certificate, hub),
        issuer=issuer,
        epochs=ring,
        tickets=tickets,
        budget=budget,
        chance=chance,
    )


def verdicts(steps: Sequence[Mapping[str, Any]]) -> str:
    """Return the verdicts of all steps in a row, as a file declares them."""
    said = [out["verdict"] for step in steps for out in step["gives"] if "verdict" in out]
    return ", ".join(said)
