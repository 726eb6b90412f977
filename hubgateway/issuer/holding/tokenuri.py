"""The name of a key in a PKCS#11 token: a URI of RFC 7512, in the parts that are used here.

Example: `pkcs11:token=acme;object=issuer?module-path=/usr/lib/softhsm/libsofthsm2.so`.

Laws:
1. A token is named by `token` (its label) or `serial`, a key by `object` (its label) or `id`.
2. The library of the token's maker is named by `module-path`, from the root of the disk on.
3. A PIN does not stand in a URI: those end in configurations, commands and journals.
4. A part that is not known, or that stands there twice, is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from hubcore.errors import ConfigError

SCHEME = "pkcs11:"
URI_MAX = 1024
_PATH = frozenset({"token", "serial", "object", "id", "type"})
_QUERY = frozenset({"module-path"})
_PINS = frozenset({"pin-value", "pin-source"})


@dataclass(frozen=True, slots=True)
class TokenUri:
    """Where a key is. What the URI does not say is None. `text` is the URI."""

    text: str
    module: Path
    token: str | None = None
    serial: bytes | None = None
    label: str | None = None
    id: bytes | None = None


def is_uri(named: str) -> bool:
    """Tell whether a configuration names a key in a token."""
    return named.startswith(SCHEME)


def read(name: str, text: str) -> TokenUri:
    """Read a URI; `name` says whose it is. Raise ConfigError."""
    if not is_uri(text) or len(text) > URI_MAX:
        raise ConfigError(f"{name}: a key in a token is named by {SCHEME}…, {URI_MAX} characters")
    path, _, query = text.removeprefix(SCHEME).partition("?")
    parts = _parts(name, path, ";", _PATH)
    options = _parts(name, query, "&", _QUERY)
    if not parts.keys() & {"token", "serial"} or not parts.keys() & {"object", "id"}:
        raise ConfigError(f"{name}: {SCHEME} names a token (or serial), and an object (or id)")
    if parts.get("type", b"private") != b"private":
        raise ConfigError(f"{name}: {SCHEME} names a private key: type=private, or no type")
    module = Path(_text(name, "module-path", options.get("module-path", b"")))
    if not module.is_absolute():
        raise ConfigError(
            f"{name}: {SCHEME} ends with ?module-path= and the file of the token's library, "
            "from / on"
        )
    return TokenUri(
        text=text,
        module=module,
        token=_text(name, "token", parts["token"]) if "token" in parts else None,
        serial=parts.get("serial"),
        label=_text(name, "object", parts["object"]) if "object" in parts else None,
        id=parts.get("id"),
    )


def _parts(name: str, text: str, between: str, known: frozenset[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in filter(None, text.split(between)):
        key, has_value, value = part.partition("=")
        if key in _PINS:
            raise ConfigError(f"{name}: a PIN has a file of its own (…_secret), and no {key}")
        if key not in known or key in found or not has_value or not value:
            raise ConfigError(f"{name}: {SCHEME} has a part not known here, or twice: {key!r}")
        found[key] = unquote_to_bytes(value)
    return found


def _text(name: str, key: str, value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: {SCHEME} {key} is no text") from error
