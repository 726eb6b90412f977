"""`hubsite operator`: accounts, made and ended at the machine of the server alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hubsite import config
from hubsite.starting import begin, make_tables

if TYPE_CHECKING:
    from hubsite.accounts.making import Handed

_NAME = click.argument("name")


@click.group("operator")
def operator() -> None:
    """Who may sign in. Each has a password and a second factor."""


@operator.command("add")
@_NAME
@click.pass_obj
def add(file: Path, name: str) -> None:
    """Make an account. What is shown is shown once."""
    site = _begun(file)
    from hubsite.accounts.making import make_account

    _show(name, make_account(name, site.config.site, site.secret))


@operator.command("renew")
@_NAME
@click.pass_obj
def renew(file: Path, name: str) -> None:
    """Give an account another password and second factor; its sessions end."""
    site = _begun(file)
    from hubsite.accounts.making import renew_account

    _show(name, renew_account(name, site.config.site, site.secret))


@operator.command("end")
@_NAME
@click.pass_obj
def end(file: Path, name: str) -> None:
    """Let nobody sign in by this account any more; its sessions end."""
    _begun(file)
    from hubsite.accounts.making import end_account

    end_account(name)
    click.echo(f"{name} cannot sign in any more")


def _begun(file: Path) -> config.Site:
    site = config.load(file)
    begin(site)
    make_tables(site)
    return site


def _show(name: str, handed: Handed) -> None:
    click.echo(f"name:          {name}")
    click.echo(f"password:      {handed.password}")
    click.echo(f"second factor: {handed.address}")
    click.echo("Put the second factor into an authenticator app now: it is not shown again.")
