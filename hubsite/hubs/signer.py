"""Who signs for the site.

Law: the pages ask for signatures and read no key. Only a `FileSigner` has one in their process.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from hubcore.access.grant import Grant, issue_grant
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.policy import document
from hubcore.policy.document import Issued
from hubcore.policy.policy import Policy
from hubtls.keys import read_signing_key


class Signer(Protocol):
    """What signs. Each call raises HubError when it does not sign, and says why."""

    @property
    def issuer(self) -> VerifyKey:
        """The public key by which hubs and phones prove what was signed."""

    def policy_version(self) -> int:
        """Return the version of the last policy that was signed there, 0 for none known."""

    def policy(self, policy: Policy) -> Issued:
        """Sign a policy: its root, and the pieces of its trees."""

    def grant(self, grant: Grant, key: dict[int, Any]) -> bytes:
        """Sign a grant; `key` is the COSE_Key of its holder."""


class FileSigner:
    """Signs by the issuer's key in a file of this machine: the least safe of all ways."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    @classmethod
    def at(cls, path: Path) -> FileSigner:
        """Read the key (PEM). Raise ConfigError."""
        return cls(read_signing_key(path))

    @property
    def issuer(self) -> VerifyKey:
        """The public key."""
        return self._key.verify_key

    def policy_version(self) -> int:
        """A key remembers nothing."""
        return 0

    def policy(self, policy: Policy) -> Issued:
        """Sign a policy."""
        return document.issue_tree(policy, self._key)

    def grant(self, grant: Grant, key: dict[int, Any]) -> bytes:
        """Sign a grant."""
        return issue_grant(self._key, grant, key)
