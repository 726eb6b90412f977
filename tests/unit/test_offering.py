"""A policy as a backend offers it: whole or in pieces, and hubs that have another one."""

from __future__ import annotations

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_backend import NewPolicy, Pieces
from hubcore.backend.uplink.from_hub import Hello
from hubcore.backend.uplink.words import MAX_PIECES
from hubcore.policy import document as policies
from hubcore.policy.policy import Policy
from hubsim.site import make_key
from hubsim.site.offering import WHOLE_BYTES, answer, has_drifted, offer

SITE = "site-1"
ISSUER = make_key()


def issued(version: int, names: int) -> policies.Issued:
    revoked = frozenset(f"credential-{number:021}" for number in range(names))
    return policies.issue_tree(Policy(SITE, version, 0, revoked), ISSUER)


def version_of(document: bytes) -> int:
    return policies.version_of(document, ISSUER.verify_key, SITE)


def hello(version: int, digest: bytes) -> Hello:
    return Hello(
        protocol=1,
        hub="hub-1",
        site=SITE,
        boot_id=bytes(16),
        software="0",
        policy_version=version,
        policy_digest=digest,
        last_record=0,
        head_hash=bytes(32),
        waiting=0,
    )


# offering, law 1
def test_a_small_policy_goes_whole_and_a_large_one_by_its_root() -> None:
    small = issued(2, 3)
    assert offer(small.bundle(), version_of).message == NewPolicy(small.bundle())
    large = issued(3, 6000)
    assert len(large.bundle()) > WHOLE_BYTES
    offered = offer(large.bundle(), version_of)
    assert (offered.version, offered.message) == (3, NewPolicy(large.root))


def test_what_is_asked_for_comes_as_far_as_it_is_there() -> None:
    large = issued(3, 6000)
    offered = offer(large.bundle(), version_of)
    messages = answer(offered, [*large.pieces, bytes(32)])
    assert [piece for message in messages for piece in message.pieces] == list(
        large.pieces.values()
    )
    assert {len(message.pieces) for message in messages[:-1]} == {MAX_PIECES}
    assert all(codec.decode_from_backend(codec.encode(message)) == message for message in messages)
    assert answer(offered, [bytes(32)]) == []


# offering, law 3
def test_a_hub_with_another_policy_of_the_same_version_is_told_of() -> None:
    here = issued(3, 5)
    other = issued(3, 6)
    offered = offer(here.bundle(), version_of)
    digest = policies.split(here.root).digest
    assert not has_drifted(offered, hello(3, digest))
    assert has_drifted(offered, hello(3, policies.split(other.root).digest))
    assert not has_drifted(offered, hello(2, policies.split(other.root).digest))
    assert not has_drifted(offer(b"no policy", lambda _: 3), hello(3, digest))


def test_the_same_policy_signed_again_is_no_other_one() -> None:
    assert policies.split(issued(3, 5).root).digest == policies.split(issued(3, 5).root).digest


def test_the_known_bytes_of_pieces() -> None:
    assert codec.encode(Pieces((b"\x01", b"\x02\x03"))).hex() == "8218188241014202" + "03"
