"""Every command of hubctl against a real daemon: for people, for machines, into a full disk, to a
reader who has gone.

The hub has a card reader. Its key is changed by the first command that asks for it; whoever asks
again hears the same.

A command that is new and has no case here fails a test.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import pytest_asyncio

from hubcore.checks import Area, Topic
from hubcore.evidence.records import Record, RecordKind
from hubcore.update.image import Image
from hubcore.update.running.wishes import Wish
from hubcore.update.slots import Slot, Slots
from hubctl.table import TABLE
from hubd.adapters.sqlite.audit import AuditStore
from hubd.building.topics import judged
from hubd.config.file import load
from hubd.enrolment.__main__ import enroll as enrolment_program
from hubd.netcheck.__main__ import netcheck as netcheck_program
from hublocal.places import LIMITS
from hubsim.site.readers import add_reader, readers_of
from hubsim.stage import Stage
from hubupdate.mirror.board import CacheBoard
from hubupdate.mirror.mirror import Mirrored
from hubupdate.running.board import Board, Shown
from tests.fakes.network import SHOWN
from tests.fakes.zwave import FakeService
from tests.fakes.zwave_asking import Asked
from tests.scenario.conftest import FRONT, PULSE_SECONDS, policy_in_force, start_again
from tests.scenario.test_enrolment import bureau, enroll, promise

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS = 20.0
FUTURE_MS = 3_600_000
Words = tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """What a command shows of the stage's hub.

    `says` stands in what people read, `keys` in what machines read; a command that `streams` runs
    until it is ended. `lines`: it prints one document a line. `statuses`: how it may end, where
    that depends on the machine.
    """

    says: Words
    keys: Words = ()
    more: Words = ()
    streams: bool = False
    lines: bool = False
    statuses: tuple[int, ...] = (0,)


BAD_DIGEST = b"\xbb" * 32
NAMES = {"NODE": "2", "NAME": "front", "CREDENTIAL": "nobody", "DIGEST": BAD_DIGEST.hex()}
"""What is typed for the words in capitals."""
CASES: dict[Words, Case] = {
    ("status",): Case(
        says=("hub-1 of site", "Front door"), keys=("hub", "ready", "problems", "doors", "clock")
    ),
    ("why",): Case(
        says=("Nobody was refused since hubd started",), keys=("zone", "since", "denials")
    ),
    ("doors",): Case(says=("front", "Front door"), keys=("doors",)),
    ("door", "NAME"): Case(
        says=("front, Front door", "Locked", "nobody", "last decisions"),
        keys=("id", "mode", "orders", "movers", "lines", "since", "decisions"),
    ),
    ("door", "NAME", "test"): Case(
        says=("would drive it for", "can be driven", "nothing"),
        keys=("door", "would", "movers", "inputs", "bolt", "pulsed"),
    ),
    ("door", "NAME", "release"): Case(
        says=("Recorded, and released: front for 1 s.",),
        keys=("door", "released", "seconds"),
        more=("--for", "1s"),
    ),
    ("door", "NAME", "lockdown"): Case(
        says=("front is locked down",), keys=("door", "changed", "mode", "orders")
    ),
    ("door", "NAME", "normal"): Case(
        says=("front", "It is "), keys=("door", "changed", "mode", "orders")
    ),
    ("policy", "why"): Case(
        says=("This hub has no grant of it", "access point 1", "not known"),
        keys=("zone", "at", "asker", "known", "kind", "door", "points"),
        more=("nobody-here", "front"),
        statuses=(1,),
    ),
    ("devices",): Case(says=("vault", "Vault"), keys=("devices",)),
    ("zwave",): Case(
        says=("is there", "the tested pair", "vault, lock", "S2 access control", "not configured"),
        keys=("zwave", "openzwave", "under_way"),
    ),
    ("zwave", "include"): Case(
        says=("Node 12 is in the network: S2 access control.", "node = 12"),
        keys=("node", "phase", "security", "low_security", "shown", "fits"),
        more=("--pin", "04711"),
    ),
    ("zwave", "exclude"): Case(
        says=("Node 12 was taken out",), keys=("node", "phase", "devices", "warning")
    ),
    ("zwave", "NODE", "ping"): Case(says=("Node 2 answers.",), keys=("node", "answered")),
    ("zwave", "NODE", "heal"): Case(
        says=("Node 2 has found its ways again.",), keys=("node", "answered")
    ),
    ("zwave", "NODE", "remove-failed"): Case(
        says=("Node 2 was forgotten.", "hubd.toml still has it: vault"),
        keys=("node", "devices", "warning"),
    ),
    ("osdp",): Case(says=("front", "secured", "its "), keys=("readers",)),
    ("reader", "NAME"): Case(says=("front (osdp)", "secured", "address"), keys=("reader",)),
    ("hub",): Case(
        says=("hub-1 of site", "certificate ends", "days", "time at the site", "(ES256)", "(Curve"),
        keys=("hub", "site", "zone", "version", "certificate", "clock", "public_keys"),
    ),
    ("uplink",): Case(
        says=(
            "connected since",
            "records waiting",
            "the backend's time less this hub's",
            "MiB",
            "telemetry",
            "dropped",
        ),
        keys=("uplink", "records", "telemetry"),
    ),
    ("bridge",): Case(says=("none configured",), keys=("bridge",)),
    ("clock",): Case(says=("clock: trusted",), keys=("clock",)),
    ("clock", "trust"): Case(
        says=("trusted already", "nothing was changed"), keys=("state", "wall", "vouched")
    ),
    ("state", "accept"): Case(says=("Nothing was in doubt",), keys=("was", "policy_version")),
    ("keys",): Case(
        says=("identity", "ES256", "epoch", "in memory alone", "uplink", "issuer (public)"),
        keys=("keys",),
    ),
    ("keys", "rotate"): Case(
        says=("Recorded, and changed: the epoch key is",),
        keys=("key", "before", "id"),
        more=("epoch",),
    ),
    ("metrics",): Case(says=("hubd_up 1", "hubd_strike_asked_seconds_count"), keys=("metrics",)),
    ("ble",): Case(
        says=("virtual air", "on air", "since", "phones connected"),
        keys=("adapter", "advertising", "links", "link_places", "last_link", "last_failure"),
    ),
    ("trace",): Case(says=(), keys=("unlocks",)),
    ("top",): Case(
        says=("hub-1", "front", "records"),
        keys=("status", "measured", "radio", "trace"),
        streams=True,
    ),
    ("tail",): Case(says=("door", "front"), keys=("event",), streams=True),
    ("doctor",): Case(
        says=("1 checks are well",), keys=("worst", "checks"), more=("--only", "hubd")
    ),
    ("netcheck",): Case(
        says=("CurveZMQ", "clock"),
        keys=("host", "port", "proven", "steps"),
        more=("{backend}",),
        statuses=(0, 1),  # 1 where no service keeps this machine's clock
    ),
    ("config", "check"): Case(
        says=("fact: hub: hub-1 of site", "not there: "),
        keys=("file", "right", "findings"),
        more=("--file", "{config}"),
        statuses=(1,),  # the line of the simulated reader is none for hubd
    ),
    ("config", "show"): Case(
        says=("hub.id = hub-1", "(default)"),
        keys=("file", "settings"),
        more=("--file", "{config}"),
    ),
    ("audit", "verify"): Case(
        says=("The chain holds.",),
        keys=("file", "records", "first", "last", "head", "waiting", "acknowledged", "holds"),
        more=("--file", "{audit}"),
    ),
    ("report",): Case(
        says=("report.html:", "records of 7 days."),
        keys=("file", "html", "records", "cut", "decisions", "doors", "hub", "uplink"),
        more=("--file", "{audit}", "--html", "{root}/report.html"),
    ),
    ("bench",): Case(
        says=("an unlock", "commit one record", "BlueZ"),
        keys=("state_directory", "budget_ms", "unlock_ms", "worst", "figures"),
        more=("--state", "{root}", "--rsa-bits", "2048"),
    ),
    ("bugreport",): Case(
        says=("INDEX.txt lists them",),
        keys=("file", "parts"),
        more=("{root}/report.tar.gz",),
    ),
    ("reader", "NAME", "install"): Case(
        says=("Reader front has proven itself with its key.",), keys=("reader",)
    ),
    ("reader", "NAME", "change-key"): Case(
        says=("Reader front has proven itself with next_key.",), keys=("reader",)
    ),
    ("policy",): Case(
        says=("version", "root", "signed", "cards"),
        keys=("version", "digest", "issued", "age_seconds", "ahead_seconds", "rows"),
    ),
    ("policy", "load"): Case(
        says=("The hub has this policy already: version 1.",),
        keys=("version", "already", "pieces"),
        more=("{policy}",),
    ),
    ("passback", "reset"): Case(
        says=("does not know where anybody is", "nothing was changed"),
        keys=("credential", "forgotten"),
    ),
    ("passback", "CREDENTIAL", "reset"): Case(
        says=("does not know where nobody is", "nothing was changed"),
        keys=("credential", "forgotten"),
    ),
    ("enroll",): Case(
        says=("enrolled already: hub hub-a of site acme",),
        keys=("hub", "site", "access_points", "new", "kept", "unwired"),
        more=("127.0.0.1:1", "--root", "{root}", "--token-file", "{root}/token"),
    ),
    ("audit", "export"): Case(
        says=("records, 1 to", "The hub signed it, and recorded who took it."),
        keys=("file", "records", "first", "head", "signed", "why_unsigned"),
        more=("{root}/all.cbor", "--file", "{audit}"),
    ),
    ("audit", "show"): Case(
        says=("kind", "hash before", "the backend"),
        keys=("number", "at_ms", "kind", "detail", "bytes", "hash", "before", "acknowledged"),
        more=("1", "--file", "{audit}"),
    ),
    ("update",): Case(
        says=("2.0 in slot B", "1.0"),
        keys=("phase", "running", "quarantine", "problems"),
        more=("--board", "{board}"),
        statuses=(1,),  # an image is in quarantine
    ),
    ("update", "cache"): Case(
        says=("the folder is up to date", "2 plans, 1 images"),
        keys=("at", "fresh_at", "lists_end", "problems"),
        more=("--cache", "{cache}"),
    ),
    ("update", "check"): Case(
        says=("2.0 in slot B",),
        keys=("phase", "running", "quarantine", "problems"),
        more=("--board", "{board}", "--wishes", "{wishes}"),
        statuses=(1,),
    ),
    ("update", "hold"): Case(
        says=("This hub stays at its version",),
        keys=("held",),
        more=("--board", "{board}", "--wishes", "{wishes}"),
    ),
    ("update", "rollback"): Case(
        says=("The version before comes back",),
        keys=("wished",),
        more=("--board", "{board}", "--wishes", "{wishes}"),
    ),
    ("update", "DIGEST", "let-out"): Case(
        says=("It may be tried again.",),
        keys=("wished", "digest"),
        more=("--board", "{board}", "--wishes", "{wishes}"),
    ),
    ("audit", "list"): Case(
        says=("started",), keys=("number", "kind"), more=("--file", "{audit}"), lines=True
    ),
}


VAULT = """
[zwave]
socket = "{socket}"

[[devices]]
kind = "zwave"
id = "vault"
name = "Vault"
node = 2
capability = "lock"
"""


LEAVES: dict[Words, click.Command] = {
    tuple(row.words.split()): row.load() for row in TABLE if not row.hidden
}
LEAVES["enroll",] = enrolment_program
LEAVES["netcheck",] = netcheck_program
"""Every command; in place of one that gives way to a program, that program."""
every_command = pytest.mark.parametrize("words", LEAVES, ids=" ".join)


def has_json(words: Words) -> bool:
    return any("--json" in parameter.opts for parameter in LEAVES[words].params)


@every_command
async def test_every_command_has_a_case_and_speaks_json(words: Words) -> None:
    assert words in CASES, (
        f"hubctl {' '.join(words)} is new: add a case here, and a row to docs/hubctl.md"
    )
    assert has_json(words)


async def test_no_case_is_of_a_command_that_has_gone() -> None:
    assert set(CASES) == set(LEAVES)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def zwave(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FakeService]:
    """A Z-Wave service; whoever takes in or out finds a device at once, node 12."""
    async with FakeService(tmp_path_factory.mktemp("z") / "z.sock") as service:
        Asked(service)
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    tmp_path_factory: pytest.TempPathFactory, zwave: FakeService
) -> AsyncIterator[Stage]:
    """A running stage with one door, a card reader there and a Z-Wave lock of a vault, and the disk
    of an enrolled hub.
    """
    made = Stage(
        tmp_path_factory.mktemp("desk") / "site",
        [FRONT],
        person=False,
        extra_config=VAULT.format(socket=zwave.socket),
    )
    add_reader(made.site, made.site.first_hub, "front", FRONT.access_point, next_key=True)
    root = disk_of(made)
    async with bureau(made.site.path.parent / "bureau") as enrolling:
        token = promise(enrolling.desk)
        status, said = await enroll(root, enrolling.port, token)
        assert status == 0, said
    (root / "token").touch(mode=0o600)
    (root / "token").write_text(token)
    async with made as running, looking_for_updates(made):
        await running.start_readers()
        yield running


@contextlib.asynccontextmanager
async def looking_for_updates(stage: Stage) -> AsyncIterator[None]:
    """A board of updates, and somebody who looks when that is wished."""
    board, wishes = places_of_updates(stage)
    wishes.mkdir()

    def show() -> None:
        new = Image("hubd-2.squashfs", "2.0", b"\x02" * 32, 2000)
        old = Image("hubd-1.squashfs", "1.0", b"\x01" * 32, 1000)
        slots = Slots(Slot.B, new, old, quarantine=(BAD_DIGEST,))
        now = time.time()
        shown = Shown(at=now, next_at=now + 60, said="this image runs already", looked_at=now)
        Board(board).show(slots, shown)

    async def look_when_wished() -> None:
        while True:
            if (wishes / Wish.CHECK).exists():
                show()
                (wishes / Wish.CHECK).unlink()
            await asyncio.sleep(0.05)

    CacheBoard(cache_of(stage)).fresh(Mirrored(2, 1, 0), time.time() + 604_800, time.time())
    show()
    looking = asyncio.create_task(look_when_wished())
    yield
    looking.cancel()


def places_of_updates(stage: Stage) -> tuple[Path, Path]:
    """Where the board of updates is, and where wishes lie."""
    top = stage.site.path.parent
    return top / "updates.json", top / "wishes"


def cache_of(stage: Stage) -> Path:
    """Where the board of a site's cache of updates is."""
    return stage.site.path.parent / "cache.json"


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def confirmed(stage: Stage) -> None:
    """The backend has confirmed the clock, as it does within seconds of a start; the card reader
    has proven itself.
    """

    async def told() -> bool:
        return any("confirmed_by" in record["detail"] for record in await stage.records())

    await stage.until(told, "the backend has confirmed the clock")
    await policy_in_force(stage)
    await reader_proven(stage)
    await free_again(stage)


async def free_again(stage: Stage) -> None:
    """End the lockdown of an earlier case: the cases come in any order."""
    if any(door["mode"] == "LockedDown" for door in await stage.hub("doors")):
        status, _, err = await ended(await start(stage, "door", "front", "normal"))
        assert (status, err) == (0, "")


async def reader_proven(stage: Stage) -> None:
    async def proven() -> bool:
        problems = (await stage.hub("status"))["problems"]
        if any(problem["id"].startswith("reader") for problem in problems):
            return False
        return all(reader["secured"] is True for reader in await stage.hub("readers"))

    await stage.until(proven, "the reader has proven itself")


def disk_of(stage: Stage) -> Path:
    """The disk of a machine that was enrolled beforehand."""
    return stage.site.path.parent / "disk"


async def start(
    stage: Stage, *words: str, stdout: int = asyncio.subprocess.PIPE
) -> asyncio.subprocess.Process:
    audit = str(stage.site.hub / "state" / "audit.db")
    policy = str(stage.site.path / "policy.cbor")
    disk = disk_of(stage)
    config = str(stage.site.hub / "hub.toml")
    board, wishes = map(str, places_of_updates(stage))
    socket = str((stage.site.hub / "hubd.sock").absolute())
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hubctl.main",
        "--socket",
        socket,
        *(
            NAMES.get(word, word).format(
                audit=audit,
                root=disk,
                policy=policy,
                config=config,
                backend=stage.endpoint,
                board=board,
                wishes=wishes,
                cache=str(cache_of(stage)),
            )
            for word in words
        ),
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    return process.returncode, (out or b"").decode(), err.decode()


@contextlib.asynccontextmanager
async def released_now_and_then(stage: Stage) -> AsyncIterator[None]:
    """Let the backend open the front door, which nobody enters, so that something happens at each
    release's end.
    """

    async def release() -> None:
        while True:
            await stage.backend(
                "release", hub="hub-1", access_point=FRONT.access_point, by="operator-7"
            )
            await asyncio.sleep(2 * PULSE_SECONDS)

    async with asyncio.TaskGroup() as tasks:
        releasing = tasks.create_task(release())
        yield
        releasing.cancel()


async def look(stage: Stage, words: Words, *more: str) -> tuple[int | None, str, str]:
    """Run a command; one that streams until it has said what its case waits for."""
    case = CASES[words]
    process = await start(stage, *words, *case.more, *more)
    if not case.streams:
        return await ended(process)
    assert process.stdout is not None
    said = ""
    async with released_now_and_then(stage), asyncio.timeout(SECONDS):
        while not all(word in said for word in case.says):
            line = (await process.stdout.readline()).decode()
            assert line, await ended(process)
            said += line
    process.send_signal(signal.SIGINT)
    status, _, err = await ended(process)
    return status, said, err


@every_command
async def test_for_people(stage: Stage, words: Words) -> None:
    status, out, err = await look(stage, words)
    assert status in CASES[words].statuses
    assert not err
    for word in CASES[words].says:
        assert word in out


@every_command
async def test_for_machines(stage: Stage, words: Words) -> None:
    status, out, err = await look(stage, words, "--json")
    assert status in CASES[words].statuses
    assert not err
    documents: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert documents
    for document in documents:
        assert set(CASES[words].keys) <= set(document)
        assert document["schema"] == 1
    assert len(documents) == 1 or CASES[words].streams or CASES[words].lines


@every_command
async def test_into_a_full_disk(stage: Stage, words: Words) -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    process = await start(stage, *words, *CASES[words].more, stdout=descriptor)
    os.close(descriptor)
    async with released_now_and_then(stage) if CASES[words].streams else contextlib.nullcontext():
        status, _, err = await ended(process)
    assert (status, err) == (74, "hubctl: the output cannot be written: No space left on device\n")


@pytest.mark.long
@every_command
async def test_to_a_reader_who_has_gone(stage: Stage, words: Words) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = await start(stage, *words, *CASES[words].more, stdout=writer)
    os.close(writer)
    status, _, err = await ended(process)
    assert (status, err) == (-signal.SIGPIPE, "")


async def details_of(stage: Stage, kind: RecordKind) -> list[dict[str, Any]]:
    _, out, _ = await ended(
        await start(stage, "audit", "list", "--json", "--last", "1000", "--file", "{audit}")
    )
    listed = [json.loads(line) for line in out.splitlines()]
    return [one["detail"] for one in listed if one["kind"] == kind]


async def records_of(stage: Stage, kind: RecordKind) -> int:
    return len(await details_of(stage, kind))


async def test_a_tail_of_one_door_begins_with_what_is_remembered_of_it(stage: Stage) -> None:
    """A release is over before the tail begins; it is an event of its door all the same."""
    await stage.backend("release", hub="hub-1", access_point=FRONT.access_point, by="operator-7")
    words = ("tail", "--json", "--door", "Front door", "--since", "2h")
    process = await start(stage, *words)
    assert process.stdout is not None
    seen: list[dict[str, Any]] = []
    async with asyncio.timeout(SECONDS):
        while not any(event.get("event") == "remote" for event in seen):
            line = await process.stdout.readline()
            assert line, await ended(process)
            seen.append(json.loads(line).get("event", {}))
    process.send_signal(signal.SIGINT)
    status, _, err = await ended(process)
    assert (status, err) == (0, "")
    assert {event["door"] for event in seen if event} == {"front"}
    status, _, err = await ended(await start(stage, "tail", "--door", "frnt"))
    assert (status, err) == (1, "There is no door frnt. Did you mean front?\n")


async def test_a_clock_is_trusted_once_and_one_record_is_left(stage: Stage) -> None:
    """The hub's clock ran ahead while somebody entered, and is right now.

    No backend can vouch for it.
    """
    await stage.stop("backend")
    await stage.stop("hub")
    ahead = Record(
        RecordKind.ACCESS, int(time.time() * 1000) + FUTURE_MS, 0, {"allowed": True, "path": "full"}
    )
    async with await AuditStore.open(stage.site.hub / "state" / "audit.db") as store:
        await store.append(ahead)
    await start_again(stage)
    try:
        assert (await stage.hub("status"))["clock"]["state"] == "behind_records"
        assert (await look(stage, ("status",)))[0] == 1
        status, out, _ = await ended(await start(stage, "doctor", "--json"))
        states = {one["id"]: one["state"] for one in json.loads(out)["checks"]}
        assert (status, states["hubd"], states["version"]) == (2, "ok", "ok")
        assert [name for name, state in states.items() if name.startswith("clock-behind")]
        assert "failed" in {state for name, state in states.items() if name.startswith("clock-b")}
        before = await records_of(stage, RecordKind.CLOCK)
        # desperate, and at once
        tries = [await start(stage, "trust-clock", "--json") for _ in range(4)]
        answers = [await ended(process) for process in tries]
        documents = [json.loads(out) for status, out, err in answers if (status, err) == (0, "")]
        assert [document["state"] for document in documents] == ["trusted"] * 4
        assert sorted(document["vouched"] for document in documents) == [False, False, False, True]
        assert await records_of(stage, RecordKind.CLOCK) == before + 1
        newest = (await details_of(stage, RecordKind.CLOCK))[-1]
        assert newest == {"vouched_by": "technician", "uid": os.geteuid()}
        status, out, _ = await ended(await start(stage, "trust-clock"))
        assert status == 0
        assert "trusted already" in out
        assert await records_of(stage, RecordKind.CLOCK) == before + 1

        async def gone() -> bool:
            problems = (await stage.hub("status"))["problems"]
            return all(problem["id"] != "clock" for problem in problems)

        await stage.until(gone, "the problem of the clock has gone")
        await reader_proven(stage)
        assert (await look(stage, ("status",)))[0] == 0
    finally:
        await stage.start_backend()


async def test_the_doctor_looks_at_every_topic_that_this_hub_has(stage: Stage) -> None:
    told = {one["id"]: one["area"] for one in await stage.hub("checks")}
    assert set(told) == {str(topic) for topic in judged(load(stage.site.hub / "hub.toml"))}
    assert set(told.values()) <= set(Area)
    assert "devices_dead" in told, "this hub has a device"
    assert len(told) < len(Topic), "and not everything else"


async def test_the_doctor_tells_of_a_table_that_was_edited(stage: Stage) -> None:
    """Somebody wrote a use of a grant into the evidence that no record tells of."""
    await stage.stop("hub")
    audit = stage.site.hub / "state" / "audit.db"
    with contextlib.closing(sqlite3.connect(audit)) as connection, connection:
        row = (b"no-grant", 1, bytes(8), int(time.time()) + 86_400, 1)
        connection.execute(
            "INSERT INTO uses (grant_id, use, op, expires, number) VALUES (?, ?, ?, ?, ?)", row
        )
    await start_again(stage)
    told = {one.get("check") for one in await stage.hub("checks")}
    assert "uses-edited" in told
    await stage.stop("hub")
    await start_again(stage)
    told = {one.get("check") for one in await stage.hub("checks")}
    assert "uses-edited" not in told, "it was made again from the records"


async def test_the_doctor_tries_the_parts_and_moves_nothing(stage: Stage) -> None:
    """Disk, backend and reader really answer. One record says who asked."""

    async def are_secured() -> bool:
        return all(door["state"] == "secured" for door in await stage.hub("doors"))

    await stage.until(are_secured, "a release of before has ended, and is recorded")
    before = await records_of(stage, RecordKind.ACT)
    doors_before = await details_of(stage, RecordKind.DOOR)
    status, out, err = await ended(await start(stage, "doctor", "--active", "--json"))
    assert (status in (1, 2), err) == (True, ""), "a desk has no bluetoothd"
    tried = {
        one["id"]: one["state"]
        for one in json.loads(out)["checks"]
        if one["id"].startswith("active-")
    }
    assert tried == {
        "active-disk": "ok",
        "active-backend": "ok",
        "active-radio": "unknown",
        "active-reader-front": "ok",
        "active-device-vault": "ok",
    }
    assert (await details_of(stage, RecordKind.ACT))[before:] == [
        {"what": "try", "vouched_by": "technician", "uid": os.geteuid()}
    ]
    assert await details_of(stage, RecordKind.DOOR) == doors_before
    status, out, err = await ended(await start(stage, "doctor", "--active", "--json"))
    assert (status, out) == (75, "")
    assert json.loads(err.splitlines()[-1])["error"]["code"] == "busy"


async def test_the_key_of_a_reader_was_changed_once(stage: Stage) -> None:
    """It stands where the simulated reader keeps it."""
    assert (await look(stage, ("reader", "NAME", "change-key")))[0] == 0
    (reader,) = readers_of(stage.site.hub)
    next_key = reader.next_key_file(stage.site.hub).read_bytes()

    async def is_kept() -> bool:
        return reader.own_file(stage.site.hub).read_bytes() == next_key

    await stage.until(is_kept, "the reader keeps its new key")


async def test_a_client_that_asks_without_end_keeps_nobody_waiting(stage: Stage) -> None:
    """A client pipelines calls while another looks."""
    reader, writer = await asyncio.open_unix_connection(
        str((stage.site.hub / "hubd.sock").absolute())
    )

    async def ask() -> None:
        while True:
            writer.write(b'{"id":1,"call":"status"}\n' * 100)
            await writer.drain()

    async def take() -> None:
        while await reader.read(1 << 16):
            pass

    async with asyncio.TaskGroup() as tasks:
        flood = [tasks.create_task(ask()), tasks.create_task(take())]
        for _ in range(3):
            assert (await look(stage, ("status",)))[0] == 0
        for task in flood:
            task.cancel()
    writer.close()


async def test_tails_that_nobody_reads_keep_nobody_out(stage: Stage) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(LIMITS.clients):
            reader, writer = await asyncio.open_unix_connection(
                str((stage.site.hub / "hubd.sock").absolute())
            )
            stack.callback(writer.close)
            writer.write(b'{"id":1,"call":"tail"}\n')
            assert b"tailing" in await reader.readline()
        assert (await look(stage, ("status",)))[0] == 0
        assert (await look(stage, ("doors",)))[0] == 0


async def exports_of(stage: Stage) -> list[dict[str, Any]]:
    return [one for one in await details_of(stage, RecordKind.ACT) if one["what"] == "export"]


async def test_an_export_is_signed_and_its_record_says_who_took_it(stage: Stage) -> None:
    before = len(await exports_of(stage))
    target = disk_of(stage) / "signed.cbor"
    status, out, err = await ended(
        await start(stage, "audit", "export", str(target), "--file", "{audit}", "--json")
    )
    assert (status, err, json.loads(out)["signed"]) == (0, "", True)
    exports = await exports_of(stage)
    assert len(exports) == before + 1
    assert exports[-1]["uid"] == os.geteuid()
    issuer = stage.site.path / "issuer.cbor"
    words = ("audit", "verify", "--export", str(target), "--issuer", str(issuer))
    status, out, _ = await ended(await start(stage, *words))
    assert status == 0
    assert "Hub hub-1 of site-1 signed them." in out


async def test_taking_in_that_is_broken_off_leaves_the_stick_at_rest(
    stage: Stage, zwave: FakeService
) -> None:
    """By Ctrl-C, and by --timeout: both end the act at hubd, and hubd has the stick stop."""
    begin = "controller.begin_inclusion"
    stop = "controller.stop_inclusion"
    silent = zwave.handlers.pop(begin)
    try:
        for more, ends in (((), signal.SIGINT), (("--timeout", "3"), None)):
            before = [asked["command"] for asked in zwave.asked]
            process = await start(stage, "zwave", "include", "--pin", "04711", *more)

            async def begun(before: int = before.count(begin)) -> bool:
                return [asked["command"] for asked in zwave.asked].count(begin) > before

            await stage.until(begun, "the stick takes in")
            shown = json.loads((await ended(await start(stage, "zwave", "--json")))[1])
            assert shown["under_way"] == "zwave_include"
            if ends is not None:
                process.send_signal(ends)
            status, _, _ = await ended(process)
            assert status == (130 if ends else 75)
            after = [asked["command"] for asked in zwave.asked]
            assert after.count(stop) > before.count(stop)
            assert (await stage.hub("zwave"))["under_way"] is None
    finally:
        zwave.handlers[begin] = silent


async def test_acts_on_the_network_are_recorded_with_their_user_and_without_the_key(
    stage: Stage,
) -> None:
    before = len(await details_of(stage, RecordKind.ACT))
    assert (await look(stage, ("zwave", "include")))[0] == 0
    asked, done = (await details_of(stage, RecordKind.ACT))[before:]
    assert (asked["what"], asked["state"], asked["uid"]) == (
        "zwave_include",
        "asked",
        os.geteuid(),
    )
    assert (done["state"], done["node"]) == ("done", 12)
    log = stage.tail("hub")
    assert "write_call" in log
    for secret in ("4711", str(SHOWN[0]), str(SHOWN[1])):
        assert secret not in log
        assert secret not in str([asked, done])


async def test_a_network_that_is_away_is_said_with_what_to_do(
    stage: Stage, zwave: FakeService
) -> None:
    """A service of a version that hubd does not know."""
    right = dict(zwave.version)
    zwave.version |= {"minSchemaVersion": 0, "maxSchemaVersion": 0, "driverVersion": "1.2.3"}
    await zwave.hang_up()

    async def away() -> bool:
        return (await stage.hub("zwave"))["zwave"]["fault"] is not None

    await stage.until(away, "the network is away")
    try:
        status, out, err = await ended(await start(stage, "zwave"))
        assert (status, err) == (1, "")
        assert "not known while the network is away" in out
        assert "what to do: " in out
        status, _, err = await ended(await start(stage, "zwave", "include", "--pin", "04711"))
        assert status == 1
        assert "Z-Wave service" in err
    finally:
        zwave.version.clear()
        zwave.version |= right

    async def back() -> bool:
        return (await stage.hub("zwave"))["zwave"]["fault"] is None

    await stage.until(back, "the network is there again")


async def test_the_key_of_the_uplink_is_changed_once_and_the_backend_knows_it(
    stage: Stage,
) -> None:
    async def rotated() -> tuple[int | None, str, str]:
        return await ended(await start(stage, "keys", "rotate", "uplink", "--json"))

    status, out, err = await rotated()
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert document["id"] != document["before"]

    async def connected() -> bool:
        backend = (await stage.hub("status"))["backend"]
        return bool(backend["connected"] and backend["key"] == document["id"])

    await stage.until(connected, "the uplink is there with its new key")
    status, out, err = await rotated()
    assert (status, out) == (1, "")
    assert json.loads(err)["error"]["code"] == "too-soon"
    acts = [one["what"] for one in await details_of(stage, RecordKind.ACT)]
    assert acts.count("rotate uplink key") == 1


async def test_no_secret_of_a_key_file_is_shown(stage: Stage) -> None:
    _, out, _ = await look(stage, ("keys",), "--json")
    private = [
        path
        for path in stage.site.hub.rglob("*")
        if path.is_file() and ("identity" in path.name or "secret" in path.name)
    ]
    assert private
    for path in private:
        for line in path.read_bytes().split(b"\n"):
            assert len(line) < 8 or line.decode("latin-1") not in out
