"""`hubctl update cache`: whether a site's cache of updates is fresh, where it is kept."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from hubctl.answers import print_json
from hubctl.options import CACHE_FILE, JSON
from hubctl.updating.board import read_board
from hubctl.updating.cache import cache_page, cache_troubles
from hubterm.ending import end_with_error
from hubterm.exits import NO, OK

NO_CACHE = "this machine keeps no cache of updates: docs/updates.md, A cache for a site"


@click.command()
@CACHE_FILE
@JSON
def cache(cache: Path, as_json: bool) -> None:
    """Show whether the site's cache of updates is fresh, and what keeps it from that.

    Exit status 1 while somebody is needed.
    """
    try:
        board = read_board(cache)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        end_with_error("unreadable", f"{cache}: {why}", as_json)
    if board is None:
        end_with_error("down", NO_CACHE, as_json)
    now = time.time()
    found = cache_troubles(board, now)
    if as_json:
        print_json({**board, "problems": [one._asdict() for one in found]})
    else:
        cache_page(board, now).show()
    sys.exit(NO if found else OK)
