"""A hub gone bad speaks with a bridge that runs: its records mixed with anything, over real TLS.

Oracle: what the bridge says is held of it is one chain on the disk, whatever heads it signs the
bridge keeps those of that chain alone, and the other hub has what it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.words import HubName
from hubcore.backend.uplink.from_backend import Held, Pong
from hubcore.backend.uplink.from_hub import Evidence, Ping
from hubcore.bridge import codec
from hubcore.bridge.frames import Frames, frame
from hubcore.bridge.from_bridge import FromBridge
from hubcore.bridge.from_hub import HubHello, OwnHead
from hubcore.bridge.signedhead import prove_own_head
from hubcore.bridge.words import FIRST_BYTES, FROM_HUB_BYTES
from hubcore.codec.cose import SigningKey
from hubcore.errors import FrameError
from hubcore.evidence.records import GENESIS, follows
from hubsim.site.documents import make_key
from hubtls.identity import IdentityFiles
from hubtls.keys import read_signing_key
from tests.fakes.bridgedhub import (
    SITE,
    BridgedHub,
    bridge_config,
    head_of,
    hub_files,
    make_log,
    own_head,
)
from tests.fuzz.bytes.test_bridge_bytes import cut, near
from tests.fuzz.common import effort, some, spoiled
from tests.unit.test_bridge_hubs import running
from tests.unit.test_bridge_messages import FROM_HUB, HELLO

pytestmark = pytest.mark.once

LOG = make_log(8)
OTHER_LOG = make_log(8, b"other")
END = Ping(b"the end.")
STRANGER = make_key()


@pytest.fixture(scope="module")
def hubs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, IdentityFiles]:
    folder = tmp_path_factory.mktemp("hubs")
    return {name: hub_files(folder / name, name) for name in ("hub-1", "hub-2")}


@st.composite
def records(draw: st.DrawFn) -> list[bytes]:
    """Return the frames of records in an order that is nearly right: some come again, are left
    out, or are of another story.
    """
    found: list[bytes] = []
    at = draw(st.sampled_from([0, 0, 0, 3]))
    for _ in range(draw(st.integers(1, 8))):
        log = draw(some([LOG] * 7 + [OTHER_LOG]))
        one = log[at % len(log)]
        found.append(frame(codec.encode(Evidence(one.number, one.body, one.hash))))
        at += draw(st.sampled_from([1] * 7 + [0, 2, -1]))
    return found


def heads_by(key: SigningKey) -> list[bytes]:
    """Return the frames of heads, true and of another story, by the hub's key and by none."""
    logs = [LOG, LOG, OTHER_LOG]
    said = [own_head("hub-1", head_of(log[:end]), key) for log in logs for end in (1, 3, 8)]
    said += [own_head("hub-1", head_of(LOG), STRANGER), own_head("hub-2", head_of(LOG), key)]
    return [frame(codec.encode(OwnHead(one))) for one in said]


@st.composite
def streams(draw: st.DrawFn, hello: HubHello, heads: list[bytes]) -> bytes:
    """What a hub gone bad says: it begins well, mostly; then records, heads and anything else."""
    parts = [frame(codec.encode(hello))]
    for _ in range(draw(st.integers(0, 5))):
        parts += draw(
            st.one_of(
                records(),
                records(),
                some(heads).map(lambda one: [one]),
                near([*FROM_HUB, hello]).map(lambda message: [frame(message)]),
            )
        )
    whole = b"".join(parts)
    first = len(parts[0])
    match draw(st.sampled_from(["as it is", "as it is", "later", "all"])):
        case "later" if len(whole) > first:
            return whole[:first] + draw(spoiled(whole[first:]))
        case "all":
            return draw(spoiled(whole))
    return whole


def ended(stream: bytes) -> bytes:
    """Return the stream with the rest of its last frame, and a Ping: it is answered, or the
    connection is closed.
    """
    frames = Frames(FIRST_BYTES)
    frames.feed(stream)
    with contextlib.suppress(FrameError):
        while frames.next() is not None:
            frames.allow(FROM_HUB_BYTES)
        while frames.kept_bytes:
            stream += b"\0"
            frames.feed(b"\0")
            frames.next()
    return stream + frame(codec.encode(END))


async def all_said(hub: BridgedHub) -> list[FromBridge]:
    """Return all that the bridge says until it answers the last Ping, or closes."""
    while (message := await hub.next()) is not None:
        if isinstance(message, Pong) and message.nonce == END.nonce:
            break
    return hub.heard


@effort(100)
@given(data=st.data())
def test_a_hub_that_says_anything_leaves_one_chain_and_the_others_theirs(
    data: st.DataObject, hubs: dict[str, IdentityFiles]
) -> None:
    """hubs.talk, laws 1 to 3, 5 and 6; port, law 2"""
    told = head_of(data.draw(some([LOG, LOG, OTHER_LOG, []])))
    hello = replace(
        HELLO, durable=0, durable_hash=GENESIS, last_record=told.number, head_hash=told.hash
    )
    key = read_signing_key(hubs["hub-1"].key)
    stream = ended(data.draw(streams(hello, heads_by(key))))
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_meets(Path(folder), hubs, cut(data, stream)))


async def _meets(folder: Path, hubs: dict[str, IdentityFiles], parts: list[bytes]) -> None:
    async with running(folder, bridge_config(folder)) as (bridge, port):
        with (
            closing(await BridgedHub.connect("hub-1", hubs["hub-1"], port)) as bad,
            closing(await BridgedHub.connect("hub-2", hubs["hub-2"], port)) as quiet,
        ):
            await quiet.greet(LOG)
            for part in parts:
                bad.writer.write(part)
                await asyncio.sleep(0)
            said = await all_said(bad)
            quiet.send(LOG)
            assert await quiet.held(len(LOG)) == {one.number for one in LOG}
        kept = await bridge.store.read("hub-1", 0, 100)
        for before, record in pairwise(kept):
            follows(before, record)
        held = {number for one in said if isinstance(one, Held) for number in one.numbers}
        assert held <= {record.number for record in kept}
        key = read_signing_key(hubs["hub-1"].key).verify_key
        after = kept[0].number - 1 if kept else 0
        while found := await bridge.store.read_stretches("hub-1", after, 1):
            (stretch,) = found
            signed = prove_own_head(stretch.document, HubName(SITE, "hub-1"), key).head
            assert signed == head_of(list(stretch.records))
            assert set(stretch.records) <= set(kept)
            after = signed.number
        assert await bridge.store.read("hub-2", 0, 100) == tuple(LOG)
        assert set(bridge.states.all()) <= set(hubs)
