"""A publisher with all keys on one desk, who works by the program's own words."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hubcore.update.belief import Belief
from hubcore.update.plan import Plan
from hubterm.exits import OK
from hubupdate.fetcher import CarrierFetcher
from hubupdate.folder import Folder
from hubupdate.publish.main import World, run
from hubupdate.trust import Repository, Trust

CHANNEL = "stable"
PASSPHRASE = b"a passphrase"
KEYS = {"root": 3, "targets": 1, "snapshot": 1, "timestamp": 1}
PLAN = """
image = "hubd-1.squashfs"
version = "1.0"
canaries = ["hub-1"]
"""


class Publisher:
    """Keys, images and plans lie on `desk`, what hubs fetch in `carrier`."""

    def __init__(self, desk: Path) -> None:
        self.desk = desk
        self.carrier = desk / "carrier"
        self.later = timedelta()
        self.said: list[str] = []

    def does(self, *words: str | Path) -> int:
        """Run one command; return its exit status. What it says is in `said`."""
        self.said.clear()
        world = World(
            lambda: datetime.now(UTC) + self.later, self.said.append, lambda _path: PASSPHRASE
        )
        return run([str(word) for word in words], world)

    def did(self, *words: str | Path) -> None:
        assert self.does(*words) == OK, self.said

    def key(self, name: str) -> Path:
        """Return the private key of this name, which is made when it is first asked for."""
        path = self.desk / f"{name}.key"
        if not path.exists():
            self.did("key", path, "--open")
        return path

    def public(self, name: str) -> Path:
        return Path(f"{self.key(name)}.pub")

    def draft(self, which: Repository, draft: Path, **roles: list[str]) -> int:
        words: list[str | Path] = []
        for role, names in roles.items():
            words += [f"--{role}", *map(self.public, names)]
        return self.does("draft", self.carrier, which, draft, *words)

    def names(self, which: Repository) -> dict[str, list[str]]:
        """Return the names of a repository's first keys."""
        return {role: [f"{which}-{role}-{n}" for n in range(c)] for role, c in KEYS.items()}

    def make(self, which: Repository) -> None:
        """Make a repository: its first root, signed by two, and an empty list of targets."""
        names = self.names(which)
        draft = self.desk / f"{which}.1.draft"
        assert self.draft(which, draft, **names) == OK, self.said
        for name in names["root"][:2]:
            self.did("sign", draft, self.key(name))
        self.did("accept", self.carrier, which, draft)

    def publish(self, which: Repository) -> int:
        return self.does(
            "publish",
            self.carrier,
            which,
            "--snapshot",
            self.key(f"{which}-snapshot-0"),
            "--timestamp",
            self.key(f"{which}-timestamp-0"),
        )

    def published(self, *both: Repository) -> None:
        for which in both or Repository:
            assert self.publish(which) == OK, self.said

    def add(self, name: str, data: bytes) -> int:
        (self.desk / name).write_bytes(data)
        return self.does(
            "add", self.carrier, self.desk / name, "--key", self.key("images-targets-0")
        )

    def plan(self, text: str, channel: str = CHANNEL) -> int:
        path = self.desk / "plan.toml"
        path.write_text(text)
        key = self.key("director-targets-0")
        return self.does("plan", self.carrier, channel, path, "--key", key)


class HubThere:
    """A hub's trust, which begins with the first roots of a publisher's folder."""

    def __init__(self, publisher: Publisher, kept: Path) -> None:
        top = publisher.carrier
        roots = {one: (top / one / "metadata" / "1.root.json").read_bytes() for one in Repository}
        self._parts = (kept, roots, CarrierFetcher(Folder(top), time.monotonic))

    def look(self) -> Plan | None:
        return Trust(*self._parts).plan_of(CHANNEL, Belief.GOOD)

    def bytes_of(self, plan: Plan) -> bytes:
        return b"".join(Trust(*self._parts).pieces(plan.image))
