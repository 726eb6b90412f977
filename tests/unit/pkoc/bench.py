"""A PKOC reader and a phone that somebody else has written, without a radio between them."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.codec.cose import SigningKey
from hubcore.pkoc.certificate import ReaderCertificate, compressed
from hubcore.pkoc.reader import Effect, ReaderLink, ReaderSide, Say
from hubcore.pkoc.turn import Turn
from hubcore.timing.budget import Budget
from hubsim.pkoc.habits import VALIDATED, Habits
from hubsim.pkoc.phone import PkocPhone
from hubsim.pkoc.trust import KnownSite

SITE = bytes(range(16))
LOCATION = bytes(range(16, 32))
WALL = 1_800_000_000


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Reader:
    """A reader with all that it needs, and what a phone knows of it."""

    side: ReaderSide
    knows: KnownSite

    def turn(self, now: float = 0.0) -> Turn:
        return Turn(key(), now)

    def phone(
        self, own: ec.EllipticCurvePrivateKey | None = None, habits: Habits = VALIDATED
    ) -> PkocPhone:
        return PkocPhone(own or key(), self.knows, key(), lambda: WALL, habits)


def reader(
    with_certificate: bool = True,
    not_before: int | None = WALL - 10,
    not_after: int | None = WALL + 10,
    burst: float = 8.0,
    at_once: int = 4,
) -> Reader:
    """Make a reader with a certificate, or one that signs by the site's key."""
    own = SigningKey(key())
    issuer = SigningKey(key())
    certificate = None
    public = own.private.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    if with_certificate:
        said = ReaderCertificate(
            location=LOCATION,
            site=SITE,
            not_before=not_before,
            not_after=not_after,
            key=compressed(public),
        )
        certificate = said.encode(issuer)
    side = ReaderSide(
        location=LOCATION,
        site=SITE,
        signing=own,
        certificate=certificate,
        budget=Budget(rate=1.0, burst=burst, at_once=at_once),
    )
    issuer_public = issuer.private.public_key()
    assert isinstance(issuer_public, ec.EllipticCurvePublicKey)
    knows = KnownSite(
        site=SITE,
        locations=frozenset({LOCATION}),
        issuer=issuer_public if with_certificate else None,
        site_key=None if with_certificate else public,
    )
    return Reader(side, knows)


def said(effects: list[Effect]) -> bytes:
    """Return the one message that is said."""
    (message,) = (effect.message for effect in effects if isinstance(effect, Say))
    return message


def written(phone: PkocPhone, message: bytes) -> bytes:
    """Let a phone hear a message; return what it writes."""
    answer = phone.heard(message)
    assert answer is not None
    return answer


@dataclass
class Visit:
    """A visit as far as the phone's two writes."""

    link: ReaderLink
    turn: Turn
    first: bytes
    second: bytes


def visited(
    one: Reader, phone: PkocPhone, link: ReaderLink | None = None, turn: Turn | None = None
) -> Visit:
    """Let a phone prove the reader; its proof is made, and not handed over."""
    turn = turn or one.turn()
    link = link or ReaderLink(one.side, turn, 0.0)
    first = written(phone, one.side.hello(turn))
    second = written(phone, said(link.frame(first, 0.1)))
    return Visit(link, turn, first, second)
