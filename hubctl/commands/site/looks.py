"""What `hubctl --site` shows: the site, a hub, doors, readings, orders."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from hubctl.answers import print_json
from hubctl.options import CACHE_FILE, JSON, SOCKET, Named
from hubctl.page import Page, Trouble
from hubctl.site.asking import ask_or_end
from hubctl.site.pages.looks import doors_page, doubts_page, hub_page, status_page
from hubctl.site.pages.orders import orders_page
from hubctl.site.pages.tables import readings_table
from hubctl.site.pages.troubles import troubles
from hubctl.updating.cache import troubles_of_file
from hubterm.exits import NO, OK
from hubterm.shapes import mappings


@click.command()
@CACHE_FILE
@JSON
@SOCKET
@click.pass_obj
def status(path: Path, cache: Path, as_json: bool) -> None:
    """Show how the site is: first what is wrong, and what to do; then each hub.

    Exit status 1 while something is wrong that cannot wait.
    """
    answer = ask_or_end(path, "site-status", as_json)
    of_cache = troubles_of_file(cache, time.time()) or []
    if as_json:
        print_json({**answer, "cache_problems": [one._asdict() for one in of_cache]})
    else:
        page = status_page(answer)
        page.troubles += [Trouble(one.severity, one.id, one.what, one.remedy) for one in of_cache]
        page.show()
    severities = [one.severity for one in troubles(answer)] + [one.severity for one in of_cache]
    is_wrong = "error" in severities
    sys.exit(NO if is_wrong else OK)


@click.command(cls=Named)
@click.argument("name")
@JSON
@SOCKET
@click.pass_obj
def hub(path: Path, name: str, as_json: bool) -> None:
    """Show the hub NAME: its records and gaps, its clock, versions, doors, alarms and readings.

    What a hub says of itself is its own word.
    """
    answer = ask_or_end(path, "site-hub", as_json, hub=name)
    if as_json:
        print_json(answer)
    else:
        hub_page(answer, time.time()).show()


@click.command()
@JSON
@SOCKET
@click.pass_obj
def doors(path: Path, as_json: bool) -> None:
    """Show what happened last at each door, which alarms stand, and which orders hold doors.

    It is what the hubs have recorded, and what has come here since the bridge started.
    """
    answer = ask_or_end(path, "site-doors", as_json)
    if as_json:
        print_json(answer)
    else:
        doors_page(answer).show()


@click.command()
@JSON
@SOCKET
@click.pass_obj
def doubts(path: Path, as_json: bool) -> None:
    """Show which hubs are doubted, and which doubts were ended, by whom, with which record.

    Exit status 1 while a hub is doubted.
    """
    answer = ask_or_end(path, "site-doubts", as_json)
    if as_json:
        print_json(answer)
    else:
        doubts_page(answer).show()
    sys.exit(NO if mappings(answer.get("doubts")) else OK)


@click.command()
@JSON
@SOCKET
@click.pass_obj
def readings(path: Path, as_json: bool) -> None:
    """Show what devices have said last: temperatures, batteries, how locks and shutters stand."""
    answer = ask_or_end(path, "site-readings", as_json)
    if as_json:
        print_json(answer)
    else:
        Page(tables=[readings_table(mappings(answer.get("readings")))]).show()


@click.command()
@JSON
@SOCKET
@click.pass_obj
def orders(path: Path, as_json: bool) -> None:
    """Show what the site has ordered and has not ended, and which hubs have not taken it.

    Exit status 1 while a hub has not taken an order.
    """
    answer = ask_or_end(path, "site-orders", as_json)
    if as_json:
        print_json(answer)
    else:
        orders_page(answer).show()
    is_missing = any(one.get("missing") for one in mappings(answer.get("orders")))
    sys.exit(NO if is_missing else OK)
