"""One phone at the PKOC reader: messages in, effects out.

A phone writes twice. First its key of this visit: the reader answers with a signature. Then, under
seal, its public key and its own signature: what it has proven goes out as `Proven`. Whoever decides
says so with `decided`, and the phone gets one response.

Laws:
1. Whatever bytes come, the result is effects, never an exception.
2. What is not in the table `_STEPS` is refused, and ends the visit.
3. Each phase has its time (`PHASE_SECONDS`).
4. A proof that fails, whatever its cause, gets the response of a denial, and ends the visit. What
   fails before the reader has proven itself gets none: every phone would hear it.
5. The reader's own key proves nothing of a phone.
6. A phone is met on a token of the budget. A proof that holds gives its token back, so that failed
   and broken visits alone use it up.
7. What is proven is the whole public key: 65 bytes, of which none is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import assert_never

from hubcore.codec.cose import SigningKey
from hubcore.errors import PeerError, ProofError, SequenceError
from hubcore.pkoc import messages
from hubcore.pkoc.messages import PhoneKey, Response, Sealed
from hubcore.pkoc.sealing import open_sealed, to_sign, verify_key, x_of
from hubcore.pkoc.turn import Turn
from hubcore.timing.budget import Budget


class ReaderPhase(Enum):
    """Where a visit stands."""

    MEETING = "the phone's key is awaited"
    PROVING = "its proof is awaited"
    DECIDING = "it has proven its key; a decision is awaited"
    OVER = "nothing more is taken"


PHASE_SECONDS: Mapping[ReaderPhase, float] = {
    ReaderPhase.MEETING: 5.0,
    ReaderPhase.PROVING: 1.5,
    ReaderPhase.DECIDING: 15.0,
    ReaderPhase.OVER: 2.0,
}
"""How long a visit may stand there; after OVER the phone is sent away if it does not leave."""


@dataclass(frozen=True, slots=True)
class Say:
    """Notify this message."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Proven:
    """The phone has the private half of `public_key` (65 bytes); have it decided."""

    public_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """Count this."""

    cause: PeerError


@dataclass(frozen=True, slots=True)
class Leave:
    """Send the phone away."""


Effect = Say | Proven | Refused | Leave


@dataclass(frozen=True, slots=True)
class ReaderSide:
    """What all visits share.

    `location` and `site` have 16 bytes each. `signing` is the reader's key, or the site's where
    there is no certificate. `certificate` has 138 bytes. `budget` bounds the work for strangers.
    """

    location: bytes
    site: bytes
    signing: SigningKey
    certificate: bytes | None
    budget: Budget

    def hello(self, turn: Turn) -> bytes:
        """Return the first message of a turn."""
        return messages.hello(turn.reader_key, self.location, self.site, self.certificate)


@dataclass(frozen=True, slots=True)
class _Met:
    """What a phone's proof is about: the shared key, and the bytes that it signs."""

    shared: bytes = field(repr=False)
    signed: bytes = field(repr=False)


class ReaderLink:
    """One visit. Times are monotonic seconds."""

    def __init__(self, side: ReaderSide, turn: Turn, now: float) -> None:
        self._side = side
        self._turn = turn
        self._own_x = x_of(_point_of(side.signing))
        self._phase = ReaderPhase.MEETING
        self._since = now
        self._met: _Met | None = None
        self._has_place = False

    @property
    def phase(self) -> ReaderPhase:
        """Where the visit stands."""
        return self._phase

    def frame(self, data: bytes, now: float) -> list[Effect]:
        """Take one write of the phone."""
        try:
            return self._step(data, now)
        except PeerError as error:
            return self._fail(error, now)

    def decided(self, is_granted: bool, now: float) -> list[Effect]:
        """Answer what was proven; nothing when the visit is over."""
        if self._phase is not ReaderPhase.DECIDING:
            return []
        self._enter(ReaderPhase.OVER, now)
        value = Response.GRANTED if is_granted else Response.DENIED
        return [Say(messages.response(value))]

    def expired(self, now: float) -> str | None:
        """Say which time is over, if any."""
        if now - self._since < PHASE_SECONDS[self._phase]:
            return None
        return f"pkoc: too long where {self._phase.value}"

    def close(self, now: float) -> None:
        """End the visit: forget its keys, give its place back."""
        self._enter(ReaderPhase.OVER, now)

    def _step(self, data: bytes, now: float) -> list[Effect]:
        if self._phase is ReaderPhase.OVER:
            raise SequenceError("pkoc: the visit is over")
        message = messages.read(data)
        following = _STEPS.get((self._phase, type(message)))
        if following is None:
            raise SequenceError(f"pkoc: out of turn where {self._phase.value}")
        match message:
            case PhoneKey(point):
                effects = self._meet(point, now)
            case Sealed(sealed):
                effects = self._prove(sealed)
            case _:
                assert_never(message)
        self._enter(following, now)
        return effects

    def _meet(self, point: bytes, now: float) -> list[Effect]:
        """Prove the reader to a phone."""
        if self._side.budget.take(now) is None:
            raise SequenceError("pkoc: too many proofs have failed just now")
        self._has_place = True
        shared = self._turn.meet(point, now)
        reader_key = self._turn.reader_key
        signed = to_sign(self._side.site, self._side.location, point, reader_key)
        self._met = _Met(shared, signed)
        return [Say(messages.proof(self._side.signing.sign(signed)))]

    def _prove(self, sealed: bytes) -> list[Effect]:
        """Take a phone's proof. Raise ProofError for all that is wrong under the seal."""
        met = self._met
        if met is None:
            raise SequenceError("pkoc: the reader has not proven itself")
        opened = open_sealed(met.shared, sealed)
        try:
            credential = messages.read_credential(opened)
        except PeerError as error:
            raise ProofError(str(error)) from error
        if x_of(credential.public_key) == self._own_x:
            raise ProofError("pkoc: the phone shows the reader's own key")
        verify_key(credential.public_key).verify(credential.signature, met.signed)
        self._side.budget.return_token()
        return [Proven(credential.public_key)]

    def _fail(self, error: PeerError, now: float) -> list[Effect]:
        is_proof = self._phase is ReaderPhase.PROVING and isinstance(error, ProofError)
        self._enter(ReaderPhase.OVER, now)
        effects: list[Effect] = [Refused(error), Leave()]
        if is_proof:
            effects.insert(0, Say(messages.response(Response.DENIED)))
        return effects

    def _enter(self, phase: ReaderPhase, now: float) -> None:
        self._phase = phase
        self._since = now
        if phase is not ReaderPhase.OVER:
            return
        self._met = None
        if self._has_place:
            self._has_place = False
            self._side.budget.done()


def _point_of(key: SigningKey) -> bytes:
    members = key.cose_key
    return b"\x04" + bytes(members[-2]) + bytes(members[-3])


_STEPS: Mapping[tuple[ReaderPhase, type[PhoneKey | Sealed]], ReaderPhase] = {
    (ReaderPhase.MEETING, PhoneKey): ReaderPhase.PROVING,
    (ReaderPhase.PROVING, Sealed): ReaderPhase.DECIDING,
}
"""What is taken where, and where it leads."""
