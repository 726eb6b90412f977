"""`[oidc]`: a provider by which operators sign in, beside the sign-in of this server.

Laws:
1. The provider is reached by TLS alone, and its secret is in a file of its own.
2. Who somebody is comes from a claim that is never given to somebody else: no address and no name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hubcore.errors import ConfigError
from hubsite.pins.words import Pins

_ISSUER = r"\Ahttps://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]{0,200})?\Z"
_WORD = Annotated[str, Meta(min_length=1, max_length=200)]


class Oidc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The provider: its name for people, how this server is known there, what it must say.

    `authority` is a PEM file with whom its TLS is believed, "" for those that browsers believe.
    `pins`: each host that is asked shows one of these keys.
    `amr` and `acr`: one of these in a token, and the second factor of this server is not asked.
    """

    issuer: Annotated[str, Meta(pattern=_ISSUER)]
    client_id: _WORD
    client_secret: str
    name: Annotated[str, Meta(min_length=1, max_length=40)] = "OpenID Connect"
    claim: Literal["sub", "oid"] = "sub"
    authority: str = ""
    pins: Pins = ()
    amr: Annotated[tuple[_WORD, ...], Meta(max_length=8)] = ()
    acr: Annotated[tuple[_WORD, ...], Meta(max_length=8)] = ()


def check_oidc(section: Oidc, path: Path) -> None:
    """Look at `[oidc]`. Raise ConfigError."""
    if not section.name.isprintable():
        raise ConfigError(f"{path}: oidc.name: it stands on a button: {section.name!r}")
