"""What operators may order from the pages: said once, in three files.

How it works: a level is what a person says. `settle_orders` compares it with the files that are
there, makes the texts that say it, reads these as the programs do, and only then writes.

Laws:
1. Nothing is written before each text is found right. What cannot be said by itself is refused,
   with what to write by hand.
2. In a file that fits already not a byte changes; in another one nothing but what says the level.
3. Opening is for the access points that the signer has for this site's hubs, and for no others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import tomlkit

from hubcore.errors import ConfigError
from hubcore.policy.policy import OPENING, POINTS_AN_OPERATOR, OperatorRight, rights_of
from hubgateway.engine.account import account_of
from hubgateway.engine.rights import ORDERS
from hubgateway.issuer.signing.config import parse_signing
from hubsite import config
from hubsite.setup import places
from hubsite.setup.disk import Disk

ANYBODY = "*"
SHUTTING = ("lock-down", "command")
WHOLE = (*SHUTTING, "release", "hold-open")
_INDENT = 20 * " "
_IN_LIST = re.compile(r"(publish: \[)([^\]]*)\]")
_COMMENT = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|(#|//)[^\n]*")
_SUBJECTS = re.compile(r'(?:\s*"[^"\n]*"\s*,?)*\s*')


class OrderLevel(Enum):
    """What operators order from the pages by the engine."""

    NONE = "none"
    SHUTS = "shuts"
    ALL = "all"


WORDS = {
    OrderLevel.NONE: "Orders: none from the pages by the engine. --orders shuts lets operators "
    "lock down.",
    OrderLevel.SHUTS: "Orders: each operator locks down from the pages, lets nobody new in, and "
    "tells devices. Nobody opens a door from there.",
    OrderLevel.ALL: "Orders: each operator locks down from the pages, opens doors there, and "
    "tells devices. So does whoever takes this server.",
}
"""What an installer reads of each."""


def standing_orders(server: config.Config) -> OrderLevel:
    """Return what the server's file says."""
    if server.engine is None or not server.engine.orders:
        return OrderLevel.NONE
    opens = rights_of(server.operators.rights) & OPENING
    return OrderLevel.ALL if opens else OrderLevel.SHUTS


def check_points(level: OrderLevel, points: tuple[int, ...]) -> None:
    """Refuse more doors than an operator opens. Raise ConfigError."""
    if level is OrderLevel.ALL and len(points) > POINTS_AN_OPERATOR:
        raise ConfigError(
            f"--orders all: the site has {len(points)} access points, and an operator opens at "
            f"most {POINTS_AN_OPERATOR}: write [operators] and [[operators]] by hand"
        )


def settle_orders(disk: Disk, level: OrderLevel, points: tuple[int, ...]) -> None:
    """Have all files say this; `points` are those of the doors. Raise ConfigError, StoreError."""
    planned = (
        (places.ENGINE_FILE, _engine(disk, level)),
        (places.SIGNING_FILE, _signing(disk, level, points)),
        (places.SERVER_FILE, _server(disk, level, points)),
    )
    for place, after in planned:
        before = disk.read(place) or b""
        if after != before:
            disk.change(place, before, after)


def _engine(disk: Disk, level: OrderLevel) -> bytes:
    """Return the engine's file, in which the server's account may order or may not."""
    path = disk.at(places.ENGINE_FILE)
    text = (disk.read(places.ENGINE_FILE) or b"").decode("utf-8", "replace")
    key = account_of(disk.read(places.SERVER_ACCOUNT) or b"").public
    begin, end = _list_in(_without_comments(text), key, path)
    listed = _without_comments(text)[begin:end]
    has = f'"{ORDERS}"' in listed
    wider = [one for one in re.findall(r'"([^"]*)"', listed) if one != ORDERS and _reaches(one)]
    if wider and level is OrderLevel.NONE:
        raise ConfigError(
            f'{path}: the account {key} of hubsite orders by "{wider[0]}", '
            "which is not of this setup: take it away by hand"
        )
    if has and level is OrderLevel.NONE:
        return _without_orders(text, begin, end).encode()
    if has or level is OrderLevel.NONE:
        return text.encode()
    is_tall = listed.startswith("\n")
    more = f'\n{_INDENT}"{ORDERS}"' if is_tall else f'"{ORDERS}", '
    return f"{text[:begin]}{more}{text[begin:]}".encode()


def _list_in(text: str, key: str, path: Path) -> tuple[int, int]:
    """Return where the subjects of an account begin and end. Raise ConfigError (law 1)."""
    before, found, after = text.partition(f"nkey: {key}\n")
    match = _IN_LIST.search(after)
    if not found or match is None or "}" in after[: match.start()]:
        raise ConfigError(
            f"{path}: the account {key} of hubsite has no list `publish: "
            f'[...]`: write "{ORDERS}" there by hand, or take it away'
        )
    if not _SUBJECTS.fullmatch(match[2]):
        raise ConfigError(
            f"{path}: the list `publish: [...]` of the account {key} of hubsite has other than "
            'subjects in double quotation marks: write each as "SUBJECT"'
        )
    start = len(before) + len(found)
    return start + match.start(2), start + match.end(2)


def _without_comments(text: str) -> str:
    """Return a text of as many signs, in which blanks are in the place of comments."""
    return _COMMENT.sub(lambda found: " " * len(found[0]) if found[1] else found[0], text)


def _without_orders(text: str, begin: int, end: int) -> str:
    """Take the subject of orders out of a list, and leave what somebody has written beside it."""
    spans = re.finditer(f'"{re.escape(ORDERS)}",?', _without_comments(text)[begin:end])
    for one in reversed(list(spans)):
        first = begin + one.start()
        head = text[:first].rstrip()
        is_comment_above = len(_without_comments(head).rstrip()) < len(head)
        text = (text[:first] if is_comment_above else head) + text[begin + one.end() :]
    return text


def _reaches(subject: str) -> bool:
    """Tell whether who may publish this may order: the engine's wildcards, token by token."""
    tokens = subject.split(".")
    wanted = ORDERS.split(".")
    head = tokens[: tokens.index(">")] if ">" in tokens else tokens
    are_like = all(one in ("*", two) or two == "*" for one, two in zip(head, wanted, strict=False))
    is_long = len(head) < len(wanted) if ">" in tokens else len(head) == len(wanted)
    return are_like and is_long


def _server(disk: Disk, level: OrderLevel, points: tuple[int, ...]) -> bytes:
    path = disk.at(places.SERVER_FILE)
    data = disk.read(places.SERVER_FILE) or b""
    said = config.parse(data, path)
    document = document_of(data, path)
    if said.engine is not None and said.engine.orders != (level is not OrderLevel.NONE):
        document["engine"]["orders"] = level is not OrderLevel.NONE
    is_new = level is OrderLevel.NONE and "operators" not in document
    if not is_new and not _fits(said.operators, level, points):
        if "operators" not in document:
            document["operators"] = tomlkit.table()
        _write(document["operators"], level, points)
    return checked(document, path, config.parse)


def _signing(disk: Disk, level: OrderLevel, points: tuple[int, ...]) -> bytes:
    path = disk.at(places.SIGNING_FILE)
    data = disk.read(places.SIGNING_FILE) or b""
    said = [one for one in parse_signing(data, path).operators if one.name == ANYBODY]
    if said and _fits(said[0], level, points):
        return data
    if level is OrderLevel.NONE and not said:
        return data
    document = document_of(data, path)
    named = [one for one in document.get("operators", ()) if one["name"] == ANYBODY]
    if not named:
        raise ConfigError(
            f'{path} has no [[operators]] of "{ANYBODY}": what operators may is said by hand there'
        )
    _write(named[0], level, points)
    return checked(document, path, parse_signing)


def _fits(said: Any, level: OrderLevel, points: Sequence[int]) -> bool:
    """Tell whether a section has the rights of this level."""
    rights = rights_of(said.rights)
    if level is OrderLevel.NONE:
        return not rights & OPENING
    if level is OrderLevel.SHUTS:
        return bool(rights & OperatorRight.LOCK_DOWN and not rights & OPENING)
    return rights == rights_of(WHOLE) and set(said.access_points) == set(points)


def _write(section: Any, level: OrderLevel, points: Sequence[int]) -> None:
    """Write rights into a section of TOML (law 3)."""
    section["rights"] = list(WHOLE if level is OrderLevel.ALL else SHUTTING)
    if level is OrderLevel.ALL:
        section["access_points"] = list(points)
    else:
        section.pop("access_points", None)


def document_of(data: bytes, path: Path) -> Any:
    """Read TOML as it is written, with its comments. Raise ConfigError."""
    try:
        return tomlkit.parse(data)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def checked(document: Any, path: Path, parse: Callable[[bytes, Path], object]) -> bytes:
    """Return the text, as the program reads it, too (law 1). Raise ConfigError."""
    data: bytes = tomlkit.dumps(document).encode()
    parse(data, path)
    return data
