"""The grant: the issuer lets the holder of a key in at these access points, by these rules.

Laws:
1. A grant is a CWT of its own kind (`hubcore.codec.cwt`). No other document can stand for it.
2. The site's issuer signs it, for this one site.
3. An access point stands in it at most once.
4. A number of uses is counted by each hub for itself, over all its access points.
5. Whether it is valid now is not judged here, but by the decision (`hubcore.access.decide`).
6. Where the site's own key signed it, the grant has the digest of its document: there may be
   others of the same id (`hubcore.bridge.ceilings.guests`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from hubcore.calendar.schedule import Rule
from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.codec.cwt import is_uint
from hubcore.errors import ProofError

TYPE = "application/hub-grant+cwt"
_USES = -65550
"""The label of a claim of ours: how often a hub lets the holder in."""
_CLAIMS = (cwt.ISS, cwt.SUB, cwt.AUD, cwt.EXP, cwt.NBF, cwt.CTI, cwt.CNF, cwt.SCOPE)
GRANT_ID_BYTES = range(8, 17)
USES_MAX = 65535
ACCESS_ENTRIES = 32
RULES_AN_ENTRY = 32
SCOPE_ITEMS = 1 + ACCESS_ENTRIES * (4 + 4 * RULES_AN_ENTRY)
"""Heads in a scope: a grant's entries with all their rules; a hub's access points are fewer."""
KEY_ASKS = 1 << 8
"""A bit of an entry's rights: the phone's key asks its holder each time it signs."""
IN_BROWSER = 1 << 9
"""A bit of an entry's rights: the phone's key lies in a browser. It is no right, and takes none."""
ACCESS_POINT_MAX = 0xFFFFFFFF
ScheduleRef = Rule | int
"""A rule that the grant itself carries, or the number of a schedule in the hub's policy."""


@dataclass(frozen=True, slots=True)
class Access:
    """One entry of a grant, in the shape of AIF (RFC 9237).

    `rights` has bit `action - 1` set for each action.
    """

    access_point: int
    rights: int
    rules: tuple[ScheduleRef, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """What the issuer grants to the holder of `key`; times in Unix seconds.

    `uses`: how often a hub lets the holder in; None is without end. `site_digest`: not the issuer
    but the site's own key has signed it, and this is the SHA-256 of that document.
    """

    site: str
    credential: str
    not_before: int
    expires: int
    grant_id: bytes
    key: VerifyKey
    access: tuple[Access, ...]
    uses: int | None = None
    site_digest: bytes = b""

    @property
    def of_site(self) -> bool:
        """Whether the site's own key has signed it."""
        return bool(self.site_digest)


def entry_in(access: Iterable[Access], access_point: int) -> Access | None:
    """Return the entry for the access point, None when there is none."""
    for entry in access:
        if entry.access_point == access_point:
            return entry
    return None


def key_asks(entry: Access | None) -> bool:
    """Tell whether the issuer says that the phone's key asks its holder each time."""
    return entry is not None and bool(entry.rights & KEY_ASKS)


def in_browser(entry: Access | None) -> bool:
    """Tell whether the issuer says that the phone's key lies in a browser."""
    return entry is not None and bool(entry.rights & IN_BROWSER)


def issue_grant(issuer: SigningKey, grant: Grant, key: dict[int, Any]) -> bytes:
    """Return the signed document; `key` is the COSE_Key of `grant.key`."""
    return cwt.sign(TYPE, write_claims(grant, key), issuer, issuer.verify_key.kid)


def write_claims(grant: Grant, key: dict[int, Any]) -> bytes:
    """Return the claims of a grant, encoded, as its document holds them; they are not signed."""
    claims = {
        cwt.ISS: grant.site,
        cwt.SUB: grant.credential,
        cwt.AUD: grant.site,
        cwt.EXP: grant.expires,
        cwt.NBF: grant.not_before,
        cwt.CTI: grant.grant_id,
        cwt.CNF: {1: key},
        cwt.SCOPE: write_scope(grant.access),
    }
    if grant.uses is not None:
        claims[_USES] = grant.uses
    return cbor.encode(claims)


def read_grant(data: bytes, issuer: VerifyKey, site: str, of_site: bool = False) -> Grant:
    """Verify and read a grant for `site`; `of_site`: `issuer` is the site's own key.

    Raise ProofError for any other document, signer, site or claim.
    """
    grant = read_claims(cwt.prove(TYPE, data, issuer, issuer.kid), site)
    return replace(grant, site_digest=hashlib.sha256(data).digest()) if of_site else grant


def read_claims(payload: bytes, site: str) -> Grant:
    """Read the claims of a grant for `site`, as they are below a signature that was proven.

    Raise ProofError for any other site or claim.
    """
    claims = cwt.claims_in(TYPE, payload, _CLAIMS, (_USES,))
    if cwt.site_of(claims) != site:
        raise ProofError("grant: for another site")
    not_before, expires = cwt.times_of(claims)
    grant_id = claims[cwt.CTI]
    if not isinstance(grant_id, bytes) or len(grant_id) not in GRANT_ID_BYTES:
        raise ProofError("grant: its id has not 8..16 bytes")
    access = read_scope(claims[cwt.SCOPE])
    key = cose.read_key(cwt.confirmed_key(claims))
    return Grant(
        site=site,
        credential=cwt.name(claims[cwt.SUB], "credential"),
        not_before=not_before,
        expires=expires,
        grant_id=grant_id,
        key=key,
        access=access,
        uses=_uses_of(claims),
    )


def _uses_of(claims: dict[int, Any]) -> int | None:
    if _USES not in claims:
        return None
    uses = claims[_USES]
    if not is_uint(uses) or not 1 <= uses <= USES_MAX:
        raise ProofError(f"grant: its uses are not 1..{USES_MAX}")
    return int(uses)


def write_scope(access: Iterable[Access]) -> bytes:
    """Return entries of access as a grant, and the row of a card, hold them."""
    return cbor.encode([_write_access(entry) for entry in access])


def read_scope(scope: Any) -> tuple[Access, ...]:
    """Read entries of access. Raise ProofError."""
    entries = cwt.decode(scope, SCOPE_ITEMS)
    if not isinstance(entries, list) or not 1 <= len(entries) <= ACCESS_ENTRIES:
        raise ProofError(f"grant: not 1..{ACCESS_ENTRIES} entries of access")
    access = tuple(_read_access(entry) for entry in entries)
    points = {entry.access_point for entry in access}
    if len(points) != len(access):
        raise ProofError("grant: an access point twice")
    return access


def _write_access(entry: Access) -> list[Any]:
    rules = [_write_rule(rule) for rule in entry.rules]
    return [entry.access_point, entry.rights, rules]


def _write_rule(rule: ScheduleRef) -> list[int] | int:
    if isinstance(rule, Rule):
        return [rule.days, rule.start, rule.end]
    return rule


def _read_access(entry: Any) -> Access:
    match entry:
        case [point, rights, list() as rules] if is_point(point) and is_uint(rights):
            if len(rules) <= RULES_AN_ENTRY:
                return Access(point, rights, tuple(map(_read_rule, rules)))
    raise ProofError("grant: an entry of access is no [access point, rights, rules]")


def _read_rule(rule: Any) -> ScheduleRef:
    match rule:
        case int() if is_uint(rule):
            return rule
        case [days, start, end] if is_uint(days) and is_uint(start) and is_uint(end):
            try:
                return Rule(days, start, end)
            except ValueError as error:
                raise ProofError(f"grant: {error}") from error
    raise ProofError("grant: a rule is no [days, start, end] and no schedule's number")


def is_point(value: Any) -> bool:
    """Tell whether a value is the number of an access point."""
    return is_uint(value) and value <= ACCESS_POINT_MAX
