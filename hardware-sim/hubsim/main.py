"""The command `hubsim`: everything that a desk needs beside hubd, in `hubsim.cli`."""

from __future__ import annotations

import click

from hubsim.cli.backend import backend
from hubsim.cli.bridges.commands import OF_BRIDGES
from hubsim.cli.cards import OF_SITE
from hubsim.cli.demo import demo, trial, update
from hubsim.cli.hub import hub
from hubsim.cli.hubs.asking import OF_RECORDS
from hubsim.cli.hubs.commands import OF_BACKEND
from hubsim.cli.phone import phone
from hubsim.cli.radio import radio
from hubsim.cli.reader import reader
from hubsim.cli.rules import OF_RULES
from hubsim.cli.sentences import SentenceGroup
from hubsim.cli.site import site
from hubsim.cli.zwave import zwave
from hubsim.pkoc.commands import pkoc, site_pkoc


@click.group(cls=SentenceGroup)
def main() -> None:
    """Everything a hub meets, simulated: for desks and tests."""


for command in (site, backend, radio, reader, hub, phone, pkoc, demo, zwave, update, trial):
    main.add_command(command)
for command in (*OF_BACKEND, *OF_RECORDS):
    backend.add_command(command)
for command in (*OF_SITE, *OF_RULES, *OF_BRIDGES, site_pkoc):
    site.add_command(command)


if __name__ == "__main__":
    main()
