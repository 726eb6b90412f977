"""`python -m benchmarks.site`: the site's server with 10,000 people, in one run.

Laws:
1. The server is `hubsite serve`, a process of its own with its own configuration; who asks is
   another process on the same machine.
2. A page's time is a browser's, over TLS, on a connection that is kept, after one request that
   warms the server. So it holds the server's whole time, and more.
3. An answer that is no page is an error, never a figure.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from django.db import connection

from benchmarks.machine import describe
from benchmarks.site.callers import Answered, Asker, fetch_all
from benchmarks.site.sizes import Size
from benchmarks.start import children, memory_of
from benchmarks.stats import p50, p99
from benchmarks.table import Figure, Table, text
from hubsim.site.documents import make_key
from hubsim.stage import free_port
from hubsite import config
from hubsite.starting import begin, make_tables
from hubtls.keys import private_pem
from tests.site.served import context_of, serving
from tests.site.server import make_folder

PAGES = ("/", "/person", "/person?page=50", "/group", "/door", "/grant", "/acts", "/hubs")
PAGE_GOAL_MS = 200.0
MEMORY_GOAL_MB = 200.0
PHONES_GOAL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What one run has seen: seconds of each page, answers to phones, memory in MB (PSS)."""

    pages: dict[str, list[float]]
    first: list[Answered]
    again: list[Answered]
    memory_mb: float


def main() -> int:
    """Measure, and print the table; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.site", description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--acts", type=int, default=100_000)
    parser.add_argument("--phones", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=100)
    told = parser.parse_args()
    size = Size(told.people, told.acts, told.phones)
    with tempfile.TemporaryDirectory(prefix="hubsite-bench-") as folder:
        seen = measure(Path(folder) / "s", size, told.rounds)
    print(shown(seen, size, told.rounds))
    return 0


def measure(folder: Path, size: Size, rounds: int) -> Seen:
    """Fill a server's tables, start it, and ask. Raise RuntimeError."""
    port = free_port()
    file = make_folder(folder, "--listen", f"127.0.0.1:{port}")
    key = make_key()
    (folder / "issuer.key").write_bytes(private_pem(key))
    (folder / "issuer.key").chmod(0o600)
    file.write_text(f'issuer_key = "issuer.key"\n{file.read_text()}')
    site = config.load(file)
    begin(site)
    make_tables(site)
    from benchmarks.site.rows import fill  # there are tables only now

    filled = fill(size)
    connection.close()
    context = context_of(file)
    with serving(file) as leader:
        asker = Asker(port, context, filled.cookie)
        pages = {}
        for path in (*PAGES, f"/person/{filled.person}"):
            asker.get(path)
            pages[path] = [asker.get(path) for _ in range(rounds)]
        first, again = (asyncio.run(fetch_all(port, context, filled.tokens)) for _ in range(2))
        return Seen(pages, first, again, memory_of_all(leader))


def memory_of_all(leader: int) -> float:
    """Return the memory of a process and its children, in MB (PSS)."""
    return sum(memory_of(one).proportional for one in (leader, *children(leader)))


def shown(seen: Seen, size: Size, rounds: int) -> str:
    """Return the table."""
    of = f"{size.people:,} people, {size.acts:,} acts"
    worst = max(seen.pages, key=lambda path: p99(seen.pages[path]))
    lines = [
        f"{path:40} p50 {p50(took) * 1e3:6.0f} ms   p99 {p99(took) * 1e3:6.0f} ms"
        for path, took in seen.pages.items()
    ]
    figures = [
        Figure(
            key="site_page_p99",
            name=f"the slowest page with {of}, p99",
            value=p99(seen.pages[worst]) * 1e3,
            unit="ms",
            goal=PAGE_GOAL_MS,
            beside=f"{worst}; p50 {p50(seen.pages[worst]) * 1e3:.0f} ms",
        ),
        Figure(
            key="site_memory",
            name="memory of the server with its parent process (PSS)",
            value=seen.memory_mb,
            unit="MB",
            goal=MEMORY_GOAL_MB,
        ),
        *_phones("site_phones_first", "fetch their first grants at once", seen.first),
        *_phones("site_phones_again", "fetch them again", seen.again),
    ]
    return "\n".join([*lines, "", text(Table(describe(), {"pages": rounds}, figures, ()))])


def _phones(key: str, what: str, answers: list[Answered]) -> list[Figure]:
    seconds = [one.seconds for one in answers]
    refused = sum(one.status != HTTPStatus.OK for one in answers)
    return [
        Figure(
            key=key,
            name=f"{len(answers)} phones {what}, p99",
            value=p99(seconds),
            unit="s",
            goal=PHONES_GOAL_SECONDS,
            beside=f"p50 {p50(seconds):.2f} s; the phones share the machine",
        ),
        Figure(key=f"{key}_refused", name="of them refused", value=refused, goal=0),
    ]


if __name__ == "__main__":
    sys.exit(main())
