"""`hubsim reader`: simulated readers on a line, and what a person does at one."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from pathlib import Path
from typing import Any

import click

from hubsim import site as sites
from hubsim.cli.options import open_site, run_until_interrupted, site_option
from hubsim.site.cards import card_number

READ_SECONDS = 20.0
"""How long a reader may wait until a hub reads it: the hub's start, and a few polls."""


@click.group(invoke_without_command=True)
@site_option(sites.DESK)
@click.option("--hub", "name", help="Which of several; by itself the first.")
@click.pass_context
def reader(context: click.Context, name: str | None) -> None:
    """Run the simulated readers of a hub until interrupted.

    With a command, do something at one that runs.
    """
    if context.invoked_subcommand is not None:
        return
    if importlib.util.find_spec("osdp_sys") is None:
        raise click.ClickException(
            "simulated readers need libosdp: type `pip install '.[osdp]'` in the clone"
        )
    from hubsim.osdp.desk import ReadersDesk

    site = open_site(context.obj)
    folder = site.hub_folder(name or site.first_hub)
    desk = ReadersDesk(folder)
    run_until_interrupted(desk.serve(lambda: click.echo(f"readers on {desk.line.path}")))


@reader.command("hold")
@site_option()
@click.argument("name", metavar="READER")
@click.argument("card")
@click.pass_obj
def reader_hold(path: Path, name: str, card: str) -> None:
    """Hold the card CARD of the site to a reader, as soon as a hub reads it."""
    _wait_until_read(path, name)
    number = card_number(open_site(path), card)
    order: dict[str, object] = {
        "do": "hold",
        "reader": name,
        "bits": number.bits,
        "data": number.data.hex(),
    }
    _ask(path, order)


@reader.command("press")
@site_option()
@click.argument("name", metavar="READER")
@click.argument("keys")
@click.pass_obj
def reader_press(path: Path, name: str, keys: str) -> None:
    """Press KEYS at a reader, as soon as a hub reads it: digits, `*` clears, `#` ends a PIN."""
    _wait_until_read(path, name)
    _ask(path, {"do": "press", "reader": name, "keys": keys})


@reader.command("shown")
@site_option()
@click.argument("name", metavar="READER")
@click.pass_obj
def reader_shown(path: Path, name: str) -> None:
    """Say what a reader has shown so far."""
    for one in _ask(path, {"do": "shown", "reader": name}):
        click.echo(one)


def _wait_until_read(path: Path, name: str) -> None:
    """Wait until a hub reads the reader: what is held or pressed before that is lost."""
    ends = time.monotonic() + READ_SECONDS
    while not _ask(path, {"do": "is-read", "reader": name}):
        if time.monotonic() > ends:
            raise click.ClickException(
                f"no hub reads {name}: start it with `hubsim hub{sites.at(path)}`"
            )
        time.sleep(0.2)


def _ask(path: Path, order: dict[str, object]) -> Any:
    from hubsim.osdp.desk import SOCKET
    from hubsim.stage import ask

    site = open_site(path)
    sockets = [site.hub_folder(hub) / SOCKET for hub in site.hub_names()]
    running = [socket for socket in sockets if socket.exists()]
    try:
        answer = asyncio.run(ask(running[0], order))
    except (IndexError, ConnectionRefusedError) as error:
        raise click.ClickException(
            f"no readers run: start them with `hubsim reader{sites.at(path)}`"
        ) from error
    if not answer["ok"]:
        raise click.ClickException(str(answer["error"]))
    return answer["result"]
