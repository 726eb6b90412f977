"""`hubctl status --watch`: the status again and again, also through a restart of the daemon."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from hubcore.version import __version__
from hubctl.answers import ask, error_document, judge, print_json
from hubctl.client import NoAnswer
from hubctl.page import Page
from hubctl.show import status_page
from hubterm.exits import NO_ANSWER, status_of
from hubterm.text import clean

DISTRIBUTION = "hubd-access-hub"
WATCH_SECONDS = 2.0

ShowPage = Callable[[Page], None]


class _Answer(NamedTuple):
    """One answer of the daemon, or why there is none: for machines, for people, and judged."""

    document: dict[str, Any]
    page: Page
    exit_status: int


def watch(path: Path, as_json: bool) -> NoReturn:
    """Show the status until Ctrl-C; the exit status is that of the last one that was shown."""
    exit_status = NO_ANSWER
    on_screen = sys.stdout.isatty() and not as_json
    try:
        with _screen() if on_screen else nullcontext(_print_page) as show:
            while True:
                answer = _ask(path)
                exit_status = answer.exit_status  # before it is shown: Ctrl-C may come at once
                if as_json:
                    print_json(answer.document)
                else:
                    show(answer.page)
                time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        sys.exit(exit_status)


def _ask(path: Path) -> _Answer:
    try:
        status = {**ask(path, "status"), "installed_version": _installed_version()}
    except NoAnswer as error:
        page = Page(facts=[("no answer", clean(error))])
        return _Answer(error_document(error), page, status_of(error.code))
    return _Answer(status, status_page(status), judge(status))


def _installed_version() -> str:
    """Return the version on the disk now; it may be newer than this program.

    Its library takes long to load, so that only what runs for long asks.
    """
    import importlib.metadata

    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return __version__


def _print_page(page: Page) -> None:
    print(page.plain(), end="\n\n", flush=True)


@contextmanager
def _screen() -> Iterator[ShowPage]:
    """A full screen of rich; yields what shows a page on it, as much of it as fits."""
    from rich.live import Live

    with Live(screen=True, auto_refresh=False) as live:
        yield lambda page: live.update(page.fitted(live.console), refresh=True)
