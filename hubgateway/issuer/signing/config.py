"""The configuration of `hubissuer serve`: one TOML file, checked before the start.

Laws:
1. A key that is unknown, missing or of the wrong type refuses the start.
2. A limit that is not written has the default of `hubcore.issuing.limits`, which allows little.
3. Who may open doors has his access points named, and none of them is apart.
4. A mandate that is named must be one that this issuer has signed for this site.
5. Cards are allowed only with the site's card key.
"""

from __future__ import annotations

import pwd
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from hubcore.access.cards import CARD_KEY_BYTES
from hubcore.bridge.mandate import Mandate, prove_mandate
from hubcore.codec.cose import VerifyKey
from hubcore.errors import ConfigError, ProofError
from hubcore.issuing.limits import A_DAY, REVOKING_A_DAY, Limits
from hubcore.issuing.standing import place_of
from hubcore.issuing.words import DAY_SECONDS, DocumentKind
from hubcore.policy.policy import OPENING, Operator, rights_of
from hubgateway.config import Label, SiteName, public_file, reached, secret_file
from hubgateway.config import place_of as place_in
from hubgateway.issuer.signing.enrolconfig import EnrolmentSection

PORT = 7718
_Days = Annotated[int, Meta(ge=1, le=3660)]
_Number = Annotated[int, Meta(ge=0, le=1_000_000)]
_Point = Annotated[int, Meta(ge=1, le=65_535)]
_Points = Annotated[tuple[_Point, ...], Meta(max_length=4096)]


class Unix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A socket of this machine, and the users who may ask."""

    socket: str
    callers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A port for servers on other machines, and their names in TLS."""

    name: Label
    listen: str
    tls_key: str
    tls_certificate: str
    tls_authority: str
    servers: Annotated[tuple[Label, ...], Meta(min_length=1, max_length=16)]
    port: Annotated[int, Meta(ge=0, le=65535)] = PORT


class ADay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many of each kind are signed within 24 hours."""

    policy: _Number = A_DAY[DocumentKind.POLICY]
    revoking_policy: _Number = REVOKING_A_DAY
    grant: _Number = A_DAY[DocumentKind.GRANT]
    revocations: _Number = A_DAY[DocumentKind.REVOCATIONS]
    certificate: _Number = A_DAY[DocumentKind.CERTIFICATE]
    mandate: _Number = A_DAY[DocumentKind.MANDATE]

    def by_kind(self) -> dict[DocumentKind, int]:
        """Return them by kind."""
        return {kind: getattr(self, kind.word) for kind in DocumentKind}


_NONE = Limits("")


class LimitsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a server may have signed."""

    policy_version: Annotated[int, Meta(ge=0, le=1 << 53)] = 0
    grant_days: _Days = _NONE.grant_seconds // DAY_SECONDS
    certificate_days: _Days = _NONE.certificate_seconds // DAY_SECONDS
    mandate_days: _Days = _NONE.mandate_seconds // DAY_SECONDS
    held_open: _Points = ()
    apart: _Points = ()
    cards: _Number = _NONE.cards
    mandates: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    a_day: ADay = ADay()


class OperatorSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operator whom a policy may name; no access point means all, and no door is opened."""

    name: Annotated[str, Meta(min_length=1, max_length=32)]
    rights: tuple[str, ...]
    access_points: _Points = ()


class SigningConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    site: SiteName
    issuer_key: str
    folder: str
    issuer_secret: str = ""
    card_key: str = ""
    unix: Unix | None = None
    tls: Tls | None = None
    limits: LimitsSection = LimitsSection()
    operators: Annotated[tuple[OperatorSection, ...], Meta(max_length=1024)] = ()
    enrolment: EnrolmentSection | None = None


def load_signing(path: Path) -> SigningConfig:
    """Read the file. Raise ConfigError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error}") from error
    return parse_signing(data, path)


def parse_signing(data: bytes, path: Path) -> SigningConfig:
    """Read what the file at `path` holds. Raise ConfigError."""
    try:
        config = msgspec.toml.decode(data, type=SigningConfig)
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if config.unix is None and config.tls is None:
        raise ConfigError(f"{path}: nobody can ask: it has neither [unix] nor [tls]")
    _operators(config, path)
    if config.limits.cards and not config.card_key:
        raise ConfigError(f"{path}: limits.cards needs card_key: the site's, as its hubs have it")
    section = config.enrolment
    if section is None:
        return config
    placed = msgspec.structs.replace(section, **reached(section, path))
    return msgspec.structs.replace(config, enrolment=placed)


def limits_of(config: SigningConfig, file: Path, issuer: VerifyKey) -> Limits:
    """Return the limits that the file says. Raise ConfigError (laws 3 and 4)."""
    said = config.limits
    mandates = tuple(_mandate(named, file, config.site, issuer) for named in said.mandates)
    if len({place_of(one) for one in mandates}) != len(mandates):
        raise ConfigError(f"{file}: limits.mandates: two are for one use and holder")
    return Limits(
        site=config.site,
        policy_version=said.policy_version,
        grant_seconds=said.grant_days * DAY_SECONDS,
        certificate_seconds=said.certificate_days * DAY_SECONDS,
        mandate_seconds=said.mandate_days * DAY_SECONDS,
        operators=_operators(config, file),
        held_open=frozenset(said.held_open),
        apart=frozenset(said.apart),
        cards=said.cards,
        mandates=mandates,
        a_day=said.a_day.by_kind(),
        revoking_a_day=said.a_day.revoking_policy,
        hubs=None if config.enrolment is None else config.enrolment.limits(),
    )


def card_key_of(config: SigningConfig, file: Path) -> bytes:
    """Return the site's card key, b"" where the file names none. Raise ConfigError."""
    if not config.card_key:
        return b""
    key = secret_file(config.card_key, file, "card_key")
    if len(key) != CARD_KEY_BYTES:
        raise ConfigError(f"{file}: card_key: it has {len(key)} bytes, not {CARD_KEY_BYTES}")
    return key


def callers_of(unix: Unix) -> dict[int, str]:
    """Return the users who may ask, by number. Raise ConfigError for one that there is not."""
    found = {}
    for name in unix.callers:
        try:
            found[pwd.getpwnam(name).pw_uid] = name
        except KeyError as error:
            raise ConfigError(f"unix.callers: this machine has no user {name!r}") from error
    return found


def _operators(config: SigningConfig, file: Path) -> dict[str, Operator]:
    found: dict[str, Operator] = {}
    for one in config.operators:
        if one.name in found:
            raise ConfigError(f"{file}: operator {one.name!r} stands there twice")
        try:
            found[one.name] = Operator(rights_of(one.rights), frozenset(one.access_points))
        except ValueError as error:
            raise ConfigError(f"{file}: operator {one.name!r}: {error}") from error
        _check_opening(one.name, found[one.name], frozenset(config.limits.apart), file)
    return found


def _check_opening(name: str, operator: Operator, apart: frozenset[int], file: Path) -> None:
    """Keep law 3. Raise ConfigError."""
    if not operator.rights & OPENING:
        return
    if not operator.access_points:
        raise ConfigError(
            f"{file}: operator {name!r}: release and hold-open need access_points: "
            "those doors alone"
        )
    if operator.access_points & apart:
        point = min(operator.access_points & apart)
        raise ConfigError(f"{file}: operator {name!r}: access point {point} is apart")


def _mandate(named: str, file: Path, site: str, issuer: VerifyKey) -> Mandate:
    path = place_in(named, file)
    try:
        return prove_mandate(public_file(path, "limits.mandates"), site, issuer)
    except ProofError as error:
        raise ConfigError(f"{path}: it is no mandate of this issuer and site: {error}") from error
