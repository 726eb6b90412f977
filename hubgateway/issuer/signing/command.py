"""`hubissuer serve`, which signs for a site's server; `hubissuer signed`, which reads its log."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import click

from hubcore.errors import ConfigError
from hubcore.evidence.records import Head, StoredRecord, agrees
from hubcore.issuing.hublines import read_any
from hubcore.issuing.hubrules import Decided
from hubcore.timing.moment import show_ms
from hubgateway.issuer.signing.log import read_log
from hubgateway.issuer.signing.serve import Opened, complain, open_signing
from hubgateway.issuer.signing.serve import serve as serve_opened
from hubgateway.notify import notify_ready
from hubtls.ends import first_of

SIGNING = Path("/etc/hubissuer/signing.toml")
LOG = Path("/var/lib/hubissuer/signed.log")
_PATH = click.Path(path_type=Path)


@click.command("serve")
@click.option("--signing", type=_PATH, default=SIGNING, show_default=True, help="Its file.")
@click.option("--check-config", is_flag=True, help="Say whether all is right, and end.")
def serve(signing: Path, check_config: bool) -> None:
    """Sign for a site's server what the rules allow: policies, grants, and what is renewed.

    The server asks over a unix socket or TLS, and never sees the key.
    """
    opened = open_signing(signing)
    if check_config:
        opened.signer.close()
        click.echo(f"hubissuer: {signing} is right: {_says(opened)}")
        return

    def ready(where: str) -> None:
        click.echo(f"hubissuer: signs at {where}, {_says(opened)}")
        notify_ready()

    try:
        with suppress(asyncio.CancelledError):
            asyncio.run(serve_opened(opened, ready))
    except BaseExceptionGroup as errors:
        raise first_of(errors) from errors


def _says(opened: Opened) -> str:
    kid = opened.signer.issuer.kid.hex()
    return f"the key is in a {opened.held.kind}, id {kid}, the log at {opened.signer.head}"


@click.command("signed")
@click.option("--file", type=_PATH, default=LOG, show_default=True, help="The log.")
@click.option("--known", help="NUMBER:HASH that was noted: it must be in the log.")
@click.option("--json", "as_json", is_flag=True, help="Each line, for programs.")
def signed(file: Path, known: str | None, as_json: bool) -> None:
    """Verify the log of what was signed, and show it."""
    noted = _head(known)
    newest = Head()
    for record in read_log(file):
        if noted is not None and record.number == noted.number:
            agrees(noted, record)
        newest = Head(record.number, record.hash)
        click.echo(_shown(record, as_json))
    if noted is not None and noted.number > newest.number:
        agrees(noted, None)
    if not as_json:
        complain(f"{file}: {newest.number} lines, each follows; the head is {newest}")


def _head(known: str | None) -> Head | None:
    try:
        return None if known is None else Head.parse(known)
    except ValueError as error:
        raise ConfigError(f"--known: {error}") from error


def _shown(record: StoredRecord, as_json: bool) -> str:
    fact, asker = read_any(record.body)
    if isinstance(fact, Decided):
        return _shown_decided(record.number, fact, asker, as_json)
    if not as_json:
        about = f"{fact.of} {fact.number or ''}".strip()
        return f"{record.number} {show_ms(fact.at_ms)} {fact.kind.word} {about}, for {asker}"
    document = {
        "number": record.number,
        "at": show_ms(fact.at_ms),
        "document": fact.kind.word,
        "of": fact.of,
        "version": fact.number,
        "digest": fact.digest.hex(),
        "key": fact.key.hex(),
        "access_points": fact.points,
        "asker": asker,
    }
    return json.dumps(document)


def _shown_decided(number: int, fact: Decided, asker: str, as_json: bool) -> str:
    if not as_json:
        about = f"{fact.hub} {fact.fingerprint}".strip()
        return f"{number} {show_ms(fact.at_ms)} {fact.act.word} {about}, by {fact.by} for {asker}"
    document = {
        "number": number,
        "at": show_ms(fact.at_ms),
        "act": fact.act.word,
        "of": fact.hub,
        "by": fact.by,
        "access_points": fact.points,
        "fingerprint": fact.fingerprint,
        "replaces": fact.replaces,
        "asker": asker,
    }
    return json.dumps(document)
