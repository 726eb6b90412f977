"""hubissuer: an operator's commands about the hubs of a fleet.

Exit status (sysexits.h): 0 done, 1 it cannot be done, 78 the configuration is refused, 69 the
engine is away: give the same command again.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click
from zmq.utils import z85

from hubcore.access.grant import USES_MAX
from hubcore.backend.enrolment.promise import is_same_fingerprint, name_doors, standing
from hubcore.backend.enrolment.token import SECRET_BYTES
from hubcore.bridge.ceilings.devices import (
    DEVICES_MAX,
    VERBS,
    DeviceCeiling,
    read_ceiling,
    write_ceiling,
)
from hubcore.bridge.ceilings.guests import GUEST_SECONDS_MAX, GUESTS_MAX, GuestCeiling
from hubcore.bridge.mandate import Use, new_mandate
from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import pem_of
from hubcore.codec.tlsauthority import Authority
from hubcore.device.command import Verb
from hubcore.errors import ConfigError, LinkError, ProofError, StoreError
from hubcore.version import __version__
from hubgateway.authority import tls_authority
from hubgateway.config import IssuerConfig, load_issuer, secret_file
from hubgateway.engine.buckets import Kept
from hubgateway.engine.engine import Engine
from hubgateway.issuer import keys, versions
from hubgateway.issuer.office import NoError, Office, Validity
from hubgateway.rules import names

EX_CONFIG = 78
EX_UNAVAILABLE = 69
DAY_SECONDS = 86_400
HUB_DAYS = 365
BEGAN_SECONDS_AGO = 60
POINT = click.IntRange(1, 65_535)

_T = TypeVar("_T")
_DAYS = click.option("--days", type=click.FloatRange(1, 3660), default=HUB_DAYS, show_default=True)


@click.group("hubissuer")
@click.version_option(version=__version__, prog_name="hubissuer", message="%(prog)s %(version)s")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("/etc/hubissuer/hubissuer.toml"),
    show_default=True,
)
@click.pass_context
def hubissuer(context: click.Context, config: Path) -> None:
    """Hubs of a fleet: tokens, approval, certificates. It needs the issuer's key and the engine."""
    context.obj = config


@hubissuer.command("init")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--site", required=True)
@click.option("--server", default="nats://127.0.0.1:4222", show_default=True)
def init(folder: Path, site: str, server: str) -> None:
    """Make the keys of a new site, and a configuration, in FOLDER."""
    public = keys.begin(folder, site, server, int(time.time()) - BEGAN_SECONDS_AGO)
    click.echo(f"The gateways' public key, which hubs pin: {public}")
    click.echo(f"Keep {folder / keys.ISSUER_KEY} and {keys.AUTHORITY_KEY} here.")
    click.echo(f"Carry to each gateway: {keys.ISSUER}, {keys.AUTHORITY},")
    click.echo(f"{keys.CURVE_SECRET} and {keys.ENROLMENT_SECRET}; then delete the last two here.")


@hubissuer.command("token")
@click.argument("hub")
@click.option("--access-point", "points", type=POINT, multiple=True, help="A door; several times.")
@click.option("--name", "said", multiple=True, metavar="POINT=NAME", help="What a door is called.")
@click.option("--time-zone", default="Europe/Berlin", show_default=True, help="Of the doors.")
@click.option("--replace", is_flag=True, help="A new machine takes the place of a dead one.")
@click.pass_obj
def token(
    config: Path,
    hub: str,
    points: tuple[int, ...],
    said: tuple[str, ...],
    time_zone: str,
    replace: bool,
) -> None:
    """Make a token for one new hub: it is good for 24 hours and for one machine.

    With --replace, access points are those of the hub's certificate unless others are named.
    """

    async def work(office: Office) -> str:
        served = points
        if replace and not served:
            served = (await office.certificate(hub)).access_points
        return await office.promise(
            hub,
            name_doors(served, said),
            time_zone,
            replaces=replace,
            secret=secrets.token_bytes(SECRET_BYTES),
            now=time.time(),
        )

    click.echo(_run(config, work))
    click.echo(
        f"This token makes one machine hub {hub}. It ends in 24 hours. There: sudo hubctl enroll "
        "HOST:PORT, where a gateway's [enrolment] listens",
        err=True,
    )


@hubissuer.command("list")
@click.pass_obj
def show(config: Path) -> None:
    """Show the tokens, which machines wait for approval, and each hub's certificate."""

    async def work(office: Office) -> None:
        now = time.time()
        for hub, promise in (await office.promises()).items():
            state = "its promise cannot be read" if promise is None else standing(promise, now)
            click.echo(f"{hub}: {state}")
        for hub, certificate in (await office.hubs()).items():
            points = ", ".join(map(str, certificate.access_points))
            click.echo(
                f"{hub}: certificate for access points {points}, {_until(certificate.expires)}"
            )
        for one in await office.asking_bridges():
            click.echo(f"bridge {one} asks for a certificate: hubissuer renew-bridge {one}")

    _run(config, work)


@hubissuer.command("updates")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def updates(config_file: Path, as_json: bool) -> None:
    """Show which hubs run what, which came back from a version, and which are held.

    It needs no key. It ends with 1 when a hub needs somebody.
    """
    config = load_issuer(config_file)

    async def work(engine: Engine) -> dict[str, Kept]:
        return await engine.buckets.dated(names.UPDATES_BUCKET)

    found = versions.read_versions(asyncio.run(_with_engine(config, work)))
    now = time.time()
    if as_json:
        click.echo(json.dumps(versions.documents(found, now), indent=1))
    else:
        for line in versions.lines(found, now):
            click.echo(line)
    if any(one.troubles(now) for one in found):
        sys.exit(1)


@hubissuer.command("approve")
@click.argument("hub")
@click.option("--fingerprint", help="That of the machine; without it, it is shown and asked for.")
@_DAYS
@click.pass_obj
def approve(config: Path, hub: str, fingerprint: str | None, days: float) -> None:
    """Sign the certificate of a machine that asked with the token of HUB."""

    async def work(office: Office) -> None:
        promise = await office.asked(hub)
        if not _is_the_same(promise.fingerprint, fingerprint, hub):
            raise NoError(
                f"the machine that asks to be hub {hub} has another fingerprint, "
                f"{promise.fingerprint}: somebody else may have the token. "
                f"`hubissuer refuse {hub}` keeps it out"
            )
        await office.approve(promise, _validity(days))
        points = ", ".join(map(str, promise.points))
        click.echo(f"hub {hub} is enrolled, access points {points}")

    _run(config, work)


@hubissuer.command("refuse")
@click.argument("hub")
@click.pass_obj
def refuse(config: Path, hub: str) -> None:
    """Give the machine nothing that asks with the token of HUB."""
    _run(config, lambda office: office.refuse(hub))
    click.echo(f"the token of hub {hub} is of no use any more")


@hubissuer.command("renew")
@click.argument("hub")
@click.option(
    "--access-point", "points", type=POINT, multiple=True, help="A door more; several times."
)
@click.option("--without", type=POINT, multiple=True, help="One less; several times.")
@_DAYS
@click.pass_obj
def renew(
    config: Path, hub: str, points: tuple[int, ...], without: tuple[int, ...], days: float
) -> None:
    """Sign a newer certificate for HUB; it gets it at once, or when it comes.

    A door more needs a section [[doors]] in its configuration, too.
    """
    made = _run(config, lambda office: office.renew(hub, points, without, _validity(days)))
    served = ", ".join(map(str, made.access_points))
    click.echo(f"hub {hub}: access points {served}, {_until(made.expires)}")


@hubissuer.command("end")
@click.argument("hub")
@click.pass_obj
def end(config: Path, hub: str) -> None:
    """End HUB for good: its keys are revoked, and its access points are free.

    Its records stay. Phones believe its certificate until that ends.
    """
    _run(config, lambda office: office.end(hub))
    click.echo(f"hub {hub} has ended; its records stay")


_KEY_FILE = click.argument("key", type=click.Path(path_type=Path))
_OUT = click.option("--out", type=click.Path(path_type=Path), required=True, help="The file.")


def _devices(words: tuple[str, ...], named: tuple[str, ...]) -> DeviceCeiling:
    """Return the ceiling for devices, as it was typed."""
    verbs = sorted({Verb[word.upper().replace("-", "_")] for word in words})
    ceiling = DeviceCeiling(tuple(verbs), named or None)
    try:
        return read_ceiling(write_ceiling(ceiling))
    except ProofError as error:
        raise click.UsageError(
            f"--device is the id of a device, each once, {DEVICES_MAX} at most"
        ) from error


@hubissuer.command("mandate")
@click.argument("use", type=click.Choice([one.name.lower() for one in Use]))
@click.argument("holder")
@_KEY_FILE
@_DAYS
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
    validity = _validity(days)
    now_ms = time.time_ns() // 1_000_000
    ceiling = None
    if guests is not None:
        if not points or Use[use.upper()] is not Use.ORDERS:
            raise click.UsageError("--guests is for orders, with a --guest-point or several")
        ceiling = GuestCeiling(guests, int(guest_hours * 3600), guest_uses, points)
    devices = None
    if device_verbs or named:
        if not device_verbs or Use[use.upper()] is not Use.ORDERS:
            raise click.UsageError("--device is for orders, with a --device-verb or several")
        devices = _devices(device_verbs, named)

    async def work(office: Office) -> bytes:
        said = new_mandate(
            site=load_issuer(config).site,
            holder=holder,
            use=Use[use.upper()],
            key=public,
            not_before=validity.not_before,
            expires=validity.expires,
            now_ms=now_ms,
            guests=ceiling,
            devices=devices,
        )
        return await office.mandate(said)

    document = _run(config, work)
    if out is not None:
        keys.write_public(out, document)
    click.echo(f"{holder} may speak for the site by this key: {use}, {_until(validity.expires)}")


@hubissuer.command("bridge")
@click.argument("bridge")
@_KEY_FILE
@_OUT
@_DAYS
@click.pass_obj
def bridge(config: Path, bridge: str, key: Path, out: Path, days: float) -> None:
    """Take BRIDGE in by its TLS key, and write its certificate (PEM)."""
    public = keys.read_public_key(key)
    validity = _validity(days)
    document = _run(config, lambda office: office.bridge(bridge, public, validity))
    keys.write_public(out, pem_of(document))
    click.echo(f"bridge {bridge} is enrolled, its certificate is in {out}")


@hubissuer.command("renew-bridge")
@click.argument("bridges", metavar="[BRIDGE]...", nargs=-1)
@click.option("--asked", is_flag=True, help="All that have asked and have none yet.")
@_DAYS
@click.pass_obj
def renew_bridge(config: Path, bridges: tuple[str, ...], asked: bool, days: float) -> None:
    """Sign the certificate that BRIDGE has asked for, for a key that it has made itself.

    The bridge asks by itself, proves what comes, and puts it in force. A timer may give --asked.
    """
    if bool(bridges) is asked:
        raise click.UsageError("name bridges, or say --asked")

    async def work(office: Office) -> dict[str, int]:
        names_of_bridges = await office.asking_bridges() if asked else bridges
        validity = _validity(days)
        return {one: (await office.renew_bridge(one, validity)).expires for one in names_of_bridges}

    for name, expires in _run(config, work).items():
        click.echo(f"bridge {name}: a certificate for its next key, {_until(expires)}")


@hubissuer.command("end-bridge")
@click.argument("bridge")
@click.pass_obj
def end_bridge(config: Path, bridge: str) -> None:
    """End BRIDGE: no gateway speaks with it any more.

    Hubs hear of it by their uplink. A hub without one must have it taken out of its configuration.
    """
    _run(config, lambda office: office.end_bridge(bridge))
    click.echo(f"bridge {bridge} has ended")


@hubissuer.command("gateway")
@click.argument("gateway")
@_KEY_FILE
@_OUT
@_DAYS
@click.pass_obj
def gateway(config: Path, gateway: str, key: Path, out: Path, days: float) -> None:
    """Write the certificate (PEM) by which bridges know GATEWAY."""
    public = keys.read_public_key(key)
    validity = _validity(days)

    async def work(office: Office) -> bytes:
        return office.gateway(gateway, public, validity)

    keys.write_public(out, pem_of(_run(config, work)))
    click.echo(f"the certificate of gateway {gateway} is in {out}")


def _run(config_file: Path, work: Callable[[Office], Awaitable[_T]]) -> _T:
    config = load_issuer(config_file)
    issuer = _key("issuer_key", config.issuer_key, config_file)
    authority = Authority(
        key=_key("authority_key", config.authority_key, config_file),
        document=tls_authority(config.tls_authority, config_file),
    )

    async def connected(engine: Engine) -> _T:
        public = z85.decode(config.enrolment_key.encode("ascii"))
        office = Office(engine.buckets, engine.archive, issuer, authority, config.site, public)
        return await work(office)

    return asyncio.run(_with_engine(config, connected))


async def _with_engine(config: IssuerConfig, work: Callable[[Engine], Awaitable[_T]]) -> _T:
    engine = Engine(config.servers, config.credentials, config.replicas)
    try:
        await engine.connect(retries=0)
        return await work(engine)
    finally:
        await engine.close()


def _key(name: str, named: str, config_file: Path) -> SigningKey:
    """Read a key that signs. Raise ConfigError."""
    pem = secret_file(named, config_file, name)
    return keys.read_key(
        name, pem, lambda: click.prompt(f"Passphrase of {name}", hide_input=True, err=True)
    )


def _validity(days: float) -> Validity:
    begins = int(time.time()) - BEGAN_SECONDS_AGO
    return Validity(begins, begins + int(days * DAY_SECONDS))


def _until(expires: int) -> str:
    return f"until {datetime.fromtimestamp(expires, UTC):%Y-%m-%d %H:%M} UTC"


def _is_the_same(fingerprint: str, said: str | None, hub: str) -> bool:
    if said is not None:
        return is_same_fingerprint(fingerprint, said)
    click.echo(f"the machine that asks to be hub {hub} has the fingerprint {fingerprint}")
    if not sys.stdin.isatty():
        raise click.UsageError("say --fingerprint, as the machine shows it")
    return click.confirm("Does the machine show the same?")


def main() -> None:
    """Do one command."""
    try:
        hubissuer()
    except ConfigError as error:
        _end(EX_CONFIG, str(error).removeprefix("hubgateway: "))
    except (LinkError, StoreError) as error:
        _end(EX_UNAVAILABLE, f"{error}; give the same command again")
    except (NoError, ValueError) as error:
        _end(1, str(error))


def _end(status: int, text: str) -> None:
    click.echo(f"hubissuer: {text}", err=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
