"""A reader of the part of CDDL (RFC 8610) that docs/protocol.cddl is written in.

Law: what it does not know it refuses to read; maps are closed, arrays match from the first member
to the last, and a `.cbor` is looked into with the strict decoder, whatever the nesting.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hubcore.codec import cbor
from hubcore.codec.cbor import Tag
from hubcore.errors import FrameError

Match = Callable[[Any], bool]
Member = tuple[int, int, Match, Match]
"""At least, at most, key (for maps), value."""

_TAGS = frozenset({18})
_MANY = 1 << 62
_TOKEN = re.compile(
    r"""\s*(?:;[^\n]*\n\s*)*(?:(?P<hex>h'[0-9a-f]*')|(?P<text>"[^"]*")|(?P<tag>\#6\.18)|(?P<op>\.\.|\.[a-z]+|=>|[][{}(),/:=*+?])
    |(?P<int>-?\d+)|(?P<name>[A-Za-z][\w-]*))""",
    re.VERBOSE,
)
_PRELUDE: dict[str, Match] = {
    "uint": lambda v: type(v) is int and v >= 0,
    "bytes": lambda v: isinstance(v, bytes),
    "bstr": lambda v: isinstance(v, bytes),
    "tstr": lambda v: isinstance(v, str),
    "null": lambda v: v is None,
}


class Grammar:
    """The rules of one document."""

    def __init__(self, text: str) -> None:
        self._rules: dict[str, Match] = {}
        self._tokens = self._split(text)
        self._at = 0
        while self._peek():
            name = self._take()
            self._take("=")
            assert name not in self._rules, f"{name} is there twice"
            assert name not in _PRELUDE, f"{name} is a word of CDDL's own"
            self._rules[name] = self._type()
        unknown = (
            {t for t in self._tokens if re.fullmatch(r"[A-Za-z][\w-]*", t)}
            - set(self._rules)
            - set(_PRELUDE)
        )
        assert not unknown, f"rules that are not there: {unknown}"

    def matches(self, rule: str, data: bytes) -> bool:
        """Tell whether `data` is the deterministic encoding of one `rule`."""
        try:
            return self._rules[rule](cbor.decode(data, _TAGS))
        except FrameError:
            return False

    @staticmethod
    def _split(text: str) -> list[str]:
        tokens = []
        at = 0
        text = re.sub(r";[^\n]*", "", text).rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            assert found, f"not understood: {text[at : at + 40]!r}"
            tokens.append(found.group().strip())
            at = found.end()
        return tokens

    def _peek(self, ahead: int = 0) -> str:
        return self._tokens[self._at + ahead] if self._at + ahead < len(self._tokens) else ""

    def _take(self, expected: str = "") -> str:
        token = self._peek()
        assert token, "the document ends inside a rule"
        assert not expected or token == expected, f"{expected} expected, {token} found"
        self._at += 1
        return token

    def _type(self) -> Match:
        choices = [self._controlled()]
        while self._peek() == "/":
            self._take()
            choices.append(self._controlled())
        return lambda v: any(choice(v) for choice in choices)

    def _controlled(self) -> Match:
        if self._peek(1) == "..":
            low = int(self._take())
            _ = self._take()
            high = int(self._take())
            return lambda v: type(v) is int and low <= v <= high
        base = self._plain()
        match self._peek():
            case ".size":
                self._take()
                size = self._plain()
                return lambda v: base(v) and _size(v, size)
            case ".gt":
                self._take()
                above = int(self._take())
                return lambda v: base(v) and v > above
            case ".cbor":
                self._take()
                inner = self._plain()
                return lambda v: base(v) and _holds(v, inner)
            case token if token.startswith("."):
                raise AssertionError(f"control {token} is not known")
        return base

    def _plain(self) -> Match:
        token = self._take()
        match token[0]:
            case "{" | "[":
                members = self._members({"{": "}", "[": "]"}[token])
                if token == "{":
                    return lambda v: _is_map(v, members)
                return lambda v: _is_array(v, members)
            case "(":
                inside = self._type()
                self._take(")")
                return inside
            case "#":
                self._take("(")
                content = self._type()
                self._take(")")
                return lambda v: isinstance(v, Tag) and v.tag == 18 and content(v.value)
            case '"':
                return lambda v: v == token[1:-1]
            case "h" if token.startswith("h'"):
                return lambda v: v == bytes.fromhex(token[2:-1])
        if re.fullmatch(r"-?\d+", token):
            return lambda v: type(v) is int and v == int(token)
        return lambda v: (self._rules.get(token) or _PRELUDE[token])(v)

    def _members(self, end: str) -> list[Member]:
        members: list[Member] = []
        while self._peek() != end:
            least, most = self._occurs()
            first = self._type()
            key = first
            value = first
            if self._peek() in (":", "=>"):
                self._take()
                value = self._type()
            members.append((least, most, key, value))
            if self._peek() == ",":
                self._take()
        self._take(end)
        return members

    def _occurs(self) -> tuple[int, int]:
        if self._peek() in ("*", "+", "?"):
            return {"*": (0, _MANY), "+": (1, _MANY), "?": (0, 1)}[self._take()]
        if self._peek(1) == "*":
            least = int(self._take())
            _ = self._take()
            most = int(self._take())
            return least, most
        return 1, 1


def _size(value: Any, size: Match) -> bool:
    if isinstance(value, int):
        return any(size(count) for count in range((value.bit_length() + 7) // 8, 9))
    return size(len(value.encode() if isinstance(value, str) else value))


def _holds(value: bytes, inner: Match) -> bool:
    try:
        return inner(cbor.decode(value, _TAGS))
    except FrameError:
        return False


def _is_map(value: Any, members: list[Member]) -> bool:
    if not isinstance(value, dict):
        return False
    left = dict(value)
    for least, most, key, member in members:
        mine = [k for k, v in left.items() if key(k) and member(v)][:most]
        if len(mine) < least:
            return False
        for k in mine:
            del left[k]
    return not left


def _is_array(value: Any, members: list[Member]) -> bool:
    if not isinstance(value, list):
        return False
    if not members:
        return not value
    least, most, _, member = members[0]
    count = 0
    while count < min(most, len(value)) and member(value[count]):
        count += 1
    return any(_is_array(value[taken:], members[1:]) for taken in range(count, least - 1, -1))
