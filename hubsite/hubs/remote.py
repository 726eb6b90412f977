"""Signing elsewhere: `hubissuer serve`, on this machine or another one.

Law: this server holds no issuer's key then. What it may have signed is that signer's to judge
(docs/backend.md, "What signs for a site's server").
"""

from __future__ import annotations

from hubcore.codec.tls import TlsRole
from hubgateway.issuer.signing.client import SigningClient, by_socket, by_tls
from hubsite.config import Signing, Site
from hubtls.identity import IdentityFiles, load_identity
from hubtls.keys import read_issuer


def signing_client(site: Site, section: Signing) -> SigningClient:
    """Return what asks the signer that the section names. Raise ConfigError."""
    name = site.config.site
    issuer = read_issuer(site.place(section.issuer))
    if section.socket:
        return SigningClient(by_socket(site.place(section.socket)), name, issuer)
    files = IdentityFiles(
        key=site.place(section.tls_key),
        certificate=site.place(section.tls_certificate),
        authority=site.place(section.tls_authority),
    )
    identity = load_identity(name, TlsRole.SITE, section.server, files)
    connect = by_tls(section.host, section.port, section.signer, identity)
    return SigningClient(connect, name, issuer)
