"""Keys and endpoints of the uplink on real sockets: failover, two server keys, a hub's own change.

The last tests kill real processes while a hub changes its key.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from zmq.utils import z85

from hubcore.backend.pace import Pace
from hubcore.backend.rotation import RotationPace
from hubcore.backend.talk.effects import UplinkPhase
from hubd.adapters.curve.uplink import CurveUplink
from hubd.adapters.keys.pairs import FOLDER, PairFolder
from hubd.adapters.keys.uplinkkeys import OwnPair, UplinkKeys
from hubd.backend.identity import Identity
from hubd.backend.orders import Orders
from hubd.backend.rotation import KeyRotation
from hubd.backend.sync import Sync
from hubsim.backend.admission.keyring import HubFiles
from hubsim.backend.admission.zap import UNKNOWN_MAX, Gate
from hubsim.backend.router import Listening
from hubsim.backend.server import Backend
from hubsim.stage import Stage
from tests.fakes.audit import FakeAudit
from tests.scenario.test_uplink import FAST, Hub, Keys, running, serving, system_clock, until

pytestmark = pytest.mark.asyncio

HUB = "hub-1"
ANY = "tcp://127.0.0.1:*"
PROBE = """
import sys, zmq
context = zmq.Context()
router = context.socket(zmq.ROUTER)
router.curve_server = True
router.curve_secretkey = sys.argv[1].encode()
router.bind("tcp://127.0.0.1:*")
print(router.getsockopt_string(zmq.LAST_ENDPOINT), flush=True)
while True:
    router.recv_multipart()
"""
"""A server with the right key that never answers a Hello."""


class ChangingHub:
    """A hub with keys on the disk, below `state`. Without a door: it only talks."""

    def __init__(self, endpoints: list[str], ours: Keys, pinned: list[str], state: Path) -> None:
        state.mkdir(exist_ok=True)
        own = OwnPair(ours.secret, ours.public)
        self.pairs = PairFolder(state / FOLDER, own)
        self.pairs.begin(0.0)
        self.log = FakeAudit()
        keys = UplinkKeys(own.secret, own.public, *(z85.decode(key.encode()) for key in pinned))
        self.link = CurveUplink(endpoints, keys, FAST, own=self.pairs.for_attempt)
        self.appended = asyncio.Event()
        clock = system_clock()
        rotation = KeyRotation(
            pairs=self.pairs,
            uplink=self.link,
            pace=RotationPace(age_seconds=0.0, made_seconds=0.0, try_seconds=0.1),
            clock=clock,
            hub=HUB,
            disk_seconds=0.1,
        )
        self.sync = Sync(
            uplink=self.link,
            records=self.log,
            orders=Orders(
                release=_nothing,
                accept_policy=_nothing,
                policy_version=lambda: 0,
                policy_digest=lambda: bytes(32),
                stand=_nothing,
            ),
            identity=Identity(HUB, "site", bytes(16), "0.1.0"),
            clock=clock,
            pace=Pace(
                welcome_seconds=0.3, acknowledge_seconds=0.3, ping_seconds=0.2, silent_seconds=0.4
            ),
            appended=self.appended,
            rotation=rotation,
        )

    @property
    def key(self) -> str:
        return self.pairs.known().shown

    def speaks(self) -> bool:
        return self.sync.state.phase is UplinkPhase.SPEAKING

    async def add(self, count: int) -> None:
        await self.log.fill(count)
        self.appended.set()


async def _nothing(*_order: object) -> object:
    raise AssertionError("nobody orders anything here")


def enrolled(directory: Path, ours: Keys) -> HubFiles:
    hubs = directory / "hubs"
    hubs.mkdir(exist_ok=True)
    (hubs / f"{HUB}.curve.pub").write_text(ours.text)
    return HubFiles(hubs)


def keys_at(directory: Path) -> list[str]:
    return (directory / "hubs" / f"{HUB}.curve.pub").read_text().split()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def stranger(secret: str) -> AsyncIterator[tuple[str, int]]:
    """A server in a process of its own; yield its endpoint and its process id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROBE, secret, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
        yield line.decode().strip().rstrip("\0"), process.pid
    finally:
        process.kill()
        await process.wait()


# Several endpoints.


async def test_a_backend_that_is_gone_is_replaced_by_the_next_endpoint(tmp_path):
    ours = Keys()
    theirs = Keys()
    hubs = {ours.text: HUB}
    first = Backend(f"tcp://127.0.0.1:{free_port()}", theirs.secret_text, hubs, tmp_path / "one")
    second = Backend(ANY, theirs.secret_text, hubs, tmp_path / "two")
    async with serving(second), contextlib.AsyncExitStack() as stack:
        async with serving(first):
            hub = ChangingHub(
                [first.endpoint, second.endpoint], ours, [theirs.text], tmp_path / "state"
            )
            await stack.enter_async_context(running(hub.sync.run()))
            await until(hub.speaks)
            assert hub.sync.state.endpoint == first.endpoint
        await until(lambda: hub.speaks() and hub.sync.state.endpoint == second.endpoint)
        assert "nothing accepts connections" in hub.sync.state.failures[first.endpoint] or (
            "lost" in hub.sync.state.failures[first.endpoint]
        )
        async with serving(first):
            # an uplink that is up stays: the first endpoint is tried again when it has ended
            await hub.add(1)
            await until(lambda: hub.log.waiting() == 0)
            assert hub.sync.state.endpoint == second.endpoint


@pytest.mark.parametrize("how", ["frozen", "hung", "wrong key"])
async def test_a_backend_that_is_no_use_does_not_keep_the_hub_from_the_next(tmp_path, how):
    ours = Keys()
    theirs = Keys()
    secret = Keys().secret_text if how == "wrong key" else theirs.secret_text
    second = Backend(ANY, theirs.secret_text, {ours.text: HUB}, tmp_path)
    async with stranger(secret) as (first, pid), serving(second):
        if how == "frozen":
            os.kill(pid, signal.SIGSTOP)
        hub = ChangingHub([first, second.endpoint], ours, [theirs.text], tmp_path / "state")
        async with running(hub.sync.run()):
            await until(hub.speaks, 20.0)
            state = hub.sync.state
            assert state.endpoint == second.endpoint
            cause = {
                "frozen": "frozen",
                "hung": "no Welcome within",
                "wrong key": "pin mismatch suspected",
            }[how]
            assert cause in state.failures[first]


async def test_a_name_is_asked_for_anew_at_each_attempt(tmp_path):
    ours = Keys()
    theirs = Keys()
    async with serving(Backend(ANY, theirs.secret_text, {ours.text: HUB}, tmp_path)) as backend:
        port = int(backend.endpoint.rpartition(":")[2])
        asked: list[str] = []

        def resolve(host: str, wanted: int, **how: object) -> list[tuple[object, ...]]:
            if how.get("flags"):
                raise socket.gaierror(socket.EAI_NONAME, "no number")
            asked.append(host)
            address = "127.0.0.2" if len(asked) == 1 else "127.0.0.1"  # the name moves
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, wanted))]

        link = CurveUplink(
            f"tcp://backend.example:{port}",
            UplinkKeys(ours.secret, ours.public, theirs.public),
            FAST,
            resolve=resolve,
        )
        hub = Hub(backend.endpoint, ours, backend.public)
        hub.sync._uplink = link  # the same talk, by a name
        async with running(hub.sync.run()):
            await until(lambda: hub.sync.state.phase is UplinkPhase.SPEAKING)
        assert asked == ["backend.example"] * 2


# Two server keys.


async def test_a_hub_finds_its_backend_before_and_after_the_backend_changes_its_key(tmp_path):
    ours = Keys()
    old = Keys()
    new = Keys()
    hubs = {ours.text: HUB}
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    async with contextlib.AsyncExitStack() as stack:
        async with serving(Backend(endpoint, old.secret_text, hubs, tmp_path)):
            hub = ChangingHub([endpoint], ours, [old.text, new.text], tmp_path / "state")
            await stack.enter_async_context(running(hub.sync.run()))
            await until(hub.speaks)
            assert hub.sync.state.server_key == 1
        await until(lambda: not hub.speaks())
        async with serving(Backend(endpoint, new.secret_text, hubs, tmp_path)):
            await until(hub.speaks)
            assert hub.sync.state.server_key == 2


async def test_with_two_keys_pinned_a_third_is_refused_and_the_sentence_says_which_was_tried(
    tmp_path,
):
    ours = Keys()
    async with serving(Backend(ANY, Keys().secret_text, {ours.text: HUB}, tmp_path)) as backend:
        pinned = [Keys().text, Keys().text]
        hub = ChangingHub([backend.endpoint], ours, pinned, tmp_path / "state")
        async with running(hub.sync.run()):
            for number in (1, 2):
                tried = f"(tried with key {number} of the 2 that are configured)"
                await until(lambda: tried in hub.sync.state.why)  # noqa: B023
                assert "pin mismatch suspected" in hub.sync.state.why


async def test_a_backend_serves_both_of_its_keys_side_by_side(tmp_path):
    old = Keys()
    new = Keys()
    hubs = [Keys(), Keys()]
    known = {keys.text: f"hub-{number}" for number, keys in enumerate(hubs, 1)}
    beside = Listening(ANY, new.secret_text.encode())
    backend = Backend(ANY, old.secret_text, known, tmp_path, next_listening=beside)
    async with serving(backend):
        with_old = Hub(backend.endpoint, hubs[0], old.text)
        with_new = ChangingHub([backend.next_endpoint], hubs[0], [new.text], tmp_path / "state")
        async with running(with_old.sync.run()):
            await until(lambda: with_old.sync.state.phase is UplinkPhase.SPEAKING)
        async with running(with_new.sync.run()):
            await until(with_new.speaks)
            await with_new.add(3)
            await until(lambda: with_new.log.waiting() == 0)


# The hub's own key.


async def test_a_hub_changes_its_key_and_nothing_is_lost(tmp_path):
    ours = Keys()
    theirs = Keys()
    files = enrolled(tmp_path, ours)
    async with serving(Backend(ANY, theirs.secret_text, files, tmp_path)) as backend:
        hub = ChangingHub([backend.endpoint], ours, [theirs.text], tmp_path / "state")
        async with running(hub.sync.run()):
            await until(hub.speaks)
            for _ in range(2):
                before = hub.key
                await hub.add(20)
                assert backend.rotate(HUB) == before
                await until(lambda: keys_at(tmp_path) == [hub.key] and hub.key != before)  # noqa: B023
                await until(lambda: not hub.pairs.known().is_old_left)
            await until(lambda: hub.speaks() and hub.log.waiting() == 0)
            assert hub.sync.state.key == hub.key
        assert backend.records(HUB) == hub.log.stored
        assert backend.forks == []
        secret = hub.pairs.for_attempt().secret
    lying = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert lying
    for path in lying:
        assert path.stat().st_mode & 0o077 == 0
        assert secret not in path.read_bytes()
        assert z85.encode(secret) not in path.read_bytes()


async def test_a_backend_that_was_older_gets_no_new_key_and_the_hub_goes_on(tmp_path):
    ours = Keys()
    theirs = Keys()
    hubs = {ours.text: HUB}  # a backend that cannot change the keys of hubs
    async with serving(Backend(ANY, theirs.secret_text, hubs, tmp_path)) as backend:
        hub = ChangingHub([backend.endpoint], ours, [theirs.text], tmp_path / "state")
        async with running(hub.sync.run()):
            await until(hub.speaks)
            backend.rotate(HUB)
            await until(lambda: "cannot change the keys" in hub.sync.state.key_trouble)
            assert hub.pairs.known().next is None
            assert hub.key == ours.text
            await hub.add(1)
            await until(lambda: hub.log.waiting() == 0)


async def test_an_older_state_is_told_at_the_backend_and_let_in_after_somebody_decides(
    tmp_path, capsys
):
    ours = Keys()
    theirs = Keys()
    files = enrolled(tmp_path, ours)
    state = tmp_path / "state"
    async with serving(Backend(ANY, theirs.secret_text, files, tmp_path)) as backend:
        hub = ChangingHub([backend.endpoint], ours, [theirs.text], state)
        async with running(hub.sync.run()):
            await until(hub.speaks)
            shutil.copytree(state, tmp_path / "older", symlinks=True)
            backend.rotate(HUB)
            await until(lambda: keys_at(tmp_path) == [hub.key] and hub.key != ours.text)
        older = ChangingHub([backend.endpoint], ours, [theirs.text], tmp_path / "older")
        async with running(older.sync.run()):
            await until(lambda: "does not know this hub's key" in older.sync.state.why)
            assert "an older state of the hub" in older.sync.state.why
            assert backend.gate.came_with_retired == {HUB}
            assert "a key that it has changed since" in capsys.readouterr().err
            backend.know(HUB, ours.text)
            await until(older.speaks)
            assert backend.gate.came_with_retired == set()


async def test_a_backend_put_back_from_before_a_change_shows_the_key_and_is_told_of_it(
    tmp_path, capsys
):
    ours = Keys()
    theirs = Keys()
    files = enrolled(tmp_path, ours)
    async with serving(Backend(ANY, theirs.secret_text, files, tmp_path)) as backend:
        hub = ChangingHub([backend.endpoint], ours, [theirs.text], tmp_path / "state")
        async with running(hub.sync.run()):
            await until(hub.speaks)
            backend.rotate(HUB)
            await until(lambda: keys_at(tmp_path) == [hub.key] and hub.key != ours.text)
            await until(lambda: not hub.pairs.known().is_old_left)
    for path in (tmp_path / "hubs").iterdir():
        path.unlink()  # as it was before the change
    files = enrolled(tmp_path, ours)
    async with serving(Backend(ANY, theirs.secret_text, files, tmp_path)) as backend:
        hub = ChangingHub([backend.endpoint], ours, [theirs.text], tmp_path / "state")
        async with running(hub.sync.run()):
            await until(lambda: "hubsim backend know HUB 'KEY'" in hub.sync.state.why)
            assert list(backend.gate.unknown) == [hub.key]
            assert f"somebody comes with the key {hub.key}" in capsys.readouterr().err
            backend.know(HUB, hub.key)
            await until(hub.speaks)
            assert keys_at(tmp_path) == [hub.key]
            assert files.hub_of_retired(ours.text) == HUB
            assert list(backend.gate.unknown) == []


async def test_no_wrong_key_is_let_in(tmp_path):
    ours = Keys()
    another = Keys()
    files = enrolled(tmp_path, ours)
    (tmp_path / "hubs" / "hub-2.curve.pub").write_text(another.text)
    backend = Backend(ANY, Keys().secret_text, files, tmp_path)
    revoked = Keys()
    backend.revoke(revoked.text)
    for hub, key, why in (
        (HUB, another.text, "a key of hub hub-2"),
        (HUB, revoked.text, "revoked"),
        (HUB, "short", "40 characters"),
        (HUB, "ä" * 40, "40 characters"),
        ("nobody", Keys().text, "no hub nobody is enrolled"),
    ):
        with pytest.raises(ValueError, match=why):
            backend.know(hub, key)
    files.hold("hub-2", [Keys().text])
    with pytest.raises(ValueError, match="a key of hub hub-2"):
        backend.know(HUB, another.text)
    assert files.keys_of(HUB) == (ours.text,)


async def test_however_many_strangers_come_people_hear_of_a_few(tmp_path, capsys):
    files = enrolled(tmp_path, Keys())
    gate = Gate(files, tmp_path / "revoked", print)
    for _ in range(3 * UNKNOWN_MAX):
        assert gate.admit(Keys().text).status == b"300"
    assert len(gate.unknown) == UNKNOWN_MAX
    assert len(capsys.readouterr().out.splitlines()) == UNKNOWN_MAX


async def test_a_key_revoked_while_connected_is_told_in_words_and_restored(tmp_path):
    ours = Keys()
    theirs = Keys()
    files = enrolled(tmp_path, ours)
    async with serving(Backend(ANY, theirs.secret_text, files, tmp_path)) as backend:
        hub = ChangingHub([backend.endpoint], ours, [theirs.text], tmp_path / "state")
        async with running(hub.sync.run()):
            await until(hub.speaks)
            backend.revoke(ours.text)
            await hub.add(3)
            await until(lambda: "this hub's key is refused" in hub.sync.state.why, 20.0)
            assert backend.records(HUB) == []
            backend.gate.allow(ours.text)
            await until(lambda: hub.speaks() and hub.log.waiting() == 0, 20.0)
        assert backend.records(HUB) == hub.log.stored


# Real processes, killed while the key changes.


CHANGED_SECONDS = 60.0 + RotationPace().try_seconds
"""A try with the new key fails while the backend is dead, and the next one comes after a pause."""


class Changing:
    """A stage whose hub is to change its key, and what lies on both sides."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._folder = stage.site.hub / "state" / FOLDER

    def pairs(self) -> set[str]:
        found = {path.parent.name for path in self._folder.glob("p-*/pair")}
        return {name for name in found if not name.endswith(".new")}

    def current(self) -> str:
        link = self._folder / "current"
        return os.readlink(link) if link.is_symlink() else ""

    def held(self) -> list[str]:
        return keys_at(self.stage.site.backend)

    async def key(self) -> str:
        return str((await self.stage.hub("status"))["backend"]["key"])

    async def is_over(self, before: str) -> bool:
        """The hub speaks, and one key is known on each side: the same, and another than before."""
        try:
            backend = (await self.stage.hub("status"))["backend"]
        except OSError:
            return False
        one_each = self.held() == [backend["key"]] and len(self.pairs()) == 1
        return one_each and backend["phase"] == "speaking" and backend["key"] != before

    async def change(self, moment: str, victim: str) -> None:
        """Let the hub change its key, and kill one of the two at this moment, or right after it."""
        before = await self.key()
        pairs = self.pairs()
        current = self.current()
        has_come = {
            "made": lambda: self.pairs() != pairs,
            "held": lambda: len(self.held()) == 2 or self.current() != current,
            "switched": lambda: self.current() != current,
        }
        await self.stage.backend("rotate", hub=HUB)
        await self.stage.until(has_come[moment], moment)
        await self.stage.kill(victim)
        if victim == "backend":
            await self.stage.start_backend()
        else:
            await self.stage.start_hub()
        what = f"one key is left ({victim} killed at: {moment})"
        await self.stage.until(lambda: self.is_over(before), what, CHANGED_SECONDS)


async def at_desk(stage: Stage, command: str, *words: str) -> str:
    """Run a command of `hubsim backend`, as an operator does; return what it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hubsim.main",
        "backend",
        command,
        "--at",
        str(stage.path),
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    return output.decode()


@pytest.mark.long
@pytest.mark.once
@pytest.mark.parametrize(
    ("moment", "victim"),
    [("made", "hub"), ("held", "hub"), ("switched", "hub"), ("held", "backend")],
)
async def test_a_hub_or_a_backend_killed_while_the_key_changes_ends_with_one_key(
    tmp_path: Path, moment: str, victim: str
):
    async with Stage(tmp_path / "site", person=False) as stage:
        await Changing(stage).change(moment, victim)
        key = (await stage.hub("status"))["backend"]["key"]
        assert f"{HUB} is known by {key} alone" in await at_desk(stage, "know", HUB, key)
        assert (await stage.backend("hubs"))["stopped"] == {}
        said = await at_desk(stage, "rotate", HUB)
        assert f"{HUB} was asked to change its key" in said
        assert f"{HUB} is refused (1 key)" in await at_desk(stage, "revoke", HUB)
        assert f"{HUB} may come again (1 key)" in await at_desk(stage, "restore", HUB)
        assert HUB in await at_desk(stage, "hubs")
        numbers = [record["number"] for record in await stage.records()]
        assert numbers == list(range(1, len(numbers) + 1))
