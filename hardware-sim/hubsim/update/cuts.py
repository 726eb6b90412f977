"""`make bench-updates`: many updates of one machine, each with a power cut at a random moment.

Some versions are good, some are bad in each of the ways that there are. After each the machine must
run: a good version, or the one before. The bench ends with 1 when it once does not.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hubcore.errors import HubError
from hubsim.update.box import Box
from hubsim.update.shop import Shop
from hubsim.update.standin import BAD, Nature

UPDATES = 200
CUT_SECONDS_MAX = 4.0
"""An update of this machine takes about as long, once it has begun."""
BAD_SHARE = 0.4


@dataclass
class Tally:
    """What became of the updates."""

    updates: int = 0
    lost: list[str] = field(default_factory=list)
    """What the machine said that did not come back, or not with the version that it should."""
    cut_in: Counter[str] = field(default_factory=Counter)
    """In which phase the power was cut."""
    natures: Counter[str] = field(default_factory=Counter)


def cut_updates(folder: Path, updates: int, chance: random.Random) -> Tally:
    """Do so many updates on one machine, each with a power cut."""
    shop = Shop(folder / "shop")
    box = Box(folder / "box", shop)
    box.first("1.0")
    running = "1.0"
    tally = Tally()
    box.start()
    try:
        for number in range(1, updates + 1):
            nature = chance.choice(BAD) if chance.random() < BAD_SHARE else Nature.GOOD
            version = f"1.{number}"
            tally.updates += 1
            tally.natures[nature] += 1
            expected = version if nature is Nature.GOOD else running
            try:
                _one(box, shop, version, nature, chance, tally)
                _until_over(box, version)
                box.until_runs(expected)
            except HubError as error:
                tally.lost.append(f"update {number}, {nature}: {error}")
                return tally
            running = expected
    finally:
        box.cut_power()
    return tally


def _one(
    box: Box, shop: Shop, version: str, nature: Nature, chance: random.Random, tally: Tally
) -> None:
    shop.release(version, nature)
    box.wish("check")
    box.until(lambda: _has_begun(box, version), f"version {version} is never fetched")
    time.sleep(chance.uniform(0, CUT_SECONDS_MAX))
    slots = box.slots()
    tally.cut_in[str(slots.phase) if slots is not None else "no state"] += 1
    box.cut_power()
    box.start()


def _until_over(box: Box, version: str) -> None:
    """Wait until the machine has judged this version: it runs, or is in quarantine."""
    box.until(lambda: _is_over(box, version), f"version {version} is never judged")


def _has_begun(box: Box, version: str) -> bool:
    slots = box.slots()
    images = () if slots is None else (slots.running, slots.other)
    return any(image is not None and image.version == version for image in images)


def _is_over(box: Box, version: str) -> bool:
    slots = box.slots()
    if slots is None:
        return False
    if slots.running.version == version:
        return True
    other = slots.other
    is_bad = other is not None and other.digest in slots.quarantine
    return is_bad and other is not None and other.version == version


def main() -> None:
    """Run the bench; print what became of the updates."""
    updates = int(sys.argv[1]) if len(sys.argv) > 1 else UPDATES
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="hub") as folder:
        tally = cut_updates(Path(folder), updates, random.Random(seed))
    print(f"updates with a power cut: {tally.updates}")
    print(f"versions: {dict(tally.natures)}")
    print(f"cut in: {dict(tally.cut_in)}")
    print(f"hubs that did not come back: {len(tally.lost)}")
    for said in tally.lost:
        print(said)
    sys.exit(1 if tally.lost else 0)


if __name__ == "__main__":
    main()
