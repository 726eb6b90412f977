"""`hubctl policy`: a policy from a folder or a file to a hub, and whatever else may lie there."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result

from hubcore.codec import cbor
from hubcore.policy import document as policies
from hubcore.policy.document import MAX_BYTES
from hubcore.policy.onstick import PIECES_FOLDER, ROOT_FILE
from hubcore.policy.policy import Policy
from hubcore.policy.tree import PIECE_BYTES, PIECES_MAX, Table
from hubcore.ports.stores import PolicyContents
from hubctl.commands.act.stick import NoPolicy, open_source
from hubctl.main import hubctl
from hubd.adapters.host import log
from hubd.adapters.local.api import LocalApi
from hubd.calls.policy import PolicyCalls
from hubd.policy.load import PolicyLoads
from hubd.policy.proven import ProvenPolicy
from hublocal.tail.events import EventTail
from hubsim import site
from hubsim.site.carrying import write_policy_file, write_policy_folder
from hubterm.exits import NO, NO_ANSWER, UNREADABLE
from tests.pair import SITE, DeskHub

ISSUER = site.make_key()


def document(version: int, *more: str) -> bytes:
    names = (f"credential-{number:05}" for number in range(6_000))
    return policies.issue(Policy(SITE, version, 0, frozenset([*names, *more])), ISSUER)


SECOND = document(2)
THIRD = document(3, "one-more")


class Hub:
    """A hub without a backend, on a real socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.desk = DeskHub(ISSUER)
        self.desk.policy.number = 0
        prove = self.desk.policy_intake(lambda data: policies.prove(data, ISSUER.verify_key, SITE))
        self.loads = PolicyLoads(prove.accept, self.desk.tell, silent_seconds=5.0)
        policy = cast(ProvenPolicy, self.desk.policy)
        calls = PolicyCalls(self.loads, policy, self._contents, self.desk.clock)
        self._api = LocalApi(path, calls.table(), EventTail())

    def _contents(self) -> PolicyContents:
        policy = self.desk.policy
        rows = {Table.CREDENTIALS: len(policy.credentials)}
        issued = int(self.desk.clock.wall()) - 3 * 86_400
        return PolicyContents(policy.version(), policy.digest(), issued, rows)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Hub]:
        self._api.bind()
        async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
            stack.callback(self._api.close)
            running = [
                tasks.create_task(self._api.serve()),
                tasks.create_task(self.loads.run()),
            ]
            yield self
            for task in running:
                task.cancel()

    async def hubctl(self, *arguments: str) -> Result:
        command = ["--socket", str(self.path), "policy", *arguments]
        return await asyncio.to_thread(CliRunner().invoke, hubctl, command, prog_name="hubctl")

    async def load(self, path: Path, *more: str) -> Result:
        return await self.hubctl("load", str(path), *more)

    @property
    def version(self) -> int:
        return self.desk.policy.version()


@pytest.fixture(autouse=True)
def _no_logs() -> None:
    log.set_up("error", io.StringIO(), human=False)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with asyncio.timeout(60), Hub(tmp_path / "hubd.sock").running() as hub:
        yield hub


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    return tmp_path / "stick"


Write = Callable[[bytes, Path], object]


@pytest.mark.parametrize("write", [write_policy_folder, write_policy_file])
async def test_a_hub_without_a_backend_gets_its_policy(hub: Hub, stick: Path, write: Write) -> None:
    write(SECOND, stick)
    result = await hub.load(stick)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Policy 2 is in force; pieces brought: ")
    assert hub.desk.policy.revoked("credential-05999", b"")
    again = await hub.load(stick)
    assert again.stdout == "The hub has this policy already: version 2.\n"
    write(THIRD, stick)
    result = await hub.load(stick, "--json")
    answer = json.loads(result.stdout)
    assert (answer["schema"], answer["version"], answer["already"]) == (1, 3, False)
    assert hub.desk.policy.revoked("one-more", b"")


@pytest.mark.parametrize("write", [write_policy_folder, write_policy_file])
async def test_an_older_policy_is_refused_in_words(hub: Hub, stick: Path, write: Write) -> None:
    write(THIRD, stick)
    await hub.load(stick)
    shutil.rmtree(stick, ignore_errors=True)
    write(SECOND, stick)
    result = await hub.load(stick)
    assert result.exit_code == NO
    assert result.stderr == (
        "the hub refused the policy: policy 2 is not newer than 3, which is in force\n"
    )
    assert hub.version == 3


async def test_another_issuers_policy_is_refused(hub: Hub, stick: Path) -> None:
    write_policy_folder(policies.issue(Policy(SITE, 9, 0), site.make_key()), stick)
    result = await hub.load(stick, "--json")
    assert result.exit_code == NO
    assert json.loads(result.stderr)["error"]["code"] == "policy-refused"
    assert hub.version == 0


async def test_pieces_that_are_missing_or_damaged_are_told_and_the_next_time_goes_on(
    hub: Hub, stick: Path
) -> None:
    write_policy_folder(SECOND, stick)
    there = sorted((stick / PIECES_FOLDER).iterdir())
    index = min(there, key=lambda path: path.stat().st_size)
    pages = [path for path in there if path != index]
    pages[0].unlink()
    pages[1].write_bytes(pages[2].read_bytes())
    pages[3].write_bytes(bytes(PIECE_BYTES + 1))
    result = await hub.load(stick)
    assert result.exit_code == UNREADABLE
    assert "3 pieces that the hub wants are not in" in result.stderr
    write_policy_folder(SECOND, stick)
    result = await hub.load(stick)
    assert "Policy 2 is in force; pieces brought: 3." in result.stdout


# hubctl.commands.act.stick, law 2
@pytest.mark.parametrize("what", ["link", "pipe", "socket", "folder", "device"])
@pytest.mark.parametrize("where", ["root", "piece", "pieces"])
async def test_no_link_pipe_or_device_is_followed_or_waited_for(
    hub: Hub, stick: Path, tmp_path: Path, what: str, where: str
) -> None:
    write_policy_folder(SECOND, stick)
    victim = {
        "root": stick / ROOT_FILE,
        "piece": min((stick / PIECES_FOLDER).iterdir()),
        "pieces": stick / PIECES_FOLDER,
    }[where]
    moved = tmp_path / "moved"
    victim.rename(moved)
    match what:
        case "link":
            victim.symlink_to(moved)
        case "pipe":
            os.mkfifo(victim)
        case "socket":
            victim.hardlink_to(hub.path)
        case "folder":
            victim.mkdir()
        case "device":
            victim.symlink_to("/dev/zero")
    result = await hub.load(stick)
    assert result.exit_code == UNREADABLE
    assert result.stderr.endswith("\n")
    assert "Traceback" not in result.output
    assert hub.version == 0


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        (b"", "does not begin with the root"),
        (b"\x00" * 100, "does not begin with the root"),
        (b"\xd2\x84" + b"\x5a\xff\xff\xff\xff", "does not begin with the root"),
        (policies.split(SECOND).root + b"\x41", "its piece 1 is damaged"),
        (policies.split(SECOND).root + b"\xf6", "its piece 1 is damaged"),
        (SECOND[:-1], "is damaged"),
    ],
)
def test_a_file_that_is_no_policy_is_told_so(stick: Path, begin: bytes, said: str) -> None:
    stick.write_bytes(begin)
    with pytest.raises(NoPolicy, match=said), open_source(stick):
        pass


def test_what_is_no_place_for_a_policy_is_told_so(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(NoPolicy, match="neither a folder nor a plain file"), open_source(pipe):
        pass
    with pytest.raises(NoPolicy, match=f"there is no {ROOT_FILE} in it"), open_source(tmp_path):
        pass
    with (tmp_path / ROOT_FILE).open("wb") as file:
        file.truncate(1 << 40)  # a terabyte of nothing
    with pytest.raises(NoPolicy, match=f"over {MAX_BYTES} bytes"), open_source(tmp_path):
        pass


def test_a_file_without_an_end_is_given_up(stick: Path) -> None:
    with stick.open("wb") as file:
        file.write(policies.split(SECOND).root)
        file.write(cbor.encode(b"x") * (2 * PIECES_MAX + 1))
    with pytest.raises(NoPolicy, match="more pieces than a policy can have"), open_source(stick):
        pass


async def test_a_stick_that_is_pulled_out_is_told_with_what_to_do(
    hub: Hub, stick: Path, tmp_path: Path
) -> None:
    write_policy_folder(SECOND, stick)
    with open_source(stick) as source:
        name = bytes.fromhex(min((stick / PIECES_FOLDER).iterdir()).stem)
        assert source.piece(name) is not None
        shutil.rmtree(stick)
        assert source.piece(name) is None
    result = await hub.load(tmp_path / "nothing" / "stick")
    assert result.exit_code == UNREADABLE
    assert "No such file or directory" in result.stderr
    assert "put it in and give the same command again" in result.stderr


async def test_the_policy_in_force_is_shown(hub: Hub, stick: Path) -> None:
    assert (await hub.hubctl()).stdout == (
        "No policy is in force, or none that the hub believes: hubctl status.\n"
    )
    write_policy_folder(THIRD, stick)
    await hub.load(stick)
    shown = (await hub.hubctl("show")).stdout
    assert hub.desk.policy.digest().hex() in shown
    assert "3 d 0 h ago" in shown
    assert "6001" in shown
    assert (await hub.hubctl()).stdout == shown
    answer: Any = json.loads((await hub.hubctl("show", "--json")).stdout)
    assert (answer["version"], answer["rows"]) == (3, {"credentials": 6_001})
    assert json.loads((await hub.hubctl("--json")).stdout) == answer


async def test_a_hub_that_is_down_is_told_so(tmp_path: Path, stick: Path) -> None:
    write_policy_folder(SECOND, stick)
    hub = Hub(tmp_path / "hubd.sock")
    result = await hub.load(stick)
    assert result.exit_code == NO_ANSWER
    assert "hubd does not run" in result.stderr
