"""`hubctl zwave`: the Z-Wave network and its nodes; or one node whole."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from hubctl.answers import ask_or_end, print_json
from hubctl.options import JSON, SOCKET
from hubctl.things.zwave import NO_NETWORK, node_page, page
from hubterm.ending import end_with_error
from hubterm.exits import NO, OK
from hubterm.shapes import mapping, mappings
from hubterm.text import clean


@click.command()
@click.argument("node", required=False)
@JSON
@SOCKET
@click.pass_obj
def zwave(path: Path, node: str | None, as_json: bool) -> None:
    """Show the Z-Wave network: the stick, the service and its version, and each node.

    NODE is the number of one, or the id of its device in hubd.toml. Exit status 1 when the network
    is away or a node is dead.
    """
    answer = ask_or_end(path, "zwave", as_json)
    if node is None:
        if as_json:
            print_json(answer)
        elif answer["zwave"] is None and answer["openzwave"] is None:
            print(NO_NETWORK)
        else:
            page(answer).show()
        sys.exit(OK if is_well(mapping(answer["zwave"])) else NO)
    found = chosen(answer, node, as_json)
    if as_json:
        print_json({"node": found})
    else:
        node_page(found).show()
    sys.exit(NO if found.get("state") == "dead" else OK)


def is_well(network: Mapping[str, Any]) -> bool:
    """Tell whether the network is there and no node of it is dead or missing; so is none at all."""
    if network.get("fault") or mappings(network.get("missing")):
        return False
    return all(node.get("state") != "dead" for node in mappings(network.get("nodes")))


def chosen(answer: Mapping[str, Any], typed: str, as_json: bool) -> Mapping[str, Any]:
    """Return the node that was typed, by its number or its device, or end hubctl."""
    network = mapping(answer.get("zwave"))
    for node in mappings(network.get("nodes")):
        ids = [one.get("id") for one in mappings(node.get("devices"))]
        if typed == str(node.get("node")) or typed in ids:
            return node
    return _end(network, typed, as_json)


def _end(network: Mapping[str, Any], typed: str, as_json: bool) -> NoReturn:
    if network.get("nodes") is None:
        why = "The Z-Wave network is away" if network else NO_NETWORK.rstrip(".")
        end_with_error("no-zwave", f"{why}. See: hubctl zwave", as_json)
    end_with_error("unknown-node", f"There is no node {clean(typed)}. See: hubctl zwave", as_json)
