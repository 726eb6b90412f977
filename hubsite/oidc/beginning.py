"""Makes what asks the provider, of the configuration."""

from __future__ import annotations

from hubcore.errors import ConfigError
from hubsite.config import Site, secret_file
from hubsite.oidc.provider import Provider


def make_provider(site: Site) -> Provider | None:
    """Return the provider of `[oidc]`, None without one. Raise ConfigError."""
    section = site.config.oidc
    if section is None:
        return None
    secret = secret_file(section.client_secret, site.file, "oidc.client_secret").strip()
    authority: str | bool = True
    if section.authority:
        path = site.place(section.authority)
        if not path.is_file():
            raise ConfigError(f"{site.file}: oidc.authority: {path} is no file")
        authority = str(path)
    try:
        return Provider(section, secret.decode(), authority)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{site.file}: oidc.client_secret: it is no text") from error
