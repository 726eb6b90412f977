"""The advertisement's tag: the Core's own sample, what resolves and what does not, and whom a phone
tries.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubcore.errors import LinkError
from hubcore.phone.beacon import KEY_BYTES, TAG_BYTES, Beacon, ah, resolves
from hubsim.phone.sighting import HubChoice, SiteMatch, match_site

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "beacon.json").read_text())
KEY = bytes(range(KEY_BYTES))
OTHER = bytes(KEY_BYTES)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_a_vector(vector: dict[str, str]) -> None:
    key = bytes.fromhex(vector["key"])
    tag = bytes.fromhex(vector["tag"])
    assert resolves(key, tag) is (vector["verdict"] == "resolves")
    if vector["verdict"] == "resolves":
        assert Beacon(key).tag(lambda size: tag[:size]) == tag


def test_ah_is_the_one_of_an_independent_stack() -> None:
    """bumble keeps every number least significant byte first."""
    crypto = pytest.importorskip("bumble.crypto")
    for prand in (b"\x00\x00\x01", b"\x70\x81\x94", b"\xff\xff\xff"):
        assert ah(KEY, prand) == crypto.ah(KEY[::-1], prand[::-1])[::-1]


def test_each_bit_of_a_tag_counts() -> None:
    tag = Beacon(KEY).tag(lambda size: b"\x12\x34\x56"[:size])
    assert resolves(KEY, tag)
    for bit in range(TAG_BYTES * 8):
        wrong = (int.from_bytes(tag) ^ 1 << bit).to_bytes(TAG_BYTES)
        assert not resolves(KEY, wrong)


def test_the_key_is_not_shown() -> None:
    assert KEY.hex() not in repr(Beacon(KEY))
    assert repr(KEY) not in repr(Beacon(KEY))


async def test_a_hub_that_was_passed_by_is_not_chosen_again() -> None:
    choice: HubChoice[str] = HubChoice(None, frozenset({"A"}))
    choice.seen("A", [], "A")
    choice.seen("B", [], "B")
    assert await choice.made(1.0) == "B"
    choice = HubChoice(None, frozenset({"A"}))
    choice.seen("A", [], "A")
    with pytest.raises(LinkError, match="the hubs in sight stand at other doors"):
        await choice.made(0.0)


def test_whom_a_phone_tries() -> None:
    ours, foreign = (Beacon(key).tag(lambda size: b"\x01\x02\x03"[:size]) for key in (KEY, OTHER))
    assert match_site(None, [foreign]) is SiteMatch.OURS
    assert match_site(KEY, [ours]) is SiteMatch.OURS
    assert match_site(KEY, [foreign, ours]) is SiteMatch.OURS
    assert match_site(KEY, [foreign]) is SiteMatch.FOREIGN
    assert match_site(KEY, []) is SiteMatch.UNKNOWN
    assert match_site(KEY, [b"a battery's state"]) is SiteMatch.UNKNOWN
