"""The three documents that carry trust, each a CWT (RFC 8392) in a tagged COSE_Sign1 with a constant header.

Laws: the kind of a document is its `typ` in the protected header (RFC 9596), so none can stand for another; its set of
claims is closed; its signature is checked before any claim is believed; validity in time is the reader's to judge.

- hub certificate: the issuer says this key is this hub's, for these access points.
- epoch certificate: the hub says this RSA key may seal requests to it, for at most two hours, with these AEADs.
- grant: the issuer says the holder of this key may present at these access points, by these rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from hubd.core import cbor, cose
from hubd.core.cose import Aead, SigningKey, VerifyKey
from hubd.core.schedule import Rule
from hubd.errors import FrameError, ProofError

NAME_BYTES = 32
"""A site, hub or credential id: 1..32 bytes of UTF-8."""
GRANT_ID_BYTES = range(8, 17)
ACCESS_ENTRIES = 32
RULES_AN_ENTRY = 32
_CLAIMS_ITEMS = 64
"""Heads in the claims of a document: eight labels, a key's members, the AEADs."""
_SCOPE_ITEMS = 1 + ACCESS_ENTRIES * (4 + 4 * RULES_AN_ENTRY)
"""Heads in a scope: a grant's entries with all their rules; a hub's access points are fewer."""
EPOCH_SECONDS_MAX = 7200
ACCESS_POINT_MAX = 0xFFFFFFFF

_ISS, _SUB, _AUD, _EXP, _NBF, _CTI, _CNF, _SCOPE, _AEADS = 1, 2, 3, 4, 5, 7, 8, 9, -65537
_HUB, _EPOCH, _GRANT = "application/hub-cert+cwt", "application/hub-epoch+cwt", "application/hub-grant+cwt"

ScheduleRef = Rule | int
"""A rule that the grant itself carries, or the number of a schedule in the hub's policy."""


@cache
def header(alg: int, typ: str) -> bytes:
    """Return the one protected header of a document or request: {1: alg, 16: typ}."""
    return cbor.encode({1: alg, 16: typ})


@lru_cache(8)
def _unprotected(kid: bytes | None) -> bytes:
    """The one unprotected header of a document whose signer is named, or not, by its key id."""
    return cbor.encode({} if kid is None else {4: kid})


@dataclass(frozen=True, slots=True)
class HubCertificate:
    """`key` is the hub's identity; times in Unix seconds; `access_points` rising."""

    site: str
    hub: str
    not_before: int
    expires: int
    key: VerifyKey
    access_points: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EpochCertificate:
    """`kid` is the thumbprint of the RSA key (`modulus` big-endian); `aeads` in the hub's order of preference."""

    hub: str
    site: str
    not_before: int
    expires: int
    kid: bytes
    modulus: bytes
    aeads: tuple[Aead, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """One entry of a grant, in the shape of AIF (RFC 9237). `rights` has bit `action - 1` set for each action."""

    access_point: int
    rights: int
    rules: tuple[ScheduleRef, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """What the issuer grants to the holder of `key`; times in Unix seconds."""

    site: str
    credential: str
    not_before: int
    expires: int
    grant_id: bytes
    key: VerifyKey
    access: tuple[Access, ...]


def issue_hub_certificate(issuer: SigningKey, certificate: HubCertificate, key: dict[int, Any]) -> bytes:
    """Return the signed document; `key` is the COSE_Key of `certificate.key`."""
    c = certificate
    claims = {_ISS: c.site, _SUB: c.hub, _AUD: c.site, _EXP: c.expires, _NBF: c.not_before, _CNF: {1: key}}
    claims[_SCOPE] = cbor.encode(list(c.access_points))
    return issue(_HUB, claims, issuer, issuer.verify_key.kid)


def issue_epoch_certificate(hub: SigningKey, c: EpochCertificate) -> bytes:
    """Return the signed document."""
    key = {1: 3, 2: c.kid, 3: cose.RSAES_OAEP_SHA256, -1: c.modulus, -2: b"\x01\x00\x01"}
    claims = {_ISS: c.hub, _AUD: c.site, _EXP: c.expires, _NBF: c.not_before, _CNF: {1: key}}
    claims[_AEADS] = [int(aead) for aead in c.aeads]
    return issue(_EPOCH, claims, hub, None)


def issue_grant(issuer: SigningKey, g: Grant, key: dict[int, Any]) -> bytes:
    """Return the signed document; `key` is the COSE_Key of `grant.key`."""
    claims = {_ISS: g.site, _SUB: g.credential, _AUD: g.site, _EXP: g.expires, _NBF: g.not_before, _CTI: g.grant_id}
    claims |= {_CNF: {1: key}, _SCOPE: cbor.encode([_write_access(entry) for entry in g.access])}
    return issue(_GRANT, claims, issuer, issuer.verify_key.kid)


def read_hub_certificate(data: bytes, issuer: VerifyKey) -> HubCertificate:
    """Verify and read. Raise ProofError for any other document, signer or claim."""
    claims = read(_HUB, data, issuer, issuer.kid, (_ISS, _SUB, _AUD, _EXP, _NBF, _CNF, _SCOPE))
    site, (nbf, exp) = _site(claims), _times(claims)
    points = _decode(claims[_SCOPE], _SCOPE_ITEMS)
    if not (isinstance(points, list) and points and all(_is_point(point) for point in points)):
        raise ProofError("hub certificate: its scope is no list of access points")
    if points != sorted(set(points)):
        raise ProofError("hub certificate: its access points do not rise")
    key = cose.read_key(_confirmation(claims))
    if key.alg != cose.ES256:
        raise ProofError("hub certificate: a hub's key is an ES256 key")
    return HubCertificate(site, _name(claims[_SUB], "hub"), nbf, exp, key, tuple(points))


def read_epoch_certificate(data: bytes, hub: HubCertificate, sizes: tuple[int, ...]) -> EpochCertificate:
    """Verify with the hub's certified key and read. Raise ProofError, also for a modulus not of `sizes` bytes."""
    claims = read(_EPOCH, data, hub.key, None, (_ISS, _AUD, _EXP, _NBF, _CNF, _AEADS))
    (nbf, exp), key = _times(claims), _confirmation(claims)
    if claims[_ISS] != hub.hub or claims[_AUD] != hub.site:
        raise ProofError("epoch certificate: of another hub or site")
    if exp - nbf > EPOCH_SECONDS_MAX:
        raise ProofError("epoch certificate: valid for longer than two hours")
    match key:
        case {1: 3, 2: bytes(kid), 3: alg, -1: bytes(n), -2: bytes(e)} if len(key) == 5:
            if alg != cose.RSAES_OAEP_SHA256 or kid != cose.thumbprint(key)[: cose.KID_BYTES]:
                raise ProofError("epoch certificate: key of another use, or its id is not its thumbprint")
            cose.rsa_public(n, e, sizes)
        case _:
            raise ProofError("epoch certificate: no RSA encryption key")
    aeads = claims[_AEADS]
    if not (isinstance(aeads, list) and aeads and all(_is_uint(a) and a in set(Aead) for a in aeads)):
        raise ProofError("epoch certificate: its AEADs are not of the three")
    if len(set(aeads)) != len(aeads):
        raise ProofError("epoch certificate: an AEAD twice")
    return EpochCertificate(hub.hub, hub.site, nbf, exp, kid, n, tuple(map(Aead, aeads)))


def read_grant(data: bytes, issuer: VerifyKey, site: str) -> Grant:
    """Verify and read a grant for `site`. Raise ProofError for any other document, signer, site or claim."""
    claims = read(_GRANT, data, issuer, issuer.kid, (_ISS, _SUB, _AUD, _EXP, _NBF, _CTI, _CNF, _SCOPE))
    if _site(claims) != site:
        raise ProofError("grant: for another site")
    nbf, exp = _times(claims)
    grant_id = claims[_CTI]
    if not (isinstance(grant_id, bytes) and len(grant_id) in GRANT_ID_BYTES):
        raise ProofError("grant: its id has not 8..16 bytes")
    entries = _decode(claims[_SCOPE], _SCOPE_ITEMS)
    if not (isinstance(entries, list) and 1 <= len(entries) <= ACCESS_ENTRIES):
        raise ProofError(f"grant: not 1..{ACCESS_ENTRIES} entries of access")
    access = tuple(_read_access(entry) for entry in entries)
    if len({entry.access_point for entry in access}) != len(access):
        raise ProofError("grant: an access point twice")
    key = cose.read_key(_confirmation(claims))
    return Grant(site, _name(claims[_SUB], "credential"), nbf, exp, grant_id, key, access)


def issue(typ: str, claims: dict[int, Any], signer: SigningKey, kid: bytes | None) -> bytes:
    """Return a document of kind `typ`: claims signed under its constant header, tagged."""
    document = cose.sign1(header(signer.alg, typ), cbor.encode(claims), signer, kid=kid)
    return cbor.encode(cbor.Tag(cose.SIGN1_TAG, document))


def read(typ: str, data: bytes, key: VerifyKey, kid: bytes | None, members: tuple[int, ...]) -> dict[int, Any]:
    """Check shape, constant headers and signature of a document; return its claims, labelled exactly `members`.

    Raise ProofError.
    """
    claims = _decode(prove(typ, data, key, kid), _CLAIMS_ITEMS)
    if not isinstance(claims, dict) or len(claims) != len(members) or not all(label in claims for label in members):
        raise ProofError(f"{typ}: its claims are not exactly those of this kind")
    return claims


def prove(typ: str, data: bytes, key: VerifyKey, kid: bytes | None) -> bytes:
    """Check shape, constant headers and signature of a document; return its payload, not decoded. Raise ProofError."""
    try:
        document = cose.read_sign1(data)
    except FrameError as error:
        raise ProofError(f"{typ}: no tagged COSE_Sign1: {error}") from error
    if document.protected != header(key.alg, typ) or document.unprotected != _unprotected(kid):
        raise ProofError(f"{typ}: its headers are not the constant ones of this kind and signer")
    cose.verify1(document.protected, document.payload, document.signature, key)
    return document.payload


def _decode(data: Any, max_items: int) -> Any:
    """Decode what a document holds; inside a document everything wrong is a proof that does not hold."""
    if not isinstance(data, bytes):
        raise ProofError("document: bytes expected")
    try:
        return cbor.decode(data, max_items=max_items)
    except FrameError as error:
        raise ProofError(f"document: {error}") from error


def _site(claims: dict[int, Any]) -> str:
    if claims[_ISS] != claims[_AUD]:
        raise ProofError("document: issuer and audience are not one site")
    return _name(claims[_ISS], "site")


def _name(value: Any, what: str) -> str:
    if not (isinstance(value, str) and 1 <= len(value.encode()) <= NAME_BYTES):
        raise ProofError(f"document: {what} is no text of 1..{NAME_BYTES} bytes")
    return value


def _times(claims: dict[int, Any]) -> tuple[int, int]:
    nbf, exp = claims[_NBF], claims[_EXP]
    if not (_is_uint(nbf) and _is_uint(exp) and nbf <= exp):
        raise ProofError("document: its times are no span of whole seconds")
    return nbf, exp


def _confirmation(claims: dict[int, Any]) -> dict[int, Any]:
    """Return cnf's COSE_Key (RFC 8747, 3.2); no other form of confirmation is known."""
    match claims[_CNF]:
        case {1: dict(key)} as cnf if len(cnf) == 1:
            return key
    raise ProofError("document: it does not confirm exactly one COSE_Key")


def _write_access(entry: Access) -> list[Any]:
    rules = [[rule.days, rule.start, rule.end] if isinstance(rule, Rule) else rule for rule in entry.rules]
    return [entry.access_point, entry.rights, rules]


def _read_access(entry: Any) -> Access:
    match entry:
        case [point, rights, list(rules)] if _is_point(point) and _is_uint(rights) and len(rules) <= RULES_AN_ENTRY:
            return Access(point, rights, tuple(_read_rule(rule) for rule in rules))
    raise ProofError("grant: an entry of access is no [access point, rights, rules]")


def _read_rule(rule: Any) -> ScheduleRef:
    if _is_uint(rule):
        return int(rule)
    match rule:
        case [days, start, end] if _is_uint(days) and _is_uint(start) and _is_uint(end):
            try:
                return Rule(days, start, end)
            except ValueError as error:
                raise ProofError(f"grant: {error}") from error
    raise ProofError("grant: a rule is no [days, start, end] and no schedule's number")


def _is_point(value: Any) -> bool:
    return _is_uint(value) and value <= ACCESS_POINT_MAX


def _is_uint(value: Any) -> bool:
    return type(value) is int and value >= 0
