"""The proof that a hub has its next secret: for one hub, one old key, one backend, and no other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubcore.codec.keyproof import is_proof, proof_of
from hubd.adapters.keys.uplinkkeys import make_pair, public_of

OLD, NEW, BACKEND, STRANGER = (make_pair() for _ in range(4))
SAID = {"hub": "hub-1", "old": OLD.public, "new": NEW.public, "backend": BACKEND.public}


def test_both_sides_come_to_the_same():
    of_hub = proof_of(NEW.secret, BACKEND.public, **SAID)
    of_backend = proof_of(BACKEND.secret, NEW.public, **SAID)
    assert is_proof(of_hub, of_backend)
    assert len(of_hub) == 32


def test_the_known_bytes_of_a_proof():
    secret = bytes(range(32))
    backend = public_of(bytes(range(32, 64)))
    new = public_of(secret)
    proof = proof_of(secret, backend, hub="hub-1", old=bytes(32), new=new, backend=backend)
    assert proof.hex() == KNOWN


KNOWN = "ed8e111500b17b7c5cf88db57cf9d3b167f8aaf17e028ff4b85f2871b68e7751"


@given(st.sampled_from(["hub", "old", "new", "backend"]))
def test_elsewhere_it_proves_nothing(what):
    expected = proof_of(BACKEND.secret, NEW.public, **SAID)
    said = {**SAID, what: "hub-2" if what == "hub" else STRANGER.public}
    assert not is_proof(proof_of(NEW.secret, BACKEND.public, **said), expected)


def test_who_has_not_the_secret_proves_nothing():
    expected = proof_of(BACKEND.secret, NEW.public, **SAID)
    assert not is_proof(proof_of(STRANGER.secret, BACKEND.public, **SAID), expected)
    assert not is_proof(proof_of(OLD.secret, BACKEND.public, **SAID), expected)
