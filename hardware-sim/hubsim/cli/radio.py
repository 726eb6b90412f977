"""`hubsim radio`: virtual Bluetooth controllers on one air."""

from __future__ import annotations

import click

from hubsim.cli.options import run_until_interrupted
from hubsim.radio.choice import address


@click.command()
@click.option(
    "--listen",
    default="127.0.0.1:8870",
    callback=address,
    help="HOST:PORT; port 0 picks one and says which.",
)
@click.option(
    "--legacy",
    is_flag=True,
    help="Controllers without extended advertising, as in many small computers.",
)
def radio(listen: tuple[str, int], legacy: bool) -> None:
    """Serve virtual controllers as HCI over TCP: every connection is one radio on the same air."""
    from hubsim.radio.air import AirController, LegacyController, serve_radio

    def ready(host: str, port: int) -> None:
        click.echo(f"radio on tcp-client:{host}:{port}")

    host, port = listen
    controller = LegacyController if legacy else AirController
    run_until_interrupted(serve_radio(host, port, ready, controller))
