"""The site's access cache: the newest policy, whole, for hubs that have no backend.

How it works: the backend offers a signed root. What the bridge has not of its pieces, it asks for.
Once all are here the policy is in force at the bridge: hubs that have an older one are offered it,
and what they want of it comes from the disk. A task does all that, in its order.

Laws:
1. Nothing is kept or given that the issuer's signature, and the hashes under it, do not prove. The
   bridge cannot change a policy: it has no key for one.
2. It goes to higher versions only, as a hub does, also over a restart.
3. A policy is offered to hubs once it is whole here. Until then the one before stays, whole.
4. At most one policy comes together. A newer one that is offered meanwhile takes its place.
5. A hub has a pace of reads, WANTED. What is beyond is not answered, and the hub asks again.
6. A piece that went bad on the disk is not given. It is asked for again.
7. A disk that fails is told, and tried again after `retry_seconds`.
8. No piece is asked for twice while pieces come: only once all that were asked for have come, when
   none has come for `ask_again_seconds`, or when the backend is back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hubbridge.policy.files import PolicyFiles
from hubbridge.policy.growing import Growing
from hubcore.backend.uplink.words import MAX_PIECES
from hubcore.codec.cose import VerifyKey
from hubcore.errors import StoreError, TrustError
from hubcore.policy import document
from hubcore.policy.root import NO_DIGEST
from hubcore.policy.tree import names_of
from hubcore.ports.clock import Clock
from hubcore.timing.pace import Paces, Rate

WANTED = Rate(burst=128, per_second=32)
"""Reads of a hub, each of at most MAX_PIECES."""
_ANY = Rate(burst=1e12, per_second=1e12)
RETRY_SECONDS = 60.0
ASK_AGAIN_SECONDS = 10.0
PIECES_WAITING = 64
"""Messages of pieces that wait for the disk; what is beyond is asked for again."""


class Told(Protocol):
    """Who is told what is wrong."""

    def trouble(self, what: str) -> None:
        """Something of the bridge itself is wrong."""


@dataclass(frozen=True, slots=True)
class Held:
    """The policy in force at the bridge. `root` is as the issuer signed it."""

    version: int = 0
    digest: bytes = NO_DIGEST
    root: bytes = b""


class PolicyCache:
    """`run` in a task; the others never wait, but for `pieces`, which reads the disk."""

    def __init__(
        self,
        *,
        site: str,
        issuer: VerifyKey,
        files: PolicyFiles,
        told: Told,
        clock: Clock,
        hubs_max: int,
        retry_seconds: float = RETRY_SECONDS,
        ask_again_seconds: float = ASK_AGAIN_SECONDS,
    ) -> None:
        self._site = site
        self._issuer = issuer
        self._files = files
        self._told = told
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._ask_again_seconds = ask_again_seconds
        self._paces = Paces(each=WANTED, whole=_ANY, sources_max=hubs_max)
        self.held = Held()
        self._growing: Growing | None = None
        self._offered: bytes | None = None
        self._is_to_ask = False
        """Whether what is missing is asked for now, though it may be on its way (law 8)."""
        self._came = asyncio.Event()
        self._pieces: deque[Sequence[bytes]] = deque(maxlen=PIECES_WAITING)
        self._ask: Callable[[Sequence[bytes]], None] = lambda _names: None
        self._in_force: Callable[[], None] = lambda: None

    def joins(self, ask: Callable[[Sequence[bytes]], None], in_force: Callable[[], None]) -> None:
        """Join with who asks the backend for pieces, and who tells hubs of a new policy."""
        self._ask = ask
        self._in_force = in_force

    @property
    def version(self) -> int:
        """Return the version that is whole here, 0 for none."""
        return self.held.version

    @property
    def coming(self) -> int:
        """Return the version that is on its way and not whole yet, 0 for none."""
        return 0 if self._growing is None else self._growing.head.version

    # What the backend brings.

    def offer(self, offered: bytes) -> None:
        """The backend offers a policy; the newest offer counts."""
        self._offered = offered
        self._came.set()

    def bring(self, pieces: Sequence[bytes]) -> None:
        """The backend brings pieces."""
        self._pieces.append(pieces)
        self._came.set()

    def reconnected(self) -> None:
        """The backend is back: what is missing is asked for at once."""
        self._is_to_ask = True
        self._came.set()

    # What hubs want.

    async def pieces(self, hub: str, names: Sequence[bytes]) -> Sequence[bytes]:
        """Return the pieces of these names that are here; none beyond the hub's pace (law 5).

        At most MAX_PIECES of them are read: ask for so many.
        """
        if not self._paces.take(hub, self._clock.monotonic()):
            return ()
        return await asyncio.to_thread(self._read_pieces, names[:MAX_PIECES])

    def _read_pieces(self, names: Sequence[bytes]) -> Sequence[bytes]:
        found = []
        for name in names:
            piece = self._files.piece(name)
            if piece is not None and name in names_of(piece):
                found.append(piece)
        return found

    # The task.

    async def run(self) -> None:
        """Do what comes, for ever."""
        await self._begin_with_the_disk()
        while True:
            await self._wait()
            self._came.clear()
            try:
                await self._step()
            except TrustError as error:
                self._growing = None
                self._told.trouble(f"a policy that the backend brought is left out: {error}")
            except StoreError as error:
                self._told.trouble(str(error))
                await asyncio.sleep(self._retry_seconds)
                self.reconnected()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._ask_again_seconds if self._growing else None):
                await self._came.wait()
        except TimeoutError:
            self._is_to_ask = True

    async def _begin_with_the_disk(self) -> None:
        """Take up the policy that lies on the disk, if it proves itself and is whole."""
        try:
            await asyncio.to_thread(self._files.make)
            kept = await asyncio.to_thread(self._files.root)
            if kept is None:
                return
            growing = await asyncio.to_thread(self._read, kept)
            if await asyncio.to_thread(growing.missing):
                self._growing = growing
                self._told.trouble("pieces of the policy at the bridge are missing: it asks again")
                self.reconnected()
                return
        except (StoreError, TrustError) as error:
            self._told.trouble(f"the policy at the bridge is left out: {error}")
            return
        self._take_up(growing)

    async def _step(self) -> None:
        offered = self._offered
        self._offered = None
        if offered is not None:
            await self._consider(offered)
        while self._pieces and self._growing is not None:
            await asyncio.to_thread(self._growing.take, self._pieces.popleft())
        self._pieces.clear()
        growing = self._growing
        if growing is not None and (self._is_to_ask or growing.waiting == 0):
            self._is_to_ask = False
            await self._go_on(growing)

    async def _consider(self, offered: bytes) -> None:
        """Begin with a policy, if it is a newer one. Raise TrustError, StoreError."""
        growing = await asyncio.to_thread(self._read, offered)
        known = self._growing.head.version if self._growing is not None else 0
        if growing.head.version > max(self.held.version, known):
            self._growing = growing

    def _read(self, offered: bytes) -> Growing:
        """Prove and read a document. Raise SignatureError."""
        proven = document.prove(offered, self._issuer, self._site)
        root = proven.root()
        return Growing(root.head, root.trees, list(proven.pieces()), self._files)

    async def _go_on(self, growing: Growing) -> None:
        """Ask for what is missing, or put a whole policy in force. Raise as `Growing.missing`."""
        names = await asyncio.to_thread(growing.missing)
        if not growing.is_whole:
            self._ask(names)
            return
        await asyncio.to_thread(self._files.put_root, growing.head.document)
        self._take_up(growing)
        await asyncio.to_thread(self._files.keep_only, growing.names)

    def _take_up(self, growing: Growing) -> None:
        head = growing.head
        self.held = Held(head.version, head.digest, head.document)
        self._growing = None
        self._in_force()
