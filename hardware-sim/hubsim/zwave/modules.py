"""Where the modules of the Z-Wave service are, which a simulated network runs too."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import drivers.zwave_js
from hubcore.errors import ConfigError

SERVICE = Path(drivers.zwave_js.__file__).parent / "service"
"""The program that a hub runs as hubd-zwave.service, and its lock file."""


def find_modules(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the modules; the Node.js that runs them is `node_of` it.

    Raise ConfigError, with what to do, when they are not there.
    """
    lock_file = (SERVICE / "package-lock.json").read_bytes()
    name = f"hubd-zwave-service-{hashlib.sha256(lock_file).hexdigest()[:12]}"
    home = Path(environment.get("HOME") or Path.home())
    cache = environment.get("XDG_CACHE_HOME")
    folder = (Path(cache) if cache else home / ".cache") / name / "node_modules"
    if not (folder / "zwave-js").is_dir() or not node_of(folder).exists():
        raise ConfigError(
            "the Z-Wave service or its Node.js is missing. To get both, in a clone of the project: "
            "make zwave-modules"
        )
    return folder


def node_of(modules: Path) -> Path:
    """Return the program that runs the modules; .ci/zwave-modules puts it beside them."""
    return modules.parent / "bin/node"
