"""`hubsite init`: the files that a site's server begins with.

Law: a file that is there is never written over.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

import click

from hubcore.errors import ConfigError
from hubsite import config
from hubsite.commands.trial import trial_certificate

CONFIG = "hubsite.toml"
SECRET = "hubsite.secret"  # noqa: S105, its name
KEY = "tls.key"
CERTIFICATE = "tls.pem"
_SECRET_BYTES = 48
_SECRET_MODE = 0o600
_PUBLIC_MODE = 0o644


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--site", required=True, help="The site's name, as its hubs have it.")
@click.option("--host", required=True, help="The name by which browsers call this server.")
@click.option("--listen", default="127.0.0.1:8443", show_default=True, help="ADDRESS:PORT")
@click.option("--database", default="", help="A file of SQLite; without it, one in FOLDER.")
@click.option("--trial", is_flag=True, help="Make a certificate that no browser believes, to try.")
def init(folder: Path, site: str, host: str, listen: str, database: str, trial: bool) -> None:
    """Make a configuration and a secret in FOLDER."""
    text = first_lines(site, host, listen, database)
    config.parse(text.encode(), folder / CONFIG)
    files = {
        CONFIG: (text.encode(), _PUBLIC_MODE),
        SECRET: (new_secret(), _SECRET_MODE),
    }
    if trial:
        key, certificate = trial_certificate(host, int(time.time()))
        files[KEY] = (key, _SECRET_MODE)
        files[CERTIFICATE] = (certificate, _PUBLIC_MODE)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        there = [folder / name for name in files if (folder / name).exists()]
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}") from error
    if there:
        raise ConfigError(f"{there[0]} is there already: choose another folder")
    for name, (data, mode) in files.items():
        _write_new(folder / name, data, mode)
    click.echo(f"made: {folder / CONFIG}")
    if not trial:
        click.echo(f"left to do: {folder / CERTIFICATE} for {host}, and {folder / KEY}")
    click.echo(f"then: hubsite --config {folder / CONFIG} operator add NAME, and serve")


def first_lines(site: str, host: str, listen: str, database: str) -> str:
    """Return what each configuration begins with; `database` is "" for one beside the file."""
    text = (
        f'site = "{site}"\nhosts = ["{host}"]\nlisten = "{listen}"\nsecret = "{SECRET}"\n'
        f'tls_key = "{KEY}"\ntls_certificate = "{CERTIFICATE}"\n'
    )
    return f'{text}database = "{database}"\n' if database else text


def new_secret() -> bytes:
    """Return a secret for sessions and second factors."""
    return secrets.token_urlsafe(_SECRET_BYTES).encode()


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
