"""The beginning of a session, done for nothing while another process drives.

What Python, and the libraries below, do for the first time takes two to four times as long as what
they do again. Phones wait while a hub is taken up.

Laws:
1. Nothing of the hub is touched. The databases are new ones in a folder that is removed, and the
   parts are made, not run.
2. It tells nothing, and fails nothing: what cannot be done here is told by the session.
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack, suppress
from functools import partial

from msgspec import structs

from hubcore.codec.cose import SigningKey
from hubcore.errors import HubError
from hubcore.evidence.records import RecordKind
from hubcore.phone.epochs import EpochRing
from hubcore.policy import document as policies
from hubd.adapters.keys.keyfiles import load_keys
from hubd.app import build
from hubd.config.file import Config
from hubd.recording import record_now
from hubd.stores import look_at_stores, make_retention, open_stores
from hubd.takeover.changing import Changing
from hubd.wiring.parts import MakeParts

FOLDER = "rehearsal"
TIMES = 3


async def rehearse(
    config: Config, make_parts: MakeParts, ring: EpochRing, changing: Changing
) -> None:
    """Begin a session on empty databases, and end it."""
    folder = config.hub.state_directory / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with suppress(HubError, OSError):
            hub = structs.replace(config.hub, state_directory=folder)
            rehearsed = structs.replace(config, hub=hub)
            for _ in range(TIMES):
                await _once(rehearsed, make_parts, ring, changing)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _once(config: Config, make_parts: MakeParts, ring: EpochRing, changing: Changing) -> None:
    folder = config.hub.state_directory
    keys = load_keys(config)
    site = config.hub.site
    retention = make_retention(
        budget_bytes=config.hub.records_mib << 20,
        hub=config.hub.id,
        site=site,
        key=SigningKey(keys.identity),
    )
    prove = partial(policies.prove, issuer=keys.issuer_key, site=site)
    async with AsyncExitStack() as stack:
        stores = await open_stores(folder, site, prove, stack, retention)
        hub = build(config, keys, stores, make_parts, ring, changing)
        await hub.log.append(record_now(hub.clock, RecordKind.STARTED, {}))
        look = look_at_stores(folder, prove, retention)
        stack.callback(look.end)
        await asyncio.gather(stores.audit.hand_on(), stores.policy.hand_on())
        stores = await open_stores(folder, site, prove, stack, retention, look)
        build(config, keys, stores, make_parts, ring, changing)
