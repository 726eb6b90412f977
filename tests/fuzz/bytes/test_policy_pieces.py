"""The tree of a policy, and its pieces in any order: exactly what was signed, or the old policy."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.codec import cbor
from hubcore.errors import FrameError, SignatureError
from hubcore.policy import document as policies
from hubcore.policy.assembly import Arrived, Assembly
from hubcore.policy.page import Page, key_of, write_page
from hubcore.policy.policy import Policy
from hubcore.policy.tree import (
    HASH_BYTES,
    PIECE_BYTES,
    Grown,
    Table,
    Tree,
    asked_for,
    grow,
    hash_node,
    hash_of,
    hash_page,
    hashes_of,
    names_of,
    rows_of,
    split_piece,
    write_piece,
)
from hubsim.site import make_key
from tests.fuzz.common import effort

ISSUER = make_key()
SITE = "site-1"
IDS = st.sets(st.binary(min_size=1, max_size=40), max_size=300)


def rows(ids: set[bytes], width: int = 1) -> list[tuple[bytes, bytes]]:
    return [(identity, identity * width) for identity in ids]


def many(count: int, salt: str = "") -> list[tuple[bytes, bytes]]:
    return rows({f"{salt}{number}".encode() for number in range(count)}, 20)


def content(grown: Grown | None) -> set[tuple[bytes, bytes]]:
    """Every row of a tree, read from its pieces by their places."""
    if grown is None:
        return set()
    gathered: set[tuple[bytes, bytes]] = set()
    assembly = Assembly({Table.CARDS: grown.tree}, lambda *_: False)
    while names := assembly.ask(1000):
        for name in names:
            for one in assembly.take(grown.pieces[name]) or ():
                first = one.piece * grown.tree.pages_a_piece
                gathered |= set(rows_of(one.pages, grown.tree, first))
    assert assembly.complete
    return gathered


# tree, law 1
@effort(60)
@given(ids=IDS, width=st.integers(1, 60), data=st.data())
def test_the_same_rows_make_the_same_tree_in_whatever_order(
    ids: set[bytes], width: int, data: st.DataObject
) -> None:
    there = rows(ids, width)
    grown = grow(there)
    assert grow(data.draw(st.permutations(there))) == grown
    assert content(grown) == {(key_of(identity), row) for identity, row in there}


# tree, law 1
@effort(40)
@given(number=st.integers(0, 4999), added=st.booleans())
def test_a_change_moves_one_piece_and_its_index(number: int, added: bool) -> None:
    before = many(5000)
    after = [*before, (b"new", b"row")] if added else before[:number] + before[number + 1 :]
    was = grow(before)
    now = grow(after)
    assert was is not None
    assert now is not None
    assert was.tree.bits == now.tree.bits
    assert len(now.pieces.keys() - was.pieces.keys()) == 2


# tree, law 3
@pytest.mark.parametrize("width", [1, 30, 1000, 4000])
def test_no_piece_is_longer_than_its_ceiling(width: int) -> None:
    grown = grow([(bytes([n, m]), bytes([n]) * width) for n in range(20) for m in range(100)])
    assert grown is not None
    assert max(map(len, grown.pieces.values())) <= PIECE_BYTES
    for piece in grown.pieces.values():
        for page in _pages_of(piece):
            assert len(page) <= 8 * 1024 or len(list(Page.read(page).all())) == 1


def _pages_of(piece: bytes) -> tuple[bytes, ...]:
    try:
        return split_piece(piece)
    except FrameError:  # a piece of an index
        return ()


def test_rows_that_no_tree_can_hold_are_told_at_the_issuer_s() -> None:
    with pytest.raises(ValueError, match="too long"):
        grow([(b"a", bytes(PIECE_BYTES))])
    with pytest.raises(ValueError, match="one key"):
        grow([(b"a", b"1"), (b"a", b"2")])


def test_a_hash_of_a_page_stands_for_no_list_of_hashes() -> None:
    for data in (b"", bytes(64), write_page([])):
        assert hash_page(data) != hash_node(data)


def test_the_known_bytes_and_hashes_of_a_tree() -> None:
    """So that another writer of these pages finds what he must make."""
    grown = grow([(b"anna", b"anna"), (b"ben", b"ben")])
    assert grown is not None
    page = cbor.encode(
        [
            key_of(b"anna") + key_of(b"ben"),
            b"\x00\x04\x00\x07",
            b"annaben",
        ]
    )
    if key_of(b"ben") < key_of(b"anna"):
        page = cbor.encode([key_of(b"ben") + key_of(b"anna"), b"\x00\x03\x00\x07", b"benanna"])
    name = hash_node(hash_page(page))
    assert grown == Grown(Tree(0, name), {name: cbor.encode([page])})


# page, law 3
@effort(100)
@given(ids=IDS, other=st.binary(min_size=1, max_size=8))
def test_a_page_finds_each_of_its_rows_and_no_other(ids: set[bytes], other: bytes) -> None:
    page = Page.read(write_page(sorted((key_of(identity), identity) for identity in ids)))
    assert list(page.all()) == sorted((key_of(identity), identity) for identity in ids)
    for identity in ids:
        assert page.find(key_of(identity)) == identity
    if other not in ids:
        assert page.find(key_of(other)) is None


class Site:
    """Two policies of a site, and a hub that has all of the first one in force."""

    def __init__(self, old: set[str], new: set[str]) -> None:
        self.old = policies.issue_tree(self._policy(1, old), ISSUER)
        self.new = policies.issue_tree(self._policy(2, new), ISSUER)
        self.names = new

    @staticmethod
    def _policy(version: int, names: set[str]) -> Policy:
        return Policy(SITE, version, 0, frozenset(names), disabled=frozenset(list(names)[:3]))

    def assembly(self, held: set[bytes]) -> Assembly:
        root = policies.prove(self.new.root, ISSUER.verify_key, SITE).root()
        return Assembly(root.trees, lambda _table, _piece, name: name in held)


NAMES = st.integers(0, 400).map(lambda count: {f"credential-{n:030}" for n in range(count)})


def spoiled_pieces(site: Site, random_: random.Random) -> Iterator[bytes]:
    """What a carrier may bring: right ones, twice, of the old policy, cut, changed, made up."""
    for piece in site.new.pieces.values():
        yield piece
        yield piece[:-1]
        yield piece[:-1] + bytes([piece[-1] ^ 1])
        at = random_.randrange(len(piece))
        yield piece[:at] + random_.randbytes(1) + piece[at + 1 :]
    yield from site.old.pieces.values()
    yield b""
    yield random_.randbytes(64)
    yield write_piece([write_page([])])
    yield bytes(HASH_BYTES * 4)


# assembly, law 1
@effort(60)
@given(
    old=NAMES,
    new=NAMES,
    seed=st.integers(0, 2**32),
    most=st.integers(1, 9),
    staged=st.booleans(),
)
def test_any_order_loss_repetition_or_forgery_ends_in_what_was_signed(
    old: set[str], new: set[str], seed: int, most: int, staged: bool
) -> None:
    random_ = random.Random(seed)
    site = Site(old, new)
    held = set(site.new.pieces) if staged else set()
    assembly = site.assembly(held)
    signed = set(site.new.pieces.values())
    arrived: list[Arrived] = []
    for _ in range(40):
        asked = assembly.ask(most)
        assert len(asked) <= most
        if not asked:
            break
        come = list(spoiled_pieces(site, random_))
        random_.shuffle(come)
        for piece in come[random_.randrange(len(come)) :] + come[: len(come) // 3]:
            before = assembly.waiting
            taken = assembly.take(piece)
            assert (taken is None) == (assembly.waiting == before)
            if taken is not None:
                assert piece in signed
                arrived += taken
                assert assembly.take(piece) is None
    for name in iter(lambda: next(iter(assembly.ask(1)), b""), b""):
        arrived += assembly.take(site.new.pieces[name]) or ()
    assert assembly.complete
    root = policies.prove(site.new.root, ISSUER.verify_key, SITE).root()
    if staged:
        return
    for table, tree in root.trees.items():
        places = {one.piece: one for one in arrived if one.table is table}
        assert sorted(places) == list(range(tree.pieces))
        names = b"".join(hash_node(places[piece].hashes) for piece in sorted(places))
        assert hash_of(names) == tree.hash
        assert all(hashes_of(one.pages) == one.hashes for one in places.values())


def test_only_what_is_not_here_is_wanted() -> None:
    site = Site(
        {f"credential-{n:030}" for n in range(4000)},
        {f"credential-{n:030}" for n in range(4001)},
    )
    assembly = site.assembly(set(site.old.pieces))
    wanted = 0
    while names := assembly.ask(100):
        for name in names:
            wanted += 1
            assembly.take(site.new.pieces[name])
    assert assembly.complete
    assert wanted == len(site.new.pieces.keys() - site.old.pieces.keys())
    assert wanted <= 2 + 2  # a piece and an index; the disabled may be others


def test_what_the_issuer_signed_and_is_no_tree_is_refused() -> None:
    """A list of hashes where pages must be, an index of another length, too few pages."""
    page = write_page([])
    pages = write_piece([page])
    name = hash_node(hash_page(page))
    index = name * 3
    for tree, piece in (
        (Tree(5, name), pages),
        (Tree(5, hash_node(index)), index),
        (Tree(1, name), pages),
    ):
        assembly = Assembly({Table.CARDS: tree}, lambda *_: False)
        assert assembly.ask(1) == (tree.hash,)
        with pytest.raises(SignatureError):
            assembly.take(piece)


@pytest.mark.parametrize("bits", [0, 4, 5, 15, 16])
def test_every_level_of_a_tree_is_found(bits: int) -> None:
    """Of a tree that no test could fill: each piece has a name of its own."""
    tree = Tree(bits, b"")
    names = b"".join(key_of(bytes([n >> 8, n & 255])) * 2 for n in range(tree.pieces))
    pieces: dict[bytes, bytes] = {}
    level = names
    while len(level) > HASH_BYTES:
        parts = [level[at : at + 65536] for at in range(0, len(level), 65536)]
        pieces.update((hash_node(part), part) for part in parts)
        level = b"".join(hash_node(part) for part in parts)
    held = {names[at : at + 32] for at in range(0, len(names), 32)}
    assembly = Assembly({Table.CARDS: Tree(bits, level)}, lambda _table, _piece, name: name in held)
    while asked := assembly.ask(64):
        for name in asked:
            assert assembly.take(pieces[name]) == []
    assert assembly.complete
    assert hash_of(names) == level


@effort(100)
@given(data=st.binary(max_size=300))
def test_bytes_of_any_kind_are_a_piece_or_a_frame_error(data: bytes) -> None:
    assert names_of(data)
    for read in (split_piece, lambda data: list(Page.read(data).all())):
        try:
            read(data)
        except FrameError:
            continue


@pytest.mark.parametrize("count", [1, 300, 20_000])
def test_a_policy_comes_together_of_pieces_that_lie_under_one_name_each(count: int) -> None:
    """engine of hubsite, law 1: whatever a hub asks for is there, and nothing a second time."""
    ids = frozenset(f"credential-{number:06}" for number in range(count))
    issued = policies.issue(Policy(SITE, 2, 0, revoked_credentials=ids), ISSUER)
    brought = policies.split(issued)
    there = asked_for(brought.root, brought.pieces)
    asked = set()
    root = policies.prove(issued, ISSUER.verify_key, SITE).root()
    assembly = Assembly(root.trees, lambda _table, _piece, _name: False)
    while names := assembly.ask(64):
        asked |= set(names)
        for name in names:
            assert assembly.take(there[name]) is not None
    assert assembly.complete
    assert set(there) == asked
    assert len(there) == len(set(brought.pieces.values()))
    assert len(brought.pieces) > len(there)
