"""What a new version of hubd checks, and makes ready, while another process drives.

Laws:
1. Nothing that the process that drives uses is opened or changed.
2. What takes long and can be done before is done here: phones wait for what is left.
"""

from __future__ import annotations

import importlib
from contextlib import suppress

from hubcore.errors import HardwareError
from hubcore.phone.epochs import EpochRing
from hubd.adapters.host.clock import SystemClock
from hubd.adapters.keys.keyfiles import load_keys
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
    clock = SystemClock(lambda: 0.0)
    await make_epochs(config, keys, ring).fill(clock)
    if ring.current is None:
        raise HardwareError("No key could be made that phones are met with.")
