"""`hubsim backend`: the reference backend, and what a person asks one that runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from hubsim import site as sites
from hubsim.cli.options import ask_backend, endpoint, open_site, run_until_interrupted, site_option
from hubsim.words import counted

ACT_SECONDS = 180.0
"""A shutter travels for long."""


@click.group(invoke_without_command=True)
@site_option(sites.DESK)
@click.option(
    "--listen",
    callback=endpoint,
    help="tcp://ADDRESS:PORT; by default that of `site init --backend`.",
)
@click.option(
    "--listen-next",
    callback=endpoint,
    help="tcp://ADDRESS:PORT for the backend's next key, while it changes its own.",
)
@click.option(
    "--enrol",
    "enrol_at",
    callback=endpoint,
    help="tcp://ADDRESS:PORT where new hubs come; the port after it is used, too.",
)
@click.option(
    "--reached-at",
    "reached_at",
    multiple=True,
    help="tcp://HOST:PORT as hubs reach it, told to new ones; by default the host they came to.",
)
@click.option("--renews", is_flag=True, help="Renew certificates with the issuer's key of SITE.")
@click.pass_context
def backend(
    context: click.Context,
    listen: str | None,
    listen_next: str | None,
    enrol_at: str | None,
    reached_at: tuple[str, ...],
    renews: bool,
) -> None:
    """Serve the reference backend until interrupted.

    It answers orders on SITE/backend/backend.sock. With a command, ask the one that runs.
    """
    if context.invoked_subcommand is not None:
        return
    from hubsim.backend.serve import serve_backend
    from hubsim.enrolment.place import new_hubs_at
    from hubsim.site.certificates import Certificates

    site = open_site(context.obj)
    where = listen or site.endpoint
    run_until_interrupted(
        serve_backend(
            directory=site.backend,
            endpoint=where,
            version_of=partial(_policy_version, site),
            ready=lambda _: click.echo(f"backend on {where}"),
            certificates=Certificates(
                backend=site.backend,
                issuer=site.verifier,
                renew=partial(renew, site) if renews else None,
            ),
            next_endpoint=listen_next,
            more=None if enrol_at is None else new_hubs_at(site, where, enrol_at, reached_at),
        )
    )


def renew(site: sites.Site, hub: str) -> None:
    """Make a hub a newer certificate for the same key and doors."""
    sites.certify(site, hub)


def _policy_version(site: sites.Site, document: bytes) -> int:
    from hubcore.policy import document as policies

    return policies.version_of(document, site.verifier, site.name)


@backend.command("hubs")
@site_option()
@click.pass_obj
def backend_hubs(path: Path) -> None:
    """Show the hubs, and those that get no order until somebody decides."""
    answer = ask_backend(path, {"do": "hubs"})
    for hub, seen in answer["hubs"].items():
        there = "connected" if seen["connected"] else "away"
        records = counted(seen["records"], "record")
        click.echo(f"{hub}: {there}, {records}, policy {seen['policy_version']}")
        for sentence in seen["wrong"] or []:
            click.echo(f"{hub}: {sentence}")
        if seen["policy_drifted"]:
            click.echo(f"{hub}: has another policy of that version; publish the next version")
        if seen["keys"] > 1:
            click.echo(f"{hub}: changes its key; it is known by {seen['keys']}")
        if seen["came_with_retired_key"]:
            click.echo(
                f"{hub}: came with a key that it has changed since: an older state, or a copy"
            )
    for key in answer["unknown_keys"]:
        click.echo(f"{key}: somebody comes with this key, which no hub has")
    for hub in answer["renewals"]:
        click.echo(f"{hub}: wants a newer certificate: `hubsim backend renew {hub}`")
    for hub, stop in answer["stopped"].items():
        click.echo(f"{hub}: STOPPED ({stop['cause']}): {stop['why']}")


@backend.command("keep")
@site_option()
@click.argument("hub")
@click.argument("boot")
@click.pass_obj
def backend_keep(path: Path, hub: str, boot: str) -> None:
    """Decide which of two machines that speak as HUB stays.

    It is the one whose boot id begins with BOOT.
    """
    kept = ask_backend(path, {"do": "keep", "hub": hub, "boot": boot})["kept"]
    click.echo(
        f"{hub} is the machine with boot id {kept}; give the other one an id and keys of its own"
    )


@backend.command("accept")
@site_option()
@click.argument("hub")
@click.pass_obj
def backend_accept(path: Path, hub: str) -> None:
    """Take the records of HUB as they are now; keep the old ones.

    This is for a hub whose state was replaced or restored.
    """
    old = ask_backend(path, {"do": "accept", "hub": hub})["old"]
    click.echo(f"the records of {hub} go on as it has them; those held before are in {old}")


@backend.command("rotate")
@site_option()
@click.argument("hub")
@click.pass_obj
def backend_rotate(path: Path, hub: str) -> None:
    """Ask HUB to make itself a new key; `hubs` shows when it is known by one again."""
    old = ask_backend(path, {"do": "rotate", "hub": hub})["old"]
    click.echo(f"{hub} was asked to change its key {old}")


@backend.command("know", context_settings={"ignore_unknown_options": True})
@site_option()
@click.argument("hub")
@click.argument("key", type=click.UNPROCESSED)
@click.pass_obj
def backend_know(path: Path, hub: str, key: str) -> None:
    """Know HUB by KEY, after the backend or the hub was put back from an older copy.

    Compare KEY with the one that `hubd --check-config` shows at the hub itself. Quote it ('KEY'):
    a shell takes some of its characters for its own.
    """
    known = ask_backend(path, {"do": "know", "hub": hub, "key": key})["key"]
    click.echo(f"{hub} is known by {known} alone, and comes by itself")


@backend.command("revoke")
@site_option()
@click.argument("hub")
@click.pass_obj
def backend_revoke(path: Path, hub: str) -> None:
    """Refuse every key of HUB from now on, also on the connection that it has."""
    keys = ask_backend(path, {"do": "revoke", "hub": hub})["keys"]
    click.echo(f"{hub} is refused ({counted(keys, 'key')}); to take it back: restore {hub}")


@backend.command("restore")
@site_option()
@click.argument("hub")
@click.pass_obj
def backend_restore(path: Path, hub: str) -> None:
    """Take back that the keys of HUB are revoked."""
    keys = ask_backend(path, {"do": "allow", "hub": hub})["keys"]
    click.echo(f"{hub} may come again ({counted(keys, 'key')})")


@backend.command("order")
@site_option()
@click.option("--access-point", type=int, help="One of the door; without it: all doors.")
@click.option("--until", type=int, help="Unix seconds; without it: until it is ended.")
@click.option(
    "--by", default=sites.FIRST_OPERATOR, show_default=True, help="Whom the policy must name."
)
@click.option("--end", is_flag=True, help="End the order.")
@click.argument("hub")
@click.argument("order", type=click.Choice(["hold_open", "no_entry", "lockdown"]))
@click.pass_obj
def backend_order(
    path: Path,
    access_point: int | None,
    until: int | None,
    by: str,
    end: bool,
    hub: str,
    order: str,
) -> None:
    """Let an ORDER stand for a door of HUB, or for all its doors, or end it."""
    asked: dict[str, object] = {
        "do": "order",
        "hub": hub,
        "order": order,
        "on": not end,
        "access_point": access_point,
        "until": until,
        "by": by,
    }
    answer = ask_backend(path, asked)
    detail = f": {answer['detail']}" if answer["detail"] else ""
    click.echo(f"{hub}: {answer['outcome']}{detail}")


@backend.command("act")
@site_option()
@click.argument("hub")
@click.argument("target")
@click.argument("verb")
@click.option("--level", type=int, help="For set-level: per cent open.")
@click.option(
    "--by",
    default=sites.FIRST_OPERATOR,
    show_default=True,
    help="Who orders it, as the policy names the operator.",
)
@click.pass_obj
def backend_act(
    path: Path,
    hub: str,
    target: str,
    verb: str,
    level: int | None,
    by: str,
) -> None:
    """Command TARGET of HUB: a device's id, or the number of a group of the policy.

    VERB is on, off, open, close, stop, set-level, lock or read. Exit status 1 unless every device
    has confirmed.
    """
    order: dict[str, object] = {
        "do": "act",
        "hub": hub,
        "target": int(target) if target.isdecimal() else target,
        "verb": verb,
        "level": level,
        "by": by,
    }
    answer = ask_backend(path, order, ACT_SECONDS)
    outcomes: dict[str, str] = answer["outcomes"]
    for device, outcome in outcomes.items():
        click.echo(f"{device}: {outcome}")
    if answer["detail"]:
        click.echo(answer["detail"])
    if set(outcomes.values()) != {"confirmed"}:
        raise SystemExit(1)


@backend.command("devices")
@site_option()
@click.argument("hub")
@click.pass_obj
def backend_devices(path: Path, hub: str) -> None:
    """Show what the devices of HUB said last."""
    answer = ask_backend(path, {"do": "telemetry", "hub": hub})
    for device, values in answer["devices"].items():
        said = ", ".join(f"{name} {value}" for name, value in values.items())
        click.echo(f"{device}: {said}")
