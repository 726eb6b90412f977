"""What the commands share: their options, and the site and the phone that a command is about."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from hubcore.calendar.schedule import Rule
from hubsim import site as sites
from hubsim.weekly import weekly

POINT = click.IntRange(0, 0xFFFF_FFFF)
"""An access point of a grant."""
HUB_POINT = click.IntRange(1, 65535)
"""An access point that a hub's configuration takes."""

ANSWER_SECONDS = 15.0
_PORT_MAX = 65535
_ENDPOINT = re.compile(r"tcp://(?:\*|[\w.-]+|\[[0-9A-Fa-f:.]+\]):(?:\*|[0-9]{1,5})", re.ASCII)
_F = TypeVar("_F", bound=Callable[..., Any])


def site_option(default: Path | None = None) -> Callable[[_F], _F]:
    """Take `--at`, before a command or after it; its path is the command's object."""
    return click.option(
        "--at",
        type=click.Path(path_type=Path),
        default=default,
        expose_value=False,
        callback=_remember,
        help="The site's folder.",
    )


def _remember(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    if path is not None:
        context.obj = path


def new_name(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    """Check a name that becomes a folder."""
    if name in ("", ".", "..") or "/" in name or not name.isprintable():
        raise click.BadParameter(f"{name!r} names a folder: choose letters and digits")
    return name


def endpoint(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    """Check tcp://ADDRESS:PORT, as ZeroMQ binds it; port * picks one."""
    if text is None:
        return None
    port = text.rpartition(":")[2]
    well_formed = _ENDPOINT.fullmatch(text) is not None
    if not well_formed or (port != "*" and int(port) > _PORT_MAX):
        raise click.BadParameter(
            f"{text!r}: expected tcp://ADDRESS:PORT, such as tcp://0.0.0.0:4505"
        )
    return text


def weekly_rules(
    _context: click.Context,
    _parameter: click.Parameter,
    texts: tuple[str, ...],
) -> tuple[Rule, ...]:
    """Read weekly spans."""
    rules: list[Rule] = []
    try:
        for text in texts:
            rules.extend(weekly(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return tuple(rules)


def open_site(path: Path) -> sites.Site:
    """Return the site in a folder; say how to make one when there is none."""
    if not (path / "site.json").is_file():
        raise click.ClickException(
            f"there is no site in {path}: make one with `hubsim site{sites.at(path)} init`"
        )
    return sites.Site(path)


def phone_folder(site: sites.Site, name: str) -> Path:
    """Return the folder of a phone of the site; say how to make one when there is none."""
    known = sorted(key.parent.name for key in site.path.glob("phones/*/phone.key"))
    if name in known:
        return site.phone(name)
    at = sites.at(site.path)
    there = f"; there are {', '.join(known)}" if known else ""
    raise click.ClickException(
        f"there is no phone {name}: make it with `hubsim site{at} grant {name}`{there}"
    )


def run_until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Run a server until Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(work)


def ask_backend(
    path: Path, order: dict[str, object], seconds: float = ANSWER_SECONDS
) -> dict[str, Any]:
    """Ask the backend that runs for the site in a folder; say so when none does."""
    from hubsim.stage import ask

    socket = open_site(path).backend / "backend.sock"
    try:
        answer: dict[str, Any] = asyncio.run(ask(socket, order, seconds))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise click.ClickException(
            f"no backend runs for {path}: start it with `hubsim backend --at {path}`"
        ) from error
    if not answer["ok"]:
        raise click.ClickException(str(answer["error"]))
    return answer
