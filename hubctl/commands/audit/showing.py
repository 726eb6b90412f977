"""`hubctl audit show`: one record, decoded, with its place in the chain.

Laws:
1. Its hash is checked against its bytes and the hash of the record before.
2. Ids of persons are shown by their beginning. `hubctl audit list` has them whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hubcore.errors import AuditError
from hubcore.evidence.facts import shorten
from hubcore.evidence.records import StoredRecord, facts, follows
from hubcore.evidence.show import plain
from hubctl.answers import print_json
from hubctl.commands.audit.opening import file_option, moment, reading
from hubctl.evidence.reading import Placed, placed
from hubctl.options import JSON
from hubctl.page import Page
from hubterm.speaking import end_with_error
from hubterm.text import clean

NUMBER_MAX = (1 << 63) - 1


@click.command()
@click.argument("number", type=click.IntRange(1, NUMBER_MAX))
@file_option
@JSON
def show(number: int, path: Path, as_json: bool) -> None:
    """Show record NUMBER: when, what, its hash and the one before, and who has it.

    Its hash is checked, but not the chain: see `verify`. It needs no running hubd.
    """
    with reading(path, as_json) as connection:
        found = placed(connection, number)
        if isinstance(found, str):
            end_with_error("no-record", f"{clean(str(path))}: {found}", as_json)
        row = found.row
        follows(found.before, StoredRecord(row.number, row.body, row.hash))
        said = facts(row.body)
        if said["at"] != row.at_ms:
            raise AuditError(f"record {number} is filed under another time than it says")
    if as_json:
        print_json(_document(found, said))
    else:
        _page(found, said).show()


def _document(found: Placed, said: dict[str, Any]) -> dict[str, Any]:
    return {
        "number": found.row.number,
        "at_ms": said.pop("at"),
        "mono_ms": said.pop("mono"),
        "kind": said.pop("kind"),
        "detail": {name: plain(shorten(name, value)) for name, value in said.items()},
        "bytes": len(found.row.body),
        "hash": found.row.hash.hex(),
        "before": found.before.hash.hex(),
        "acknowledged": found.is_acknowledged,
    }


def _page(found: Placed, said: dict[str, Any]) -> Page:
    row = found.row
    at = moment(said.pop("at")) or ""
    mono_ms = said.pop("mono")
    facts_ = [
        ("record", str(row.number)),
        ("kind", clean(said.pop("kind"))),
        ("at", at),
        ("after the machine's start", f"{mono_ms / 1000:.3f} s"),
    ]
    for name, value in said.items():
        facts_.append((f"  {clean(name)}", clean(plain(shorten(name, value)))))
    backend = "has it" if found.is_acknowledged else "does not have it yet"
    facts_ += [
        ("hash", row.hash.hex()),
        ("hash before", found.before.hash.hex()),
        ("bytes", str(len(row.body))),
        ("the backend", backend),
    ]
    return Page(facts=facts_)
