"""Rows 39-46 and 98: what is no deterministic CBOR is refused, outside the seal and inside it."""

from __future__ import annotations

from collections.abc import Callable

from hubcore.codec import cbor
from tests.vectors import world
from tests.vectors.bench import HubFile
from tests.vectors.world import make_open

Mutation = Callable[[bytes], bytes]


def _swap(old: bytes, new: bytes) -> Mutation:
    def mutate(data: bytes) -> bytes:
        assert data.count(old) == 1, "what is to be replaced must be there once"
        return data.replace(old, new)

    return mutate


def _table(label: str) -> list[tuple[str, str, str, Mutation, Mutation]]:
    """Return (row, name, what it shows, change of the message, change of the request)."""
    kid = b"\x48" + world.fixed("kid of a message", 8)
    op = b"\x02\x48" + world.fixed(f"{label}/op", 8)
    point_action = b"\x03\x01\x04\x01"
    nine = b"\x81" * 9 + b"\x00"
    bomb = b"\x9b\x01" + bytes(7)
    recipient = b"\x01\x38\x28\x04" + kid
    return [
        ("039", "duplicate-key", "A map key twice",
         _swap(b"\xa2" + recipient, b"\xa3\x01\x38\x28" + recipient),
         _swap(b"\xa6\x01", b"\xa7\x01\x40\x01")),
        ("040", "unsorted-keys", "Map keys out of order",
         _swap(b"\xa2" + recipient, b"\xa2\x04" + kid + b"\x01\x38\x28"),
         _swap(point_action, b"\x04\x01\x03\x01")),
        ("041", "head-too-long", "A head longer than needed", _swap_first(b"\x82", b"\x98\x02"),
         _swap(point_action, b"\x03\x18\x01\x04\x01")),
        ("042", "indefinite-length", "An array (a map inside) of indefinite length",
         lambda m: b"\x9f" + m[1:] + b"\xff", lambda r: b"\xbf" + r[1:] + b"\xff"),
        ("043", "trailing-byte", "A byte after the end", lambda m: m + b"\x00",
        lambda r: r + b"\x00"),
        ("044", "float", "A whole number as a float", _swap_first(b"\x82\x02", b"\x82\xf9\x40\x00"),
         _swap(point_action, b"\x03\xf9\x3c\x00\x04\x01")),
        ("045", "too-deep", "Nine arrays in one another", lambda m: b"\x82\x02" + nine,
         _swap(point_action, b"\x03" + nine + b"\x04\x01")),
        ("046", "count-bomb", "An array that announces 2^56 "
                              "items", lambda m: b"\x82\x02" + bomb + b"\x00",
         _swap(point_action, b"\x03" + bomb)),
        ("098", "boolean-for-number", "True where the number 1 "
                                      "belongs", _swap_first(b"\x82\x02", b"\x82\xf5"),
         _swap(op + point_action, op + b"\x03\xf5\x04\x01")),
    ]  # fmt: skip


def _swap_first(old: bytes, new: bytes) -> Mutation:
    def mutate(data: bytes) -> bytes:
        assert data.startswith(old)
        return new + data[len(old) :]

    return mutate


async def write() -> None:
    """Write two files of each row: outside answered with CLEAR 1, inside with CLEAR 6."""
    names = [(row, name, shows) for row, name, shows, _, _ in _table("")]
    for index, (row, name, shows) in enumerate(names):
        file = HubFile(row, f"{name}-outside", epochs=[])
        kid = world.fixed("kid of a message", 8)
        outside = _table(file.label)[index][3]
        await file.message(make_open(file.plan(await file.info(), kid=kid, raw=outside)))
        file.save(f"{shows}: in the message", "CLEAR 1")

        file = HubFile(row, f"{name}-inside")
        inside = _table(file.label)[index][4]
        await file.message(make_open(file.plan(await file.info(), payload=inside)))
        file.save(f"{shows}: in the signed request", "CLEAR 6")
    assert cbor.MAX_DEPTH == 8
