"""`hubctl audit verify`: checks every record of the evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hubcore.codec.cose import VerifyKey
from hubcore.errors import PeerError
from hubcore.evidence.records import Head
from hubcore.phone.certificates import HubCertificate, read_hub_certificate
from hubctl.commands.audit.exported import verify_export
from hubctl.commands.audit.opening import (
    file_option,
    moment,
    read_issuer,
    read_small,
    reading,
    unreadable,
)
from hubctl.evidence.chain import Verified, verify_chain
from hubctl.options import JSON
from hubterm.progress import Progress
from hubterm.text import clean, document


class _HeadType(click.ParamType[Head]):
    name = "NUMBER:HASH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        if isinstance(value, Head):
            return value
        try:
            return Head.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@file_option
@click.option(
    "--head",
    type=_HeadType(),
    help="A head noted earlier; the chain must still hold that record.",
)
@click.option(
    "--certificate",
    type=click.Path(path_type=Path),
    help="The hub's certificate: checks who signed the checkpoint. Needs --issuer.",
)
@click.option(
    "--issuer",
    type=click.Path(path_type=Path),
    help="The site issuer's public key, which proves the certificate.",
)
@click.option(
    "--export",
    "exported",
    type=click.Path(path_type=Path),
    help="Check a file of `hubctl audit export` in place of the log. Needs no hub.",
)
@JSON
def verify(
    path: Path,
    head: Head | None,
    certificate: Path | None,
    issuer: Path | None,
    exported: Path | None,
    as_json: bool,
) -> None:
    """Check every record's place and hash; find an edited, removed or reordered record.

    A chain alone does not show that its end was cut off, nor that it was hashed again as a whole.
    What is kept of it elsewhere shows that: the head that you give, and the backend's copies.
    The marks beside the records (what waits for the backend, what it acknowledged) show it too,
    unless they were edited with the records. Note the head that this prints where nobody on the hub
    can change it.

    Where the oldest records have gone, a checkpoint that the hub signed stands for them. The chain
    goes on from it. Its signature is checked with the hub's certificate and the issuer's key.

    An export carries the hub's certificate. With --issuer its signature is checked.
    """
    if exported is not None:
        if certificate is not None:
            raise click.UsageError("an export carries its certificate: give --issuer alone")
        verify_export(exported, head, _issuer(issuer, as_json), as_json)
        return
    if (certificate is None) != (issuer is None):
        raise click.UsageError("--certificate and --issuer go together")
    certified = None
    if certificate is not None and issuer is not None:
        certified = _certified(certificate, issuer, as_json)
    with (
        reading(path, as_json) as connection,
        Progress("records checked", as_json=as_json) as shown,
    ):
        verified = verify_chain(connection, head, certified, shown.show)
    if as_json:
        click.echo(_as_document(path, verified))
        return
    click.echo(_as_page(path, verified))
    if head is not None and head.number < verified.gone.number:
        click.echo(f"Not checked: the head that you gave, for record {head.number} has gone.")


def _issuer(path: Path | None, as_json: bool) -> VerifyKey | None:
    """Read the site issuer's key, or end with a sentence."""
    if path is None:
        return None
    try:
        return read_issuer(path)
    except (OSError, PeerError) as error:
        unreadable(f"the issuer's key cannot be read: {clean(str(error))}", as_json)


def _certified(certificate: Path, issuer: Path, as_json: bool) -> HubCertificate:
    """Read whose signature the checkpoint must have, or end with a sentence."""
    try:
        return read_hub_certificate(read_small(certificate), read_issuer(issuer))
    except (OSError, PeerError) as error:
        unreadable(f"the hub's certificate cannot be read: {clean(str(error))}", as_json)


def _as_document(path: Path, verified: Verified) -> str:
    return document(
        file=clean(str(path)),
        records=verified.head.number - verified.gone.number,
        first=moment(verified.first_ms),
        last=moment(verified.last_ms),
        head=str(verified.head),
        checkpoint=str(verified.gone) if verified.gone.number else None,
        checkpoint_signed=verified.is_signed,
        waiting=verified.waiting,
        acknowledged=verified.acknowledged,
        holds=True,
    )


def _as_page(path: Path, verified: Verified) -> str:
    span = ""
    if verified.first_ms is not None:
        span = f", from {moment(verified.first_ms)} to {moment(verified.last_ms)}"
    lines = [
        f"{clean(str(path))}: {verified.head.number - verified.gone.number} records{span}",
        f"head {verified.head}",
        f"not acknowledged by the backend: {verified.waiting}; "
        f"highest acknowledged: {verified.acknowledged}",
        *_about_checkpoint(verified),
        "The chain holds.",
    ]
    return "\n".join(lines)


def _about_checkpoint(verified: Verified) -> list[str]:
    """Say what stands for the records that have gone, and what was not checked of it."""
    if not verified.gone.number:
        return []
    lines = [
        f"records 1 to {verified.gone.number} have gone, once the backend had them; "
        f"the chain goes on from the checkpoint {verified.gone}"
    ]
    if verified.is_signed:
        return [*lines, "The hub signed the checkpoint."]
    return [
        *lines,
        "Not checked: who signed the checkpoint. Give --certificate and --issuer.",
    ]
