"""`hubctl hub`: who this hub is, until when its certificate holds, and what time it has."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from hubctl.answers import ask_if_known, print_json
from hubctl.denials import wall
from hubctl.down.tell import ask_or_disk
from hubctl.options import JSON, SOCKET
from hubctl.page import Page
from hubctl.show import troubles_about
from hubterm.exits import NO, OK
from hubterm.shapes import mapping, mappings
from hubterm.text import clean, is_number

DAY_SECONDS = 86_400
PUBLIC = ("identity", "uplink")
"""The hub's own keys whose public halves others hold: phones the one, the backend the other."""
KEY_CHARS = 16
"""Characters of a public key on the page, as many as the id of another has."""
KEYS = ("hub", "site", "zone", "version", "installed_version", "certificate", "clock")


@click.command()
@JSON
@SOCKET
@click.pass_obj
def hub(path: Path, as_json: bool) -> None:
    """Show who this hub is: names, versions, certificate and its end, public keys, the site's time.

    Exit status 1 when the certificate does not hold now.
    """
    answer = ask_or_disk(path, "status", as_json, "hub")
    public = public_keys(ask_if_known(path, "keys", as_json))
    if as_json:
        print_json({**{key: answer.get(key) for key in KEYS}, "public_keys": public})
    else:
        page(answer, public).show()
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


def public_keys(answer: Mapping[str, Any] | None) -> list[dict[str, Any]] | None:
    """Return the public halves of the hub's own keys, whole; None: this hubd does not tell."""
    if answer is None:
        return None
    return [
        {name: key.get(name) for name in ("role", "algorithm", "id", "public")}
        for key in mappings(answer.get("keys"))
        if key.get("role") in PUBLIC
    ]


def page(answer: Mapping[str, Any], public: Iterable[Mapping[str, Any]] | None = ()) -> Page:
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
        *_key_facts(certificate, public),
    ]
    return Page(troubles_about(answer, "certificate"), facts)


def _key_facts(
    certificate: Mapping[str, Any], public: Iterable[Mapping[str, Any]] | None
) -> list[tuple[str, str]]:
    """Return a row for each public key, and where the whole ones are."""
    if not public:
        return [("identity", clean(certificate.get("key")))]
    facts = [(clean(key.get("role")), _key_text(key)) for key in public]
    return [*facts, ("whole public keys", "hubctl hub --json")]


def _key_text(key: Mapping[str, Any]) -> str:
    said = clean(key.get("id"))
    if len(said) > KEY_CHARS:
        said = f"{said[:KEY_CHARS]}…"
    return f"{said} ({clean(key.get('algorithm'))})"


def _in_days(answer: Mapping[str, Any]) -> str:
    days = days_left(answer)
    if days is None:
        return ""
    return f", in {days:.0f} days" if days > 0 else ": it does not hold now"
