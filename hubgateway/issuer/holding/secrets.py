"""Passphrases and PINs: from a file of their own, or typed by a person at a terminal.

Laws:
1. A secret's file may not be read by others of the machine. Its last line break is no part of it.
2. Where nobody is at a terminal and there is no file, the start is refused, with what is missing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hubcore.errors import ConfigError
from hubgateway.config import secret_file
from hubgateway.issuer.holding.kinds import Secret

SECRET_CHARACTERS_MAX = 1024


def secret_from(named: str, config_file: Path, key: str) -> Secret:
    """Return what gives a secret. `named` is the file of `key`; without one it is asked for."""

    def give(what: str) -> str:
        return from_file(named, config_file, key) if named else ask(what, key)

    return give


def from_file(named: str, config_file: Path, key: str) -> str:
    """Read a secret (law 1). Raise ConfigError."""
    data = secret_file(named, config_file, key)
    try:
        text = data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise ConfigError(f"hubgateway: {key} {named}: it is no text in UTF-8") from error
    if not 1 <= len(text) <= SECRET_CHARACTERS_MAX or "\n" in text:
        raise ConfigError(f"hubgateway: {key} {named}: it is not one line with a secret")
    return text


def ask(what: str, key: str) -> str:
    """Ask a person (law 2). Raise ConfigError where there is none."""
    if not sys.stdin.isatty():
        raise ConfigError(f"hubgateway: {what}: nobody is here to type it; name its file: {key}")
    typed: str = click.prompt(what, hide_input=True, err=True)
    return typed
