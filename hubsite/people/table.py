"""A file of people as text: CSV in, CSV out (RFC 4180).

Laws:
1. Each cell is text. What a spreadsheet would take for a formula goes out behind an apostrophe,
   and loses it on its way in: at the beginning of a cell, and behind a semicolon or a line's end,
   which begin one for spreadsheets of many languages.
2. A line that cannot be read is refused by itself, with its number and why. The others count.
3. A file without the columns `name` and `id` is refused whole.
4. What goes out and comes in again says the same.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from unicodedata import category

NAME = "name"
ID = "id"
GROUPS = "groups"
COLUMNS = (NAME, ID, GROUPS)
CELL_LENGTH = 120
LINES_MAX = 20_000
GROUPS_MAX = 64
_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
_DELIMITERS = ",;\t"
_BEGIN = r"""(^|[;\r\n][ "]*)"""
_SIGN = r"[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]"
"""The last four are the first four in the width of East Asian letters."""
_FORMULA = re.compile(f"{_BEGIN}('*{_SIGN})")
_ARMED = re.compile(f"{_BEGIN}'('*{_SIGN})")
_GROUP = re.compile(r"(?:[^|\\]|\\.)+")


@dataclass(frozen=True, slots=True)
class Line:
    """One person of a file; `number` is that of the line where it ends.

    `groups` by name, None where the file has no such column.
    """

    number: int
    external: str
    name: str
    groups: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that does not count, and why; `external` is "" where no id could be read."""

    number: int
    why: str
    external: str = ""


@dataclass(frozen=True, slots=True)
class PeopleFile:
    """What a file says."""

    lines: tuple[Line, ...]
    refused: tuple[RefusedLine, ...]


class UnreadableFileError(Exception):
    """No line of the file can be read: a sentence for who sent it."""


def decoded(data: bytes) -> str:
    """Return the text of a file: UTF-8, UTF-16 with its mark, or else Windows-1252.

    Raise UnreadableFileError.
    """
    for encoding in _encodings(data):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnreadableFileError("This is no text. Save it as CSV, in UTF-8.")


def _encodings(data: bytes) -> tuple[str, ...]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ("utf-16",)
    return ("utf-8-sig", "cp1252")


def read(text: str) -> PeopleFile:
    """Return what a file says (laws 2 and 3). Raise UnreadableFileError."""
    text = text.removeprefix("\ufeff").strip("\r\n")
    head = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [cell.strip().lower() for cell in next(rows, [])]
        _check_columns(columns)
        return _read_lines(((rows.line_num, cells) for cells in rows), columns)
    except csv.Error as error:
        raise UnreadableFileError(
            f"Line {rows.line_num}: {error}. A cell with a quotation mark or a line's end in it "
            "stands in quotation marks."
        ) from error


def _check_columns(columns: list[str]) -> None:
    missing = [name for name in (NAME, ID) if name not in columns]
    twice = [name for name in COLUMNS if columns.count(name) > 1]
    if missing:
        raise UnreadableFileError(
            f"The first line names the columns. It has no {' and no '.join(missing)}."
        )
    if twice:
        raise UnreadableFileError(f"There are two columns {twice[0]}.")


def _read_lines(rows: Iterable[tuple[int, list[str]]], columns: list[str]) -> PeopleFile:
    lines: dict[str, Line] = {}
    refused: list[RefusedLine] = []
    for number, cells in rows:
        if number > LINES_MAX + 1:
            raise UnreadableFileError(f"A file has at most {LINES_MAX} lines.")
        if not any(cell.strip() for cell in cells):
            continue
        found = _line(number, cells, columns)
        if isinstance(found, RefusedLine):
            refused.append(found)
        elif found.external in lines:
            why = f"its id stands in line {lines[found.external].number} already"
            refused.append(RefusedLine(number, why, found.external))
        else:
            lines[found.external] = found
    return PeopleFile(tuple(lines.values()), tuple(refused))


def _line(number: int, cells: list[str], columns: list[str]) -> Line | RefusedLine:
    if len(cells) != len(columns):
        why = f"it has {len(cells)} cells, and the first line has {len(columns)}"
        return RefusedLine(number, why)
    said = {column: _plain(cell) for column, cell in zip(columns, cells, strict=True)}
    external = said[ID]
    why = _wrong("id", external)
    if why:
        return RefusedLine(number, why)
    groups = None if GROUPS not in said else _groups(said[GROUPS])
    why = _wrong("name", said[NAME]) or _wrong_groups(groups or frozenset())
    if why:
        return RefusedLine(number, why, external)
    return Line(number, external, said[NAME], groups)


def _wrong(what: str, text: str) -> str:
    """Return what is wrong with a cell, "" for nothing."""
    if not text:
        return f"it has no {what}"
    if len(text) > CELL_LENGTH:
        return f"its {what} has over {CELL_LENGTH} characters"
    if any(category(sign) in _CONTROLS for sign in text):
        return f"its {what} has control characters"
    return ""


def _wrong_groups(groups: frozenset[str]) -> str:
    if len(groups) > GROUPS_MAX:
        return f"it has over {GROUPS_MAX} groups"
    found = (_wrong("group", group) for group in sorted(groups))
    return next((why for why in found if why), "")


def _groups(cell: str) -> frozenset[str]:
    """Return the names in a cell: between them stands `|`, and `\\|` is one in a name."""
    names = (re.sub(r"\\(.)", r"\1", found).strip() for found in _GROUP.findall(cell))
    return frozenset(name for name in names if name)


def _plain(cell: str) -> str:
    """Return the text of a cell that came in (law 1)."""
    return _ARMED.sub(r"\1\2", cell.strip())


def write(people: Iterable[tuple[str, str, Iterable[str]]]) -> str:
    """Return a file of people: of each the name, the id, and the names of the groups (law 4)."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for name, external, groups in people:
        cell = "|".join(re.sub(r"([|\\])", r"\\\1", group) for group in groups)
        rows.writerow([_defused(value) for value in (name, external, cell)])
    return text.getvalue()


def _defused(text: str) -> str:
    """Return the text of a cell that goes out (law 1)."""
    return _FORMULA.sub(r"\1'\2", text)
