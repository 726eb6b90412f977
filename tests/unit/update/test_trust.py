"""hubupdate's trust before real TUF repositories: what is refused, and what heals."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import MetaFile

from hubcore.errors import (
    ExpiredError,
    LinkError,
    RollbackError,
    SignatureError,
    TrustError,
)
from hubcore.update.belief import Belief
from hubcore.update.image import Image
from hubcore.update.plan import PLAN_BYTES_MAX, write_plan
from hubupdate.fetcher import GRACE_SECONDS
from hubupdate.trust import METADATA_BYTES_MAX, Repository, plan_name
from tests.unit.update.repository import new_keys
from tests.unit.update.site import BYTES, CHANNEL, NAME, Site, plan_for

pytestmark = pytest.mark.once


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


WHICH = pytest.mark.parametrize("which", Repository)


def test_what_both_sign_is_taken_and_the_image_comes(site: Site) -> None:
    assert site.look() == site.plan
    assert b"".join(site.trust().pieces(site.image)) == BYTES
    assert site.look() == site.plan


def test_a_channel_without_a_plan_has_none(site: Site) -> None:
    assert site.trust().plan_of("beta", Belief.GOOD) is None


@pytest.mark.parametrize("belief", [Belief.NOT_TRUSTED, Belief.BEFORE_SIGNED])
def test_without_a_believed_time_nothing_is_asked(site: Site, belief: Belief) -> None:
    with pytest.raises(ExpiredError):
        site.trust().plan_of(CHANNEL, belief)
    assert site.carrier.asked == []


@WHICH
def test_rollback_a_whole_old_repository_is_refused(site: Site, which: Repository) -> None:
    old = site.top.with_name("old")
    shutil.copytree(site.top / which, old)
    site.go_on()
    assert site.look() == site.plan
    shutil.rmtree(site.top / which)
    shutil.copytree(old, site.top / which)
    with pytest.raises(RollbackError):
        site.look()


def test_the_first_end_of_all_lists_is_known_after_a_look(site: Site) -> None:
    trust = site.trust()
    assert trust.lists_end is None
    trust.plan_of(CHANNEL, Belief.GOOD)
    ends = [
        datetime.fromisoformat(json.loads(path.read_bytes())["signed"]["expires"]).timestamp()
        for one in site.both
        for path in one.metadata.glob("*.json")
    ]
    assert trust.lists_end == min(ends)
    assert time.time() < trust.lists_end < time.time() + 8 * 86_400


@WHICH
def test_freeze_lists_whose_time_ended_are_refused(tmp_path: Path, which: Repository) -> None:
    site = Site(tmp_path, datetime.now(UTC) - timedelta(days=8))
    site.go_on()
    stays_old = site.of(which)
    for one in site.both:
        one.now = stays_old.now if one is stays_old else datetime.now(UTC)
        one.next()
        one.publish()
    with pytest.raises(ExpiredError, match=str(which)):
        site.look()
    stays_old.now = datetime.now(UTC)
    stays_old.next()
    stays_old.publish()
    assert site.look() == site.plan


@WHICH
@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_mix_and_match_an_old_list_under_a_new_name_is_refused(
    site: Site, which: Repository, role: str
) -> None:
    lists = site.of(which).metadata
    old = (lists / f"2.{role}.json").read_bytes()
    site.go_on()
    new = (lists / f"3.{role}.json").read_bytes()
    (lists / f"3.{role}.json").write_bytes(old)
    with pytest.raises(RollbackError):
        site.look()
    (lists / f"3.{role}.json").write_bytes(new)
    assert site.look() == site.plan


@WHICH
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_list_signed_by_another_key_is_refused(site: Site, which: Repository, role: str) -> None:
    repository = site.of(which)
    repository.keys[role] = new_keys(1)
    repository.next()
    repository.publish()
    with pytest.raises(SignatureError):
        site.look()


@WHICH
def test_a_root_with_fewer_old_keys_than_the_threshold_is_refused(
    site: Site, which: Repository
) -> None:
    repository = site.of(which)
    stolen = repository.keys["root"][0]
    honest = repository.keys["root"]
    repository.keys["root"] = [*new_keys(2), stolen]
    repository._set_keys()
    repository.root.version += 1
    repository.write_root()
    with pytest.raises(SignatureError):
        site.look()
    repository.write(repository.root, [*repository.keys["root"], *honest[1:]])
    assert site.look() == site.plan


@WHICH
@pytest.mark.parametrize("times", [2, 40])
def test_roots_that_were_rotated_while_the_hub_was_off_are_caught_up(
    site: Site, which: Repository, times: int
) -> None:
    assert site.look() == site.plan
    repository = site.of(which)
    for _ in range(times):
        repository.rotate("root", "targets", "snapshot", "timestamp")
    repository.next()
    repository.publish()
    assert site.look() == site.plan
    assert site.look() == site.plan


@WHICH
def test_a_root_left_out_ends_the_way_to_the_newest(site: Site, which: Repository) -> None:
    repository = site.of(which)
    repository.rotate("root")
    repository.rotate("root", "targets", "snapshot", "timestamp")
    repository.next()
    repository.publish()
    (repository.metadata / "2.root.json").unlink()
    with pytest.raises(SignatureError):
        site.look()


@WHICH
def test_a_stolen_timestamp_key_stops_updates_until_a_new_root_takes_it_away(
    site: Site, which: Repository
) -> None:
    repository = site.of(which)
    honest = repository.timestamp.version
    repository.timestamp.version = 1_000_000
    repository.publish()
    assert site.look() == site.plan
    repository.timestamp.version = honest + 1
    repository.publish()
    with pytest.raises(RollbackError):
        site.look()
    repository.rotate("timestamp", "snapshot")
    repository.publish()
    assert site.look() == site.plan


def endless() -> Iterator[bytes]:
    while True:
        yield b" " * 65_536


@WHICH
@pytest.mark.parametrize("path", ["metadata/timestamp.json", "metadata/2.root.json"])
def test_endless_lists_are_given_up(site: Site, which: Repository, path: str) -> None:
    site.carrier.instead[f"{which}/{path}"] = endless
    with pytest.raises(TrustError):
        site.look()
    assert site.carrier.given < 2 * METADATA_BYTES_MAX


def test_an_endless_image_is_given_up(site: Site) -> None:
    path = site.images.file_of(site.image.digest, NAME)
    site.carrier.instead[str(path.relative_to(site.top))] = endless
    with pytest.raises(TrustError):
        for _ in site.trust().pieces(site.image):
            pass
    assert site.carrier.given <= site.image.size + 65_536


@pytest.mark.parametrize("piece", [b"", b"x"])
def test_a_carrier_that_drips_is_given_up(site: Site, piece: bytes) -> None:
    def drips() -> Iterator[bytes]:
        while True:
            site.seconds += 1
            yield piece

    site.carrier.instead["images/metadata/timestamp.json"] = drips
    with pytest.raises(LinkError):
        site.look()
    assert GRACE_SECONDS <= site.seconds <= GRACE_SECONDS + 2


@WHICH
@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[" * 100_000, b'{"signed": {"_type": "timestamp"}}', b"\xff\x00", b"1" * 9000],
)
def test_what_is_no_list_is_refused(site: Site, which: Repository, data: bytes) -> None:
    good = (site.of(which).metadata / "timestamp.json").read_bytes()
    for name in ("timestamp.json", "2.root.json"):
        (site.of(which).metadata / name).write_bytes(data)
        with pytest.raises(TrustError):
            site.look()
        (site.of(which).metadata / "2.root.json").unlink(missing_ok=True)
        (site.of(which).metadata / "timestamp.json").write_bytes(good)
    assert site.look() == site.plan


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\x00"])
def test_a_plan_of_another_length_is_refused(site: Site, change: Callable[[bytes], bytes]) -> None:
    file = next((site.director.top / "targets").glob(f"*{plan_name(CHANNEL)}"))
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(TrustError):
        site.look()


def test_a_signed_plan_that_is_none_is_refused(site: Site) -> None:
    for data in (b"\xa0", b"\x00" * (PLAN_BYTES_MAX + 1)):
        site.director.put(plan_name(CHANNEL), data)
        site.director.next()
        site.director.publish()
        with pytest.raises(TrustError):
            site.look()


def test_the_director_alone_brings_no_image(site: Site) -> None:
    own = replace(site.image, name="hubd-3.0-amd64.squashfs")
    site.director.publish_plan(CHANNEL, plan_for(own))
    with pytest.raises(TrustError, match="not on the list"):
        site.look()


@pytest.mark.parametrize("change", [{"digest": b"\x09" * 32}, {"size": 7}])
def test_the_director_alone_changes_no_image(site: Site, change: dict[str, object]) -> None:
    own = replace(site.image, **change)  # type: ignore[arg-type]
    site.director.publish_plan(CHANNEL, plan_for(own))
    with pytest.raises(TrustError, match="two images"):
        site.look()


def test_an_image_that_was_withdrawn_does_not_come_back(site: Site) -> None:
    assert site.look() == site.plan
    del site.images.targets.targets[NAME]
    site.images.next()
    site.images.publish()
    with pytest.raises(TrustError, match="not on the list"):
        site.look()


def test_the_images_alone_bring_nothing(site: Site) -> None:
    del site.director.targets.targets[plan_name(CHANNEL)]
    site.director.next()
    site.director.publish()
    site.images.publish_image("hubd-3.0-amd64.squashfs", "3.0", BYTES[::-1])
    assert site.look() is None


@WHICH
def test_a_refusal_changes_nothing_of_what_was_trusted(site: Site, which: Repository) -> None:
    assert site.look() == site.plan
    repository = site.of(which)
    good = repository.keys["targets"]
    repository.keys["targets"] = new_keys(1)
    repository.next()
    repository.publish()
    with pytest.raises(SignatureError):
        site.look()
    repository.keys["targets"] = good
    repository.publish()
    assert site.look() == site.plan


@WHICH
@pytest.mark.parametrize("name", ["timestamp.json", "snapshot.json", "targets.json", "root.json"])
@pytest.mark.parametrize("left", [b"", b'{"signed"'])
def test_lists_of_the_hub_that_a_power_cut_emptied_heal(
    site: Site, which: Repository, name: str, left: bytes
) -> None:
    assert site.look() == site.plan
    (site.kept / which / name).write_bytes(left)
    assert site.look() == site.plan


def test_what_a_power_cut_left_of_a_list_does_not_pile_up(site: Site) -> None:
    folder = site.kept / "images"
    folder.mkdir(parents=True)
    (folder / "tmpabc123").write_bytes(b"half of a list")
    assert site.look() == site.plan
    assert list(folder.glob("tmp*")) == []


@WHICH
def test_a_repository_that_is_away_is_no_refusal(site: Site, which: Repository) -> None:
    shutil.rmtree(site.top / which)
    with pytest.raises(LinkError):
        site.look()


def test_a_snapshot_that_forgets_the_targets_is_refused(site: Site) -> None:
    assert site.look() == site.plan
    repository = site.images
    repository.next()
    repository.publish()
    repository.snapshot.version += 1
    repository.snapshot.meta = {"other.json": MetaFile(version=1)}
    repository.write(repository.snapshot, repository.keys["snapshot"])
    repository.timestamp.version += 1
    repository.timestamp.snapshot_meta = MetaFile(version=repository.snapshot.version)
    repository.write(repository.timestamp, repository.keys["timestamp"])
    with pytest.raises(TrustError):
        site.look()


def test_a_plan_is_as_long_as_hubs_need() -> None:
    hubs = frozenset(f"hub-of-a-large-site-{number:05}" for number in range(16_000))
    image = Image(NAME, "2.0", b"\x01" * 32, 1)
    assert len(write_plan(replace(plan_for(image), canaries=hubs))) < PLAN_BYTES_MAX
