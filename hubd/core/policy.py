"""The policy: one signed, versioned snapshot of what the site's operator has decided for its hubs.

Laws: a policy is whole or it is nothing; a hub only ever goes to a higher version; it is signed by the site's issuer,
so whoever carries it (backend, bridge, a technician's stick) cannot change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from hubd.core import tokens
from hubd.core.cose import SigningKey, VerifyKey
from hubd.core.schedule import Rule
from hubd.errors import ProofError, SignatureError

TYPE = "application/hub-policy+cwt"
_ISS, _IAT, _VERSION, _CREDENTIALS, _GRANTS, _SCHEDULES, _MODES = 1, 6, -65538, -65539, -65540, -65541, -65542
_CLAIMS = (_ISS, _IAT, _VERSION, _CREDENTIALS, _GRANTS, _SCHEDULES, _MODES)
MAX_BYTES = 4 * 1024 * 1024
"""Some 200,000 revocations. A hub reads a policy whole, so this bounds its memory."""


class Mode(IntEnum):
    """What is ordered for an access point, beside the grants. Precedence: see design, `core.access`."""

    NORMAL = 0
    LOCKDOWN = 1
    NO_ENTRY = 2


@dataclass(frozen=True, slots=True)
class Policy:
    """`version` rises by each change; `issued_at` in Unix seconds. Ids of people are opaque."""

    site: str
    version: int
    issued_at: int
    revoked_credentials: frozenset[str] = frozenset()
    revoked_grants: frozenset[bytes] = frozenset()
    schedules: Mapping[int, tuple[Rule, ...]] = field(default_factory=dict)
    modes: Mapping[int, Mode] = field(default_factory=dict)


def issue(policy: Policy, issuer: SigningKey) -> bytes:
    """Return the signed document: a tagged COSE_Sign1 of type `application/hub-policy+cwt`."""
    claims = {_ISS: policy.site, _IAT: policy.issued_at, _VERSION: policy.version}
    claims |= {_CREDENTIALS: sorted(policy.revoked_credentials), _GRANTS: sorted(policy.revoked_grants)}
    claims[_SCHEDULES] = {
        number: [[r.days, r.start, r.end] for r in rules] for number, rules in policy.schedules.items()
    }
    claims[_MODES] = {point: int(mode) for point, mode in policy.modes.items()}
    return tokens.issue(TYPE, claims, issuer, issuer.verify_key.kid)


def read(data: bytes, issuer: VerifyKey, site: str) -> Policy:
    """Verify and read a policy for `site`; its version is for the store to judge. Raise SignatureError."""
    if len(data) > MAX_BYTES:
        raise SignatureError(f"policy: over {MAX_BYTES} bytes")
    try:
        claims = tokens.read(TYPE, data, issuer, issuer.kid, _CLAIMS)
    except ProofError as error:
        raise SignatureError(f"policy: {error}") from error
    if claims[_ISS] != site:
        raise SignatureError("policy: for another site")
    match claims[_IAT], claims[_VERSION], claims[_CREDENTIALS], claims[_GRANTS]:
        case int(issued_at), int(version), list(credentials), list(grants) if issued_at >= 0 and version >= 1:
            if all(isinstance(c, str) for c in credentials) and all(isinstance(g, bytes) for g in grants):
                revoked = frozenset(credentials), frozenset(grants)
                schedules, modes = _schedules(claims[_SCHEDULES]), _modes(claims[_MODES])
                return Policy(site, version, issued_at, *revoked, schedules, modes)
    raise SignatureError("policy: its claims are not of the kinds expected")


def _schedules(value: object) -> dict[int, tuple[Rule, ...]]:
    try:
        match value:
            case dict():
                return {
                    _number(key): tuple(Rule(*map(_number, rule)) for rule in rules) for key, rules in value.items()
                }
    except (TypeError, ValueError) as error:
        raise SignatureError(f"policy: a schedule is none: {error}") from error
    raise SignatureError("policy: no map of schedules")


def _modes(value: object) -> dict[int, Mode]:
    try:
        match value:
            case dict():
                return {_access_point(key): Mode(mode) for key, mode in value.items()}
    except (TypeError, ValueError) as error:
        raise SignatureError(f"policy: a mode is none: {error}") from error
    raise SignatureError("policy: no map of modes")


def _access_point(value: object) -> int:
    number = _number(value)
    if number > tokens.ACCESS_POINT_MAX:
        raise ValueError(f"no access point has the number {number}")
    return number


def _number(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("a whole number is expected")
    return value
