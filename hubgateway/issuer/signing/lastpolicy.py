"""The last policy that was signed here, whole, in a file beside the log.

Laws:
1. The log names it, by version and digest. A file that is another is not believed.
2. It is on the disk before the log's line is. A file that no line names means nothing.
3. A log that names a policy whose file is gone refuses the start: nobody could tell who is revoked.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from hubcore.codec.cose import VerifyKey
from hubcore.errors import ConfigError, PeerError, StoreError, TrustError
from hubcore.issuing.standing import Signed
from hubcore.policy import document
from hubcore.policy.policy import Policy
from hubgateway.issuer.signing.log import sync_folder
from hubterm.files import read_ordinary, whole_file

_BEGINS = "policy."


class LastPolicy:
    """Keeps it in `folder`. `policy` is None before the first one."""

    def __init__(self, folder: Path, issuer: VerifyKey, site: str) -> None:
        self._folder = folder
        self._issuer = issuer
        self._site = site
        self.policy: Policy | None = None

    def find(self, named: Signed | None) -> None:
        """Read the one that the log names (laws 1 and 3). Raise ConfigError."""
        if named is None:
            return
        path = self._path(named.number)
        try:
            data = read_ordinary(path, document.MAX_BYTES + document.MAX_BYTES)
            if document.split(data).digest != named.digest:
                raise ConfigError(f"{path}: it is not the policy that the log names")
            self.policy = document.read(data, self._issuer, self._site)
        except OSError as error:
            raise ConfigError(
                f"{path}: {error.strerror}. The log says that policy {named.number} was signed "
                "last: put its document there, from a backup or from hub_policy, with all pieces"
            ) from error
        except (PeerError, TrustError) as error:
            raise ConfigError(f"{path}: it cannot be read: {error}") from error

    def keep(self, version: int, signed: bytes) -> None:
        """Write a policy that is about to be logged (law 2). Raise StoreError."""
        path = self._path(version)
        try:
            with whole_file(path) as file:
                file.write(signed)
            sync_folder(self._folder)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error

    def logged(self, policy: Policy) -> None:
        """The log names this one now: the others go."""
        self.policy = policy
        own = self._path(policy.version)
        for path in self._folder.glob(f"{_BEGINS}*"):
            if path != own:
                with suppress(OSError):
                    path.unlink()

    def _path(self, version: int) -> Path:
        return self._folder / f"{_BEGINS}{version}"


def digest_of(claims: bytes) -> bytes:
    """Return the digest by which a log names a document."""
    return sha256(claims).digest()
