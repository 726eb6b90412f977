"""The commands about hubs: from a token to a hub's end."""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path

import click

from hubcore.backend.enrolment.promise import is_same_fingerprint, name_doors, standing
from hubcore.backend.enrolment.token import SECRET_BYTES
from hubgateway.issuer.office.words import NoError
from hubgateway.issuer.options import DAYS, POINT, until, validity_of
from hubgateway.issuer.running import Office, at_office


@click.command("token")
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
            served = (await office.hubs.certificate(hub)).access_points
        return await office.hubs.promise(
            hub,
            name_doors(served, said),
            time_zone,
            replaces=replace,
            secret=secrets.token_bytes(SECRET_BYTES),
            now=time.time(),
        )

    click.echo(at_office(config, work))
    click.echo(
        f"This token makes one machine hub {hub}. It ends in 24 hours. There: sudo hubctl enroll "
        "HOST:PORT, where a gateway's [enrolment] listens",
        err=True,
    )


@click.command("list")
@click.pass_obj
def show(config: Path) -> None:
    """Show the tokens, which machines wait for approval, and each hub's certificate."""

    async def work(office: Office) -> None:
        now = time.time()
        for hub, promise in (await office.hubs.promises()).items():
            state = "its promise cannot be read" if promise is None else standing(promise, now)
            click.echo(f"{hub}: {state}")
        for hub, certificate in (await office.hubs.hubs()).items():
            points = ", ".join(map(str, certificate.access_points))
            click.echo(
                f"{hub}: certificate for access points {points}, {until(certificate.expires)}"
            )
        for one in await office.bridges.asking_bridges():
            click.echo(f"bridge {one} asks for a certificate: hubissuer renew-bridge {one}")

    at_office(config, work)


@click.command("approve")
@click.argument("hub")
@click.option("--fingerprint", help="That of the machine; without it, it is shown and asked for.")
@DAYS
@click.pass_obj
def approve(config: Path, hub: str, fingerprint: str | None, days: float) -> None:
    """Sign the certificate of a machine that asked with the token of HUB."""

    async def work(office: Office) -> None:
        promise = await office.hubs.asked(hub)
        if not _is_the_same(promise.fingerprint, fingerprint, hub):
            raise NoError(
                f"the machine that asks to be hub {hub} has another fingerprint, "
                f"{promise.fingerprint}: somebody else may have the token. "
                f"`hubissuer refuse {hub}` keeps it out"
            )
        await office.hubs.approve(promise, validity_of(days))
        points = ", ".join(map(str, promise.points))
        click.echo(f"hub {hub} is enrolled, access points {points}")

    at_office(config, work)


def _is_the_same(fingerprint: str, said: str | None, hub: str) -> bool:
    if said is not None:
        return is_same_fingerprint(fingerprint, said)
    click.echo(f"the machine that asks to be hub {hub} has the fingerprint {fingerprint}")
    if not sys.stdin.isatty():
        raise click.UsageError("say --fingerprint, as the machine shows it")
    return click.confirm("Does the machine show the same?")


@click.command("refuse")
@click.argument("hub")
@click.pass_obj
def refuse(config: Path, hub: str) -> None:
    """Give the machine nothing that asks with the token of HUB."""
    at_office(config, lambda office: office.hubs.refuse(hub))
    click.echo(f"the token of hub {hub} is of no use any more")


@click.command("renew")
@click.argument("hub")
@click.option(
    "--access-point", "points", type=POINT, multiple=True, help="A door more; several times."
)
@click.option("--without", type=POINT, multiple=True, help="One less; several times.")
@DAYS
@click.pass_obj
def renew(
    config: Path, hub: str, points: tuple[int, ...], without: tuple[int, ...], days: float
) -> None:
    """Sign a newer certificate for HUB; it gets it at once, or when it comes.

    A door more needs a section [[doors]] in its configuration, too.
    """
    made = at_office(
        config, lambda office: office.hubs.renew(hub, points, without, validity_of(days))
    )
    served = ", ".join(map(str, made.access_points))
    click.echo(f"hub {hub}: access points {served}, {until(made.expires)}")


@click.command("end")
@click.argument("hub")
@click.pass_obj
def end(config: Path, hub: str) -> None:
    """End HUB for good: its keys are revoked, and its access points are free.

    Its records stay. Phones believe its certificate until that ends.
    """
    at_office(config, lambda office: office.hubs.end(hub))
    click.echo(f"hub {hub} has ended; its records stay")
