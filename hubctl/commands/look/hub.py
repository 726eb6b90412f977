"""`hubctl hub`: who this hub is, until when its certificate holds, and what time it has."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hubctl.answers import print_json
from hubctl.denials import wall
from hubctl.down.tell import ask_or_disk
from hubctl.options import JSON, SOCKET
from hubctl.page import Page
from hubctl.show import troubles_about
from hubterm.exits import NO, OK
from hubterm.shapes import mapping
from hubterm.text import clean, is_number

DAY_SECONDS = 86_400
KEYS = ("hub", "site", "zone", "version", "installed_version", "certificate", "clock")


@click.command()
@JSON
@SOCKET
@click.pass_obj
def hub(path: Path, as_json: bool) -> None:
    """Show who this hub is: names, versions, certificate and its end, the site's time.

    Exit status 1 when the certificate does not hold now.
    """
    answer = ask_or_disk(path, "status", as_json, "hub")
    if as_json:
        print_json({key: answer.get(key) for key in KEYS})
    else:
        page(answer).show()
    days = days_left(answer)
    sys.exit(OK if days is not None and days > 0 else NO)


def days_left(answer: Mapping[str, Any]) -> float | None:
    """Return for how many days the certificate holds by the hub's clock; None: not known."""
    match answer:
        case {"certificate": {"begins": begins, "expires": expires}, "clock": {"wall": now}}:
            if not (is_number(begins) and is_number(expires) and is_number(now)):
                return None
            return 0.0 if now < begins else (expires - now) / DAY_SECONDS
    return None


def page(answer: Mapping[str, Any]) -> Page:
    """Return what people read."""
    zone = str(answer.get("zone"))
    certificate = mapping(answer.get("certificate"))
    installed = clean(answer.get("installed_version"))
    facts = [
        ("hub", f"{clean(answer.get('hub'))} of site {clean(answer.get('site'))}"),
        ("version", f"{clean(answer.get('version'))} runs, {installed} is installed"),
        ("time at the site", wall(mapping(answer.get("clock")).get("wall"), zone)),
        ("certificate ends", f"{wall(certificate.get('expires'), zone)}{_in_days(answer)}"),
        ("access points", clean(certificate.get("access_points"))),
        ("identity", clean(certificate.get("key"))),
    ]
    return Page(troubles_about(answer, "certificate"), facts)


def _in_days(answer: Mapping[str, Any]) -> str:
    days = days_left(answer)
    if days is None:
        return ""
    return f", in {days:.0f} days" if days > 0 else ": it does not hold now"
