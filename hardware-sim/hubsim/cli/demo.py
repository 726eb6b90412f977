"""`hubsim demo` and `hubsim update`: what a hub does, step by step."""

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
