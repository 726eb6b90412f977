"""How a word may go on: what bash, zsh and fish ask hubctl while somebody types.

Laws:
1. The words of commands come from the table, the names from hubd and from its configuration. After
   `--site` they are those of a site, and the names come from its bridge.
2. It is quick and silent: a hubd that does not answer at once gives no names, and no error.
3. A name is offered only if it is harmless to a shell: what is offered lands in a command line.
4. click brings the shells' side (`systemd/hubctl.bash`, `.zsh`, `.fish`), and the format.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

from hubctl.client import DEFAULT_SOCKET, HubClient, NoAnswer
from hubctl.options import with_shared
from hubctl.table import TABLE, Row, find, places
from hubterm.files import read_ordinary

CONFIG = Path("/etc/hubd/hubd.toml")
CONFIG_BYTES_MAX = 1 << 20
ANSWER_SECONDS = 0.5
NAMES_MAX = 256
SITE_FLAG = "--site"
_HARMLESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)

Items = list[CompletionItem[Any]]


class Names:
    """The names of this hub, by the noun that they stand after."""

    def __init__(self, socket: Path | str, config: Path = CONFIG) -> None:
        self._socket = socket
        self._config = config

    def of(self, noun: str) -> list[str]:
        """Return the names that may stand after a noun; none for one that has no names."""
        sources: dict[str, Callable[[], Iterable[object]]] = {
            "door": self._doors,
            "device": self._devices,
            "devices": self._devices,
            "osdp": self._readers,
            "reader": self._readers,
            "why": self._places,
        }
        find = sources.get(noun)
        if find is None:
            return []
        names = [name for name in find() if isinstance(name, str) and _HARMLESS.fullmatch(name)]
        return names[:NAMES_MAX]

    def _doors(self) -> Iterator[object]:
        return (door.get("id") for door in self._asked("doors"))

    def _devices(self) -> Iterator[object]:
        return (device.get("id") for device in self._asked("devices"))

    def _places(self) -> Iterator[object]:
        yield from self._doors()
        yield from self._readers()

    def _asked(self, call: str) -> Iterator[dict[str, Any]]:
        try:
            with HubClient(self._socket, answer_seconds=ANSWER_SECONDS) as client:
                found = client.call(call)
        except NoAnswer:
            return iter(())
        return _tables(found)

    def _readers(self) -> Iterator[object]:
        """Read the file; hubd has no call for its readers."""
        try:
            text = read_ordinary(self._config, CONFIG_BYTES_MAX).decode()
            found = tomllib.loads(text).get("readers")
        except (OSError, ValueError, RecursionError):
            return iter(())
        return (reader.get("id") for reader in _tables(found))


class SiteNames(Names):
    """The names of a site, by the noun or the option that they stand after."""

    def of(self, noun: str) -> list[str]:
        """Return the hubs that the bridge knows; none for a noun that has no names."""
        if noun not in ("hub", "hubs", "release", "device", "accept"):
            return []
        try:
            with HubClient(self._socket, answer_seconds=ANSWER_SECONDS) as client:
                found = client.call("site-status")
        except NoAnswer:
            return []
        hubs = _tables(found.get("hubs") if isinstance(found, dict) else None)
        names = [hub.get("hub") for hub in hubs]
        return [one for one in names if isinstance(one, str) and _HARMLESS.fullmatch(one)][
            :NAMES_MAX
        ]


def _table_of(typed: Sequence[str]) -> Sequence[Row]:
    if SITE_FLAG not in typed:
        return TABLE
    from hubctl.shell.site import SITE

    return SITE


def _tables(found: object) -> Iterator[dict[str, Any]]:
    items = found if isinstance(found, list) else []
    return (one for one in items if isinstance(one, dict))


def candidates(typed: Sequence[str], incomplete: str, names: Names) -> Items:
    """Return what a word may go on to, after the words that were typed."""
    table = _table_of(typed)
    valued = _valued_option(typed, table)
    if valued is not None:
        return _values(valued, incomplete, names)
    words = [typed[at] for at in places(typed)]
    found: dict[str, CompletionItem[Any]] = {}
    whole: Row | None = None
    for row in table:
        tokens = row.words.split()
        if row.hidden or not _begins(tokens, words):
            continue
        if len(tokens) <= len(words):
            whole = row
            continue
        token = tokens[len(words)]
        offered = names.of(row.noun) if token.isupper() else [token]
        for one in offered:
            found.setdefault(one, CompletionItem(one, help=row.says))
    if incomplete.startswith("-"):
        return _options(whole, incomplete)
    if whole is not None:
        for one in names.of(whole.noun):
            found.setdefault(one, CompletionItem(one))
    matching = [item for name, item in found.items() if name.startswith(incomplete)]
    return matching or _files(whole, incomplete)


def _valued_option(typed: Sequence[str], table: Sequence[Row]) -> click.Option | None:
    """Return the option of the command whose value is typed now."""
    found = find(typed, table) if typed and typed[-1].startswith("-") else None
    if found is None:
        return None
    for parameter in with_shared(found.row.load()).params:
        if isinstance(parameter, click.Option) and typed[-1] in parameter.opts:
            return None if parameter.is_flag else parameter
    return None


def _values(option: click.Option, incomplete: str, names: Names) -> Items:
    """Return the choices of an option, or the names of what it is called after, such as doors."""
    if isinstance(option.type, click.Path):
        return [CompletionItem(incomplete, type="file")]
    choices = option.type.choices if isinstance(option.type, click.Choice) else None
    offered = names.of(str(option.name)) if choices is None else list(choices)
    return [CompletionItem(one) for one in offered if one.startswith(incomplete)]


def _begins(tokens: Sequence[str], words: Sequence[str]) -> bool:
    pairs = zip(tokens, words, strict=False)
    return all(token == word or token.isupper() for token, word in pairs)


def _options(row: Row | None, incomplete: str) -> Items:
    if row is None:
        return []
    offered: list[str] = ["--help"]
    for parameter in with_shared(row.load()).params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            offered += parameter.opts
    return [CompletionItem(one) for one in sorted(offered) if one.startswith(incomplete)]


def _files(row: Row | None, incomplete: str) -> Items:
    """A command that takes a path leaves the rest to the shell."""
    if row is None:
        return []
    takes_path = any(
        isinstance(parameter, click.Argument) and isinstance(parameter.type, click.Path)
        for parameter in row.load().params
    )
    return [CompletionItem(incomplete, type="file")] if takes_path else []


class _ByTable(ShellComplete):
    def get_completions(self, args: list[str], incomplete: str) -> Items:
        """Return what the table and this hub offer."""
        if SITE_FLAG in args:
            from hubctl.site.asking import default_socket

            return candidates(args, incomplete, SiteNames(default_socket()))
        socket = os.environ.get("HUBD_SOCKET") or DEFAULT_SOCKET
        return candidates(args, incomplete, Names(socket))


class Bash(_ByTable, BashComplete):
    """For bash."""


class Zsh(_ByTable, ZshComplete):
    """For zsh."""


class Fish(_ByTable, FishComplete):
    """For fish."""


SHELLS: dict[str, type[ShellComplete]] = {"bash": Bash, "zsh": Zsh, "fish": Fish}


def register() -> None:
    """Let click answer the shells by these."""
    for name, shell in SHELLS.items():
        add_completion_class(shell, name)
