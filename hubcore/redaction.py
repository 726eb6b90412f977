"""What of a value may be shown in a log or to an onlooker.

Laws:
1. No secret is shown: a value under a key that names a secret is redacted.
2. Of bytes only the number is shown, of an object only the type.
3. Text is cut at a length, and so are lists and depth.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

TEXT_CHARS_MAX = 2000
ITEMS_MAX = 50
DEPTH_MAX = 4
REDACTED = "<redacted>"

SECRET_WORDS = frozenset(
    {
        "key",
        "keys",
        "secret",
        "secrets",
        "nonce",
        "token",
        "tokens",
        "password",
        "pin",
        "challenge",
        "ticket",
        "psk",
    }
)
"""A key of a log line that has one of these among its words (split at `_`) is redacted."""

_INT64_MIN = -(1 << 63)
_INT64_MAX = (1 << 63) - 1


def redact(event: Mapping[str, Any]) -> dict[str, Any]:
    """Replace what must not be shown, and what cannot be shown in one short line."""
    shown = {}
    for key, value in event.items():
        shown[key] = _shown(key, value, DEPTH_MAX)
    return shown


def _shown(key: str, value: Any, depth: int) -> Any:
    """Return what JSON can carry of a value, `depth` levels deep."""
    words = key.lower().split("_")
    if not SECRET_WORDS.isdisjoint(words):
        return REDACTED
    match value:
        case Enum():
            return _shown(key, value.value, depth)
        case None | bool() | float():
            return value
        case int():
            return value if _INT64_MIN <= value <= _INT64_MAX else "<a big int>"
        case str() | PurePath() | BaseException():
            return _shown_text(key, str(value))
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case Mapping() if depth:
            shown = {}
            for name, item in list(value.items())[:ITEMS_MAX]:
                text = str(name)
                shown[text] = _shown(text, item, depth - 1)
            return shown
        case list() | tuple() | set() | frozenset() if depth:
            members = list(value)[:ITEMS_MAX]
            return [_shown(key, member, depth - 1) for member in members]
        case _:
            return f"<{type(value).__name__}>"


def _shown_text(key: str, text: str) -> str:
    """Cut a long text; of an exception its end is shown."""
    # file names may hold lone surrogates
    text = text.encode(errors="backslashreplace").decode()
    if len(text) <= TEXT_CHARS_MAX:
        return text
    if key == "exception":
        return "..." + text[-TEXT_CHARS_MAX:]
    return text[:TEXT_CHARS_MAX] + "..."
