"""`hubsim backend release | records`: one door from afar, and what a hub has recorded."""

from __future__ import annotations

from pathlib import Path

import click

from hubcore.backend.uplink.words import ReleaseOutcome
from hubcore.evidence.show import record_line
from hubsim import site as sites
from hubsim.cli.options import HUB_POINT, ask_backend, site_option

NEWEST = 20


@click.command("release")
@site_option()
@click.argument("hub")
@click.argument("point", type=HUB_POINT)
@click.option(
    "--by", default=sites.FIRST_OPERATOR, show_default=True, help="Whom the policy must name."
)
@click.pass_obj
def release(path: Path, hub: str, point: int, by: str) -> None:
    """Release the door of access point POINT of HUB, once.

    Exit status 1 unless the hub did it.
    """
    order: dict[str, object] = {"do": "release", "hub": hub, "access_point": point, "by": by}
    answer = ask_backend(path, order)
    if answer["outcome"] != ReleaseOutcome.RELEASED.name.lower():
        click.echo(f"{hub}: {answer['outcome']}: {answer['detail']}")
        raise SystemExit(1)
    click.echo(f"{hub}: released")


@click.command("records")
@site_option()
@click.argument("hub")
@click.option("--after", type=click.IntRange(min=0), help="All above this number.")
@click.option(
    "--last",
    type=click.IntRange(min=1),
    default=NEWEST,
    show_default=True,
    help="So many of the newest, without --after.",
)
@click.pass_obj
def records(path: Path, hub: str, after: int | None, last: int) -> None:
    """Show the records of HUB that the backend has on its disk, the oldest of them first."""
    order: dict[str, object] = {"do": "records", "hub": hub}
    order |= {"last": last} if after is None else {"after": after}
    more = True
    while more:
        page = ask_backend(path, order)
        for record in page["records"]:
            detail = {name: value for name, value in record["detail"].items() if name != "mono"}
            click.echo(record_line(record["number"], record["at_ms"], record["kind"], detail))
        more = page["more"]
        if more:
            order = {"do": "records", "hub": hub, "after": page["records"][-1]["number"]}


OF_RECORDS = (release, records)
