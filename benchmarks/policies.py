"""A policy of a million cards and as many revocations: look-ups, memory, apply, and a change of it.

Laws:
1. The policy is made in a process of its own, and put in force in another, so that the memory and
   the pauses of one are not those of the other.
2. The pieces are brought as a backend brings them; the carrier costs nothing here. The file is a
   real one.
3. A pause is how much later than asked the event loop came round, while all that went on, less the
   time for which it was ready and other programs had the cores (`beats`). Beside it stand the whole
   pause and that of a loop with nothing to do, for as long.
4. The time of a look-up is the thread's CPU. That of a change is the clock's: the disk is in it.
5. The hub whose memory is looked at is a process as a desk runs it. It has the policy in its file.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.beats import BEAT_SECONDS, beating
from benchmarks.start import IDLE_SECONDS, Memory, memory_of
from hubcore.access.cards import DIGEST_BYTES, Card
from hubcore.access.grant import Access
from hubcore.evidence.records import Head
from hubcore.policy import document as policies
from hubcore.policy.tree import names_of
from hubd.adapters.sqlite.audit import AuditStore
from hubd.adapters.sqlite.policy import PolicyDatabase
from hubsim.site import Site
from hubsim.stage import ask

CHANGES = 100
"""New cards and new revocations together."""
ROUNDS = 3
"""So often the policy is changed."""
AT_ONCE = 16
"""Pieces in one commit."""
ASKED = 64
LOOKUPS = 10_000
REVOCATIONS = 9
REVOCATION_SECONDS = 20.0
PIN_SHARE = 2
"""One card of so many has a PIN."""
_NOT_BEFORE = 1_790_000_000
_EXPIRES = 1_890_000_000


@dataclass(frozen=True, slots=True)
class Applied:
    """What one policy took: seconds, pieces of pages and of the index, bytes, longest pauses."""

    seconds: float
    cpu_seconds: float
    pieces: int
    index_pieces: int
    bytes: int
    pause_seconds: float
    """Without the time in which other programs had the cores."""
    whole_pause_seconds: float


@dataclass(slots=True)
class PolicyRounds:
    """Rows of each kind; look-ups in nanoseconds; starts in seconds."""

    rows: int
    whole: Applied
    changes: list[Applied]
    idle_pause_seconds: float
    card_ns: list[int]
    revoked_ns: list[int]
    small: Memory
    large: Memory
    start_small: float
    start_large: float
    revocations: list[float]
    """Seconds from the backend's order until the hub decides by it, each."""


async def measure(directory: Path, rows: int) -> PolicyRounds:
    """Measure a policy of so many cards and as many revocations."""
    log = directory / "log"
    endpoint = processes.free_endpoint()
    site = processes.make_site(directory / "site", endpoint)
    async with processes.radio(log) as transport, processes.backend(site, endpoint, log):
        start_small, small, revocations = await _hub(site, transport, log, REVOCATIONS)
    await _child(log, "make", str(site.path), str(rows))
    said = await _child(log, "apply", str(site.path), str(site.hub / "state"))
    await asyncio.to_thread(os.sync)
    async with processes.radio(log) as transport:
        start_large, large, _ = await _hub(site, transport, log, 0)
    return PolicyRounds(
        rows=rows,
        whole=Applied(**said["whole"]),
        changes=[Applied(**change) for change in said["changes"]],
        idle_pause_seconds=said["idle_pause_seconds"],
        card_ns=said["card_ns"],
        revoked_ns=said["revoked_ns"],
        small=small,
        large=large,
        start_small=start_small,
        start_large=start_large,
        revocations=revocations,
    )


async def _hub(
    site: Site, transport: str, log: Path, revocations: int
) -> tuple[float, Memory, list[float]]:
    """Run the hub; return how long its start took, its memory when it is idle, and revocations."""
    async with processes.hub(site, transport, log) as hub:
        ready_ns = await hub.note("ready")
        await asyncio.sleep(IDLE_SECONDS)
        memory = memory_of(hub.process.pid)
        took = [await _revocation(site) for _ in range(revocations)]
        return (ready_ns - hub.began_ns) / 1e9, memory, took


async def _revocation(site: Site) -> float:
    """Revoke somebody; return the seconds from the backend's order until it counts at the hub."""
    new = site.revoke(secrets.token_hex(8))
    order: dict[str, object] = {"do": "policy", "path": str(site.path / "policy.cbor")}
    began = time.perf_counter()
    await ask(site.backend / "backend.sock", order)
    async with asyncio.timeout(REVOCATION_SECONDS):
        while True:
            answer = await ask(site.hub / "hubd.sock", {"id": 1, "call": "status"})
            if answer["result"]["policy_version"] == new.version:
                return time.perf_counter() - began
            await asyncio.sleep(BEAT_SECONDS)


async def _child(log: Path, *arguments: str) -> dict[str, Any]:
    """Run this module as a process; return what it says at its end."""
    async with processes.running(log, "benchmarks.policies", *arguments) as process:
        said, _ = await process.communicate()
    found: dict[str, Any] = json.loads(said)
    return found


# The process that makes the policies.


def make(path: Path, rows: int, rounds: int = ROUNDS) -> None:
    """Write a policy of so many rows of each kind, and one for each round of changes."""
    site = Site(path)
    old = site.policy()
    most = rows + rounds * CHANGES // 2
    cards = [_card(number) for number in range(most)]
    revoked = [secrets.token_hex(8) for _ in range(most)]
    for number in range(1 + rounds):
        count = rows + number * CHANGES // 2
        new = replace(
            old,
            version=old.version + 1 + number,
            revoked_credentials=frozenset(revoked[:count]),
            cards={card.digest: card for card in cards[:count]},
        )
        (path / f"{number}.cbor").write_bytes(policies.issue(new, site.issuer))
    both = list(zip(cards, revoked, strict=True))
    some = random.sample(both, min(LOOKUPS, rows))
    asked = [[card.digest.hex(), credential] for card, credential in some]
    (path / "asked.json").write_text(json.dumps(asked))
    print("{}")


def _card(number: int) -> Card:
    return Card(
        digest=secrets.token_bytes(DIGEST_BYTES),
        credential=secrets.token_hex(8),
        not_before=_NOT_BEFORE,
        expires=_EXPIRES,
        access=(Access(1, 1, (7,)),),
        pin=secrets.token_bytes(DIGEST_BYTES) if number % PIN_SHARE == 0 else None,
    )


# The process that puts them in force, in the state of the hub.


async def _apply(path: Path, state: Path) -> None:
    site = Site(path)
    prove = partial(policies.prove, issuer=site.verifier, site=site.name)
    async with await AuditStore.open(state / "audit.db") as audit:
        head = audit.head()
    async with await PolicyDatabase.open(state / "policy.db", site.name, prove) as store:
        put = partial(_put, store, path, prove, head)
        whole = await put(0)
        async with beating() as idle:
            await asyncio.sleep(whole.seconds)
        changes = [await put(number) for number in range(1, 1 + ROUNDS)]
        asked = json.loads((path / "asked.json").read_text())
        card_ns = []
        revoked_ns = []
        for digest, credential in asked:
            card_ns.append(_timed(partial(store.card, bytes.fromhex(digest))))
            revoked_ns.append(_timed(partial(store.revoked, credential, bytes(16))))
    said = {
        "whole": asdict(whole),
        "changes": [asdict(change) for change in changes],
        "idle_pause_seconds": max(idle.whole),
        "card_ns": card_ns,
        "revoked_ns": revoked_ns,
    }
    print(json.dumps(said))


def _timed(look: Callable[[], object]) -> int:
    began = time.thread_time_ns()
    found = look()
    took = time.thread_time_ns() - began
    if not found:
        raise RuntimeError("a row of the policy is not found")
    return took


async def _put(
    store: PolicyDatabase,
    path: Path,
    prove: partial[policies.Proven],
    head: Head,
    number: int,
) -> Applied:
    """Put a policy in force as a hub does; return what it took."""
    brought = policies.split((path / f"{number}.cbor").read_bytes())
    taken: list[bytes] = []
    async with beating() as pauses:
        began = time.perf_counter()
        cpu = time.process_time()
        proven = await asyncio.to_thread(prove, brought.root)
        root = await asyncio.to_thread(proven.root)
        await store.stage(root)
        while names := store.wanted(ASKED):
            for some in _parts(names, brought.pieces):
                await store.take(some)
                taken += some
        await store.put_in_force(head)
        seconds = time.perf_counter() - began
        cpu_seconds = time.process_time() - cpu
    index = sum(map(_is_index, taken))
    return Applied(
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        pieces=len(taken) - index,
        index_pieces=index,
        bytes=len(brought.root) + sum(map(len, taken)),
        pause_seconds=max(pauses.own),
        whole_pause_seconds=max(pauses.whole),
    )


def _is_index(piece: bytes) -> bool:
    """Tell whether a piece is one of an index: it has no pages."""
    return len(names_of(piece)) == 1


def _parts(names: Sequence[bytes], pieces: Mapping[bytes, bytes]) -> list[list[bytes]]:
    found = [pieces[name] for name in names]
    return [found[start : start + AT_ONCE] for start in range(0, len(found), AT_ONCE)]


def main() -> None:
    """Run as `python -m benchmarks.policies make SITE ROWS`, or `apply SITE STATE`."""
    what, path, argument = sys.argv[1:]
    if what == "make":
        make(Path(path), int(argument))
    else:
        asyncio.run(_apply(Path(path), Path(argument)))


if __name__ == "__main__":
    main()
