"""`hubctl ble`: the radio, and who is connected by it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from hubctl.answers import ask_or_end, print_json
from hubctl.options import JSON, SOCKET
from hubctl.page import Page, TextTable
from hubterm.exits import NO, OK
from hubterm.shapes import mapping, mappings
from hubterm.text import clean, moment

PHASES: Mapping[str, str] = {
    "idle": "connected, has asked nothing yet",
    "ready": "has a challenge, has sent nothing yet",
    "working": "its request is being opened or decided",
    "abandoned": "has taken its request back",
    "session": "has its answer",
}
"""What a phone has come to, by the code of its phase. A code that is new is shown as it is."""
REFUSED: Mapping[str, str] = {
    "frame": "what it sent is no message of this protocol: another program, or another version",
    "sequence": "it came out of turn: too late, too often, or it went away meanwhile",
    "proof": (
        "it proved no grant of this site: the grant is damaged or another site's, or the hub does "
        "not know any more what the phone was given; then a new try helps"
    ),
}
"""Why a phone was refused before anything was decided, by the code of hubd (`hubcore.errors`)."""
NOT_MEASURED = "not measured"
NEXT = "See: hubctl doctor --only radio"


@click.command()
@JSON
@SOCKET
@click.pass_obj
def ble(path: Path, as_json: bool) -> None:
    """Show the radio: the adapter, whether phones can find it, and who is connected now.

    No phone is named. Exit status 1 when the hub is not on air.
    """
    answer = ask_or_end(path, "radio", as_json)
    if as_json:
        print_json(answer)
    else:
        page(answer).show()
    sys.exit(OK if mapping(answer.get("advertising")).get("on_air") is True else NO)


def page(answer: Mapping[str, Any]) -> Page:
    """Return what people read."""
    links = mappings(answer.get("links"))
    table = TextTable(
        "phones", ("link", "since", "access point", "signal", "what it has come to"), []
    )
    table.rows.extend(_row(link) for link in links)
    return Page(facts=_facts(answer, len(links)), tables=[table] if links else [])


def _facts(answer: Mapping[str, Any], count: int) -> Iterator[tuple[str, str]]:
    yield from _adapter(mapping(answer.get("adapter")))
    yield from _advertising(mapping(answer.get("advertising")))
    yield "phones connected", f"{count} of {clean(answer.get('link_places'))} places"
    last = answer.get("last_link")
    yield "last phone came", "none since hubd started" if last is None else moment(last)
    failure = mapping(answer.get("last_failure"))
    if failure:
        yield "last phone refused", f"{moment(failure.get('at'))}: {_why_refused(failure)}"
    else:
        yield "last phone refused", "none since hubd started"


def _why_refused(failure: Mapping[str, Any]) -> str:
    """Return why, and in brackets the words of the protocol. A code that is new is shown as is."""
    code = clean(failure.get("code"))
    says = clean(failure.get("says"))
    said = REFUSED.get(code)
    return f"{says} ({code})" if said is None else f"{said} ({code}: {says})"


def _adapter(adapter: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not adapter:
        yield "adapter", "none in use"
        return
    power = ", switched off" if adapter.get("powered") is False else ""
    yield "adapter", f"{clean(adapter.get('name'))}{power}"
    yield "address", _or_not_measured(adapter.get("address"))
    yield "Bluetooth version", _or_not_measured(adapter.get("generation"))


def _advertising(advertising: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    on_air = advertising.get("on_air")
    since = moment(advertising.get("since"))
    if on_air is True:
        yield "on air", f"since {since}"
        return
    yield "on air", f"no, since {since}" if on_air is False else "not yet"
    if advertising.get("why") is not None:
        yield "cause", clean(advertising["why"])
    yield "what to do", NEXT


def _row(link: Mapping[str, Any]) -> tuple[str, ...]:
    rssi = link.get("rssi")
    phase = clean(link.get("phase"))
    return (
        clean(link.get("number")),
        moment(link.get("since")),
        clean(link.get("point")),
        NOT_MEASURED if rssi is None else f"{clean(rssi)} dBm",
        PHASES.get(phase, phase),
    )


def _or_not_measured(value: object) -> str:
    return NOT_MEASURED if value is None else clean(value)
