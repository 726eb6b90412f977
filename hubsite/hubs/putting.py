"""Puts a policy into the engine's bucket, and takes out what was there before it.

How it works: the engine numbers all that is written. A policy that is put brings each piece of it
once more, then its root. So whatever has a smaller number than its first piece is of no policy that
is offered: hubs are offered the highest version, and ask for the pieces of that alone.

Laws:
1. Pieces of a policy are there before the root that names them, each under its one name.
2. What is taken out was written before the newest policy began, and that policy is whole: a hub
   that was away gets it without anything else.
3. Nothing is taken out while the engine has a newer root than the one that was put.
4. So at most two policies lie there: one that counts, and one that is on its way in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hubcore.policy import document
from hubcore.policy.tree import PIECE_BYTES, asked_for
from hubgateway.rules import names


class Bucket(Protocol):
    """The bucket of policies. Each method raises LinkError, StoreError."""

    async def highest_version(self) -> int:
        """Return the highest version of a root that is there, 0 for none."""

    async def put(self, key: str, value: bytes) -> int:
        """Write a value; return its number in the bucket."""

    async def purge(self, below: int) -> None:
        """Take out all that has a smaller number."""


@dataclass(frozen=True, slots=True)
class Put:
    """A policy that was put, and the number of the first that was written of it."""

    version: int
    first: int


async def put_policy(bucket: Bucket, version: int, whole: bytes) -> Put:
    """Offer a policy to all hubs (law 1). Raise LinkError, StoreError."""
    said = whole
    places = []
    if len(whole) > PIECE_BYTES:
        brought = document.split(whole)
        for name, piece in asked_for(brought.root, brought.pieces).items():
            places.append(await bucket.put(names.piece_key(name), piece))
        said = brought.root
    places.append(await bucket.put(names.root_key(version), said))
    return Put(version, min(places))


async def take_out_older(bucket: Bucket, put: Put) -> None:
    """Take out what was there before (laws 2 and 3). Raise LinkError, StoreError."""
    if await bucket.highest_version() == put.version:
        await bucket.purge(put.first)
