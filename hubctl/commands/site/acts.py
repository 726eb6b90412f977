"""What `hubctl --site` orders: lockdown, no entry, hold open, a release, a credential disabled."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import click

from hubctl.answers import print_json
from hubctl.options import JSON, SOCKET, Named
from hubctl.site.asking import ask_or_end
from hubctl.site.giving import give_and_end
from hubctl.site.options import DEVICE_VERBS, FOR, HUBS, POINT, SET_LEVEL, HeadName, Span
from hubterm.text import clean


@click.command()
@HUBS
@POINT
@FOR
@JSON
@SOCKET
@click.pass_obj
def lockdown(
    path: Path, hubs: tuple[str, ...], point: int | None, seconds: int | None, as_json: bool
) -> None:
    """Let nobody in, at all doors of the site or those that are named. The ways out stay free.

    It stands for 7 days, or for as long as --for says, or until `hubctl --site lockdown end`. A hub
    that is away hears it when it comes back; it is named here, and its doors are as they were.
    """
    _order(path, "lockdown", hubs, point, as_json, on=True, seconds=seconds)


@click.command()
@HUBS
@POINT
@JSON
@SOCKET
@click.pass_obj
def lockdown_end(path: Path, hubs: tuple[str, ...], point: int | None, as_json: bool) -> None:
    """End a lockdown of the site, where it was ordered: name the same hubs and access point.

    What a technician, the backend, a schedule or a fire alarm ordered stands on.
    """
    _order(path, "lockdown", hubs, point, as_json, on=False)


@click.command()
@HUBS
@POINT
@FOR
@JSON
@SOCKET
@click.pass_obj
def no_entry(
    path: Path, hubs: tuple[str, ...], point: int | None, seconds: int | None, as_json: bool
) -> None:
    """Refuse entry, at all doors of the site or those that are named. The ways out stay free.

    It stands for 7 days, or for as long as --for says, or until `hubctl --site no-entry end`.
    """
    _order(path, "no-entry", hubs, point, as_json, on=True, seconds=seconds)


@click.command()
@HUBS
@POINT
@JSON
@SOCKET
@click.pass_obj
def no_entry_end(path: Path, hubs: tuple[str, ...], point: int | None, as_json: bool) -> None:
    """End that entry is refused, where it was ordered: name the same hubs and access point."""
    _order(path, "no-entry", hubs, point, as_json, on=False)


@click.command()
@HUBS
@POINT
@click.option(
    "--for", "seconds", type=Span(), required=True, help="As in 30min or 4h; at most 12h."
)
@JSON
@SOCKET
@click.pass_obj
def hold_open(
    path: Path, hubs: tuple[str, ...], point: int | None, seconds: int, as_json: bool
) -> None:
    """Hold doors open for as long as --for says, at most 12 hours.

    A hub refuses it while a lockdown, a fire alarm or `no-entry` keeps the door otherwise.
    """
    _order(path, "hold-open", hubs, point, as_json, on=True, seconds=seconds)


@click.command()
@HUBS
@POINT
@JSON
@SOCKET
@click.pass_obj
def hold_open_end(path: Path, hubs: tuple[str, ...], point: int | None, as_json: bool) -> None:
    """End that doors are held open, where it was ordered: name the same hubs and access point."""
    _order(path, "hold-open", hubs, point, as_json, on=False)


@click.command(cls=Named)
@click.argument("name")
@click.option(
    "--point", type=click.IntRange(1, 65_535), required=True, help="The access point's number."
)
@FOR
@JSON
@SOCKET
@click.pass_obj
def release(path: Path, name: str, point: int, seconds: int | None, as_json: bool) -> None:
    """Open an access point of the hub NAME once, for as long as a phone gets, or as --for says."""
    order = {"hub": name, "point": point, "seconds": seconds}
    give_and_end(path, "site-release", [order], as_json)


@click.command(cls=Named)
@click.argument("credential")
@FOR
@JSON
@SOCKET
@click.pass_obj
def disable(path: Path, credential: str, seconds: int | None, as_json: bool) -> None:
    """See to it that CREDENTIAL, whole, opens nothing at this site: a lost phone or card.

    It stands for 30 days, or for as long as --for says. To end it for good is the issuer's to do.
    """
    order = {"credential": credential, "on": True, "seconds": seconds}
    give_and_end(path, "site-credential", [order], as_json)


@click.command(cls=Named)
@click.argument("credential")
@JSON
@SOCKET
@click.pass_obj
def enable(path: Path, credential: str, as_json: bool) -> None:
    """End that CREDENTIAL is disabled by this site. What the issuer has revoked stays so."""
    give_and_end(path, "site-credential", [{"credential": credential, "on": False}], as_json)


@click.command(cls=Named)
@click.argument("name")
@click.argument("device")
@click.argument("verb", type=click.Choice(DEVICE_VERBS))
@click.argument("level", type=click.IntRange(0, 100), required=False)
@JSON
@SOCKET
@click.pass_obj
def device(path: Path, name: str, device: str, verb: str, level: int | None, as_json: bool) -> None:
    """Command DEVICE of the hub NAME once: a shutter, a switch, a lock that is to lock.

    `set-level` takes a LEVEL, per cent open. No such command opens an entrance: that is a release.
    What a site may order of devices, the issuer has said in the mandate of the site's key.
    """
    if (level is None) is (verb == SET_LEVEL):
        raise click.UsageError("LEVEL is for set-level, which needs one: set-level 50")
    order = {"hub": name, "device": device, "verb": verb, "level": level}
    give_and_end(path, "site-device", [order], as_json)


@click.command(cls=Named)
@click.argument("name")
@click.option(
    "--head",
    type=HeadName(),
    required=True,
    help="The record with which its chain goes on, whole, as `hub NAME` shows it.",
)
@JSON
@SOCKET
@click.pass_obj
def accept(path: Path, name: str, head: tuple[int, str], as_json: bool) -> None:
    """End the doubt of the hub NAME: its records go on with the one that --head names.

    It is what the hub told, or what the bridge saw; `hubctl --site hub NAME` shows both. Find out
    first which disk is the right one, at the hub and at the backend. It is kept who has ended it.
    """
    record, digest = head
    answer = ask_or_end(path, "site-accept", as_json, hub=name, record=record, hash=digest)
    if as_json:
        print_json(answer)
        return
    print(f"{clean(name)} goes on with record {record}. It comes by itself within a minute.")
    if answer.get("set_aside"):
        print(f"Records that were seen and are not there any more: {clean(answer['set_aside'])}.")
        print("They are kept: hubctl --site doubts, and docs/bridge.md, The witness.")


def _order(
    path: Path,
    order: str,
    hubs: tuple[str, ...],
    point: int | None,
    as_json: bool,
    *,
    on: bool,
    seconds: int | None = None,
) -> NoReturn:
    """Order doors of the whole site, or of each hub that was named."""
    if point is not None and len(hubs) != 1:
        raise click.UsageError("--point is an access point of one hub: say it with one --hub")
    about: dict[str, Any] = {"order": order, "on": on, "point": point, "seconds": seconds}
    places = [{**about, "hub": hub} for hub in hubs] or [about]
    give_and_end(path, "site-order", places, as_json)
