"""What leaves the hub in a bug report: no secret and no person.

Laws:
1. What is known to be harmless is kept, and all else is left out: of the configuration and of the
   journal's lines by the name of the key, never by how a value looks.
2. Sentences are kept, for they say what is wrong. Whatever in them looks like a key, a token, an id
   or an address is left out, and so is each word of the configuration that was left out there.
   A short name is left out where it stands as a word.
3. Nobody's Bluetooth address is whole: one names a person's phone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from hubcore.evidence.facts import FACTS, Fact, Shown

LEFT_OUT = "<left out>"
LONG_CHARS = 4
"""A shorter text is part of too many other words to be replaced wherever it stands."""
TEXT_CHARS_MAX = 2000
DEPTH_MAX = 8

CONFIG_WORDS = frozenset(
    {
        "aead",
        "adapter",
        "board",
        "capability",
        "chip",
        "device",
        "endpoint",
        "endpoints",
        "id",
        "kind",
        "line",
        "port",
        "site",
        "socket",
        "state_directory",
        "time_zone",
    }
)
"""Keys of the configuration whose texts are kept; numbers and booleans of all keys are."""
PERSONAL = frozenset({"name", "point_name", "door_name", "asker", "credential", "grant"})
"""Keys of the daemon's documents whose values are left out."""
SECRET = frozenset({"key", "keys", "secret", "token", "tokens", "password", "pin", "psk", "nonce"})
"""Words of a key, split at `_`, whose text is left out wherever it is."""
LINE_KEYS = frozenset({"event", "level", "time", "count", "left_out", "link"})
ONLOOKERS = frozenset(
    str(fact) for fact, kind in FACTS.items() if kind.shown is Shown.WHOLE and fact is not Fact.UID
)
"""The facts of the journal that are kept: those that name nobody."""
_CREDENTIAL = re.compile(r"credential:[a-z_]{1,32}\Z")
_FRAME = re.compile(r'\s*File "[^"]*", line \d+, in [\w<>]+\Z')
_ERROR_NAME = re.compile(r"[A-Za-z_][\w.]{0,80}(?=:|\Z)")

_PATTERNS = (
    (re.compile(r"-----BEGIN [^-]+-----.*?(-----END [^-]+-----|\Z)", re.S), LEFT_OUT),
    (
        re.compile(r"\b([0-9A-Fa-f]{2}(?:[:_][0-9A-Fa-f]{2}){2})(?:[:_][0-9A-Fa-f]{2}){3}\b"),
        r"\1:xx:xx:xx",
    ),
    (re.compile(r"(?<=://)[^/\s@]+@"), f"{LEFT_OUT}@"),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), LEFT_OUT),
    (
        re.compile(r"(?i)\b(\w*(?:password|passwd|secret|token|api_?key|psk|pin))(\s*[=:]\s*)\S+"),
        rf"\1\2{LEFT_OUT}",
    ),
    (re.compile(r"\b(?:[0-9A-Fa-f]{16,}|(?=\d*[A-Fa-f])[0-9A-Fa-f]{12,})\b"), LEFT_OUT),
    (re.compile(r"\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b"), LEFT_OUT),
    (re.compile(r"\b\d{5}(?:-\d{5}){1,7}\b"), LEFT_OUT),
    (
        re.compile(
            r"(?<![\w/.+=-])(?=[\w+/=-]*\d)(?=[\w+/=-]*[a-z])(?=[\w+/=-]*[A-Z])[\w+/=-]{20,}"
        ),
        LEFT_OUT,
    ),
    (
        re.compile(r"(?<![^\s\"',;])(?=\S*\d)(?=\S*[a-z])(?=\S*[A-Z])[^\s\"',;]{40}(?![^\s\"',;])"),
        LEFT_OUT,
    ),
)
"""A PEM file, a Bluetooth address, a user of a URL, a mail address, a named secret, digits, a UUID,
the printed key of a Z-Wave device or a part of it, base64, and Z85 (a CURVE key has 40 characters).
"""


class Redactor:
    """Cleans texts; `words` are those that stand for somebody or for something secret."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        ordered = sorted({word for word in words if _says_something(word)}, key=len, reverse=True)
        self._words = re.compile("|".join(map(_pattern, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """Return a text without what looks secret or names somebody."""
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        if self._words is not None:
            text = self._words.sub(LEFT_OUT, text)
        return text

    def document(self, value: Any, key: str = "", depth: int = DEPTH_MAX) -> Any:
        """Return a document of the daemon, or of a check, without them."""
        if not depth:
            return LEFT_OUT
        match value:
            case None | bool() | int() | float():
                return value
            case Mapping():
                return {
                    self.text(str(name)): self._member(str(name), item, depth)
                    for name, item in value.items()
                }
            case list() | tuple():
                return [self.document(item, key, depth - 1) for item in value]
        return self.text(str(value)[:TEXT_CHARS_MAX])

    def _member(self, key: str, value: Any, depth: int) -> Any:
        if key in PERSONAL and value is not None:
            return LEFT_OUT
        if isinstance(value, str) and is_secret(key):
            return LEFT_OUT
        return self.document(value, key, depth - 1)

    def line(self, line: str) -> str | None:
        """Return a line of hubd's own journal; None for one that is not hubd's JSON."""
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(said, dict):
            return None
        kept = {key: self._fact(key, value) for key, value in said.items() if _is_known(key)}
        dropped = len(said) - len(kept)
        if isinstance(said.get("exception"), str):
            kept["exception"] = frames(said["exception"])
        if dropped:
            kept["left_out"] = dropped
        return json.dumps(kept)

    def _fact(self, key: str, value: Any) -> Any:
        if isinstance(value, bool | int | float) or value is None:
            return value
        return self.text(str(value)[:TEXT_CHARS_MAX])


def _says_something(word: str) -> bool:
    """Tell whether a text may name somebody; a short number, as of a door, names nobody."""
    return bool(word.strip()) and (len(word) >= LONG_CHARS or not word.strip().isdigit())


def _pattern(word: str) -> str:
    """Return what finds a word; a short one in Latin letters is part of too many others."""
    found = re.escape(word)
    if len(word) >= LONG_CHARS or not word.isascii():
        return found
    return rf"(?<!\w){found}(?!\w)"


def _is_known(key: str) -> bool:
    return key in LINE_KEYS or key in ONLOOKERS


def is_secret(key: str) -> bool:
    """Tell whether a key names a secret."""
    return not SECRET.isdisjoint(key.lower().split("_"))


def frames(trace: str) -> list[str]:
    """Return where a traceback went, and what kinds of errors it was: none of their words."""
    kept: list[str] = []
    for line in trace.splitlines():
        if _FRAME.match(line):
            kept.append(line.strip())
        elif line and not line[0].isspace() and (named := _ERROR_NAME.match(line)):
            kept.append(named.group())
    return kept[-60:]


def config(said: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Return what may be shown of a configuration, and the texts that were left out of it."""
    left_out: set[str] = set()
    shown = {str(key): _setting(str(key), value, left_out, 6) for key, value in said.items()}
    return shown, left_out


def _setting(key: str, value: Any, left_out: set[str], depth: int) -> Any:
    match value:
        case bool() | int() | float():
            return LEFT_OUT if is_secret(key) else value
        case Mapping() if depth:
            return {
                str(name): _setting(str(name), item, left_out, depth - 1)
                for name, item in value.items()
            }
        case list() if depth:
            return [_setting(key, item, left_out, depth - 1) for item in value]
        case str() if key in CONFIG_WORDS or _CREDENTIAL.match(value):
            return value
    if key in PERSONAL or len(str(value)) >= LONG_CHARS:  # else it is a word such as `on`
        left_out.add(str(value))
    return LEFT_OUT
