"""What a backend has promised to whom: one token, one hub, one machine.

Laws:
1. Of a token a promise has a digest alone.
2. A token is for one hub. The first keys that come with it are its keys, for good: the same machine
   may ask again, nobody else.
3. A token that nobody used ends after TOKEN_SECONDS. One that was used waits for its operator.
4. A text that is not one whole promise is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import Enum, auto
from math import isfinite
from typing import Any

from hubcore.backend.enrolment.messages import (
    DOORS_MAX,
    IDENTITY_BYTES_MAX,
    NAME_BYTES_MAX,
    ZONE_BYTES_MAX,
    Ask,
    Refused,
    RefusedCause,
)
from hubcore.backend.enrolment.proofs import fingerprint, read_keys
from hubcore.backend.enrolment.token import KEY_BYTES, TOKEN_SECONDS
from hubcore.backend.uplink.fields import check_text, check_uint
from hubcore.backend.uplink.words import MAX_TEXT_BYTES, UINT16_MAX
from hubcore.errors import FrameError, PeerError
from hubcore.timing.pace import Rate

ASKS = Rate(burst=200, per_second=50)
"""How many questions a backend looks at, from all machines together.

In the 24 h of a token somebody can try 2^22 secrets of 2^80.
"""
PROMISE_BYTES_MAX = 32_768
_DIGEST_BYTES = 32
_HOUR_SECONDS = 3600
_CERTIFICATE_BYTES_MAX = 4096
_TLS_KEY_BYTES_MAX = 128


@dataclass(frozen=True, slots=True)
class Signed:
    """What is signed for a hub at its approval: by the issuer, and for TLS by the authority."""

    certificate: bytes
    tls_certificate: bytes


@dataclass(frozen=True, slots=True)
class Promise:
    """What a hub was promised; `names` are those of its doors, by access point.

    `digest`, the keys (`identity` a COSE_Key, `tls_key` a SubjectPublicKeyInfo) and the
    certificates are hexadecimal; all but `digest` are "" until they are known. `ends` is in Unix
    seconds.
    """

    hub: str
    digest: str
    ends: float
    time_zone: str
    names: Mapping[str, str]
    replaces: bool = False
    identity: str = ""
    curve: str = ""
    tls_key: str = ""
    certificate: str = ""
    tls_certificate: str = ""
    refused: bool = False

    @property
    def points(self) -> tuple[int, ...]:
        """Its access points."""
        return tuple(sorted(map(int, self.names)))

    @property
    def names_by_point(self) -> dict[int, str]:
        """What its doors are called, by access point."""
        return {point: self.names[str(point)] for point in self.points}

    @property
    def fingerprint(self) -> str:
        """Of the keys that asked, "" when none did."""
        if not self.identity:
            return ""
        keys = (self.identity, self.curve, self.tls_key)
        return fingerprint(*map(bytes.fromhex, keys))

    def has_ended(self, now: float) -> bool:
        """Tell whether its token is of no use any more. See law 3."""
        return not self.identity and now >= self.ends

    def bound_to(self, ask: Ask, curve: bytes) -> Promise:
        """Return the promise once its token is that of these keys, which `judge` has proven."""
        return replace(
            self,
            identity=ask.identity.hex(),
            curve=curve.hex(),
            tls_key=read_keys(ask, curve).tls_key.hex(),
        )

    @property
    def signed(self) -> Signed:
        """Its certificates."""
        return Signed(bytes.fromhex(self.certificate), bytes.fromhex(self.tls_certificate))

    def approved(self, signed: Signed) -> Promise:
        """Return the promise once these are its certificates."""
        return replace(
            self,
            certificate=signed.certificate.hex(),
            tls_certificate=signed.tls_certificate.hex(),
            refused=False,
        )


def name_doors(points: Iterable[int], said: Iterable[str]) -> dict[int, str]:
    """Return the doors by access point, called as `POINT=NAME` says. Raise ValueError."""
    doors = {point: f"Door {point}" for point in points}
    if not 1 <= len(doors) <= DOORS_MAX:
        raise ValueError(f"a hub has 1 to {DOORS_MAX} access points")
    for text in said:
        point, equals, name = text.partition("=")
        if not equals or not point.isdecimal() or int(point) not in doors:
            raise ValueError(f"{text!r}: expected POINT=NAME of an access point here")
        doors[int(point)] = name
    try:
        _check_names({str(point): name for point, name in doors.items()})
    except FrameError as error:
        raise ValueError(str(error)) from error
    return doors


def standing(promise: Promise, now: float) -> str:
    """Return in words how far a promise is, for an operator; `now` in Unix seconds."""
    points = f"access points {', '.join(map(str, promise.points))}"
    if promise.refused:
        return f"refused; {points}"
    if promise.certificate:
        return f"enrolled; {points}"
    if promise.identity:
        return f"WAITS for approval, fingerprint {promise.fingerprint}; {points}"
    hours = max(0.0, (promise.ends - now) / _HOUR_SECONDS)
    return f"its token waits for a machine, {hours:.0f} h more; {points}"


def is_same_fingerprint(shown: str, said: str) -> bool:
    """Compare a fingerprint with what a person typed of it."""
    return said.replace("-", "").upper() == shown.replace("-", "")


def promise_of(
    hub: str,
    digest: bytes,
    now: float,
    names: Mapping[int, str],
    time_zone: str,
    replaces: bool,
) -> Promise:
    """Return the promise of a token that was made now."""
    return Promise(
        hub=hub,
        digest=digest.hex(),
        ends=now + TOKEN_SECONDS,
        time_zone=time_zone,
        names={str(point): name for point, name in names.items()},
        replaces=replaces,
    )


class Turn(Enum):
    """What comes next for a machine that has asked."""

    BIND = auto()
    """Its keys are the first ones: keep them, then it waits."""
    WAIT = auto()
    ENROL = auto()


def judge(promise: Promise | None, ask: Ask, curve: bytes, now: float) -> Turn | Refused:
    """Judge a question from the machine with this CURVE key. None: its token is not known."""
    if promise is None or promise.has_ended(now):
        return Refused(RefusedCause.UNKNOWN, "")
    if promise.refused:
        return Refused(RefusedCause.REFUSED, "")
    try:
        keys = read_keys(ask, curve)
    except PeerError:
        return Refused(RefusedCause.PROOF, "")
    if not promise.identity:
        return Turn.BIND
    asked = (ask.identity.hex(), curve.hex(), keys.tls_key.hex())
    if asked != (promise.identity, promise.curve, promise.tls_key):
        return Refused(RefusedCause.USED, "")
    return Turn.ENROL if promise.certificate else Turn.WAIT


def write_promise(promise: Promise) -> bytes:
    """Return it as JSON, for people and for other programs."""
    return json.dumps(asdict(promise), separators=(",", ":")).encode()


def read_promise(data: bytes) -> Promise:
    """Read what `write_promise` wrote, whoever did. Raise FrameError."""
    if len(data) > PROMISE_BYTES_MAX:
        raise FrameError("promise: it is too long")
    try:
        row = json.loads(data)
        promise = Promise(**row)
    except (ValueError, TypeError, RecursionError) as error:
        raise FrameError(f"promise: it cannot be read: {error}") from error
    _check(promise)
    return promise


def _check(promise: Promise) -> None:
    for one in fields(promise):
        value = getattr(promise, one.name)
        wanted = _KINDS[one.name]
        if type(value) not in wanted:
            raise FrameError(f"promise: {one.name} is of another kind")
    if not isfinite(promise.ends):
        raise FrameError("promise: ends is no moment")
    check_text("hub", promise.hub, MAX_TEXT_BYTES)
    check_text("time_zone", promise.time_zone, ZONE_BYTES_MAX)
    _check_hex("digest", promise.digest, _DIGEST_BYTES, _DIGEST_BYTES)
    _check_names(promise.names)
    if promise.identity:
        _check_hex("identity", promise.identity, 1, IDENTITY_BYTES_MAX)
        _check_hex("curve", promise.curve, KEY_BYTES, KEY_BYTES)
        _check_hex("tls_key", promise.tls_key, 1, _TLS_KEY_BYTES_MAX)
    if promise.certificate:
        _check_hex("certificate", promise.certificate, 1, _CERTIFICATE_BYTES_MAX)
        _check_hex("tls_certificate", promise.tls_certificate, 1, _CERTIFICATE_BYTES_MAX)
    if len({bool(key) for key in (promise.identity, promise.curve, promise.tls_key)}) != 1:
        raise FrameError("promise: it has some of its three keys")
    if bool(promise.certificate) is not bool(promise.tls_certificate):
        raise FrameError("promise: it has one of two certificates")
    if promise.certificate and not promise.identity:
        raise FrameError("promise: it has a certificate for nobody")


_TEXT = (str,)
_KINDS: Mapping[str, tuple[type, ...]] = {
    "hub": _TEXT,
    "digest": _TEXT,
    "ends": (int, float),
    "time_zone": _TEXT,
    "names": (dict,),
    "replaces": (bool,),
    "identity": _TEXT,
    "curve": _TEXT,
    "tls_key": _TEXT,
    "certificate": _TEXT,
    "tls_certificate": _TEXT,
    "refused": (bool,),
}


def _check_hex(name: str, text: str, shortest: int, longest: int) -> None:
    """Raise FrameError for what is not so many bytes in small hexadecimal digits."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if not shortest <= len(data) <= longest or data.hex() != text:
        raise FrameError(f"promise: {name} is not {shortest}..{longest} bytes in hexadecimal")


def _check_names(names: Mapping[Any, Any]) -> None:
    if not 1 <= len(names) <= DOORS_MAX:
        raise FrameError(f"promise: names has not 1..{DOORS_MAX} doors")
    for point, name in names.items():
        number = int(point) if point.isascii() and point.isdecimal() and len(point) <= 5 else 0
        check_uint("access point", number, UINT16_MAX, 1)
        if str(number) != point:
            raise FrameError("promise: an access point is a number")
        check_text("name", name, NAME_BYTES_MAX)
