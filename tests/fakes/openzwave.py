"""The network of the stand-in for python-openzwave: a file, which a test changes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

LIBRARY = Path(__file__).parent / "ozw_library"
ROOT = Path(__file__).parents[2]


def python_path() -> str:
    """Return the PYTHONPATH with which the OpenZWave process finds the stand-in."""
    return os.pathsep.join([str(LIBRARY), str(ROOT), os.environ.get("PYTHONPATH", "")])


class OzwNetwork:
    """The nodes 7, a switch; 4, a cover; 2, a lock; 9, a sensor. Law: a set replaces its key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.world: dict[str, Any] = {
            "nodes": {
                "7": {"kind": "switch", "value": 0},
                "4": {"kind": "cover", "value": 0},
                "2": {"kind": "lock", "value": 0, "secure": True},
                "9": {"kind": "sensor", "value": 21.5},
            }
        }
        self.path.write_text(json.dumps(self.world), encoding="utf-8")

    def value(self, node: int) -> int:
        """Return how a node stands."""
        self.world = json.loads(self.path.read_text(encoding="utf-8"))
        value: int = self.world["nodes"][str(node)]["value"]
        return value

    def set(self, **facts: object) -> None:
        """Change what the library does: `aborts`, `hangs`, `fails`, `says`."""
        self.value(7)
        self.world.update(facts)
        self._write()

    def set_node(self, node: int, **facts: object) -> None:
        """Change what a node does: `mute`, `stuck`, `refused`, `value`, `secure`."""
        self.value(node)
        self.world["nodes"][str(node)].update(facts)
        self._write()

    def _write(self) -> None:
        with self.path.open("r+", encoding="utf-8") as file:
            json.dump(self.world, file)
            file.truncate()
