"""A tool brings a policy to a hub: through the calls of the local socket, without the socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.codec import cbor
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import RecordKind
from hubcore.policy import document as policies
from hubcore.policy.document import Issued
from hubcore.policy.onstick import HANDFUL
from hubcore.policy.policy import Policy
from hubcore.policy.tree import Table
from hubcore.ports.stores import PolicyContents
from hubctl.commands.look import policy as look
from hubd.calls.policy import PolicyCalls
from hubd.policy.load import PolicyLoads
from hubd.policy.proven import ProvenPolicy
from hublocal.calls import CallRefused
from hublocal.peer import PeerProcess
from hubsim import site
from tests.pair import SITE, DeskHub

ISSUER = site.make_key()
PROVE = partial(policies.prove, issuer=ISSUER.verify_key, site=SITE)
TECHNICIAN = PeerProcess(pid=7, uid=1234, gid=1)


def issued(version: int, names: int) -> Issued:
    revoked = frozenset(f"credential-{number:021}" for number in range(names))
    return policies.issue_tree(Policy(SITE, version, 0, revoked), ISSUER)


LARGE = issued(2, 60_000)
OTHER = issued(3, 3_000)


class Hub:
    """A hub whose policy tools may load."""

    def __init__(self, silent_seconds: float = 60.0) -> None:
        self.desk = DeskHub(ISSUER)
        self.loads = PolicyLoads(
            self.desk.policy_intake(PROVE).accept,
            self.desk.tell,
            silent_seconds=silent_seconds,
            state_seconds=5.0,
        )
        self.counts = 0
        self.issued_at = 0
        policy = cast(ProvenPolicy, self.desk.policy)
        self.calls = PolicyCalls(self.loads, policy, self.contents, self.desk.clock)

    def contents(self) -> PolicyContents | None:
        self.counts += 1
        policy = self.desk.policy
        rows = {Table.CREDENTIALS: len(policy.credentials)}
        return PolicyContents(policy.version(), policy.digest(), self.issued_at, rows)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Hub]:
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.loads.run())
            yield self
            task.cancel()

    async def offer(self, policy: Issued) -> Any:
        return await self.calls.offer({"body": policy.root}, TECHNICIAN)

    async def bring(self, state: Any, pieces: Sequence[bytes] = ()) -> Any:
        body = b"".join(cbor.encode(piece) for piece in pieces)
        arguments = {"load": state["load"], "round": state["round"], "body": body}
        return await self.calls.bring(arguments, TECHNICIAN)

    async def wanted(self, policy: Issued) -> Any:
        """Offer a policy; return the state in which pieces of it are wanted."""
        return await self.bring(await self.offer(policy))

    async def load(self, policy: Issued, junk: Sequence[bytes] = ()) -> Any:
        """Bring what is wanted until the end, and junk in between; return the last state."""
        state = await self.offer(policy)
        brought = 0  # in the rounds after this offer
        while True:
            state = await self.bring(state)
            if state["phase"] in ("in_force", "refused"):
                return {**state, "brought": brought}
            names = [bytes.fromhex(name) for name in state["wanted"]]
            for start in range(0, len(names), HANDFUL - 1):
                pieces = [policy.pieces[name] for name in names[start : start + HANDFUL - 1]]
                await self.bring(state, [*pieces, *junk])
            brought += len(names)


@pytest.mark.asyncio
async def test_a_policy_is_loaded_and_recorded_with_who_brought_it() -> None:
    async with Hub().running() as hub:
        end = await hub.load(LARGE, junk=[b"junk"])
        assert (end["phase"], end["version"], end["why"]) == ("in_force", 2, "")
        assert hub.desk.policy.revoked("credential-" + f"{59_999:021}", b"")
        (record,) = [one for one in hub.desk.records() if one.kind == RecordKind.POLICY]
        assert (record.detail[Fact.VERSION], record.detail[Fact.UID]) == (2, 1234)


@pytest.mark.asyncio
async def test_an_older_policy_is_refused_with_a_sentence_and_told_of() -> None:
    async with Hub().running() as hub:
        await hub.load(OTHER)
        end = await hub.load(LARGE)
        assert end["phase"] == "refused"
        assert end["why"] == "policy 2 is not newer than 3, which is in force"
        assert ("policy_refused", {"uid": 1234, "why": end["why"]}) in hub.desk.told
        assert hub.desk.policy.version() == 3


@pytest.mark.asyncio
async def test_what_nobody_signed_is_refused() -> None:
    async with Hub().running() as hub:
        stranger = policies.issue_tree(Policy(SITE, 9, 0), site.make_key())
        end = await hub.load(stranger)
        assert end["phase"] == "refused"
        assert hub.desk.policy.version() == 1


# hubd.policy.load, law 2
@pytest.mark.asyncio
async def test_a_tool_that_has_gone_ends_its_load_and_another_begins() -> None:
    async with Hub(silent_seconds=0.01).running() as hub:
        state = await hub.wanted(LARGE)
        while state["phase"] != "refused":
            state = await hub.bring(state)
        assert "it goes on where it stopped" in state["why"]
        assert (await hub.offer(OTHER))["load"] != state["load"]


# hubd.policy.load, law 1
@pytest.mark.asyncio
async def test_one_policy_is_loaded_at_a_time_and_the_same_one_goes_on() -> None:
    async with Hub().running() as hub:
        state = await hub.wanted(LARGE)
        assert state["phase"] == "wanted"
        with pytest.raises(CallRefused, match="Another policy is being loaded") as refused:
            await hub.offer(OTHER)
        assert refused.value.code == "load-busy"
        (name, *_) = [bytes.fromhex(name) for name in state["wanted"]]
        again = await hub.offer(LARGE)
        assert (again["load"], again["round"]) == (state["load"], state["round"])
        after = await hub.bring(again)
        assert (after["phase"], after["round"]) == ("wanted", state["round"] + 1)
        await hub.bring(after, [LARGE.pieces[name]])
        await hub.offer(LARGE)
        after = await hub.bring(after)
        assert name.hex() not in after["wanted"]
        assert (await hub.load(LARGE))["phase"] == "in_force"


# hubd.policy.load, law 3
@pytest.mark.asyncio
async def test_a_tool_that_brings_more_than_the_disk_takes_waits() -> None:
    hub = Hub()
    state = await hub.offer(LARGE)  # nobody runs the loads: nothing is taken
    rounds = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            while True:
                await hub.bring(state, [b"junk"] * HANDFUL)
                rounds += 1
    assert rounds == 4


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "arguments",
    [
        {"load": "1", "round": 0, "body": b""},
        {"round": 0, "body": b""},
        {"load": 1, "round": None, "body": b""},
        {"load": 1, "round": 0, "body": b"\x00"},
        {"load": 1, "round": 0, "body": b"\x40"},
        {"load": 1, "round": 0, "body": b"\x5b" + b"\xff" * 8},
        {"load": 1, "round": 0, "body": cbor.encode(b"x") * (HANDFUL + 1)},
        {"load": 2, "round": 0, "body": b""},
    ],
)
async def test_what_is_no_handful_of_a_load_is_refused_and_the_load_goes_on(
    arguments: dict[str, object],
) -> None:
    async with Hub().running() as hub:
        state = await hub.wanted(OTHER)
        assert state["load"] == 1
        with pytest.raises(CallRefused):
            await hub.calls.bring(arguments, TECHNICIAN)
        end = await hub.load(OTHER)
        assert end["phase"] == "in_force"


@pytest.mark.asyncio
async def test_what_the_policy_holds_is_counted_once_for_each_policy() -> None:
    async with Hub().running() as hub:
        await hub.load(OTHER)
        for _ in range(3):
            shown: Any = await hub.calls.show({}, TECHNICIAN)
        assert (shown["version"], shown["rows"]) == (3, {"credentials": 3_000})
        assert shown["age_seconds"] == round(hub.desk.clock.wall())
        assert hub.counts == 1
        hub.desk.policy.number = 0
        assert await hub.calls.show({}, TECHNICIAN) == {"version": 0}


@pytest.mark.asyncio
async def test_a_policy_that_was_signed_later_than_now_is_not_shown_as_new() -> None:
    async with Hub().running() as hub:
        await hub.load(OTHER)
        hub.issued_at = round(hub.desk.clock.wall()) + 7200
        shown: Any = await hub.calls.show({}, TECHNICIAN)
        assert (shown["age_seconds"], shown["ahead_seconds"]) == (0, 7200)
        text = look.page(shown).plain()
        assert "2 h 0 min later than this hub's clock" in text
        assert "ago" not in text
        hub.desk.clock.advance(10_800.0)
        shown = await hub.calls.show({}, TECHNICIAN)
        assert (shown["age_seconds"], shown["ahead_seconds"]) == (3600, 0)
        assert "1 h 0 min ago" in look.page(shown).plain()


@pytest.mark.asyncio
async def test_a_load_without_a_root_is_refused() -> None:
    hub = Hub()
    with pytest.raises(CallRefused):
        await hub.calls.offer({"body": b""}, TECHNICIAN)


# hubd.calls.policy, law 2
@given(st.lists(st.binary(min_size=1, max_size=80), max_size=HANDFUL), st.binary(max_size=200))
@settings(max_examples=40, deadline=None)
def test_no_bytes_of_a_tool_end_the_hub_or_come_into_force(
    junk: list[bytes], document: bytes
) -> None:
    async def play() -> None:
        async with Hub().running() as hub:
            with suppress(CallRefused):
                state = await hub.calls.offer({"body": document}, TECHNICIAN)
                await hub.bring(state, junk)
                while (state := await hub.bring(state))["phase"] != "refused":
                    pass
            assert hub.desk.policy.version() == 1
            end = await hub.load(OTHER, junk=[])
            assert end["version"] == 3

    asyncio.run(play())
