"""How each command of `hubctl audit` begins and ends.

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
from typing import NoReturn, TypeVar

import click

from hubcore.codec import cbor, cose
from hubcore.codec.cose import VerifyKey
from hubcore.errors import AuditError, StoreError
from hubcore.timing.moment import show_ms
from hubctl.evidence.opening import is_unreadable, open_log
from hubterm.exits import NO
from hubterm.files import read_ordinary
from hubterm.speaking import end_with_error
from hubterm.text import clean, document

KEY_FILE_BYTES_MAX = 8192

_Command = TypeVar("_Command", bound=Callable[..., None])


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
                broken(path, error, as_json)
            except sqlite3.Error as error:
                if is_unreadable(error):
                    raise
                broken(path, error, as_json)
    except BrokenPipeError:
        raise
    except PermissionError:
        sentence = f"{shown}: this user may not read it. Try: sudo hubctl audit verify"
        end_with_error("not-allowed", sentence, as_json)
    except (sqlite3.Error, StoreError, OSError) as error:
        unreadable(f"{shown} cannot be read: {clean(str(error))}", as_json)


def broken(
    path: Path, error: Exception, as_json: bool, do: str = "Leave {} and its -wal unchanged."
) -> NoReturn:
    """End with the evidence broken; `do` says what becomes of the file."""
    shown = clean(str(path))
    why = clean(str(error))
    if as_json:
        click.echo(document(file=shown, holds=False, why=why))
        sys.exit(NO)
    click.echo(f"BROKEN: {why}", err=True)
    click.echo(f"{do.format(shown)} Compare with the backend's records.", err=True)
    sys.exit(NO)


def unreadable(sentence: str, as_json: bool) -> NoReturn:
    """End with a file that could not be read."""
    end_with_error("unreadable", sentence, as_json)


def read_issuer(path: Path) -> VerifyKey:
    """Read the site issuer's public key. Raise OSError and PeerError."""
    return cose.read_key(cbor.decode(read_small(path)))


def read_small(path: Path) -> bytes:
    """Read a small file. Raise OSError."""
    return read_ordinary(path, KEY_FILE_BYTES_MAX)


def moment(at_ms: int | None) -> str | None:
    """Return a time in milliseconds in the one form; None when there is none."""
    return None if at_ms is None else show_ms(at_ms)
