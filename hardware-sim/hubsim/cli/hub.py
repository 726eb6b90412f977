"""`hubsim hub`: hubd on a desk."""

from __future__ import annotations

import importlib
import os
import sys
from functools import partial
from pathlib import Path

import click

from hubsim import site as sites
from hubsim.cli.options import open_site, site_option
from hubsim.radio.choice import BLESS, DEFAULT_RADIO, HUB_RADIO_HELP, hub_radio


@click.command()
@site_option(sites.DESK)
@click.option(
    "--radio", "transport", default=DEFAULT_RADIO, callback=hub_radio, help=HUB_RADIO_HELP
)
@click.option(
    "--person/--nobody", default=True, help="Whether somebody pulls the doors that are released."
)
@click.option(
    "--hub", "name", help="Which of several, each on a radio of its own; by itself the first."
)
@click.pass_obj
def hub(
    path: Path,
    transport: str,
    person: bool,
    name: str | None,
) -> None:
    """Run hubd on a virtual radio, or this machine's own, and simulated doors."""
    site = open_site(path)
    folder = site.hub_folder(name or site.first_hub)
    if transport == BLESS:
        importlib.import_module("bless")  # if it is missing, this is where a sentence says so
    from hubd.__main__ import run
    from hubsim.desk import desk_parts

    os.chdir(folder)
    sys.exit(run(Path("hub.toml"), partial(desk_parts, transport, person)))
