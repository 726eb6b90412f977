"""The newest policy in the engine is whole for whoever comes, and older ones end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.errors import LinkError
from hubcore.policy import document
from hubcore.policy.assembly import Assembly
from hubcore.policy.document import Issued
from hubcore.policy.policy import Policy
from hubgateway.rules import names
from hubgateway.rules.policy import newest
from hubsim.site.documents import make_key
from hubsite.hubs.putting import Put, put_policy, take_out_older

pytestmark = pytest.mark.once
KEY = make_key()
VERSIONS = 12


@cache
def policy(version: int) -> bytes:
    """Every third is small; neighbours share pieces."""
    many = 0 if version % 3 == 0 else 5000
    revoked = frozenset(f"{number:032x}" for number in (*range(many), 10**6 + version // 2))
    return document.issue(Policy("acme", version, version, revoked_credentials=revoked), KEY)


@dataclass
class Bucket:
    """As the engine keeps it: one value a key, each with its number; `left` writes are taken."""

    values: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    number: int = 0
    left: int | None = None

    async def put(self, key: str, value: bytes) -> int:
        if self.left == 0:
            raise LinkError("the engine is away")
        if self.left is not None:
            self.left -= 1
        self.number += 1
        self.values[key] = (self.number, value)
        return self.number

    async def highest_version(self) -> int:
        return max((names.root_version(key) or 0 for key in self.values), default=0)

    async def purge(self, below: int) -> None:
        self.values = {key: one for key, one in self.values.items() if one[0] >= below}

    def brings(self) -> int:
        """What a hub that has nothing gets, as gateways offer it: a whole policy."""
        roots = {key: value for key, (_, value) in self.values.items() if names.root_version(key)}
        offer = newest(roots)
        assert offer is not None
        brought = document.split(offer.message.document)
        root = document.prove(offer.message.document, KEY.verify_key, "acme").root()
        assembly = Assembly(root.trees, lambda _table, _piece, _name: False)
        pieces: dict[bytes, bytes] = {}
        while wanted := assembly.ask(64):
            for name in wanted:
                here = self.values.get(names.piece_key(name), (0, b""))[1]
                piece = brought.pieces.get(name) or here
                assert assembly.take(piece) is not None, "a piece is gone"
                pieces[name] = piece
        whole = Issued(brought.root, pieces).bundle()
        assert document.read(whole, KEY.verify_key, "acme").version == offer.version
        return offer.version


EVENTS = st.lists(
    st.one_of(
        st.just("put"),
        st.just("take out"),
        st.just("start again"),
        st.just("by hand"),
        st.integers(0, 8),
    ),
    max_size=VERSIONS,
)


@settings(max_examples=40, deadline=None)
@given(EVENTS)
def test_in_whatever_order_a_hub_that_comes_gets_the_newest_whole(events: list[str | int]) -> None:
    """putting, laws 1 to 3; a number is a put that is cut off behind so many writes"""
    bucket = Bucket()
    version = 1
    last: Put | None = asyncio.run(put_policy(bucket, version, policy(version)))
    there = version
    for event in events:
        if event == "start again":
            last = None
        elif event == "take out":
            if last is not None:
                asyncio.run(take_out_older(bucket, last))
        elif event == "by hand":
            version += 1
            asyncio.run(put_policy(bucket, version, policy(version)))
            there = version
        else:
            version += 1
            bucket.left = None if event == "put" else int(event)
            try:
                last = asyncio.run(put_policy(bucket, version, policy(version)))
                there = version
            except LinkError:
                pass
            bucket.left = None
        assert bucket.brings() == there


def test_at_most_one_policy_lies_there_once_older_ones_are_out() -> None:
    """putting, law 4"""
    bucket = Bucket()
    for version in range(1, VERSIONS):
        put = asyncio.run(put_policy(bucket, version, policy(version)))
        asyncio.run(take_out_older(bucket, put))
        alone = Bucket()
        asyncio.run(put_policy(alone, version, policy(version)))
        assert bucket.values.keys() == alone.values.keys()
