"""The keys by which the reference backend knows its hubs: who may bring one, and what is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from zmq.utils import z85

from hubcore.backend.uplink.from_hub import NewKey, RetireKey
from hubcore.codec.keyproof import proof_of
from hubd.adapters.keys.uplinkkeys import OwnPair, make_pair
from hubsim.backend.admission.keyring import RETIRED_MAX, HubFiles, KeyChanges
from hubsim.backend.admission.zap import Gate

OLD, NEW, NEWER, SERVER, NEXT_SERVER, STRANGER = (make_pair() for _ in range(6))


def text(pair: OwnPair) -> str:
    return z85.encode(pair.public).decode()


class Office:
    """A backend's keys in a directory: hub-1 has OLD, hub-2 has STRANGER."""

    def __init__(self, directory: Path) -> None:
        self.hubs = directory / "hubs"
        self.hubs.mkdir(exist_ok=True)
        for hub, pair in (("hub-1", OLD), ("hub-2", STRANGER)):
            (self.hubs / f"{hub}.curve.pub").write_text(text(pair))
        self.told: list[str] = []
        self.files = HubFiles(self.hubs)
        self.gate = Gate(self.files, directory / "revoked", self.told.append)
        servers = [(pair.secret, pair.public) for pair in (SERVER, NEXT_SERVER)]
        self.changes = KeyChanges(self.gate, servers)

    def bring(self, new: OwnPair, over: OwnPair = OLD, **other: object):
        said = {
            "hub": "hub-1",
            "old": over.public,
            "new": new.public,
            "backend": SERVER.public,
            **other,
        }
        proof = proof_of(new.secret, said["backend"], **said)  # type: ignore[arg-type]
        return self.changes.answer("hub-1", text(over), NewKey(new.public, proof))


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_new_key_is_held_beside_the_old_one(office: Office) -> None:
    taken = office.bring(NEW)
    assert (taken.key, taken.keys, taken.refused) == (NEW.public, 2, "")
    assert office.files.keys_of("hub-1") == (text(OLD), text(NEW))
    assert HubFiles(office.hubs).keys_of("hub-1") == (text(OLD), text(NEW))
    for pair in (OLD, NEW):
        assert office.gate.admit(text(pair)).status == b"200"


def test_the_same_again_is_answered_again(office: Office) -> None:
    assert office.bring(NEW) == office.bring(NEW)


def test_a_proof_by_the_backends_next_key_counts_too(office: Office) -> None:
    assert office.bring(NEW, backend=NEXT_SERVER.public).refused == ""
    assert "nothing proves" in office.bring(NEWER, backend=STRANGER.public).refused


def test_a_third_key_takes_the_place_of_the_second(office: Office) -> None:
    office.bring(NEW)
    office.bring(NEWER)
    assert office.files.keys_of("hub-1") == (text(OLD), text(NEWER))
    assert office.gate.admit(text(NEW)).status == b"300"


@pytest.mark.parametrize("other", [{"hub": "hub-2"}, {"old": NEWER.public}])
def test_what_is_not_proved_is_refused(office: Office, other: dict[str, object]) -> None:
    taken = office.bring(NEW, **other)
    assert "nothing proves" in taken.refused
    assert office.files.keys_of("hub-1") == (text(OLD),)


def test_another_hubs_key_is_refused_even_with_its_secret(office: Office) -> None:
    assert "another hub has this key" in office.bring(STRANGER).refused
    assert office.files.keys_of("hub-1") == (text(OLD),)


def test_the_key_of_the_connection_is_no_new_one(office: Office) -> None:
    assert "the key of this connection" in office.bring(OLD).refused


def test_a_key_that_was_revoked_or_retired_is_none_again(office: Office) -> None:
    office.gate.revoke(text(NEWER))
    assert "in use before" in office.bring(NEWER).refused
    office.bring(NEW)
    office.changes.answer("hub-1", text(NEW), RetireKey(OLD.public))
    assert "in use before" in office.bring(OLD, over=NEW).refused


def test_retiring_leaves_the_key_of_the_connection_alone(office: Office) -> None:
    office.bring(NEW)
    taken = office.changes.answer("hub-1", text(NEW), RetireKey(OLD.public))
    assert (taken.key, taken.keys, taken.refused) == (NEW.public, 1, "")
    assert office.files.keys_of("hub-1") == (text(NEW),)
    assert not office.gate.holds("hub-1", text(OLD))
    # zap, law 2: it is let wait, not refused, and people are told once
    assert office.gate.admit(text(OLD)).status == b"300"
    assert office.gate.admit(text(OLD)).status == b"300"
    assert len(office.told) == 1
    assert "hub-1" in office.told[0]


def test_a_revoked_key_counts_nowhere_and_can_be_restored(office: Office) -> None:
    office.gate.revoke(text(OLD))
    assert office.gate.admit(text(OLD)).status == b"400"
    assert not office.gate.holds("hub-1", text(OLD))
    office.gate.allow(text(OLD))
    assert office.gate.admit(text(OLD)).status == b"200"
    assert office.gate.holds("hub-1", text(OLD))


def test_a_key_counts_for_its_own_hub_alone(office: Office) -> None:
    assert office.gate.holds("hub-2", text(STRANGER))
    assert not office.gate.holds("hub-1", text(STRANGER))


def test_a_directory_that_is_away_makes_no_key_unknown_for_good(office: Office) -> None:
    away = office.hubs.with_name("away")
    office.hubs.rename(away)
    assert office.gate.admit(text(OLD)).status == b"300"
    assert not office.gate.holds("hub-1", text(OLD))
    with pytest.raises(OSError):
        office.bring(NEW)
    away.rename(office.hubs)
    assert office.gate.holds("hub-1", text(OLD))


def test_so_many_retired_keys_are_remembered(office: Office) -> None:
    keys = [z85.encode(bytes([number] * 32)).decode() for number in range(RETIRED_MAX + 10)]
    for key in keys:
        office.files.hold("hub-1", [key])
    retired = (office.hubs / "hub-1.curve.retired").read_text().splitlines()
    assert len(retired) == RETIRED_MAX
    assert office.files.hub_of_retired(keys[-2]) == "hub-1"


def test_a_fixed_list_of_hubs_takes_no_new_key(tmp_path: Path) -> None:
    gate = Gate({text(OLD): "hub-1"}, tmp_path / "revoked")
    changes = KeyChanges(gate, [(SERVER.secret, SERVER.public)])
    taken = changes.answer("hub-1", text(OLD), NewKey(NEW.public, bytes(32)))
    assert "cannot change the keys" in taken.refused
    assert taken.keys == 1
    assert gate.holds("hub-1", text(OLD))
