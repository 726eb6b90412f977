"""Whom a site has ended: hubs, with whom no bridge speaks any more, and bridges, with whom no hub.

Laws:
1. A list counts by the signature of the site's issuer. Who carries one makes none up, and changes
   nothing in it.
2. The list of hubs and that of bridges are two, each with its own versions. One with a lower
   version is refused, and so is another one of the same.
3. A list names hubs or bridges by their ids, and keys by the SHA-256 of their
   SubjectPublicKeyInfo. A hub whose machine was replaced stays, and the old machine's key is ended.
4. It has no end. A version is the moment of issue in Unix milliseconds, or one more than the one
   before: no clock of who reads it is asked, since one that is behind would refuse a true list.

Shape: `{1: site, 3: site, -65538: version, -65539: of whom, -65540: [names], -65541: [digests]}`,
names and digests in their order and each once, signed by the issuer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from hubcore.codec import cwt
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.codec.tls import check_name
from hubcore.errors import ProofError, RollbackError, TrustError

TYPE = "application/hub-ends+cwt"
KEY_DIGEST_BYTES = 32
_NAMED_BYTES = KEY_DIGEST_BYTES + 2
"""A name or a digest, as it is encoded."""
_AROUND_BYTES = 768
"""The claims beside them, the headers, and the longest signature."""
_VERSION = -65538
_WHOM = -65539
_NAMES = -65540
_KEYS = -65541
_CLAIMS = (cwt.ISS, cwt.AUD, _VERSION, _WHOM, _NAMES, _KEYS)
_CLAIMS_ITEMS = 16
_INT64_MAX = (1 << 63) - 1


class Whom(IntEnum):
    """Whom a list names."""

    HUBS = 1
    """For bridges."""
    BRIDGES = 2
    """For hubs."""

    @property
    def word(self) -> str:
        """Return `hubs` or `bridges`: so the backend calls the list (docs/backend.md)."""
        return self.name.lower()

    @property
    def named_max(self) -> int:
        """Return how many names and keys there may be in one list."""
        return ENDS_MAX if self is Whom.HUBS else ENDED_BRIDGES_MAX

    @property
    def document_bytes(self) -> int:
        """Return the size of the longest document."""
        return _NAMED_BYTES * self.named_max + _AROUND_BYTES


ENDS_MAX = 16_384
"""Names and keys of hubs in one list."""
ENDED_BRIDGES_MAX = 256
"""Names and keys of bridges: each hub holds them."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Whom the site has ended: hubs or bridges by their ids, and keys by their digests."""

    version: int = 0
    names: frozenset[str] = field(default_factory=frozenset)
    keys: frozenset[bytes] = field(default_factory=frozenset)
    whom: Whom = Whom.HUBS

    def __post_init__(self) -> None:
        """Raise TrustError for a list that is no list of ends."""
        if len(self.names) + len(self.keys) > self.whom.named_max:
            raise TrustError(f"a list of ends has at most {self.whom.named_max} names and keys")
        if any(len(key) != KEY_DIGEST_BYTES for key in self.keys):
            raise TrustError("a list of ends names a key that is no digest")

    def newer(self, offered: Ends) -> Ends:
        """Return the list that counts. Raise RollbackError for an older one."""
        if offered.version < self.version:
            raise RollbackError(
                f"a list of ends of version {offered.version} came after version {self.version}"
            )
        if offered.version == self.version and offered != self:
            raise RollbackError(f"two lists of ends have the version {self.version}")
        return offered

    def include(self, name: str, key_digest: bytes) -> bool:
        """Tell whether who has this name, or this key, is ended."""
        return name in self.names or key_digest in self.keys

    def changed(
        self,
        now_ms: int,
        ended: frozenset[str] = frozenset(),
        back: frozenset[str] = frozenset(),
        keys: frozenset[bytes] = frozenset(),
        keys_back: frozenset[bytes] = frozenset(),
    ) -> Ends:
        """Return the next list; this very one, if nothing changes. Raise TrustError (law 4)."""
        names = (self.names | ended) - back
        digests = (self.keys | keys) - keys_back
        if (names, digests) == (self.names, self.keys):
            return self
        return Ends(max(now_ms, self.version + 1), names, digests, self.whom)


def issue_ends(ends: Ends, site: str, issuer: SigningKey) -> bytes:
    """Return the document."""
    claims: dict[int, Any] = {
        cwt.ISS: site,
        cwt.AUD: site,
        _VERSION: ends.version,
        _WHOM: int(ends.whom),
        _NAMES: sorted(ends.names),
        _KEYS: sorted(ends.keys),
    }
    return cwt.issue(TYPE, claims, issuer, issuer.verify_key.kid)


def prove_ends(document: bytes, site: str, issuer: VerifyKey) -> Ends:
    """Read a list of ends of this site. Raise ProofError."""
    if len(document) > Whom.HUBS.document_bytes:
        raise ProofError(f"list of ends: more than {Whom.HUBS.document_bytes} bytes")
    claims = cwt.read(
        TYPE, document, issuer, issuer.kid, _CLAIMS, items_max=_CLAIMS_ITEMS + ENDS_MAX
    )
    if cwt.site_of(claims) != site:
        raise ProofError("list of ends: it is of another site")
    version = claims[_VERSION]
    if not cwt.is_uint(version) or not 1 <= version <= _INT64_MAX:
        raise ProofError("list of ends: its version is no whole number from 1 on")
    whom = claims[_WHOM]
    if type(whom) is not int or whom not in set(Whom):
        raise ProofError("list of ends: it is of nobody that is known")
    names = _each_once(claims[_NAMES], str)
    keys = _each_once(claims[_KEYS], bytes)
    try:
        for name in names:
            check_name("name", name)
        return Ends(version, frozenset(names), frozenset(keys), Whom(whom))
    except TrustError as error:
        raise ProofError(f"list of ends: {error}") from error


def _each_once(value: object, kind: type) -> list[Any]:
    """Return a list of one type, in its order and each once. Raise ProofError."""
    if type(value) is not list or any(type(one) is not kind for one in value):
        raise ProofError("list of ends: names and keys are no lists of them")
    if value != sorted(set(value)):
        raise ProofError("list of ends: names and keys are not in their order, each once")
    return value
