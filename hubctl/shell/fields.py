"""`-o`: an answer as a table, as JSON, or as chosen fields of the JSON, for a shell.

Laws:
1. `-o json` is `--json`, and `-o table` is what people see without it.
2. `-o FIELDS` prints one line a document, its fields with tabs between them. `a.b` is the field b
   within the field a.
3. Where no field is one of the document, and it has a list of things, there is one line a thing.
4. A field that is not there is shown as `-`, and standard error says which there are. It changes no
   exit status: a verb may have acted already.
5. What is shown is cleaned, and so holds no tab of its own.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TextIO

from hubctl.options import OUTPUT
from hubterm.output import complain
from hubterm.text import clean

TABLE = "table"
JSON = "json"
NOT_THERE = object()


class Words(NamedTuple):
    """The words of a command without `-o`, and which fields were asked for."""

    rest: list[str]
    fields: tuple[str, ...] = ()


def without_output(words: Sequence[str]) -> Words:
    """Take `-o` out of the words. Its last value counts; one without a value stays."""
    rest: list[str] = []
    output = TABLE
    waiting = iter(words)
    for word in waiting:
        if word == "--":
            rest += [word, *waiting]
        elif word in OUTPUT.opts:
            value = next(waiting, None)
            if value is None:
                rest.append(word)
            else:
                output = value
        elif word.startswith("--output="):
            output = word.partition("=")[2]
        elif word.startswith("-o") and not word.startswith("--"):
            output = word[2:]
        else:
            rest.append(word)
    if output == TABLE:
        return Words(rest)
    fields = () if output == JSON else tuple(filter(None, output.split(",")))
    return Words(["--json", *rest], fields)


class Chosen(io.TextIOBase):
    """A stream for documents, one a line, which prints the chosen fields of each."""

    def __init__(self, inner: TextIO, fields: Sequence[str]) -> None:
        self._inner = inner
        self._fields = tuple(fields)
        self._begun = ""
        self._said: set[str] = set()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream below."""
        return self._inner.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """Those of the stream below."""
        return self._inner.errors

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """Return that of the stream below, so that its end is noticed."""
        return self._inner.fileno()

    def flush(self) -> None:
        """Flush the stream below; a line that is not whole waits."""
        self._inner.flush()

    def write(self, text: str) -> int:
        """Print the fields of each line that is whole now."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            for shown in self._lines(json.loads(line)):
                self._inner.write(f"{shown}\n")
        return len(text)

    def _lines(self, document: dict[str, Any]) -> Iterator[str]:
        for one in _things(document, self._fields):
            found = [(field, _found(one, field)) for field in self._fields]
            for field, value in found:
                if value is NOT_THERE:
                    self._say(field, one)
            yield "\t".join("-" if value is NOT_THERE else clean(value) for _, value in found)

    def _say(self, field: str, one: dict[str, Any]) -> None:
        if field not in self._said:
            self._said.add(field)
            complain(f"hubctl: there is no field {field!r} here; there are: {', '.join(one)}")


def _things(document: dict[str, Any], fields: Sequence[str]) -> list[dict[str, Any]]:
    """Return what there is a line for: the document, or each thing of its list."""
    if any(_found(document, field) is not NOT_THERE for field in fields):
        return [document]
    lists = [value for value in document.values() if isinstance(value, list)]
    if len(lists) != 1:
        return [document]
    return [one for one in lists[0] if isinstance(one, dict)]


def _found(one: Any, field: str) -> Any:
    for part in field.split("."):
        if not isinstance(one, dict) or part not in one:
            return NOT_THERE
        one = one[part]
    return one
