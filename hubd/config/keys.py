"""Where the keys lie: `[keys]`. The file holds no secrets, only the places of them.

Laws:
1. A path is relative to the directory of the configuration file.
2. `credential:NAME` is a file that systemd hands over (systemd.exec(5), LoadCredential=).
3. A sentence names the file that the installer has put down, never the copy that systemd made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from hubd.config.mistakes.sentences import CREDENTIAL, WrongValueError
from hubd.config.section import Section

SEALED_KEYS = "HUBD_SEALED_KEYS"
"""The variable in which sealed-keys.conf names the encrypted credentials, joined by colons."""
_TLS = ("tls_key", "tls_certificate", "tls_authority")
PLAIN_STORE = "/etc/credstore"
SEALED_STORE = "/etc/credstore.encrypted"
"""Where the installer puts what systemd hands over."""

_CREDENTIAL_NAME = re.compile(r"[!-.0-9;-~]{1,255}")
"""What systemd takes: a file's name in printable ASCII without a colon."""
_CREDENTIAL_UNKNOWN = (
    "credential:NAME only where systemd sets $CREDENTIALS_DIRECTORY (LoadCredential= of the unit)"
)


class KeyFile:
    """Where a key lies: `path` is what hubd reads, `place` is what a person may open.

    `credential`: systemd hands it over and guards it, whatever the mode of its copy.
    `sealed`: the installer's file lies encrypted.
    It is no dataclass, because msgspec would then read a table in its place.
    """

    __slots__ = ("credential", "path", "sealed")

    def __init__(self, path: Path, credential: bool = False, sealed: bool = False) -> None:
        self.path = path
        self.credential = credential
        self.sealed = sealed

    @property
    def place(self) -> str:
        """The installer's own file."""
        if not self.credential:
            return str(self.path)
        store = SEALED_STORE if self.sealed else PLAIN_STORE
        return f"{store}/hubd.{self.path.name}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyFile) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"KeyFile({str(self.path)!r}, credential={self.credential}, sealed={self.sealed})"


Key = Annotated[KeyFile, Meta(description="a path or credential:NAME")]


class Keys(Section, frozen=True):
    """The files of the hub's keys.

    `identity`: PEM (PKCS#8). `certificate` and `issuer`: raw CBOR. `beacon`: 16 raw bytes.
    `curve_secret` and `backend_public`: Z85 text. `card_key`: 32 raw bytes. `tls_key`,
    `tls_certificate` and `tls_authority`: PEM, all three or none. `pkoc_key`: PEM (PKCS#8).
    `pkoc_certificate`: 138 raw bytes.
    """

    identity: Key
    certificate: Key
    issuer: Key
    curve_secret: Key | None = None
    backend_public: Key | None = None
    beacon: Key | None = None
    card_key: Key | None = None
    tls_key: Key | None = None
    tls_certificate: Key | None = None
    tls_authority: Key | None = None
    pkoc_key: Key | None = None
    pkoc_certificate: Key | None = None

    @property
    def tls_files(self) -> tuple[KeyFile, KeyFile, KeyFile] | None:
        """The files of the TLS identity: key, certificate, authority; None without one."""
        key, certificate, authority = (getattr(self, name) for name in _TLS)
        return None if key is None else (key, certificate, authority)

    def check(self) -> None:
        """Raise WrongValueError for a part of a TLS identity."""
        missing = [name for name in _TLS if getattr(self, name) is None]
        if missing and len(missing) < len(_TLS):
            expected = f"a path or credential:NAME; {', '.join(_TLS)} go together"
            raise WrongValueError(("keys", missing[0]), expected, "nothing")

    def check_has(self, name: str, because: str) -> None:
        """Raise WrongValueError when a key is not given that the section `because` needs."""
        if getattr(self, name) is None:
            expected = f"a path or credential:NAME, because {because} is there"
            raise WrongValueError(("keys", name), expected, "nothing")


class PathReader:
    """msgspec's `dec_hook`: makes a `Path` or a `KeyFile` of text.

    A ValueError that it raises becomes msgspec's ValidationError.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        """`directory` is that of the configuration file."""
        self._directory = directory
        self._handed_over_in = environment.get("CREDENTIALS_DIRECTORY")
        self._sealed = environment.get(SEALED_KEYS, "").split(":")

    def __call__(self, wanted: type, value: Any) -> Any:
        """Make what a key of this type asks for, of what the file holds. Raise ValueError."""
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValueError("no path")
        if wanted is Path:
            return self._directory / value
        if value.startswith(CREDENTIAL):
            return self._credential(value.removeprefix(CREDENTIAL))
        return KeyFile(self._directory / value)

    def _credential(self, name: str) -> KeyFile:
        if not _CREDENTIAL_NAME.fullmatch(name) or name in (".", ".."):
            raise ValueError("no name of a credential")
        if not self._handed_over_in:
            raise ValueError(_CREDENTIAL_UNKNOWN)
        path = Path(self._handed_over_in) / name
        return KeyFile(path, credential=True, sealed=name in self._sealed)
