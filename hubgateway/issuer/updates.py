"""`hubissuer updates`: which hubs run what."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import click

from hubgateway.config import load_issuer
from hubgateway.engine.buckets import Kept
from hubgateway.engine.engine import Engine
from hubgateway.engine.visit import with_engine
from hubgateway.issuer import versions
from hubgateway.rules import names


@click.command("updates")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def updates(config_file: Path, as_json: bool) -> None:
    """Show which hubs run what, which came back from a version, and which are held.

    It needs no key. It ends with 1 when a hub needs somebody.
    """
    config = load_issuer(config_file)

    async def work(engine: Engine) -> dict[str, Kept]:
        return await engine.buckets.dated(names.UPDATES_BUCKET)

    found = versions.read_versions(asyncio.run(with_engine(config, work)))
    now = time.time()
    if as_json:
        click.echo(json.dumps(versions.documents(found, now), indent=1))
    else:
        for line in versions.lines(found, now):
            click.echo(line)
    if any(one.troubles(now) for one in found):
        sys.exit(1)
