"""One visit of a PKOC phone at the desk's hub, with the CPU of each of the hub's steps.

Laws:
1. Only the hub's calls are timed, not what the phone does in between.
2. A visit that did not open the door is an error, never a figure.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.desk import ACCESS, Desk, NoDisk
from benchmarks.visit import PAUSE_SECONDS
from hubcore.access.cards import CARD_KEY_BYTES, Card
from hubcore.codec.cose import SigningKey
from hubcore.evidence.facts import Detail, EventName
from hubcore.pkoc.certificate import ReaderCertificate, compressed
from hubcore.pkoc.reader import Effect, Proven, ReaderLink, ReaderSide, Say
from hubcore.pkoc.turn import Turn
from hubcore.timing.budget import Budget
from hubd.pkoc.hellos import make_key
from hubd.pkoc.rights import KeyRights, Rows
from hubsim.pkoc.phone import Answer, PkocPhone
from hubsim.pkoc.trust import KnownSite

_T = TypeVar("_T")
DAY = 86_400


class OneKey:
    """Looks a key up in the desk's policy as a hub does, and then knows it all the same.

    The desk's policy has no rows: what is timed is the look-up, not how many rows there are.
    """

    def __init__(self, policy: Rows) -> None:
        self._policy = policy

    def card(self, digest: bytes) -> Card:
        """See `Rows.card`."""
        self._policy.card(digest)
        now = int(time.time())
        return Card(digest, "stranger", now - DAY, now + DAY, ACCESS)


@dataclass(slots=True)
class PkocCost:
    """CPU of the hub in nanoseconds, and the bytes of all messages, of one visit."""

    ns: int = 0
    carried: int = 0


class PkocDesk:
    """A PKOC reader at the desk's hub, and a phone that it lets in."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        own = make_key()
        issuer = make_key()
        site = secrets.token_bytes(16)
        location = secrets.token_bytes(16)
        certificate = ReaderCertificate(
            location=location,
            site=site,
            not_before=None,
            not_after=None,
            key=compressed(own.public_key()),
        )
        self._side = ReaderSide(
            location=location,
            site=site,
            signing=SigningKey(own),
            certificate=certificate.encode(SigningKey(issuer)),
            budget=Budget(1e9, 1e9, 4),
        )
        self._knows = KnownSite(site, frozenset({location}), issuer.public_key())
        self._phone_key = make_key()
        self._rights = KeyRights(
            "pkoc",
            1,
            secrets.token_bytes(CARD_KEY_BYTES),
            policy=OneKey(desk.policy),
            log=NoDisk(),
            clock=desk.clock,
            tell=_tell,
            present=desk.unlock.present,
        )

    async def open(self) -> PkocCost:
        """Open the door once. Raise RuntimeError unless it opened."""
        desk = self._desk
        desk.clock.pass_by(PAUSE_SECONDS)
        cost = PkocCost()
        releases = desk.door.releases
        visit_key = ec.generate_private_key(ec.SECP256R1())
        phone = PkocPhone(self._phone_key, self._knows, visit_key, time.time)
        turn, hello = self._step(cost, self._hello)
        link = ReaderLink(self._side, turn, desk.clock.monotonic())
        cost.carried += len(hello)
        first = self._written(cost, phone, hello)
        (proof,) = self._step(cost, lambda: link.frame(first, desk.clock.monotonic()))
        second = self._written(cost, phone, _said(cost, proof))
        (proven,) = self._step(cost, lambda: link.frame(second, desk.clock.monotonic()))
        began = time.thread_time_ns()
        granted = await self._rights.decide(_key_of(proven), desk.clock.monotonic(), lambda: True)
        cost.ns += time.thread_time_ns() - began
        (answer,) = self._step(cost, lambda: link.decided(granted, desk.clock.monotonic()))
        phone.heard(_said(cost, answer))
        if phone.answer is not Answer.GRANTED or desk.door.releases != releases + 1:
            raise RuntimeError("the PKOC phone did not open the door")
        return cost

    def _hello(self) -> tuple[Turn, bytes]:
        turn = Turn(make_key(), self._desk.clock.monotonic())
        return turn, self._side.hello(turn)

    @staticmethod
    def _step(cost: PkocCost, work: Callable[[], _T]) -> _T:
        began = time.thread_time_ns()
        result = work()
        cost.ns += time.thread_time_ns() - began
        return result

    @staticmethod
    def _written(cost: PkocCost, phone: PkocPhone, message: bytes) -> bytes:
        written = phone.heard(message)
        if written is None:
            raise RuntimeError("the PKOC phone has nothing to say")
        cost.carried += len(written)
        return written


def _key_of(effect: Effect) -> bytes:
    match effect:
        case Proven(public_key):
            return public_key
        case other:
            raise RuntimeError(f"the reader wants {other}")


def _said(cost: PkocCost, effect: Effect) -> bytes:
    match effect:
        case Say(message):
            cost.carried += len(message)
            return message
        case other:
            raise RuntimeError(f"the reader wants {other}")


def _tell(_event: EventName, _facts: Detail) -> None:
    return
