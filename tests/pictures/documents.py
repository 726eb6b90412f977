"""Outputs of hubctl in the documents: where they stand, and how they are put there.

Laws:
1. An output is an indented block below a comment that names the command, on a line of its own:
   `<!-- shown: hubctl why -->`.
2. Only such blocks are changed, and nothing beside them. Empty lines are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

BLOCK = re.compile(
    r"^(?P<mark><!-- shown: (?P<typed>[^\n]+) -->)\n\n(?P<shown>(?: {4}[^\n]*\n)+)", re.MULTILINE
)
INDENT = "    "
_SPACES = re.compile(r" {2,}")
_FIGURES = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "MOMENT"),
    (re.compile(r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d{4}-\d\d-\d\d \d\d:\d\d"), "MOMENT"),
    (re.compile(r"\b[0-9a-f]{8}(?:[0-9a-f]{8})?(?=…|\b)"), "ID"),
    (re.compile(r"0\.1\.0\S*"), "VERSION"),
    (re.compile(r"\d+"), "0"),
)


def shown_in(document: str) -> Iterator[tuple[str, str]]:
    """Yield each command that a document shows, and what it shows of it."""
    for found in BLOCK.finditer(document):
        lines = found["shown"].splitlines()
        first, *rest = [line.removeprefix(INDENT) for line in lines]
        yield found["typed"], "\n".join(rest if first.startswith("$ ") else [first, *rest])


def with_shown(document: str, texts: Mapping[str, str]) -> str:
    """Return a document with these outputs in place of those that it has."""

    def block(found: re.Match[str]) -> str:
        typed = found["typed"]
        lines = [f"$ {typed}", *filter(str.strip, texts[typed].split("\n"))]
        indented = "".join(f"{INDENT}{line}".rstrip() + "\n" for line in lines)
        return f"{found['mark']}\n\n{indented}"

    return BLOCK.sub(block, document)


def shape(text: str) -> list[str]:
    """Return what stays the same from one run to the next: labels, columns and sentences.

    Of a line with columns it is the first one, and of a header all. How often a line of the same
    shape follows itself is by chance.
    """
    lines: list[str] = []
    is_header = False
    for line in filter(str.strip, text.split("\n")):
        if line == "counters":  # what has happened in a run is by chance
            break
        for pattern, word in _FIGURES:
            line = pattern.sub(word, line)
        columns = _SPACES.split(line.strip())
        label = " | ".join(columns) if is_header else columns[0]
        if lines[-1:] != [label]:
            lines.append(label)
        is_header = len(columns) == 1 and not line.startswith(" ")
    return lines
