"""Who signs for the site.

Laws:
1. The pages ask for signatures and read no key. Only a `FileSigner` has one in their process.
2. A `FileSigner` signs nothing that a hub cannot read: the reader that hubs have reads it first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from hubcore.access.grant import Grant
from hubcore.codec import cwt
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.errors import HubError
from hubcore.issuing import unsigned
from hubcore.issuing.cardasks import CardAsk, digest_of_card
from hubcore.issuing.hubasks import HubAsk
from hubcore.issuing.unsigned import Unsigned
from hubcore.issuing.wanted import Reader
from hubcore.issuing.words import Refusal, RefusedError
from hubcore.policy.document import Issued
from hubcore.policy.policy import Policy
from hubtls.keys import new_key, read_signing_key


class Signer(Protocol):
    """What signs. Each call raises HubError when it does not sign, and says why."""

    @property
    def issuer(self) -> VerifyKey:
        """The public key by which hubs and phones prove what was signed."""

    def policy_version(self) -> int:
        """Return the version of the last policy that was signed there, 0 for none known."""

    def policy(self, policy: Policy) -> Issued:
        """Sign a policy: its root, and the pieces of its trees.

        Raise ValueError for rows that no tree can hold, too.
        """

    def grant(self, grant: Grant, key: dict[int, Any]) -> bytes:
        """Sign a grant; `key` is the COSE_Key of its holder."""

    def revocations(
        self, site: str, version: int, issued_at: int, newest_first: Sequence[str | bytes]
    ) -> bytes:
        """Sign a list of what the policy of this version revokes (`hubcore.access.revocations`)."""

    def digest(self, ask: CardAsk) -> bytes:
        """Make the digest of a card or a phone of others by the site's card key: 16 bytes."""


@runtime_checkable
class Decider(Protocol):
    """A signer that also does something about hubs (`hubissuer serve` with `[enrolment]`)."""

    def decide(self, ask: HubAsk) -> str:
        """Have it done; return the token that was made, or "". Raise HubError when it is not."""


@runtime_checkable
class SignsMany(Protocol):
    """A signer that is asked for many grants in one go."""

    def grants(self, wanted: Sequence[tuple[Grant, dict[int, Any]]]) -> list[bytes | HubError]:
        """Sign grants. Why one is not signed stands in its place."""


class FileSigner:
    """Signs by the issuer's key in a file of this machine: the least safe of all ways."""

    def __init__(self, key: SigningKey, card_key: bytes = b"") -> None:
        """`card_key` is the site's, b"" where there is none."""
        self._key = key
        self._card_key = card_key
        self._issuer = key.verify_key
        self._trial = new_key()

    @classmethod
    def at(cls, path: Path, card_key: bytes = b"") -> FileSigner:
        """Read the key (PEM). Raise ConfigError."""
        return cls(read_signing_key(path), card_key)

    @property
    def issuer(self) -> VerifyKey:
        """The public key."""
        return self._issuer

    def policy_version(self) -> int:
        """A key remembers nothing."""
        return 0

    def policy(self, policy: Policy) -> Issued:
        """Sign a policy. Raise RefusedError for one that no hub can read."""
        wanted = unsigned.of_policy(policy, self._trial)
        return Issued(self._signed(policy.site, wanted), wanted.pieces)

    def grant(self, grant: Grant, key: dict[int, Any]) -> bytes:
        """Sign a grant. Raise RefusedError for one that no hub can read."""
        return self._signed(grant.site, unsigned.of_grant(grant, key))

    def grants(self, wanted: Sequence[tuple[Grant, dict[int, Any]]]) -> list[bytes | HubError]:
        """Sign grants. Why one is not signed stands in its place."""
        return [self._granted(grant, key) for grant, key in wanted]

    def _granted(self, grant: Grant, key: dict[int, Any]) -> bytes | HubError:
        try:
            return self.grant(grant, key)
        except HubError as error:
            return error

    def revocations(
        self, site: str, version: int, issued_at: int, newest_first: Sequence[str | bytes]
    ) -> bytes:
        """Sign a list of revocations. Raise RefusedError for one that no hub can read."""
        wanted = unsigned.of_revocations(site, version, issued_at, newest_first, self._trial)
        return self._signed(site, wanted)

    def digest(self, ask: CardAsk) -> bytes:
        """Make a digest. Raise RefusedError without the site's card key."""
        if not self._card_key:
            raise RefusedError(Refusal.RULE, "this server's file has no card_key")
        return digest_of_card(ask, self._card_key)

    def _signed(self, site: str, wanted: Unsigned) -> bytes:
        """Read it as a hub would, then sign those bytes (law 2)."""
        reader = Reader(site, self.issuer, self._trial)
        reader.read(wanted.kind, wanted.claims, wanted.along)
        return cwt.sign(wanted.kind.typ, wanted.claims, self._key, self.issuer.kid)
