"""`hubsite acts`: the chain of what operators did, verified at the machine."""

from __future__ import annotations

from pathlib import Path

import click

from hubcore.evidence.records import Head
from hubsite.commands import careful
from hubsite.starting import begin, make_tables


@click.group("acts")
def acts() -> None:
    """What operators did."""


@acts.command("verify")
@click.option("--head", "heads", multiple=True, help="NUMBER:HASH that was kept; several times.")
@click.pass_obj
def verify(file: Path, heads: tuple[str, ...]) -> None:
    """Check the whole chain, also against heads that were kept elsewhere."""
    known = [Head.parse(text) for text in heads]
    site = careful.load(file)
    begin(site)
    make_tables(site)
    from hubsite.acts import log

    found = log.verify(known)
    click.echo(f"the chain holds, up to act {found.number}; its head is {found}")
