"""A bridge's store on a real disk that is small: filled by its hubs, and by others."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hubbridge.rules.room import RoomLimits
from hubbridge.store.leaving import Durable
from hubbridge.store.meeting import Resume
from hubbridge.store.offering import Offer
from hubbridge.store.reading import Read
from hubbridge.store.writer import Writer
from hubcore.errors import StoreError
from hubcore.evidence.records import Head, StoredRecord, chain_hash

ROOT = Path(__file__).parents[2]
LIMITS = RoomLimits(budget_bytes=1 << 30, hubs_max=4, free_bytes_min=4 << 20)
BATCH = 64


def more(head: Head) -> tuple[StoredRecord, ...]:
    made: list[StoredRecord] = []
    for number in range(head.number + 1, head.number + 1 + BATCH):
        body = number.to_bytes(4, "big") * 500
        head = Head(number, chain_hash(head.hash, number, body))
        made.append(StoredRecord(number, body, head.hash))
    return tuple(made)


def filled_by_hubs(writer: Writer) -> int:
    """Offer until nothing more is taken; return how many records are held."""
    writer.write([Resume("hub-1", Head())])
    while True:
        (offered,) = writer.write([Offer("hub-1", more(writer.hubs["hub-1"].newest))])
        if offered.refused:
            return writer.hubs["hub-1"].newest.number


def held_by(writer: Writer) -> tuple[int, ...]:
    """Offer once; return what is held of it."""
    try:
        (offered,) = writer.write([Offer("hub-1", more(writer.hubs["hub-1"].newest))])
    except StoreError:
        return ()
    held: tuple[int, ...] = offered.held
    return held


def hubs(folder: Path) -> None:
    """A disk that hubs have filled takes records again once the backend has those before."""
    with contextlib.closing(Writer(folder / "bridge.db", LIMITS)) as writer:
        first = filled_by_hubs(writer)
        held = first
        assert first > BATCH
        assert writer.is_tight
        assert os.statvfs(folder).f_bavail > 0
        for _ in range(3):
            writer.write([Durable("hub-1", held)])
            while writer.has_more:
                writer.write([])
            assert writer.used == {"hub-1": 0}
            newest = filled_by_hubs(writer)
            assert newest - held > first // 2
            held = newest


def others(folder: Path) -> None:
    """A disk that others have filled to its last byte is a sentence, and heals by itself."""
    filler = folder / "filler"
    with contextlib.closing(Writer(folder / "bridge.db", LIMITS)) as writer:
        writer.write([Resume("hub-1", Head()), Offer("hub-1", more(Head()))])
        with filler.open("ab", buffering=0) as stream:
            for size in (1 << 16, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        stream.write(bytes(size))
        assert os.statvfs(folder).f_bavail == 0
        for _ in range(3):
            assert held_by(writer) == ()
        filler.unlink()
        assert len(held_by(writer)) == BATCH
        (read,) = writer.write([Read("hub-1", 0, 10_000)])
        assert len(read) == 2 * BATCH


@pytest.mark.parametrize("case", ["hubs", "others"])
def test_a_bridge_on_a_full_disk(tmp_path: Path, case: str) -> None:
    command = (
        ("unshare", "--mount")
        if os.geteuid() == 0
        else ("unshare", "--user", "--map-root-user", "--mount")
    )
    if (
        not shutil.which("unshare")
        or subprocess.run([*command, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("this machine permits no mount namespace")
    script = f'mount -t tmpfs -o size=12M,mode=700 none "{tmp_path}" && exec "$@"'
    module = "tests.unit.test_bridge_full_disk"
    argv = [*command, "sh", "-c", script, "sh", sys.executable, "-m", module, case, str(tmp_path)]
    ran = subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr


if __name__ == "__main__":
    {"hubs": hubs, "others": others}[sys.argv[1]](Path(sys.argv[2]))
