"""The newest revocations of a site, as a signed list that a phone carries to a hub that is offline.

Laws:
1. A list is a CWT of its own kind (`hubcore.codec.cwt`), signed by the issuer for this one site.
2. It names what is revoked and nothing else: it lets nobody in, and nothing ends by it.
3. Its version is that of the policy that revokes all that it names.
4. What it names counts until a policy of that version, or a later one, is in force. Then the policy
   says it.
5. What was revoked once stays so: it does not matter which of the lists names it. A list that names
   nothing beyond the others says nothing new, unless it can take the place of some of them.
6. At most LISTS_MAX are kept. Where one more comes, those go whose names the others have; if none
   can, the new one is refused, and nothing that counts already is forgotten for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hubcore.access.grant import GRANT_ID_BYTES
from hubcore.codec import cwt
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.codec.cwt import is_uint
from hubcore.errors import ProofError

TYPE = "application/hub-revocations+cwt"
BYTES_MAX = 1024
"""A phone carries it inside a request, beside its grant."""
NAMES_MAX = 48
"""Credentials and grants together."""
LISTS_MAX = 16
_VERSION_MAX = (1 << 63) - 1
_IAT = 6
_VERSION = -65538
_CREDENTIALS = -65539
_GRANTS = -65540
"""The labels of a policy's claims of the same meaning (`hubcore.policy.lists`)."""


@dataclass(frozen=True, slots=True)
class Revocations:
    """A list whose signature was checked; `issued_at` in Unix seconds, `document` as signed.

    The newest revocations stand first.
    """

    site: str
    version: int
    issued_at: int
    credentials: tuple[str, ...]
    grants: tuple[bytes, ...]
    document: bytes

    def names_all_of(self, other: Revocations) -> bool:
        """Tell whether it names whatever another list names."""
        has_credentials = set(self.credentials) >= set(other.credentials)
        return has_credentials and set(self.grants) >= set(other.grants)


def issue(
    site: str,
    version: int,
    issued_at: int,
    newest_first: Sequence[str | bytes],
    issuer: SigningKey,
) -> bytes:
    """Return the signed list of revoked credentials (text) and grants (ids).

    Those that do not fit are left out: the oldest.
    """
    newest = newest_first[:NAMES_MAX]
    while True:
        document = _sign(site, version, issued_at, newest, issuer)
        if len(document) <= BYTES_MAX:
            return document
        newest = newest[:-1]


def _sign(
    site: str,
    version: int,
    issued_at: int,
    names: Iterable[str | bytes],
    issuer: SigningKey,
) -> bytes:
    claims = {
        cwt.ISS: site,
        _IAT: issued_at,
        _VERSION: version,
        _CREDENTIALS: [name for name in names if isinstance(name, str)],
        _GRANTS: [name for name in names if isinstance(name, bytes)],
    }
    return cwt.issue(TYPE, claims, issuer, issuer.verify_key.kid)


def read(data: bytes, issuer: VerifyKey, site: str) -> Revocations:
    """Verify and read a list for `site`. Raise ProofError for any other document, signer or site.

    Its age is not judged: what was revoked once stays so.
    """
    if len(data) > BYTES_MAX:
        raise ProofError(f"revocations: over {BYTES_MAX} bytes")
    members = (cwt.ISS, _IAT, _VERSION, _CREDENTIALS, _GRANTS)
    claims = cwt.read(TYPE, data, issuer, issuer.kid, members)
    if cwt.name(claims[cwt.ISS], "site") != site:
        raise ProofError("revocations: for another site")
    version = claims[_VERSION]
    issued_at = claims[_IAT]
    if not is_uint(version) or not 1 <= version <= _VERSION_MAX or not is_uint(issued_at):
        raise ProofError("revocations: no version and date")
    return Revocations(
        site=site,
        version=version,
        issued_at=issued_at,
        credentials=_credentials(claims[_CREDENTIALS]),
        grants=_grants(claims[_GRANTS]),
        document=data,
    )


def _credentials(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ProofError("revocations: no list of credentials")
    return tuple(cwt.name(name, "credential") for name in value)


def _grants(value: Any) -> tuple[bytes, ...]:
    if not isinstance(value, list):
        raise ProofError("revocations: no list of grants")
    for grant in value:
        if not isinstance(grant, bytes) or len(grant) not in GRANT_ID_BYTES:
            raise ProofError("revocations: a grant's id has not 8..16 bytes")
    return tuple(value)


class CarriedRevocations:
    """The lists that count beside the policy in force."""

    def __init__(self, lists: Iterable[Revocations] = (), lists_max: int = LISTS_MAX) -> None:
        self._lists_max = lists_max
        self._lists: tuple[Revocations, ...] = ()
        for one in lists:
            self.take(one, in_force=0)

    @property
    def lists(self) -> tuple[Revocations, ...]:
        """The lists that count."""
        return self._lists

    def take(self, new: Revocations, in_force: int) -> bool:
        """Let a list count; tell whether it says anything new.

        It does not when the policy of version `in_force`, or a list that counts, says it already,
        nor when there is no room for it: see `is_full`.
        """
        if new.version <= in_force or any(one.names_all_of(new) for one in self._lists):
            return False
        kept = tuple(one for one in self._lists if not _replaces(new, one))
        if kept == self._lists and self.says_all_of(new):
            return False
        lists = (*kept, new)
        if len(lists) > self._lists_max:
            lists = _without_needless(lists)
        if len(lists) > self._lists_max:
            return False
        self._lists = lists
        return True

    def says_all_of(self, new: Revocations) -> bool:
        """Tell whether the lists that count name, together, whatever this one names."""
        return _name_all_of(self._lists, new)

    @property
    def is_full(self) -> bool:
        """Whether a further list has room only if others go for it."""
        return len(self._lists) >= self._lists_max

    def revoked(self, credential: str, grant_id: bytes) -> bool:
        """Tell whether a list that counts names the credential, or this one grant."""
        return any(credential in one.credentials or grant_id in one.grants for one in self._lists)

    def policy_in_force(self, version: int) -> bool:
        """Forget the lists that this policy says itself; tell whether there were any."""
        kept = tuple(one for one in self._lists if one.version > version)
        forgotten = len(kept) < len(self._lists)
        self._lists = kept
        return forgotten


def _replaces(new: Revocations, old: Revocations) -> bool:
    """Tell whether a list may take an older one's place: it names all of it, and counts as long."""
    return new.version >= old.version and new.names_all_of(old)


def _name_all_of(lists: Iterable[Revocations], new: Revocations) -> bool:
    credentials = set(new.credentials)
    grants = set(new.grants)
    for one in lists:
        credentials.difference_update(one.credentials)
        grants.difference_update(one.grants)
    return not credentials and not grants


def _without_needless(lists: tuple[Revocations, ...]) -> tuple[Revocations, ...]:
    """Return the lists without those whose names the others have, looked for from the oldest on."""
    kept = lists
    for one in lists:
        others = tuple(other for other in kept if other is not one)
        if _name_all_of(others, one):
            kept = others
    return kept
