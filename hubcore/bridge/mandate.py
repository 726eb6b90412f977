"""Mandates: the issuer says which key may speak for a site, in what, and for how long.

A hub pins its issuer and nobody else on site. So whoever gives orders without the backend, says
what is durable, or bears witness needs the issuer's word for its key. Any carrier may bring that
word.

Laws:
1. A mandate is for one use. A key that bears witness orders nothing.
2. A site has one key for orders and one for receipts. Each bridge has one to bear witness.
3. The highest version in a place holds, whoever brought it, and ends the key before it. A lower one
   is refused, and so is another one of the same version.
4. Outside its times a mandate proves nothing.
5. A mandate for orders may have a ceiling for guests, and one for devices (`bridge.ceilings`); no
   other has one. Without one the site orders none of it.

Shape: `{1: site, 2: holder, 3: site, 4: expires, 5: not before, 8: {1: COSE_Key}, -65538: version,
-65539: use}`, with `-65540: ceiling for guests` and `-65541: ceiling for devices` where there is
one, signed by the issuer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from hubcore.bridge.ceilings import devices as of_devices
from hubcore.bridge.ceilings.devices import DeviceCeiling
from hubcore.bridge.ceilings.guests import GuestCeiling, read_ceiling, write_ceiling
from hubcore.bridge.words import DOCUMENT_BYTES
from hubcore.codec import cose, cwt
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.errors import ProofError, RollbackError

TYPE = "application/hub-mandate+cwt"
BRIDGES_MAX = 8
"""Bridges of one site that bear witness."""
_VERSION = -65538
_USE = -65539
_GUESTS = -65540
_DEVICES = -65541
_CLAIMS = (cwt.ISS, cwt.SUB, cwt.AUD, cwt.EXP, cwt.NBF, cwt.CNF, _VERSION, _USE)
_INT64_MAX = (1 << 63) - 1


class Use(IntEnum):
    """What a key may speak for."""

    ORDERS = 1
    """Orders of the site, while its backend is away."""
    RECEIPTS = 2
    """What the backend has durably."""
    TESTIMONY = 3
    """Which records a bridge has seen."""


@dataclass(frozen=True, slots=True)
class Mandate:
    """`holder` has the key of `key`; the times are Unix seconds, both included.

    `guests` None: the site has no guests. `devices` None: it commands no device.
    """

    site: str
    holder: str
    use: Use
    version: int
    key: VerifyKey
    not_before: int
    expires: int
    guests: GuestCeiling | None = None
    devices: DeviceCeiling | None = None

    @property
    def place(self) -> tuple[Use, str]:
        """What it stands for; of two in one place only one holds."""
        return (self.use, self.holder if self.use is Use.TESTIMONY else "")

    def holds(self, at: int) -> bool:
        """Tell whether it proves something at this moment."""
        return self.not_before <= at <= self.expires


def new_mandate(
    *,
    site: str,
    holder: str,
    use: Use,
    key: VerifyKey,
    not_before: int,
    expires: int,
    now_ms: int,
    guests: GuestCeiling | None = None,
    devices: DeviceCeiling | None = None,
) -> Mandate:
    """Return the next mandate in its place: its version is the moment, in Unix milliseconds.

    So who issues one counts nothing. `guests` and `devices` are for orders alone (law 5).
    """
    return Mandate(
        site=site,
        holder=holder,
        use=use,
        version=now_ms,
        key=key,
        not_before=not_before,
        expires=expires,
        guests=guests if use is Use.ORDERS else None,
        devices=devices if use is Use.ORDERS else None,
    )


def issue_mandate(mandate: Mandate, issuer: SigningKey) -> bytes:
    """Return the document."""
    claims: dict[int, Any] = {
        cwt.ISS: mandate.site,
        cwt.SUB: mandate.holder,
        cwt.AUD: mandate.site,
        cwt.EXP: mandate.expires,
        cwt.NBF: mandate.not_before,
        cwt.CNF: {1: cose.write_key(mandate.key.public)},
        _VERSION: mandate.version,
        _USE: int(mandate.use),
    }
    if mandate.guests is not None:
        claims[_GUESTS] = write_ceiling(mandate.guests)
    if mandate.devices is not None:
        claims[_DEVICES] = of_devices.write_ceiling(mandate.devices)
    return cwt.issue(TYPE, claims, issuer, issuer.verify_key.kid)


def prove_mandate(document: bytes, site: str, issuer: VerifyKey) -> Mandate:
    """Read a mandate of this site. Raise ProofError."""
    if len(document) > DOCUMENT_BYTES:
        raise ProofError(f"mandate: more than {DOCUMENT_BYTES} bytes")
    claims = cwt.read(TYPE, document, issuer, issuer.kid, _CLAIMS, (_GUESTS, _DEVICES))
    if cwt.site_of(claims) != site:
        raise ProofError("mandate: it is of another site")
    version = claims[_VERSION]
    if not cwt.is_uint(version) or not 1 <= version <= _INT64_MAX:
        raise ProofError("mandate: its version is no whole number from 1 on")
    not_before, expires = cwt.times_of(claims)
    use = _use_of(claims[_USE])
    if (_GUESTS in claims or _DEVICES in claims) and use is not Use.ORDERS:
        raise ProofError("mandate: only a key for orders has guests or devices")
    return Mandate(
        site=site,
        holder=cwt.name(claims[cwt.SUB], "holder"),
        use=use,
        version=version,
        key=cose.read_key(cwt.confirmed_key(claims)),
        not_before=not_before,
        expires=expires,
        guests=read_ceiling(claims[_GUESTS]) if _GUESTS in claims else None,
        devices=of_devices.read_ceiling(claims[_DEVICES]) if _DEVICES in claims else None,
    )


def _use_of(value: object) -> Use:
    if type(value) is not int or value not in set(Use):
        raise ProofError("mandate: it is for no use that is known")
    return Use(value)


@dataclass(frozen=True, slots=True)
class Mandates:
    """The mandates that hold at a hub or a bridge, one in each place."""

    standing: tuple[Mandate, ...] = field(default=())

    def find(self, use: Use, holder: str = "") -> Mandate | None:
        """Return the one of this use; `holder` is asked for testimony alone."""
        place = (use, holder if use is Use.TESTIMONY else "")
        return next((one for one in self.standing if one.place == place), None)

    def with_one(self, new: Mandate) -> Mandates:
        """Return those that hold once this one was proven. Raise RollbackError (law 3)."""
        before = self.find(new.use, new.holder)
        if new == before:
            return self
        if before is not None and new.version <= before.version:
            raise RollbackError(
                f"mandate: version {new.version} is offered, {before.version} is in force"
            )
        others = tuple(one for one in self.standing if one is not before)
        witnesses = sum(one.use is Use.TESTIMONY for one in (*others, new))
        if witnesses > BRIDGES_MAX:
            raise RollbackError(f"mandate: {BRIDGES_MAX} bridges bear witness at this site already")
        return Mandates((*others, new))
