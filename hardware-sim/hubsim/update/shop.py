"""Who releases: both repositories and all keys on one desk, by the publisher's own program."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hubcore.errors import ConfigError
from hubsim.update.standin import Nature, image_of
from hubterm.exits import OK
from hubupdate.publish.main import World, run
from hubupdate.trust import Repository

CHANNEL = "stable"
_KEYS = {"root": 3, "targets": 1, "snapshot": 1, "timestamp": 1}


class Shop:
    """Keys and images lie in `desk`, what hubs fetch in `carrier`."""

    def __init__(self, desk: Path) -> None:
        self._desk = desk
        self.carrier = desk / "carrier"
        desk.mkdir(parents=True)
        for which in Repository:
            self._make(which)

    def release(self, version: str, nature: Nature, dies_seconds: float = 0.3) -> Path:
        """Publish a version for all hubs at once; return its image's file."""
        image = self.image(version, nature, dies_seconds)
        self.offer(image, version)
        return image

    def offer(self, image: Path, version: str) -> None:
        """Publish an image that is there for all hubs at once."""
        self._does("add", self.carrier, image, "--key", self._key(Repository.IMAGES, "targets"))
        plan = self._desk / "plan.toml"
        plan.write_text(
            f'image = "{image.name}"\nversion = "{version}"\n'
            "[[stage]]\nbegins = 2026-01-01T00:00:00Z\npercent = 100\n"
        )
        key = self._key(Repository.DIRECTOR, "targets")
        self._does("plan", self.carrier, CHANNEL, plan, "--key", key)
        for which in Repository:
            self._publish(which)

    def image(self, version: str, nature: Nature, dies_seconds: float = 0.3) -> Path:
        """Make a version's image, and publish nothing."""
        image = self._desk / f"hubd_{version}_all.img"
        image.write_bytes(image_of(version, nature, dies_seconds))
        return image

    def root(self, which: Repository) -> bytes:
        """Return the first root, which comes with a hub."""
        return (self.carrier / which / "metadata" / "1.root.json").read_bytes()

    def _make(self, which: Repository) -> None:
        draft = self._desk / f"{which}.draft"
        words: list[str | Path] = []
        for role, count in _KEYS.items():
            keys = [f"{self._key(which, role, number)}.pub" for number in range(count)]
            words += [f"--{role}", *keys]
        self._does("draft", self.carrier, which, draft, *words)
        for number in (0, 2):
            self._does("sign", draft, self._key(which, "root", number))
        self._does("accept", self.carrier, which, draft)

    def _publish(self, which: Repository) -> None:
        snapshot = self._key(which, "snapshot")
        timestamp = self._key(which, "timestamp")
        words = ("--snapshot", snapshot, "--timestamp", timestamp)
        self._does("publish", self.carrier, which, *words)

    def _key(self, which: Repository, role: str, number: int = 0) -> Path:
        file = self._desk / f"{which}-{role}-{number}.key"
        if not file.exists():
            self._does("key", file, "--open")
        return file

    def _does(self, *words: str | Path) -> None:
        said: list[str] = []
        world = World(lambda: datetime.now(UTC), said.append, lambda _file: b"")
        if run([str(word) for word in words], world) != OK:
            raise ConfigError("; ".join(said))
