"""`hubissuer mandate`: by which keys somebody may speak for the site."""

from __future__ import annotations

import time
from pathlib import Path

import click

from hubcore.access.grant import USES_MAX
from hubcore.bridge.ceilings.devices import (
    DEVICES_MAX,
    VERBS,
    DeviceCeiling,
    read_ceiling,
    write_ceiling,
)
from hubcore.bridge.ceilings.guests import GUEST_SECONDS_MAX, GUESTS_MAX, GuestCeiling
from hubcore.bridge.mandate import Use, new_mandate
from hubcore.device.command import Verb
from hubcore.errors import ProofError
from hubgateway.issuer import keys
from hubgateway.issuer.options import DAYS, KEY_FILE, POINT, until, validity_of
from hubgateway.issuer.running import Office, at_office


def _guests(
    use: Use, count: int | None, hours: float, uses: int | None, points: tuple[int, ...]
) -> GuestCeiling | None:
    """Return the ceiling for guests, as it was typed."""
    if count is None:
        return None
    if not points or use is not Use.ORDERS:
        raise click.UsageError("--guests is for orders, with a --guest-point or several")
    return GuestCeiling(count, int(hours * 3600), uses, points)


def _devices(use: Use, words: tuple[str, ...], named: tuple[str, ...]) -> DeviceCeiling | None:
    """Return the ceiling for devices, as it was typed."""
    if not words and not named:
        return None
    if not words or use is not Use.ORDERS:
        raise click.UsageError("--device is for orders, with a --device-verb or several")
    verbs = sorted({Verb[word.upper().replace("-", "_")] for word in words})
    ceiling = DeviceCeiling(tuple(verbs), named or None)
    try:
        return read_ceiling(write_ceiling(ceiling))
    except ProofError as error:
        raise click.UsageError(
            f"--device is the id of a device, each once, {DEVICES_MAX} at most"
        ) from error


@click.command("mandate")
@click.argument("use", type=click.Choice([one.name.lower() for one in Use]))
@click.argument("holder")
@KEY_FILE
@DAYS
@click.option("--out", type=click.Path(path_type=Path), help="Write it to a file, too.")
@click.option("--guests", type=click.IntRange(1, GUESTS_MAX), help="Guests of the site at once.")
@click.option("--guest-hours", type=click.FloatRange(0.1, GUEST_SECONDS_MAX / 3600), default=24)
@click.option("--guest-uses", type=click.IntRange(1, USES_MAX), help="None: as often as they like.")
@click.option("--guest-point", "points", type=POINT, multiple=True, help="A door; several times.")
@click.option(
    "--device-verb",
    "device_verbs",
    type=click.Choice([verb.name.lower().replace("_", "-") for verb in VERBS]),
    multiple=True,
    help="What the site may order of devices; several times.",
)
@click.option(
    "--device", "named", multiple=True, help="Of this device alone; several times. None: of each."
)
@click.pass_obj
def mandate(
    config: Path,
    use: str,
    holder: str,
    key: Path,
    days: float,
    out: Path | None,
    guests: int | None,
    guest_hours: float,
    guest_uses: int | None,
    points: tuple[int, ...],
    device_verbs: tuple[str, ...],
    named: tuple[str, ...],
) -> None:
    """Sign that HOLDER may speak for the site by KEY: orders, receipts or testimony.

    KEY is a P-256 key in PEM; its public half is enough. A site has one key for orders and one for
    receipts, each bridge has one for testimony. The newer mandate ends the one before.
    """
    public = keys.verify_key(keys.read_public_key(key))
    validity = validity_of(days)
    now_ms = time.time_ns() // 1_000_000
    wanted = Use[use.upper()]
    ceiling = _guests(wanted, guests, guest_hours, guest_uses, points)
    devices = _devices(wanted, device_verbs, named)

    async def work(office: Office) -> bytes:
        said = new_mandate(
            site=office.site,
            holder=holder,
            use=wanted,
            key=public,
            not_before=validity.not_before,
            expires=validity.expires,
            now_ms=now_ms,
            guests=ceiling,
            devices=devices,
        )
        return await office.bridges.mandate(said)

    document = at_office(config, work)
    if out is not None:
        keys.write_public(out, document)
    click.echo(f"{holder} may speak for the site by this key: {use}, {until(validity.expires)}")
