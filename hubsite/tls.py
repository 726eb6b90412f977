"""TLS of this server, towards browsers.

Law: TLS 1.2 and 1.3, nothing older, and no key that everybody may read.
"""

from __future__ import annotations

import ssl

from hubcore.errors import ConfigError
from hubsite import config


def tls_context(site: config.Site, context: ssl.SSLContext) -> ssl.SSLContext:
    """Give a context the server's key and the versions that it speaks. Raise ConfigError."""
    certificate = site.place(site.config.tls_certificate)
    key = site.place(site.config.tls_key)
    config.secret_file(site.config.tls_key, site.file, "tls_key")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"{site.file}: tls_certificate {certificate} and tls_key {key} are no pair in PEM: "
            f"{error}"
        ) from error
    return context


def check_tls(site: config.Site) -> None:
    """Look whether the certificate and its key would be taken. Raise ConfigError."""
    tls_context(site, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
