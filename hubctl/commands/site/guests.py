"""Guests of a site: let in for a day at the longest, and ended."""

from __future__ import annotations

from pathlib import Path

import click

from hubctl.options import JSON, SOCKET, Named
from hubctl.site.giving import give_and_end
from hubctl.site.options import POINT_MAX, Span
from hubterm.files import read_ordinary, whole_file

KEY_BYTES_MAX = 512
AT = click.option("--hub", metavar="HUB", help="Only at this hub; without, at every hub.")


@click.command(cls=Named)
@click.argument("name")
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The public key of the guest's phone: a COSE_Key (RFC 9052), as his app writes it.",
)
@click.option(
    "--grant",
    "grant_file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where the grant for his phone is written.",
)
@AT
@click.option(
    "--point",
    "points",
    type=click.IntRange(1, POINT_MAX),
    multiple=True,
    required=True,
    help="An access point that he may open; may be said again.",
)
@click.option("--for", "seconds", type=Span(), required=True, help="As in 8h; at most 24h.")
@click.option("--uses", type=click.IntRange(1), help="How often each hub lets him in.")
@JSON
@SOCKET
@click.pass_obj
def guest(
    path: Path,
    name: str,
    key_file: Path,
    grant_file: Path,
    hub: str | None,
    points: tuple[int, ...],
    seconds: int,
    uses: int | None,
    as_json: bool,
) -> None:
    """Let in the guest NAME by his phone, for as long as --for says.

    What a site may grant, the issuer has said in the mandate of the site's key: how many guests,
    for how long, how often, and where. The guest is in the records as guest.NAME.
    """
    try:
        key = read_ordinary(key_file, KEY_BYTES_MAX)
    except OSError as error:
        raise click.UsageError(f"{key_file} cannot be read: {error.strerror or error}") from error
    order = {
        "who": name,
        "key": key.hex(),
        "hub": hub,
        "points": ",".join(map(str, points)),
        "seconds": seconds,
        "uses": uses,
    }

    def keep(given: dict[str, object]) -> None:
        with whole_file(grant_file) as file:
            file.write(bytes.fromhex(str(given.get("grant"))))

    give_and_end(path, "site-guest", [order], as_json, keep)


@click.command(cls=Named)
@click.argument("guest", metavar="GUEST")
@AT
@JSON
@SOCKET
@click.pass_obj
def guest_end(path: Path, guest: str, hub: str | None, as_json: bool) -> None:
    """Let in a guest no more; GUEST is what `guest NAME` has shown, also in `orders`."""
    give_and_end(path, "site-guest-end", [{"guest": guest, "hub": hub}], as_json)
