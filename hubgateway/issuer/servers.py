"""The certificates by which a site's server, and what signs for it, know each other in TLS."""

from __future__ import annotations

from pathlib import Path

import click

from hubcore.codec.tls import TlsName, TlsRole, pem_of
from hubcore.codec.tlsauthority import certify
from hubcore.errors import ConfigError, TrustError
from hubgateway.config import load_issuer
from hubgateway.issuer import keys
from hubgateway.issuer.options import DAYS, KEY_FILE, OUT, until, validity_of
from hubgateway.issuer.running import authority_at

_ROLES = (TlsRole.SITE, TlsRole.ISSUER)


@click.command("server")
@click.argument("role", type=click.Choice([str(role) for role in _ROLES]))
@click.argument("name")
@KEY_FILE
@OUT
@DAYS
@click.pass_obj
def certify_server(config: Path, role: str, name: str, key: Path, out: Path, days: float) -> None:
    """Write the certificate (PEM) of a site's server, or of what signs for it (issuer).

    It is for two machines: `hubissuer serve` with [tls], and a server that asks it. No engine is
    needed.
    """
    public = keys.read_public_key(key)
    validity = validity_of(days)
    try:
        who = TlsName(load_issuer(config).site, TlsRole(role), name)
        document = certify(authority_at(config), who, public, validity.not_before, validity.expires)
    except TrustError as error:
        raise ConfigError(str(error)) from error
    keys.write_public(out, pem_of(document))
    click.echo(f"the certificate of {who.uri} is in {out}, {until(validity.expires)}")
