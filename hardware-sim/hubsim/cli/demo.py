"""`hubsim demo`, `hubsim update` and `hubsim trial`: what a hub and a site do, step by step."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click


@click.command()
@click.option("--at", "path", type=click.Path(path_type=Path), default=Path("desk-demo"))
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    help="Draw what was printed into this SVG file, too.",
)
def demo(path: Path, picture: Path | None) -> None:
    """Show the main job, step by step; exit status 0 only if every step really happened."""
    from hubsim.demo.show import show

    sys.exit(asyncio.run(show(path, picture)))


@click.command()
def update() -> None:
    """Show updates of a machine; exit status 0 only if every step really happened."""
    from hubsim.update.act import show

    sys.exit(show(click.echo))


@click.command()
@click.option("--at", "path", type=click.Path(path_type=Path), default=Path("desk-trial"))
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Where the operators' pages are; by itself 8443, or another one where that is taken.",
)
@click.option("--once", "is_once", is_flag=True, help="End as soon as all was seen to work.")
def trial(path: Path, port: int | None, is_once: bool) -> None:
    """Start a whole site on this machine, with a phone in a browser; Ctrl-C ends it."""
    from hubsim.trial.show import port_for, show

    sys.exit(asyncio.run(show(path, port_for(port), is_once)))
