"""`python -m benchmarks.site`: the site's server with 10,000 people and 1,000,000 records.

Laws:
1. The server is `hubsite serve`, a process of its own with its own configuration; who asks is
   another process on the same machine.
2. A page's time is a browser's, over TLS, on a connection that is kept, after one request that
   warms the server. So it holds the server's whole time, and more.
3. An answer that is no page is an error, never a figure.
4. Wall time on a machine with other work says little. So CPU time and load stand beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.site.bare import serving_bare
from benchmarks.site.callers import Answered, Asker, fetch_all
from benchmarks.site.cost import cpu_of_all, memory_of_all
from benchmarks.site.elsewhere import signing_elsewhere
from benchmarks.site.phones import measure_phones
from benchmarks.site.place import Place, place_at
from benchmarks.site.sizes import Filled, Revoked, Size, Visited
from benchmarks.stats import p50, p99
from benchmarks.table import Figure, Table, as_json, text
from tests.site.served import context_of, serving

LATEST = Path(__file__).parent.with_name("latest-site.json")
PAGES = (
    *("/", "/now/doors", "/now/doors/part", "/now/alarms", "/orders", "/devices"),
    *("/person", "/person?page=50", "/group", "/door", "/grant", "/guest", "/acts"),
    *("/hubs", "/hubs/of/hub-01", "/new-hubs"),
    *("/records", "/records?hub=hub-01", "/records?kind=access", "/records?kind=started"),
    *("/records?hub=hub-01&kind=started", "/records?hub=hub-01&kind=policy"),
    *("/records?door=1", "/records?door=1&kind=started", "/records/hub-01/1000"),
)
OF_PERSON = ("/person/{}", "/records?person={}", "/records?person={}&door=1")
PAGE_GOAL_MS = 200.0
MEMORY_GOAL_MB = 200.0
PHONES_GOAL_SECONDS = 2.0
REVOKED_GOAL_SECONDS = 1.0
REVOKED = 20
VISITED = 10


@dataclass(frozen=True, slots=True)
class Fetched:
    """What phones got that came at once, and CPU seconds for all of them, of each side."""

    answers: list[Answered]
    cpu_seconds: float
    cpu_of_phones: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What one run has seen: seconds of each page, answers to phones, memory in MB (PSS)."""

    pages: dict[str, list[float]]
    first: Fetched
    again: Fetched
    elsewhere: Fetched
    bare: Fetched
    memory_mb: float
    revoked: list[Revoked]
    visited: list[Visited]


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.site", description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--acts", type=int, default=100_000)
    parser.add_argument("--phones", type=int, default=500)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--at", type=Path, help="keep the filled site in this folder")
    parser.add_argument("--fill", action="store_true", help="fill it, and measure nothing")
    parser.add_argument(
        "--write",
        action="store_true",
        help=f"measure phones in a browser and of others, too, and write {LATEST.name}",
    )
    told = parser.parse_args()
    size = Size(told.people, told.acts, told.phones, told.records)
    with tempfile.TemporaryDirectory(prefix="hubsite-bench-") as folder:
        place = place_at(told.at or Path(folder) / "s", size)
        if told.fill:
            return 0
        seen = measure(place, told.rounds)
        beside = asyncio.run(measure_phones(Path(folder))) if told.write else []
    print(pages_of(seen))
    result = Table(describe(), {"pages": told.rounds}, [*figures_of(seen, size), *beside], ())
    print(text(result))
    if told.write:
        LATEST.write_text(json.dumps(as_json(result), indent=1, ensure_ascii=False) + "\n")
    return 0


def measure(place: Place, rounds: int) -> Seen:
    """Start a filled server, and ask. Raise RuntimeError."""
    context = context_of(place.file)
    filled = place.filled
    with serving(place.file) as leader:
        pages = _ask_pages(Asker(place.port, context, filled.cookie), filled, rounds)
        first, again = (_fetched(leader, place.port, context, filled) for _ in range(2))
        memory_mb = memory_of_all(leader)
    elsewhere = _signed_elsewhere(place, context)
    with serving_bare(place.file.parent) as (process, port):
        bare = _fetched(process, port, context, filled)
    from benchmarks.site.revoking import revoke_all

    with tempfile.TemporaryDirectory(prefix="hubsite-bench-") as folder:
        keys = filled.credentials[-REVOKED - 1 :]
        revoked, visited = asyncio.run(revoke_all(Path(folder), keys, VISITED))
    return Seen(pages, first, again, elsewhere, bare, memory_mb, revoked, visited)


def _signed_elsewhere(place: Place, context: ssl.SSLContext) -> Fetched:
    """Let all phones come once more without a grant, where `hubissuer` signs."""
    from benchmarks.site.rows import begin_again

    filled = begin_again(place.filled)
    with signing_elsewhere(place) as (file, signer), serving(file) as leader:
        _ask_pages(Asker(place.port, context, filled.cookie), filled, 1)  # as warm as the other
        before = cpu_of_all(signer)
        fetched = _fetched(leader, place.port, context, filled)
        of_signer = cpu_of_all(signer) - before
        return replace(fetched, cpu_seconds=fetched.cpu_seconds + of_signer)


def _ask_pages(asker: Asker, filled: Filled, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each page."""
    pages = {}
    for path in (*PAGES, *(one.format(filled.person) for one in OF_PERSON)):
        asker.get(path)
        shown_as = path.replace(filled.person, "PERSON")
        pages[shown_as] = [asker.get(path) for _ in range(rounds)]
    return pages


def _fetched(leader: int, port: int, context: ssl.SSLContext, filled: Filled) -> Fetched:
    """Let all phones come at once."""
    before = cpu_of_all(leader)
    own = time.process_time()
    answers = fetch_all(port, context, filled.tokens)
    own = time.process_time() - own
    return Fetched(answers, cpu_of_all(leader) - before, own)


def pages_of(seen: Seen) -> str:
    """Return a line a page."""
    lines = [
        f"{path:40} p50 {p50(took) * 1e3:6.0f} ms   p99 {p99(took) * 1e3:6.0f} ms"
        for path, took in seen.pages.items()
    ]
    return "\n".join([*lines, ""])


def figures_of(seen: Seen, size: Size) -> list[Figure]:
    """Return the rows of the server."""
    of = f"{size.people:,} people, {size.records:,} records, {size.acts:,} acts"
    worst = max(seen.pages, key=lambda path: p99(seen.pages[path]))
    return [
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
        *_phones(
            "site_phones_elsewhere",
            "fetch their first grants at once, and hubissuer signs",
            seen.elsewhere,
        ),
        _beside_bare(seen),
        *_revoked(seen.revoked),
        _visited(seen.visited),
    ]


def _phones(key: str, what: str, fetched: Fetched) -> list[Figure]:
    answers = fetched.answers
    seconds = [one.seconds for one in answers if one.status == HTTPStatus.OK]
    refused = len(answers) - len(seconds)
    cpu_ms = fetched.cpu_seconds * 1e3 / len(answers)
    return [
        Figure(
            key=key,
            name=f"{len(answers)} phones {what}, p99",
            value=p99(seconds),
            unit="s",
            goal=PHONES_GOAL_SECONDS,
            beside=f"p50 {p50(seconds):.2f} s; CPU of the server {cpu_ms:.1f} ms each, "
            f"of the phones {fetched.cpu_of_phones * 1e3 / len(answers):.1f} ms each",
        ),
        Figure(key=f"{key}_refused", name="of them refused", value=refused, goal=0),
    ]


def _beside_bare(seen: Seen) -> Figure:
    """Return what a phone costs the server beside a server that only shakes hands."""
    count = len(seen.bare.answers)
    seconds = [one.seconds for one in seen.bare.answers]
    return Figure(
        key="site_phones_bare",
        name="CPU of the server for a phone that has a grant / for a bare TLS handshake",
        value=seen.again.cpu_seconds / seen.bare.cpu_seconds,
        beside=f"{seen.again.cpu_seconds * 1e3 / count:.1f} ms / "
        f"{seen.bare.cpu_seconds * 1e3 / count:.1f} ms; bare: p99 {p99(seconds):.2f} s, "
        f"CPU of the phones {seen.bare.cpu_of_phones * 1e3 / count:.1f} ms each",
    )


def _revoked(revoked: list[Revoked]) -> list[Figure]:
    put = [one.seconds for one in revoked]
    at_hub = [one.hub_seconds for one in revoked]
    cpu_ms = sum(one.cpu_seconds for one in revoked) * 1e3 / len(revoked)
    return [
        Figure(
            key="site_revoked_p99",
            name="a revoked credential: from its commit until a hub has said that it has it, p99",
            value=p99(at_hub),
            unit="s",
            goal=REVOKED_GOAL_SECONDS,
            beside=f"p50 {p50(at_hub):.2f} s",
        ),
        Figure(
            key="site_revoked_put_p99",
            name="the same, until the hubs' engine has it, p99",
            value=p99(put),
            unit="s",
            beside=f"p50 {p50(put):.2f} s; CPU of the publisher's process {cpu_ms:.0f} ms each",
        ),
    ]


def _visited(visited: list[Visited]) -> Figure:
    seconds = [one.seconds for one in visited]
    a_visit = p50([took for one in visited for took in one.took])
    return Figure(
        key="site_revoked_at_door",
        name="a phone that comes again and again: from the commit until it is refused, the longest",
        value=max(seconds),
        unit="s",
        goal=REVOKED_GOAL_SECONDS,
        beside=f"p50 {p50(seconds):.2f} s of {len(seconds)}; a visit takes {a_visit:.2f} s of it",
    )


if __name__ == "__main__":
    sys.exit(main())
