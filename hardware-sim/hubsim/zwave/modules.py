"""Where the modules of the Z-Wave service are, which a simulated network runs too."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import drivers.zwave_js
from hubcore.errors import ConfigError

SERVICE = Path(drivers.zwave_js.__file__).parent / "service"
"""The program that a hub runs as hubd-zwave.service, and its lock file."""
HOW = "in a clone of the project: make zwave-modules"


def find_modules(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the modules. Raise ConfigError, with what to do, when it is not there.

    HUBD_ZWAVE_MODULES names another one than that of .ci/zwave-modules.
    """
    if shutil.which("node", path=environment.get("PATH")) is None:
        raise ConfigError(
            "Node.js is missing, which runs the Z-Wave service. Debian 13: sudo apt-get install "
            f"nodejs npm; else version 20 or newer from nodejs.org. Then, {HOW}"
        )
    folder = Path(environment.get("HUBD_ZWAVE_MODULES") or _cached(environment))
    if not (folder / "zwave-js").is_dir():
        raise ConfigError(f"the modules of the Z-Wave service are missing: {HOW}")
    return folder


def _cached(environment: Mapping[str, str]) -> Path:
    """Return where .ci/zwave-modules puts them."""
    lock_file = (SERVICE / "package-lock.json").read_bytes()
    name = f"hubd-zwave-{hashlib.sha256(lock_file).hexdigest()[:12]}"
    home = Path(environment.get("HOME") or Path.home())
    cache = environment.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else home / ".cache") / name / "node_modules"
