"""`hubctl audit verify --export`: checks a file that `hubctl audit export` wrote, on any machine.

Laws:
1. The first wrong record is named.
2. What was not checked is said. A file that nobody signed never looks like one that was.
3. The file is read once, in constant memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from hubcore.codec.cose import VerifyKey
from hubcore.errors import AuditError, ProofError
from hubcore.evidence.export import Export, prove
from hubcore.evidence.records import Head, StoredRecord, agrees, facts
from hubcore.phone.certificates import HubCertificate, read_hub_certificate
from hubctl.commands.audit.opening import broken, moment, unreadable
from hubterm.progress import Progress
from hubterm.text import clean, document

CHUNK_BYTES = 1 << 16
LEAVE = "Keep {} as it is."


@dataclass(frozen=True, slots=True)
class Checked:
    """An export whose records follow each other. `certified`: whose signature was checked."""

    before: Head
    last: Head
    first_ms: int
    last_ms: int
    is_signed: bool
    certified: HubCertificate | None


def verify_export(path: Path, noted: Head | None, issuer: VerifyKey | None, as_json: bool) -> None:
    """Check a file and say what it proves, or end with a sentence."""
    try:
        with path.open("rb") as file, Progress("records checked", as_json=as_json) as shown:
            chunks = iter(lambda: file.read(CHUNK_BYTES), b"")
            checked = check(chunks, noted, issuer, shown)
    except AuditError as error:
        broken(path, error, as_json, LEAVE)
    except OSError as error:
        unreadable(f"{clean(str(path))} cannot be read: {error.strerror or error}", as_json)
    if as_json:
        click.echo(_document(path, checked))
    else:
        click.echo("\n".join(_lines(path, checked)))


def check(
    chunks: Iterator[bytes], noted: Head | None, issuer: VerifyKey | None, shown: Progress
) -> Checked:
    """Read all of an export. Raise AuditError, and OSError of the chunks."""
    export = Export(chunks)
    times: list[int] = []
    for record in shown.over(export.records()):
        at_ms = facts(record.body)["at"]
        times = [times[0] if times else at_ms, at_ms]
        _compare(noted, record)
    if not times:
        raise AuditError("there is no record in it")
    _compare_end(noted, export)
    certified = None
    if export.seal is not None and issuer is not None:
        certified = _proven(export, export.seal, issuer)
    return Checked(
        before=export.before,
        last=export.last,
        first_ms=times[0],
        last_ms=times[1],
        is_signed=export.seal is not None,
        certified=certified,
    )


def _compare(noted: Head | None, record: StoredRecord) -> None:
    if noted is not None and noted.number == record.number:
        agrees(noted, record)


def _compare_end(noted: Head | None, export: Export) -> None:
    if noted is not None and noted.number > export.last.number:
        raise AuditError(
            f"record {noted.number}, whose head you gave, is not in it: it ends with "
            f"{export.last.number}"
        )


def _proven(export: Export, seal: bytes, issuer: VerifyKey) -> HubCertificate:
    """Return whose signature it is. Raise AuditError."""
    try:
        certified = read_hub_certificate(export.certificate, issuer)
    except ProofError as error:
        raise AuditError(f"the hub's certificate in it proves nothing: {error}") from error
    prove(seal, export.ends, certified.hub, certified.site, certified.key)
    return certified


def _document(path: Path, checked: Checked) -> str:
    certified = checked.certified
    return document(
        file=clean(str(path)),
        records=checked.last.number - checked.before.number,
        first_number=checked.before.number + 1,
        first=moment(checked.first_ms),
        last=moment(checked.last_ms),
        head=str(checked.last),
        signed=checked.is_signed,
        signature_checked=certified is not None,
        hub=None if certified is None else certified.hub,
        site=None if certified is None else certified.site,
        holds=True,
    )


def _lines(path: Path, checked: Checked) -> Iterator[str]:
    count = checked.last.number - checked.before.number
    yield (
        f"{clean(str(path))}: {count} records, {checked.before.number + 1} to "
        f"{checked.last.number}, from {moment(checked.first_ms)} to {moment(checked.last_ms)}"
    )
    yield f"head {checked.last}"
    yield "The records follow each other."
    if checked.certified is not None:
        yield f"Hub {clean(checked.certified.hub)} of {clean(checked.certified.site)} signed them."
    elif checked.is_signed:
        yield "Not checked: who signed them. Give --issuer, the site issuer's public key."
    else:
        yield "Nobody signed them: who wrote this file may have left out its end, or made it all."
