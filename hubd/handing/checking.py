"""What a new version of hubd checks, and makes ready, while another process drives.

Laws:
1. Nothing that the process that drives uses is changed. Its databases are read.
2. What takes long and can be done before is done here: phones wait for what is left.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from hubcore.codec.cose import SigningKey
from hubcore.errors import AuditError, HardwareError
from hubcore.evidence.records import facts, keep_what_is_read
from hubcore.phone.epochs import EpochRing
from hubcore.policy import document as policies
from hubd.adapters.host.clock import SystemClock
from hubd.adapters.keys.keyfiles import HubKeys, load_keys
from hubd.adapters.keys.unchanged import ReadKeys
from hubd.adapters.sqlite.audit_start import newest_bodies
from hubd.ahead import Ahead
from hubd.building.evidence import REMEMBERED_RECORDS
from hubd.building.phones import make_epochs
from hubd.config.file import Config
from hubd.stores import LOG, StoresLook, look_at_stores, make_retention
from hubd.threads import run_in_thread

_LOADED_LATE = ("hubd.adapters.bluez.adapter_session",)
"""What a hub loads when it drives, because a desk may lack it."""


async def check(
    config: Config, ring: EpochRing, ahead: Ahead, rehearse: Callable[[], Awaitable[None]]
) -> None:
    """Read the keys, look at the databases, and make a key that phones are met with.

    Raise HubError.
    """
    read_keys = ReadKeys(config)
    keys = load_keys(config)
    for module in _LOADED_LATE:
        with suppress(ImportError):
            importlib.import_module(module)
    clock = SystemClock(lambda: 0.0)
    await make_epochs(config, keys, ring).fill(clock)
    if ring.current is None:
        raise HardwareError("No key could be made that phones are met with.")
    await rehearse()
    _read_records(config.hub.state_directory / LOG)
    ahead.put(read_keys, await run_in_thread("look", partial(_look, config, keys)))
    gc.collect()
    gc.freeze()  # what stays is looked through no more


def _look(config: Config, keys: HubKeys) -> StoresLook:
    """Check the databases. Raise StoreError."""
    site = config.hub.site
    retention = make_retention(
        budget_bytes=config.hub.records_mib << 20,
        hub=config.hub.id,
        site=site,
        key=SigningKey(keys.identity),
    )
    prove = partial(policies.prove, issuer=keys.issuer_key, site=site)
    return look_at_stores(config.hub.state_directory, prove, retention)


def _read_records(path: Path) -> None:
    """Read the newest records, and keep what they say until a session has begun with it."""
    keep_what_is_read(True)
    for body in newest_bodies(path, REMEMBERED_RECORDS):
        with suppress(AuditError):  # of a version that knows more
            facts(body)
