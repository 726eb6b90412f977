"""Begins the web framework in this process, once, for one site."""

from __future__ import annotations

import django
from django.conf import settings
from django.core.management import call_command

from hubsite.config import Site
from hubsite.settings import settings_of


def begin(site: Site, **instead: object) -> None:
    """Begin with this configuration. Afterwards models and pages can be imported.

    `instead` are settings of the framework in place of those that the configuration makes.
    """
    settings.configure(**{**settings_of(site), **instead})
    django.setup()


def make_tables(site: Site) -> None:
    """Make the tables that are missing, or change them to those of this version."""
    call_command("migrate", verbosity=0, interactive=False)
    from hubsite.phones.client import make_client

    port = int(site.config.listen.rpartition(":")[2])
    make_client(site.config.hosts, port)
