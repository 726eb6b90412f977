"""`[engine]`, `[signing]` and `[operators]`: how hubs are reached, who signs, who orders.

Laws:
1. Operators open only doors that are named: release and hold-open need access points.
2. One of both signs: a key in a file, or a signer elsewhere. The site's card key is with it.
3. An engine on another machine is reached by TLS, unless the file says `in_clear`
   (`hubcore.backend.ways`). Pins need TLS everywhere: nothing else shows a key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from hubcore.backend.ways import check_server, is_this_machine
from hubcore.errors import ConfigError
from hubcore.policy.policy import OPENING, POINTS_AN_OPERATOR, Operator, rights_of
from hubsite.pins.words import Pins

SIGNER_PORT = 7718


class Engine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the hubs' engine is (docs/backend.md).

    `tls_authority` is the certificate of the site's TLS authority: by it hubs' certificates for TLS
    are judged.
    """

    servers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]
    credentials: str = ""
    replicas: Annotated[int, Meta(ge=1, le=5)] = 1
    tls_authority: str = ""
    authority: str = ""
    """Who vouches for the engine's certificate (PEM), "" for those whom this system believes."""
    pins: Pins = ()
    """Each of its servers shows one of these keys."""
    in_clear: bool = False
    """Whether `nats://` may lead to another machine: on a way that something else guards."""
    orders: bool = False
    """Whether this server orders at hubs by it: its account then also needs `hub.commands.*`."""

    def is_here(self) -> bool:
        """Tell whether each of its servers is on this machine."""
        return all(is_this_machine(urlsplit(server).hostname or "") for server in self.servers)


class Operators(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What each operator may order of hubs, and where: no access point means at all."""

    rights: Annotated[tuple[str, ...], Meta(max_length=16)] = ("lock-down", "command")
    access_points: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=65_535)], ...], Meta(max_length=POINTS_AN_OPERATOR)
    ] = ()


class Signing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What signs elsewhere (`hubissuer serve`), and the issuer's public key, which is pinned.

    `socket` on this machine; or `host`, with the `signer`'s name in TLS, this `server`'s own name,
    and its files.
    """

    issuer: str
    socket: str = ""
    host: str = ""
    port: Annotated[int, Meta(ge=1, le=65535)] = SIGNER_PORT
    signer: str = ""
    server: str = ""
    tls_key: str = ""
    tls_certificate: str = ""
    tls_authority: str = ""

    def is_whole(self) -> bool:
        """Tell whether it says one way, and all that this way needs."""
        names = (self.signer, self.server, self.tls_key, self.tls_certificate, self.tls_authority)
        by_tls = [self.host, *names]
        return not any(by_tls) if self.socket else all(by_tls)


def check_engine(engine: Engine, has_signer: bool, path: Path) -> None:
    """Look at `[engine]`. Raise ConfigError."""
    if not has_signer:
        raise ConfigError(
            f"{path}: engine: without issuer_key or [signing] nothing is signed for hubs"
        )
    for server in engine.servers:
        try:
            check_server(server, engine.in_clear)
        except ValueError as error:
            raise ConfigError(f"{path}: servers: {error}") from error
        if engine.pins and not server.startswith("tls://"):
            raise ConfigError(
                f"{path}: engine.pins: {server} shows no key: with pins each server is tls://"
            )


def operator_of(section: Operators) -> Operator:
    """Return what each operator may order. Raise ValueError for a word that is no right."""
    return Operator(rights_of(section.rights), frozenset(section.access_points))


def check_operators(section: Operators, path: Path) -> None:
    """Keep law 1. Raise ConfigError."""
    try:
        operator = operator_of(section)
    except ValueError as error:
        raise ConfigError(f"{path}: operators.rights: {error}") from error
    if operator.rights & OPENING and not operator.access_points:
        raise ConfigError(
            f"{path}: operators: release and hold-open need access_points: those doors alone"
        )


def check_signing(section: Signing, issuer_key: str, card_key: str, path: Path) -> None:
    """Keep law 2. Raise ConfigError."""
    if card_key:
        raise ConfigError(f"{path}: it has card_key and [signing]: the card key is the signer's")
    if issuer_key:
        raise ConfigError(f"{path}: it has issuer_key and [signing]: one of both signs")
    if not section.is_whole():
        raise ConfigError(
            f"{path}: signing: it has socket; or host, signer, server, tls_key, tls_certificate "
            "and tls_authority"
        )
