"""`hubsite operator`: accounts, made and ended at the machine of the server alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from hubsite import config
from hubsite.commands import careful
from hubsite.starting import begin, make_tables

if TYPE_CHECKING:
    from hubsite.accounts.making import Handed

_NAME = click.argument("name")
_WEBAUTHN = click.option(
    "--webauthn", is_flag=True, help="The second factor is a security key or passkey, and no code."
)

SHOWN_MAX = 3


@click.group("operator")
def operator() -> None:
    """Who may sign in. Each has a password and a second factor."""


@operator.command("add")
@_NAME
@_WEBAUTHN
@click.option("--first", is_flag=True, help="Only where nobody may sign in yet.")
@click.pass_obj
def add(file: Path, name: str, webauthn: bool, first: bool) -> None:
    """Make an account. What is shown is shown once."""
    site = _begun(file)
    from hubsite.accounts.making import make_account, operators

    there = operators() if first else []
    if there:
        _tell_there(there, name)
        return

    _check_keys(site, webauthn)
    _show(site, name, make_account(name, site.config.site, site.secret, webauthn))


@operator.command("renew")
@_NAME
@_WEBAUTHN
@click.pass_obj
def renew(file: Path, name: str, webauthn: bool) -> None:
    """Give an account another password and second factor; its sessions and keys end."""
    site = _begun(file)
    from hubsite.accounts.making import renew_account

    _check_keys(site, webauthn)
    _show(site, name, renew_account(name, site.config.site, site.secret, webauthn))


@operator.command("end")
@_NAME
@click.pass_obj
def end(file: Path, name: str) -> None:
    """Let nobody sign in by this account any more; its sessions end."""
    _begun(file)
    from hubsite.accounts.making import end_account

    end_account(name)
    click.echo(f"{name} cannot sign in any more")


@operator.command("bind")
@_NAME
@click.argument("subject")
@click.pass_obj
def bind(file: Path, name: str, subject: str) -> None:
    """Let who is SUBJECT at the provider of [oidc] sign in by this account."""
    site = _begun(file)
    from hubsite.oidc.binding import bind as bind_to

    section = site.config.oidc
    if section is None:
        raise ValueError("the configuration has no [oidc]")
    bind_to("", name, section.issuer, subject)
    click.echo(f"{subject} at {section.issuer} signs in as {name}")


@operator.command("unbind")
@_NAME
@click.pass_obj
def unbind(file: Path, name: str) -> None:
    """Let nobody at a provider sign in by this account any more."""
    _begun(file)
    from hubsite.oidc.binding import unbind as unbind_from

    unbind_from("", name)
    click.echo(f"nobody at a provider signs in as {name} any more")


def _tell_there(there: list[str], name: str) -> None:
    """Say who may sign in already, and what helps who cannot."""
    shown = ", ".join(there[:SHOWN_MAX]) + (", ..." if len(there) > SHOWN_MAX else "")
    lost = name if name in there else there[0]
    click.echo(f"there {'is' if len(there) == 1 else 'are'} {shown} already; none is made")
    click.echo("a lost password or second factor is made anew by:")
    click.echo(f"  runuser -u hubsite -- hubsite operator renew {lost}")


def _begun(file: Path) -> config.Site:
    site = careful.load(file)
    begin(site)
    make_tables(site)
    return site


def _check_keys(site: config.Site, webauthn: bool) -> None:
    from hubsite.keys.place import place_of

    here = site.config
    if webauthn and place_of(here.hosts, here.listen, here.site) is None:
        raise ValueError(f"keys need a name, and the first of hosts is {here.hosts[0]}")


def _show(site: config.Site, name: str, handed: Handed) -> None:
    click.echo(f"name:          {name}")
    click.echo(f"password:      {handed.password}")
    if not handed.ticket:
        click.echo(f"second factor: {handed.address}")
        _show_code(handed.address, sys.stdout)
        click.echo("Put the second factor into an authenticator app now: it is not shown again.")
        return
    from hubsite.accounts.making import TICKET_HOURS

    click.echo(f"ticket:        {handed.ticket}")
    click.echo(
        f"Make a key at https://{site.config.hosts[0]}/first-key within {TICKET_HOURS} hours. "
        "The ticket counts once, and is not shown again."
    )


def _show_code(address: str, terminal: TextIO) -> None:
    """Show a QR code where somebody can point a camera at it."""
    from hubsite.phones.qr import qr_in_words

    words = qr_in_words(address)
    try:
        words.encode(terminal.encoding or "ascii")
    except UnicodeEncodeError:
        return
    if terminal.isatty():
        click.echo(words, file=terminal)
