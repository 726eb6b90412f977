"""Does what a hub asks for about its own keys: docs/uplink.md, rule 13.

How it works: the ring is written with what is to come and to leave; then each key; then the ring
as it is now. Each write is only after the revision that was read. A gateway that comes too late at
any of them begins again with what the other one has made of the ring.

Laws:
1. What a KeyTaken says stands in the engine when it is said.
2. A ring that somebody else has written meanwhile is never overwritten.
3. Whoever writes a ring writes all keys that it says are leaving, before it is settled.
4. A key that was revoked brings no other one, also when it is revoked meanwhile.
5. A hub changes its keys at a pace: CHANGES_AT_ONCE, then one in CHANGE_SECONDS.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from hubcore.backend.uplink.from_backend import KeyTaken
from hubcore.backend.uplink.from_hub import NewKey, RetireKey
from hubcore.errors import StoreError
from hubcore.timing.budget import Budget
from hubgateway.engine.buckets import Table
from hubgateway.engine.trouble import MovedOnError
from hubgateway.rules import keyring
from hubgateway.rules.keyring import Ring
from hubgateway.rules.names import (
    KEYS_BUCKET,
    RINGS_BUCKET,
    Entry,
    Standing,
    read_entry,
    write_entry,
)

TRIES = 4
CHANGES_AT_ONCE = 8
CHANGE_SECONDS = 60.0


class KeyChanges:
    """`own` are the gateway's secret and public key; `keys_of` names a hub's enrolled keys."""

    def __init__(
        self,
        table: Table,
        own: tuple[bytes, bytes],
        keys_of: Callable[[str], Iterable[str]],
    ) -> None:
        self._table = table
        self._own = own
        self._keys_of = keys_of
        self._paces: dict[str, Budget] = {}

    async def answer(
        self, hub: str, key: str, message: NewKey | RetireKey, now: float
    ) -> KeyTaken | None:
        """Do what a hub asks for on a connection opened with `key` (hexadecimal digits).

        None when nothing is to be said. `now` is the monotonic time. Raise StoreError, LinkError:
        then nothing is said either, and the hub asks again.
        """
        for _ in range(TRIES):
            try:
                return await self._answer(hub, key, message, now)
            except MovedOnError:
                continue
        raise StoreError(f"the keys of {hub} change at another gateway, too")

    async def _answer(
        self, hub: str, key: str, message: NewKey | RetireKey, now: float
    ) -> KeyTaken | None:
        value, revision = await self._table.at(RINGS_BUCKET, hub)
        ring = keyring.read_ring(value)
        if ring.is_gone(key):
            return None
        keep: tuple[str, ...] = (key,)
        if isinstance(message, NewKey):
            why = await self._why_not(ring, hub, key, message)
            if why:
                return KeyTaken(message.key, 1, why)
            keep = (key, message.key.hex())
        turned = ring.turned(self._keys_of(hub), keep)
        is_done = ring.held == keep or (value is None and keep == (key,))
        if is_done and not turned.leaving:
            await self._must_be_newest(hub, revision)
        elif not self._may_change(hub, now) or not await self._change(hub, key, turned, revision):
            return None
        return KeyTaken(bytes.fromhex(keep[-1]), len(keep), "")

    async def _must_be_newest(self, hub: str, revision: int) -> None:
        """Raise MovedOnError when somebody has written the ring since it was read."""
        if (await self._table.at(RINGS_BUCKET, hub))[1] != revision:
            raise MovedOnError(f"the keys of {hub} change at another gateway")

    async def _why_not(self, ring: Ring, hub: str, key: str, message: NewKey) -> str:
        new = message.key.hex()
        entry, _ = await self._entry(new)
        why = keyring.why_not(ring, entry, hub, key, new)
        if not why and not keyring.is_proven(message, hub, key, self._own):
            return "nothing proves that the hub has this key's secret"
        return why

    def _may_change(self, hub: str, now: float) -> bool:
        pace = self._paces.setdefault(
            hub, Budget(1 / CHANGE_SECONDS, CHANGES_AT_ONCE, at_once=CHANGES_AT_ONCE)
        )
        if pace.take(now) is None:
            return False
        pace.done()
        return True

    async def _change(self, hub: str, key: str, turned: Ring, revision: int) -> bool:
        """Write a change in its steps; False when the connection's key does not count any more."""
        revision = await self._write(hub, turned, revision)
        for one in turned.coming:
            await self._enrol(hub, one)
        for one in turned.leaving:
            await self._retire(hub, one)
        entry, _ = await self._entry(key)
        if entry != Entry(Standing.ENROLLED, hub):
            for one in turned.coming:
                await self._retire(hub, one)
            return False
        settled, forgotten = turned.settled()
        await self._write(hub, settled, revision)
        for one in forgotten:
            await self._forget(hub, one)
        return True

    async def _write(self, hub: str, ring: Ring, revision: int) -> int:
        return await self._table.swap(RINGS_BUCKET, hub, keyring.write_ring(ring), revision)

    async def _entry(self, key: str) -> tuple[Entry | None, int]:
        value, revision = await self._table.at(KEYS_BUCKET, key)
        if value is None:
            return None, revision
        entry = read_entry(value)
        if entry is None:
            raise StoreError(f"what {KEYS_BUCKET} says of key {key[:8]} cannot be read")
        return entry, revision

    async def _enrol(self, hub: str, key: str) -> None:
        entry, revision = await self._entry(key)
        if entry is None:
            wanted = write_entry(Entry(Standing.ENROLLED, hub))
            await self._table.swap(KEYS_BUCKET, key, wanted, revision)
        elif entry != Entry(Standing.ENROLLED, hub):
            raise MovedOnError(f"somebody else has taken key {key[:8]}")

    async def _retire(self, hub: str, key: str) -> None:
        """Also a key that is not there yet: another gateway may be about to enrol it."""
        entry, revision = await self._entry(key)
        if entry is None or entry == Entry(Standing.ENROLLED, hub):
            wanted = write_entry(Entry(Standing.RETIRED, hub))
            await self._table.swap(KEYS_BUCKET, key, wanted, revision)

    async def _forget(self, hub: str, key: str) -> None:
        entry, revision = await self._entry(key)
        if entry == Entry(Standing.RETIRED, hub):
            with contextlib.suppress(MovedOnError):
                await self._table.swap(KEYS_BUCKET, key, None, revision)
