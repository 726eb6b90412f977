"""A PKOC phone's side of one visit: notifications in, writes out.

It does what the public apps do. It waits for a reader that it knows, proves the reader by its
certificate (or by the site's key, where the site has no certificates), and only then seals its own
public key and signature.

Laws:
1. A reader of a site or a location that the phone does not know ends the visit.
2. Where the phone has the site's PKOC issuer, a reader without a good certificate ends the visit.
3. A signature that does not verify is passed over: it may be another phone's.
4. Nothing of the phone's own key leaves it before a reader's signature has verified.
5. Revocation of a location is asked each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from cryptography.hazmat.primitives.asymmetric import ec

from hubsim.pkoc import wire

_VERSION = bytes((1, 0, 0, 0, 1))
_UPDATE = bytes(4)


class Stage(Enum):
    """What the phone waits for."""

    READER = "a reader"
    PROOF = "the reader's signature"
    ANSWER = "the reader's answer"
    DONE = "nothing"


class Answer(Enum):
    """What a reader answers."""

    UNKNOWN = 0
    COMPLETED = 1
    DENIED = 2
    GRANTED = 3
    ERROR = 4


class UntrustedError(Exception):
    """This is no reader that the phone may show its key to: the phone leaves."""


@dataclass(frozen=True, slots=True)
class KnownSite:
    """What a phone knows of a site; ids have 16 bytes.

    `issuer` proves certificates of readers. Where it is None, `site_key` proves each reader.
    """

    site: bytes
    locations: frozenset[bytes]
    issuer: ec.EllipticCurvePublicKey | None = None
    site_key: ec.EllipticCurvePublicKey | None = None
    revoked: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Habits:
    """How an app writes: `old` ones write one byte of length and tell no version."""

    old: bool = False


@dataclass(slots=True)
class _Reader:
    """What a reader has said of itself."""

    key: bytes = b""
    location: bytes = b""
    site: bytes = b""
    certificate: bytes = b""
    proves_by: ec.EllipticCurvePublicKey | None = None
    shared: bytes = field(default=b"", repr=False)


class PkocPhone:
    """One visit. `key` is the phone's own, `visit_key` a new one; `wall` tells Unix seconds."""

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        knows: KnownSite,
        visit_key: ec.EllipticCurvePrivateKey,
        wall: Callable[[], float],
        habits: Habits | None = None,
    ) -> None:
        self._key = key
        self._knows = knows
        self._visit_key = visit_key
        self._wall = wall
        self._habits = habits or Habits()
        self._reader = _Reader()
        self.stage = Stage.READER
        self.answer: Answer | None = None

    def heard(self, message: bytes) -> bytes | None:
        """Take a notification; return what is to be written, if anything. Raise UntrustedError."""
        items = dict(wire.split(message))
        if self.stage is Stage.READER and wire.SITE in items:
            return self._meet(items)
        if self.stage is Stage.PROOF and wire.SIGNATURE in items:
            return self._prove(items[wire.SIGNATURE])
        if self.stage is Stage.ANSWER and wire.RESPONSE in items:
            self._take_answer(items[wire.RESPONSE])
        return None

    def _meet(self, items: dict[int, bytes]) -> bytes | None:
        said = _Reader(
            key=items.get(wire.READER_KEY, b""),
            location=items.get(wire.LOCATION, b""),
            site=items[wire.SITE],
            certificate=items.get(wire.CERTIFICATE, b""),
        )
        said.proves_by = self._trusted(said)
        try:
            said.shared = wire.shared_key(self._visit_key, wire.public_key(said.key))
        except ValueError as error:
            raise UntrustedError("a reader whose key is none") from error
        self._reader = said
        self.stage = Stage.PROOF
        written = wire.tlv(wire.PHONE_KEY, self._point())
        return written if self._habits.old else written + wire.tlv(wire.VERSION, _VERSION)

    def _trusted(self, said: _Reader) -> ec.EllipticCurvePublicKey:
        """Return the key that must have signed. Raise UntrustedError."""
        knows = self._knows
        if said.site != knows.site or said.location not in knows.locations:
            raise UntrustedError("a reader of a site or a place that the phone does not know")
        if said.location in knows.revoked:
            raise UntrustedError("this reader is revoked")
        if knows.issuer is None:
            if knows.site_key is None:
                raise UntrustedError("the phone has no key of this site")
            return knows.site_key
        found = wire.certified(said.certificate, knows.issuer)
        if found is None:
            raise UntrustedError("no certificate of the site's PKOC issuer")
        if (found.site, found.location) != (said.site, said.location):
            raise UntrustedError("a certificate for another reader")
        if not wire.in_time(found, self._wall()):
            raise UntrustedError("a certificate that is not valid now")
        return wire.public_key(found.key)

    def _prove(self, signature: bytes) -> bytes | None:
        said = self._reader
        signed = said.site + said.location + self._point()[1:33] + said.key[1:33]
        if said.proves_by is None or not wire.is_signed(said.proves_by, signature, signed):
            return None
        one_byte = self._habits.old
        inside = wire.tlv(wire.PUBLIC_KEY, wire.point(self._key.public_key()))
        inside += wire.tlv(wire.SIGNATURE, wire.sign(self._key, signed))
        inside += wire.tlv(wire.LAST_UPDATE, _UPDATE)
        if not one_byte:
            inside += wire.tlv(wire.VERSION, _VERSION)
        self.stage = Stage.ANSWER
        return wire.tlv(wire.SEALED, wire.seal(said.shared, 1, inside), one_byte)

    def _take_answer(self, value: bytes) -> None:
        number = value[0] if value else 0
        is_known = number in (one.value for one in Answer)
        self.answer = Answer(number) if is_known else Answer.ERROR
        self.stage = Stage.DONE

    def _point(self) -> bytes:
        return wire.point(self._visit_key.public_key())
