"""A site's cache of updates: proven as a hub proves, whole at each moment, and enough by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tuf.api.metadata import TargetFile

from hubcore.errors import (
    ExpiredError,
    HubError,
    LinkError,
    RollbackError,
    SignatureError,
    StoreError,
    TrustError,
)
from hubcore.update.belief import Belief
from hubcore.update.plan import Plan
from hubupdate.carrier import Carrier
from hubupdate.fetcher import CarrierFetcher
from hubupdate.folder import Folder
from hubupdate.mirror.config import MirrorConfig, load
from hubupdate.mirror.mirror import Mirror, Mirrored
from hubupdate.trust import Repository, Trust, target_path
from tests.unit.update.repository import TufRepository
from tests.unit.update.site import BYTES, CHANNEL, NAME, Site, plan_for

pytestmark = pytest.mark.once

ENOUGH = 1 << 30
ROOT = Path(__file__).parents[4]


class Cache:
    """A mirror of a site's carrier, and a hub that has nothing but this mirror."""

    def __init__(self, folder: Path, site: Site, bytes_max: int = ENOUGH) -> None:
        self.site = site
        self.top = folder / "served"
        self.folder = folder
        self.bytes_max = bytes_max
        self.hubs = 0

    def look(self, carrier: Carrier | None = None, belief: Belief = Belief.GOOD) -> Mirrored:
        fetcher = CarrierFetcher(carrier or self.site.carrier, lambda: 0.0)
        roots = {one.which: one.first_root for one in self.site.both}
        trust = Trust(self.folder / "lists", roots, fetcher)
        return Mirror(self.top, trust, fetcher, self.bytes_max).look(belief)

    def plan_of_a_new_hub(self) -> Plan | None:
        """Look as a hub that was never anywhere else; read the image to its end, too."""
        self.hubs += 1
        roots = {one.which: one.first_root for one in self.site.both}
        fetcher = CarrierFetcher(Folder(self.top), lambda: 0.0)
        trust = Trust(self.folder / f"hub-{self.hubs}", roots, fetcher)
        plan = trust.plan_of(CHANNEL, Belief.GOOD)
        if plan is not None:
            image = b"".join(trust.pieces(plan.image))
            assert len(image) == plan.image.size
        return plan

    def lists(self) -> dict[str, bytes]:
        return {name: data for name, data in self.files().items() if "/metadata/" in name}

    def files(self) -> dict[str, bytes]:
        found = [path for path in self.top.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.top)): path.read_bytes() for path in found}


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path, Site(tmp_path / "site"))


def new_version(site: Site, version: str = "3.0", data: bytes = b"v3" * 1000) -> None:
    image = site.images.publish_image(f"hubd-{version}-amd64.squashfs", version, data)
    site.director.publish_plan(CHANNEL, plan_for(image))


class Breaking:
    """A carrier whose n-th file breaks off amid its bytes."""

    def __init__(self, site: Site, breaks_at: int) -> None:
        self._folder = Folder(site.top)
        self._left = breaks_at
        self.broke = False

    def pieces(self, path: str) -> Iterator[bytes]:
        self._left -= 1
        for piece in self._folder.pieces(path):
            if self._left < 0:
                self.broke = True
                yield piece[: len(piece) // 2]
                raise LinkError("the line is dead")
            yield piece


def test_a_new_hub_needs_nothing_but_the_cache(cache: Cache) -> None:
    mirrored = cache.look()
    assert (mirrored.plans, mirrored.images) == (1, 1)
    assert mirrored.fetched_bytes > len(BYTES)
    assert cache.plan_of_a_new_hub() == cache.site.plan


def test_what_is_there_is_not_fetched_again(cache: Cache) -> None:
    cache.look()
    before = cache.files()
    assert cache.look().fetched_bytes == 0
    assert cache.files() == before


def test_a_newer_version_takes_the_place_of_the_old_one(cache: Cache) -> None:
    """mirror, law 3"""
    cache.look()
    new_version(cache.site)
    mirrored = cache.look()
    assert mirrored.images == 1
    plan = cache.plan_of_a_new_hub()
    assert plan is not None
    assert plan.image.version == "3.0"
    assert not any(NAME in name for name in cache.files())
    lists = [name for name in cache.files() if "/metadata/" in name]
    assert len(lists) == len(set(lists)) == 8, "a root, targets, snapshot, timestamp of each"


def test_an_image_that_no_plan_names_is_not_fetched(cache: Cache) -> None:
    cache.site.images.publish_image("other.squashfs", "9.9", b"x" * 5000)
    assert cache.look().images == 1
    assert not any("other" in name for name in cache.files())


def test_hubs_from_before_a_change_of_roots_follow(cache: Cache) -> None:
    cache.look()
    for one in cache.site.both:
        one.rotate("root", "timestamp")
        one.rotate("snapshot")
    cache.site.go_on()
    cache.look()
    assert cache.plan_of_a_new_hub() == cache.site.plan


@pytest.mark.parametrize("breaks_at", range(10))
def test_a_look_that_breaks_off_leaves_whole_lists(cache: Cache, breaks_at: int) -> None:
    """mirror, laws 2, 5 and 7"""
    cache.look()
    new_version(cache.site)
    breaking = Breaking(cache.site, breaks_at)
    try:
        cache.look(breaking)
    except HubError:
        assert breaking.broke
    plan = cache.plan_of_a_new_hub()
    assert plan is not None
    assert plan.image.version in ("2.0", "3.0")
    cache.look()
    after = cache.plan_of_a_new_hub()
    assert after is not None
    assert after.image.version == "3.0"
    assert not any(Path(name).name.startswith(".") for name in cache.files())


def test_a_look_goes_on_after_one_that_was_killed(cache: Cache) -> None:
    """mirror, law 7: also where the next one has the same number as a process"""
    cache.look()
    whole = cache.files()
    (image,) = cache.top.glob(f"images/targets/*{NAME}")
    stamp = cache.top / "director" / "metadata" / "timestamp.json"
    for place in (image, stamp):
        place.with_name(f".{place.name}.{os.getpid()}.unfinished").write_bytes(b"half")
        place.unlink()
    cache.look()
    assert cache.files() == whole


def test_a_list_comes_after_what_it_names(cache: Cache) -> None:
    """mirror, law 2"""
    cache.look()

    def laid_out(pattern: str) -> list[int]:
        found = [path.stat().st_ctime_ns for path in cache.top.glob(pattern)]
        assert found, pattern
        return found

    targets = laid_out("*/targets/*")
    others = laid_out("*/metadata/[0-9]*.json")
    images = laid_out("images/metadata/*")
    assert max(targets) <= min(others)
    (of_images,) = laid_out("images/metadata/timestamp.json")
    (of_director,) = laid_out("director/metadata/timestamp.json")
    assert of_images == max(images)
    assert of_director >= max(*targets, *others, *images)


def test_a_file_that_went_bad_is_fetched_again(cache: Cache) -> None:
    """mirror, law 6"""
    cache.look()
    (image,) = cache.top.glob(f"images/targets/*{NAME}")
    for data in (b"y" * len(BYTES), BYTES[:-1], BYTES + b"x"):
        image.write_bytes(data)
        cache.look()
        assert image.read_bytes() == BYTES


@pytest.mark.parametrize(
    "data", [BYTES[:-1] + b"?", BYTES[:-1], BYTES + b"more"], ids=["changed", "short", "long"]
)
def test_other_bytes_than_the_lists_name_are_not_laid_out(cache: Cache, data: bytes) -> None:
    """mirror, law 1"""
    path = target_path(Repository.IMAGES, cache.site.image.digest, NAME)
    cache.site.carrier.instead[path] = lambda: iter([data])
    with pytest.raises(TrustError):
        cache.look()
    assert not list(cache.top.glob("images/targets/*"))
    assert not list(cache.top.glob("*/metadata/*"))


def test_an_endless_file_costs_one_piece_too_many(cache: Cache) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(65_536)

    path = target_path(Repository.IMAGES, cache.site.image.digest, NAME)
    cache.site.carrier.instead[path] = endless
    with pytest.raises(TrustError):
        cache.look()
    assert cache.site.carrier.given < len(BYTES) + 10 * 65_536


def test_the_cache_has_a_ceiling(tmp_path: Path) -> None:
    """mirror, law 4"""
    cache = Cache(tmp_path, Site(tmp_path / "site"), len(BYTES) + 2000)
    cache.look()
    before = cache.lists()
    new_version(cache.site, data=bytes(len(BYTES) + 2000))
    with pytest.raises(StoreError):
        cache.look()
    assert cache.lists() == before
    assert cache.plan_of_a_new_hub() == cache.site.plan
    others = set(cache.files()) - set(before)
    assert sum(len(cache.files()[name]) for name in others) <= cache.bytes_max


def test_a_director_that_names_what_the_images_do_not_have_changes_nothing(cache: Cache) -> None:
    cache.look()
    before = cache.files()
    lists = cache.lists()
    other = replace(cache.site.image, digest=bytes(32))
    cache.site.director.publish_plan(CHANNEL, plan_for(other))
    with pytest.raises(TrustError):
        cache.look()
    assert cache.lists() == lists
    assert cache.plan_of_a_new_hub() == cache.site.plan
    cache.site.director.publish_plan(CHANNEL, cache.site.plan)
    cache.look()
    assert set(cache.files()) - set(cache.lists()) == set(before) - set(lists), "it is tidy again"


def test_a_name_that_leads_out_is_refused(cache: Cache) -> None:
    targets = cache.site.director.targets.targets
    targets["../x"] = TargetFile.from_data("../x", b"abc", ["sha256"])
    cache.site.director.next()
    cache.site.director.publish()
    with pytest.raises(TrustError):
        cache.look()
    assert not any(".." in path for path in cache.site.carrier.asked if "/targets/" in path)


def stolen(repository: TufRepository) -> None:
    repository.keys["timestamp"] = TufRepository(
        repository.top.parent / "thief", repository.which
    ).keys["timestamp"]


def test_lists_of_a_thief_an_older_list_and_an_expired_one_change_nothing(cache: Cache) -> None:
    """mirror, laws 1 and 5"""
    new_version(cache.site)
    cache.look()
    before = cache.files()
    director = cache.site.director
    honest = director.keys["timestamp"]
    stolen(director)
    director.next()
    director.publish()
    with pytest.raises(SignatureError):
        cache.look()
    director.keys["timestamp"] = honest
    director.timestamp.version = 1
    director.publish()
    with pytest.raises(RollbackError):
        cache.look()
    assert cache.files() == before


def test_without_a_believed_time_nothing_is_looked_for(cache: Cache) -> None:
    with pytest.raises(ExpiredError):
        cache.look(belief=Belief.NOT_TRUSTED)
    assert cache.site.carrier.asked == []


# ---- the program


def program(folder: Path, site: Site) -> subprocess.CompletedProcess[str]:
    for one in site.both:
        (folder / f"{one.which}.root.json").write_bytes(one.first_root)
    config = folder / "mirror.toml"
    config.write_text(
        f'folder = "{folder / "served"}"\nlists = "{folder / "lists"}"\n'
        f'board = "{folder / "status.json"}"\n[[carriers]]\nfolder = "{site.top}"\n'
    )
    return subprocess.run(
        [sys.executable, "-m", "hubupdate.mirror", "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_program_looks_once_and_says_what_it_has(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    ended = program(tmp_path, site)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "1 plans, 1 images" in ended.stderr
    fresh = json.loads((tmp_path / "status.json").read_text())
    assert (fresh["error"], fresh["plans"], fresh["images"]) == (None, 1, 1)
    assert fresh["at"] == fresh["fresh_at"] < fresh["lists_end"]
    assert Cache(tmp_path, site).plan_of_a_new_hub() == site.plan
    (site.top / "director" / "metadata" / "timestamp.json").unlink()
    again = program(tmp_path, site)
    assert again.returncode == 75
    assert "timestamp" in again.stderr
    failed = json.loads((tmp_path / "status.json").read_text())
    assert (failed["error"], failed["fresh_at"]) == ("link", fresh["fresh_at"])
    (tmp_path / "mirror.toml").write_text("carriers = []\n")
    refused = subprocess.run(
        [sys.executable, "-m", "hubupdate.mirror", "--config", str(tmp_path / "mirror.toml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert refused.returncode == 78


def test_the_sample_is_a_configuration() -> None:
    found = load(ROOT / "config" / "mirror.toml")
    assert found.carriers[0].url.startswith("https:")
    assert found == MirrorConfig(carriers=found.carriers)


def test_a_thief_of_the_images_key_stops_no_cache_by_packed_files(tmp_path: Path) -> None:
    """mirror, law 4: one that has no room, is not there, is no hub's, or has other bytes"""
    cache = Cache(tmp_path, Site(tmp_path / "site"), len(BYTES) + 30_000)
    images = cache.site.images
    names = [f"{NAME}.zst", *(f"{NAME}.from-{one:032x}.zst" for one in range(6))]
    small, missing, wrong, huge, larger, out_of_shape, more = names
    images.put(small, b"s" * 100)
    images.file_of(images.put(missing, b"m" * 200), missing).unlink()
    images.file_of(images.put(wrong, b"w" * 300), wrong).write_bytes(b"x" * 300)
    images.put(huge, b"h" * 300)
    images.targets.targets[huge].length = 1 << 40
    images.put(larger, b"l" * (len(BYTES) - 1))
    images.put(out_of_shape, b"o" * 400)
    images.targets.targets[out_of_shape].hashes = {"sha512": "00" * 64}
    images.put(more, b"m" * 29_900)
    images.next()
    images.publish()
    mirrored = cache.look()
    assert mirrored.images == 2
    assert cache.plan_of_a_new_hub() == cache.site.plan
    packed = [name for name in cache.files() if name.endswith(".zst")]
    assert [name.rpartition(".hubd")[2] for name in packed] == [small.removeprefix("hubd")]
