"""`hubsite check`: whether this server would start, and is as safe as it can be."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import click
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import Error, connection

from hubcore.errors import ConfigError, StoreError
from hubgateway.engine.account import read_account
from hubgateway.engine.vouching import vouched_by
from hubsite import config
from hubsite.certificate.watch import problem_of
from hubsite.commands import careful
from hubsite.config.places import pages_address
from hubsite.starting import begin
from hubsite.syslog.wire import context_of
from hubsite.tls import check_tls
from hubsite.webhooks.posting import context_of as context_of_webhooks


@click.command("check")
@click.pass_obj
def check(file: Path) -> None:
    """Say what is wrong, or that all is right."""
    site = careful.load(file)
    look(site)
    address = pages_address(site.config.hosts[0], site.config.listen)
    click.echo(f"{file} is right: {address} at {site.config.listen}")
    if problem := problem_of(site, datetime.now(UTC)):
        click.echo(problem)


def look(site: config.Site) -> None:
    """Begin, and look at everything that a start needs. Raise ConfigError, StoreError."""
    check_tls(site)
    if site.config.syslog is not None:
        context_of(site, site.config.syslog)
    context_of_webhooks(site)
    if site.config.engine is not None:
        vouched_by(site.config.engine.authority)
        if site.config.engine.credentials:
            read_account(site.config.engine.credentials)
    begin(site)
    from hubsite.oidc.beginning import make_provider

    make_provider(site)
    try:
        call_command("check", deploy=True, fail_level="WARNING", stdout=StringIO())
    except SystemCheckError as error:
        raise ConfigError(f"{site.file}: {error}") from error
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        raise StoreError(f"the database {site.database.name}: {error}") from error
