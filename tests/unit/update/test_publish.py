"""The publisher's program, by what a hub makes of what it has published."""

from __future__ import annotations

import json
import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from hubcore.errors import RollbackError, SignatureError, TrustError
from hubterm.exits import NO, OK, UNREADABLE, USAGE
from hubupdate.trust import Repository
from tests.unit.update.publisher import CHANNEL, PLAN, HubThere, Publisher

pytestmark = pytest.mark.once

IMAGE = os.urandom(100_000)
NAME = "hubd-1.squashfs"
IMAGES = Repository.IMAGES
DIRECTOR = Repository.DIRECTOR


@pytest.fixture
def desk(tmp_path: Path) -> Publisher:
    """A publisher whose first update is published."""
    publisher = Publisher(tmp_path)
    for which in Repository:
        publisher.make(which)
    assert publisher.add(NAME, IMAGE) == OK, publisher.said
    assert publisher.plan(PLAN) == OK, publisher.said
    publisher.published()
    return publisher


@pytest.fixture
def hub(desk: Publisher, tmp_path: Path) -> HubThere:
    return HubThere(desk, tmp_path / "kept")


def files(desk: Publisher) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in desk.carrier.rglob("*") if path.is_file()}


def test_from_nothing_to_the_first_update(hub: HubThere) -> None:
    plan = hub.look()
    assert plan is not None
    assert (plan.image.name, plan.image.version) == (NAME, "1.0")
    assert plan.canaries == {"hub-1"}
    assert hub.bytes_of(plan) == IMAGE


def test_a_hub_keeps_what_it_had_until_the_next_list_is_published(
    desk: Publisher, hub: HubThere
) -> None:
    """As after a power cut between the list of targets and the rest."""
    before = hub.look()
    assert desk.add("hubd-2.squashfs", b"two") == OK
    assert desk.plan(PLAN.replace(NAME, "hubd-2.squashfs")) == OK
    assert hub.look() == before
    desk.published(IMAGES, DIRECTOR)
    after = hub.look()
    assert after is not None
    assert after.image.name == "hubd-2.squashfs"


def test_a_withdrawn_image_is_taken_by_no_hub(desk: Publisher, hub: HubThere) -> None:
    assert hub.look() is not None
    desk.did("withdraw", desk.carrier, NAME, "--key", desk.key("images-targets-0"))
    desk.published(IMAGES)
    with pytest.raises(TrustError, match="not on the list"):
        hub.look()
    assert desk.does("withdraw", desk.carrier, NAME, "--key", desk.key("images-targets-0")) == USAGE


def test_another_image_has_another_name(desk: Publisher) -> None:
    before = files(desk)[desk.carrier / "images" / "metadata" / "1.targets.json"]
    assert desk.add(NAME, b"other bytes") == USAGE
    assert "another name" in desk.said[0]
    assert not (desk.carrier / "images" / "metadata" / "2.targets.json").exists()
    assert files(desk)[desk.carrier / "images" / "metadata" / "1.targets.json"] == before


@pytest.mark.parametrize("signatures", [0, 1])
def test_a_root_needs_two_persons(tmp_path: Path, signatures: int) -> None:
    desk = Publisher(tmp_path)
    names = desk.names(IMAGES)
    draft = tmp_path / "draft"
    assert desk.draft(IMAGES, draft, **names) == OK
    for name in names["root"][:signatures]:
        desk.did("sign", draft, desk.key(name))
    assert desk.does("accept", desk.carrier, IMAGES, draft) == NO
    assert f"{signatures} of 2 signatures" in desk.said[0]
    assert files(desk) == {}


def test_the_same_person_twice_is_one(tmp_path: Path) -> None:
    desk = Publisher(tmp_path)
    names = desk.names(IMAGES)
    draft = tmp_path / "draft"
    assert desk.draft(IMAGES, draft, **names) == OK
    for _ in range(2):
        desk.did("sign", draft, desk.key(names["root"][0]))
    assert desk.does("accept", desk.carrier, IMAGES, draft) == NO


def test_two_root_keys_are_too_few(tmp_path: Path) -> None:
    desk = Publisher(tmp_path)
    names = {**desk.names(IMAGES), "root": ["one", "two"]}
    assert desk.draft(IMAGES, tmp_path / "draft", **names) == USAGE
    assert "needs 3 keys" in desk.said[0]


def test_a_role_without_a_key_is_told(tmp_path: Path) -> None:
    desk = Publisher(tmp_path)
    names = desk.names(IMAGES)
    del names["snapshot"]
    assert desk.draft(IMAGES, tmp_path / "draft", **names) == USAGE
    assert "snapshot" in desk.said[0]


def test_a_key_serves_one_role_of_one_repository(desk: Publisher, tmp_path: Path) -> None:
    again = ["images-timestamp-0"]
    assert desk.draft(IMAGES, tmp_path / "draft", snapshot=again) == USAGE
    assert "serves two roles" in desk.said[0]
    assert desk.draft(DIRECTOR, tmp_path / "draft", snapshot=again) == USAGE
    assert "serves two roles" in desk.said[0]


def rotate(desk: Publisher, tmp_path: Path, *signers: str, **roles: list[str]) -> int:
    draft = tmp_path / "next.draft"
    assert desk.draft(IMAGES, draft, **roles) == OK, desk.said
    for name in signers:
        desk.did("sign", draft, desk.key(name))
    return desk.does("accept", desk.carrier, IMAGES, draft)


def test_a_hub_follows_a_new_root_and_the_old_key_signs_nothing_more(
    desk: Publisher, hub: HubThere, tmp_path: Path
) -> None:
    assert hub.look() is not None
    two = ("images-root-0", "images-root-1")
    assert rotate(desk, tmp_path, *two, timestamp=["new-stamp"]) == OK, desk.said
    before = files(desk)
    assert desk.publish(IMAGES) == NO
    assert "not a timestamp key" in desk.said[0]
    assert files(desk) == before
    snapshot = desk.key("images-snapshot-0")
    stamp = desk.key("new-stamp")
    desk.did("publish", desk.carrier, IMAGES, "--snapshot", snapshot, "--timestamp", stamp)
    assert hub.look() is not None


def test_new_root_keys_need_the_old_ones_too(
    desk: Publisher, hub: HubThere, tmp_path: Path
) -> None:
    new = ["new-1", "new-2", "new-3"]
    assert rotate(desk, tmp_path, "new-1", "new-2", "images-root-0", root=new) == NO
    assert "1 of 2 signatures by the old root's keys" in desk.said[0]
    assert rotate(desk, tmp_path, "images-root-0", "images-root-1", "new-1", root=new) == NO
    assert "1 of 2 signatures by the new root's keys" in desk.said[0]
    signers = ("images-root-0", "images-root-1", "new-1", "new-2")
    assert rotate(desk, tmp_path, *signers, root=new) == OK
    assert rotate(desk, tmp_path, "images-root-0", "images-root-1") == NO
    assert rotate(desk, tmp_path, "new-1", "new-3") == OK
    assert hub.look() is not None


def test_a_root_does_not_come_twice(desk: Publisher) -> None:
    draft = desk.desk / "images.1.draft"
    assert desk.does("accept", desk.carrier, IMAGES, draft) == USAGE
    assert "next root of images is number 2" in desk.said[0]


def test_after_a_new_targets_key_the_list_is_signed_again_by_a_person_who_sees_it(
    desk: Publisher, hub: HubThere, tmp_path: Path
) -> None:
    two = ("images-root-0", "images-root-1")
    assert rotate(desk, tmp_path, *two, targets=["new-targets"]) == OK
    assert desk.publish(IMAGES) == NO
    assert "sign it again" in desk.said[0]
    desk.did("resign", desk.carrier, IMAGES, "--key", desk.key("new-targets"))
    assert any(NAME in line for line in desk.said)
    desk.published(IMAGES)
    assert hub.look() is not None


def test_only_the_key_of_a_role_signs_its_list(desk: Publisher) -> None:
    before = files(desk)
    stranger = desk.key("stranger")
    words = ("withdraw", desk.carrier, NAME, "--key", stranger)
    assert desk.does(*words) == NO
    assert "not a targets key" in desk.said[0]
    assert desk.does("resign", desk.carrier, IMAGES, "--key", desk.key("images-snapshot-0")) == NO
    stamp = desk.key("images-timestamp-0")
    assert (
        desk.does("publish", desk.carrier, IMAGES, "--snapshot", stranger, "--timestamp", stamp)
        == NO
    )
    assert files(desk) == before


@pytest.mark.parametrize("harm", ["gone", "flipped", "short"])
def test_what_a_hub_could_not_fetch_is_not_published(desk: Publisher, harm: str) -> None:
    (place,) = (desk.carrier / "images" / "targets").iterdir()
    if harm == "gone":
        place.unlink()
    else:
        place.write_bytes(IMAGE[:-1] if harm == "short" else bytes([IMAGE[0] ^ 1]) + IMAGE[1:])
    before = files(desk)
    assert desk.publish(IMAGES) == (UNREADABLE if harm == "gone" else NO)
    assert str(place) in desk.said[0]
    assert files(desk) == before
    assert desk.add(NAME, IMAGE) == OK
    desk.published(IMAGES)


def test_a_list_that_somebody_edited_is_not_built_upon(desk: Publisher) -> None:
    path = desk.carrier / "images" / "metadata" / "1.targets.json"
    lists = json.loads(path.read_bytes())
    lists["signed"]["targets"]["evil.squashfs"] = lists["signed"]["targets"][NAME]
    path.write_text(json.dumps(lists))
    before = files(desk)
    assert desk.add("hubd-2.squashfs", b"two") == NO
    assert desk.publish(IMAGES) == NO
    assert desk.does("resign", desk.carrier, IMAGES, "--key", desk.key("images-targets-0")) == NO
    assert files(desk) == before


@pytest.mark.parametrize("harm", [b"", b"{", b"[]", b'{"signed": 1}', b"\xff" * 40])
def test_what_is_no_list_is_told(desk: Publisher, harm: bytes) -> None:
    path = desk.carrier / "images" / "metadata" / "1.targets.json"
    path.write_bytes(harm)
    assert desk.publish(IMAGES) == NO
    assert "is no signed list" in desk.said[0]


def test_a_list_that_has_ended_is_not_published_until_it_is_signed_again(desk: Publisher) -> None:
    desk.later = timedelta(days=91)
    assert desk.publish(IMAGES) == NO
    assert "the targets list ended" in desk.said[0]
    desk.did("resign", desk.carrier, IMAGES, "--key", desk.key("images-targets-0"))
    assert desk.publish(IMAGES) == OK
    desk.later = timedelta(days=366)
    assert desk.publish(IMAGES) == NO
    assert "the root list ended" in desk.said[0]


def test_what_ends_soon_is_told_by_the_exit_status(desk: Publisher) -> None:
    assert desk.does("show", desk.carrier) == OK
    assert len(desk.said) == 8
    desk.later = timedelta(days=6)
    assert desk.does("show", desk.carrier) == NO
    soon = [line.split()[:2] for line in desk.said if "ends soon" in line]
    assert soon == [["images", "timestamp"], ["director", "timestamp"]]
    desk.published()
    assert desk.does("show", desk.carrier) == OK


def test_a_hub_that_saw_the_newest_list_refuses_an_older_timestamp(
    desk: Publisher, hub: HubThere
) -> None:
    stamp = desk.carrier / "images" / "metadata" / "timestamp.json"
    old = stamp.read_bytes()
    desk.published()
    assert hub.look() is not None
    stamp.write_bytes(old)
    with pytest.raises(RollbackError):
        hub.look()


def test_no_numbered_list_is_ever_written_over(desk: Publisher) -> None:
    before = files(desk)
    desk.published()
    after = files(desk)
    stamps = {path for path in before if path.name == "timestamp.json"}
    assert {path for path in before if after[path] != before[path]} == stamps


def test_others_may_read_what_is_published_and_no_private_key(desk: Publisher) -> None:
    for path in files(desk):
        assert stat.S_IMODE(path.stat().st_mode) == 0o644, path
    for path in desk.desk.glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_private_key_that_others_may_read_signs_nothing(desk: Publisher) -> None:
    key = desk.key("images-targets-0")
    key.chmod(0o640)
    assert desk.does("resign", desk.carrier, IMAGES, "--key", key) == USAGE
    assert f"chmod 600 {key}" in desk.said[-1]


def test_a_key_that_is_there_stays(desk: Publisher) -> None:
    key = desk.key("images-targets-0")
    before = key.read_bytes()
    assert desk.does("key", key, "--open") == USAGE
    assert key.read_bytes() == before


def test_a_key_with_a_passphrase_signs_with_it_alone(tmp_path: Path) -> None:
    desk = Publisher(tmp_path)
    closed = tmp_path / "closed"
    desk.did("key", closed)
    assert b"ENCRYPTED" in closed.read_bytes()
    names = desk.names(IMAGES)
    draft = tmp_path / "draft"
    assert desk.draft(IMAGES, draft, **names) == OK
    desk.did("sign", draft, closed)
    assert "1 signatures" in desk.said[0]
    closed.write_bytes(closed.read_bytes().replace(b"M", b"N", 3))
    assert desk.does("sign", draft, closed) == USAGE


@pytest.mark.parametrize("name", ["none.pub", "images-root-0.key"])
def test_what_is_no_public_key_is_told(desk: Publisher, tmp_path: Path, name: str) -> None:
    words = ("draft", desk.carrier, IMAGES, tmp_path / "draft", "--root", tmp_path / name)
    assert desk.does(*words) == USAGE
    assert str(tmp_path / name) in desk.said[0]


def test_explain_says_what_the_hub_would_do(desk: Publisher) -> None:
    desk.did("explain", desk.carrier, CHANNEL, "hub-1")
    told = "\n".join(desk.said)
    assert "version 1.0" in told
    assert "it is a canary" in told
    assert "it may fetch: yes" in told
    desk.did("explain", desk.carrier, CHANNEL, "hub-2")
    told = "\n".join(desk.said)
    assert "no stage has it" in told
    assert "within 14 days it may not switch" in told


def test_explain_proves_as_a_hub_does(desk: Publisher) -> None:
    path = desk.carrier / "images" / "metadata" / "timestamp.json"
    stamp = json.loads(path.read_bytes())
    stamp["signed"]["version"] += 1
    path.write_text(json.dumps(stamp))
    assert desk.does("explain", desk.carrier, CHANNEL, "hub-1") == NO
    assert desk.does("explain", desk.carrier, "nightly", "hub-1") == USAGE


def test_a_thief_of_the_directors_keys_lists_no_image(desk: Publisher, hub: HubThere) -> None:
    """The two repositories have keys of their own also as this program makes them."""
    stolen = desk.key("director-targets-0")
    assert desk.does("withdraw", desk.carrier, NAME, "--key", stolen) == NO
    assert hub.look() is not None
    folder = desk.carrier / "director" / "metadata"
    (desk.carrier / "images" / "metadata" / "timestamp.json").write_bytes(
        (folder / "timestamp.json").read_bytes()
    )
    with pytest.raises(SignatureError):
        hub.look()
