"""`hubctl audit`: check the evidence and read it, with the daemon up, down, or from a copy.

Laws:
1. The exit status says who must act: 0 the evidence holds, 1 it is broken (the first wrong record
   is named). Any other says that it could not be read.
2. Whatever the file holds ends in one of these three, with a sentence.
3. Nothing from the file reaches the terminal that does not print.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from hubcore.codec import cbor, cose
from hubcore.errors import AuditError, PeerError, StoreError
from hubcore.evidence.records import Head, facts
from hubcore.evidence.show import plain, record_line
from hubcore.phone.certificates import HubCertificate, read_hub_certificate
from hubcore.timing.moment import show_ms
from hubctl.evidence import Verified, is_unreadable, newest, open_log, verify_chain
from hubterm.exits import NO
from hubterm.speaking import end_with_error
from hubterm.text import clean, document

LAST_MAX = 1_000_000
KEY_FILE_BYTES_MAX = 8192

_Command = TypeVar("_Command", bound=Callable[..., None])


class _HeadType(click.ParamType[Head]):
    name = "NUMBER:HASH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        if isinstance(value, Head):
            return value
        try:
            return Head.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def file_option(command: _Command) -> _Command:
    """Add the option that names the evidence file, as `path`."""
    # `readable` is not asked for: a file that this user must not read has a sentence of its own
    return click.option(
        "--file",
        "path",
        type=click.Path(path_type=Path, readable=False),
        envvar="HUBD_AUDIT",
        default=Path("/var/lib/hubd/audit.db"),
        show_default=True,
        show_envvar=True,
        help="The audit log; of a copy, copy the file ending in -wal too.",
    )(command)


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
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON with a schema number, for machines.",
)
def verify(
    path: Path,
    head: Head | None,
    certificate: Path | None,
    issuer: Path | None,
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
    """
    if (certificate is None) != (issuer is None):
        raise click.UsageError("--certificate and --issuer go together")
    certified = None
    if certificate is not None and issuer is not None:
        certified = _certified(certificate, issuer, as_json)
    with reading(path, as_json) as connection:
        verified = verify_chain(connection, head, certified)
    if as_json:
        click.echo(_as_document(path, verified))
        return
    click.echo(_as_page(path, verified))
    if head is not None and head.number < verified.gone.number:
        click.echo(f"Not checked: the head that you gave, for record {head.number} has gone.")


def _certified(certificate: Path, issuer: Path, as_json: bool) -> HubCertificate:
    """Read whose signature the checkpoint must have, or end with a sentence."""
    try:
        key = cose.read_key(cbor.decode(_read_file(issuer)))
        return read_hub_certificate(_read_file(certificate), key)
    except (OSError, PeerError) as error:
        _unreadable(f"the hub's certificate cannot be read: {clean(str(error))}", as_json)


def _read_file(path: Path) -> bytes:
    """Read a small file. Raise OSError."""
    with path.open("rb") as file:
        return file.read(KEY_FILE_BYTES_MAX)


def _as_document(path: Path, verified: Verified) -> str:
    return document(
        file=clean(str(path)),
        records=verified.head.number - verified.gone.number,
        first=_moment(verified.first_ms),
        last=_moment(verified.last_ms),
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
        span = f", from {_moment(verified.first_ms)} to {_moment(verified.last_ms)}"
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


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else show_ms(at_ms)


@click.command()
@file_option
@click.option(
    "--last",
    type=click.IntRange(1, LAST_MAX),
    default=20,
    show_default=True,
    help="How many, the newest.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object a line; bytes in hexadecimal.",
)
def list_records(path: Path, last: int, as_json: bool) -> None:
    """Show the newest records, oldest first. This does not check them: see `verify`."""
    with reading(path, as_json) as connection:
        for row in newest(connection, last):
            try:
                said = facts(row.body)
            except AuditError as error:
                raise AuditError(f"record {row.number}: {error}") from error
            line = _record_as_json if as_json else _record_as_line
            click.echo(line(row.number, said))


def _record_as_json(number: int, said: dict[str, Any]) -> str:
    kind = said.pop("kind")
    at_ms = said.pop("at")
    mono_ms = said.pop("mono")
    detail = {key: plain(value) for key, value in said.items()}
    return document(number=number, at_ms=at_ms, mono_ms=mono_ms, kind=kind, detail=detail)


def _record_as_line(number: int, said: dict[str, Any]) -> str:
    kind = said.pop("kind")
    at_ms = said.pop("at")
    said.pop("mono")
    return record_line(number, at_ms, kind, said)


@contextlib.contextmanager
def reading(path: Path, as_json: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the log for reading; end with a sentence and a status when it is broken or unreadable.

    What is raised inside is judged here, too.
    """
    shown = clean(str(path))
    try:
        with contextlib.closing(open_log(path)) as connection:
            try:
                yield connection
            except AuditError as error:
                _broken(path, error, as_json)
            except sqlite3.Error as error:
                if is_unreadable(error):
                    raise
                _broken(path, error, as_json)
    except BrokenPipeError:
        raise
    except PermissionError:
        sentence = f"{shown}: this user may not read it. Try: sudo hubctl audit verify"
        end_with_error("not-allowed", sentence, as_json)
    except (sqlite3.Error, StoreError, OSError) as error:
        _unreadable(f"{shown} cannot be read: {clean(str(error))}", as_json)


def _broken(path: Path, error: Exception, as_json: bool) -> NoReturn:
    shown = clean(str(path))
    why = clean(str(error))
    if as_json:
        click.echo(document(file=shown, holds=False, why=why))
        sys.exit(NO)
    click.echo(f"BROKEN: {why}", err=True)
    click.echo(
        f"Leave {shown} and its -wal unchanged. Compare with the backend's records.", err=True
    )
    sys.exit(NO)


def _unreadable(sentence: str, as_json: bool) -> NoReturn:
    end_with_error("unreadable", sentence, as_json)
