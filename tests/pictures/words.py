"""The words of the pages that a picture shows, kept in the picture itself.

Laws:
1. The words are those of the pages' sources as they were served: headings, the menu, buttons and
   the labels of what is typed. What rows of a table say is of the site that was photographed.
2. They are one text (iTXt, under KEYWORD) in the PNG, which a viewer passes over.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser

KEYWORD = b"Words of the pages"
MAGIC = b"\x89PNG\r\n\x1a\n"
_READ = frozenset({"title", "h1", "h2", "th", "button", "label", "summary"})
_LENGTH_BYTES = 4
_KIND_BYTES = 4
_AROUND_BYTES = 12
"""Of a chunk, beside its data: length, kind and sum (RFC 2083, 3.2)."""
_AS_IT_IS = b"\x00\x00\x00\x00\x00"
"""Not compressed, in no named language, and the keyword is not translated (PNG 1.2, iTXt)."""


def words_of(source: str) -> list[str]:
    """Return the words of a page, each once, in their order (law 1)."""
    reader = _Reader()
    reader.feed(source)
    reader.close()
    return list(dict.fromkeys(word for word in reader.words if word))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._rows = 0
        self._menus = 0
        self._read: list[str] = []

    def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        self._rows += tag == "tbody"
        self._menus += tag == "nav"
        is_way = tag == "a" and self._menus > 0
        if (tag in _READ or is_way) and not self._rows:
            self._read.append(tag)
            self.words.append("")

    def handle_endtag(self, tag: str) -> None:
        self._rows -= tag == "tbody"
        self._menus -= tag == "nav"
        if self._read and self._read[-1] == tag:
            self._read.pop()
            self.words[-1] = " ".join(self.words[-1].split())

    def handle_data(self, data: str) -> None:
        if self._read:
            self.words[-1] += data


def with_words(png: bytes, words: Sequence[str]) -> bytes:
    """Return a PNG that has these words as well (law 2)."""
    data = KEYWORD + _AS_IT_IS + "\n".join(words).encode()
    kind = b"iTXt"
    chunk = len(data).to_bytes(_LENGTH_BYTES) + kind + data + zlib.crc32(kind + data).to_bytes(4)
    end = len(png) - _AROUND_BYTES  # IEND is the last chunk, and has no data
    return png[:end] + chunk + png[end:]


def words_in(png: bytes) -> list[str]:
    """Return the words that a picture has, none for one without. Raise ValueError for no PNG."""
    for kind, data in _chunks(png):
        if kind == b"iTXt" and data.startswith(KEYWORD + _AS_IT_IS):
            return data.removeprefix(KEYWORD + _AS_IT_IS).decode().split("\n")
    return []


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not png.startswith(MAGIC):
        raise ValueError("it is no PNG")
    at = len(MAGIC)
    while at < len(png):
        length = int.from_bytes(png[at : at + _LENGTH_BYTES])
        begin = at + _LENGTH_BYTES + _KIND_BYTES
        data = png[begin : begin + length]
        kind = png[at + _LENGTH_BYTES : begin]
        if zlib.crc32(kind + data).to_bytes(4) != png[begin + length : begin + length + 4]:
            raise ValueError("a chunk of it is damaged")
        yield kind, data
        at = begin + length + 4
