"""What a new version of hubd checks, and makes ready, while another process drives.

Laws:
1. Nothing that the process that drives uses is changed. Its records are read.
2. What takes long and can be done before is done here: phones wait for what is left.
"""

from __future__ import annotations

import importlib
from contextlib import suppress
from pathlib import Path

from hubcore.errors import AuditError, HardwareError
from hubcore.evidence.records import facts, keep_what_is_read
from hubcore.phone.epochs import EpochRing
from hubd.adapters.host.clock import SystemClock
from hubd.adapters.keys.keyfiles import load_keys
from hubd.adapters.sqlite.audit_start import newest_bodies
from hubd.building.evidence import REMEMBERED_RECORDS
from hubd.building.phones import make_epochs
from hubd.config.file import Config

_LOADED_LATE = ("hubd.adapters.bluez.adapter_session",)
"""What a hub loads when it drives, because a desk may lack it."""


async def check(config: Config, ring: EpochRing) -> None:
    """Read the keys, and make one that phones are met with. Raise HubError."""
    keys = load_keys(config)
    for module in _LOADED_LATE:
        with suppress(ImportError):
            importlib.import_module(module)
    _read_records(config.hub.state_directory / "audit.db")
    clock = SystemClock(lambda: 0.0)
    await make_epochs(config, keys, ring).fill(clock)
    if ring.current is None:
        raise HardwareError("No key could be made that phones are met with.")


def _read_records(path: Path) -> None:
    """Read the newest records, and keep what they say until a session has begun with it."""
    keep_what_is_read(True)
    for body in newest_bodies(path, REMEMBERED_RECORDS):
        with suppress(AuditError):  # of a version that knows more
            facts(body)
