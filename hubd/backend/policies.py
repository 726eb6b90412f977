"""Policies that the backend offers are looked at here, and the pieces that they want are asked for.

Laws:
1. Of the policies that wait, only the newest is looked at. One that comes while pieces of an
   earlier one are awaited takes its place; what is staged of the same is not asked for again.
2. After a refused policy none is looked at for a while, for each look costs a signature check.
3. Where policies take each other's place, SUPERSEDED says how often another one is looked at: each
   costs a signature check and a write to the disk, and no backend sets that pace.
4. Pieces wait for the disk, at most WAITING messages of them. What comes beyond, or while none is
   awaited, is counted and forgotten.
5. A refusal stands until another policy comes into force, whoever brings it, or until a policy is
   offered that is not newer: then there is none that the hub has not.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import structlog

from hubcore.backend.pace import Pace
from hubcore.backend.uplink.fields import sentence
from hubcore.backend.uplink.from_hub import PiecesWanted, PolicyResult
from hubcore.errors import HubError, LinkError, RollbackError
from hubcore.timing.pace import Bucket, Rate

log = structlog.get_logger()

WAITING = 16
"""Messages of a quarter MiB at most."""
SUPERSEDED = Rate(burst=16, per_second=1 / 30)


class _NewerError(LinkError):
    """Another policy has come: no piece of this one is waited for."""


class PolicyWorker:
    """The task that looks at policies, and the carrier of their pieces. Call `run` once."""

    def __init__(
        self,
        *,
        accept: Callable[[bytes, PolicyWorker], Awaitable[int]],
        version: Callable[[], int],
        pace: Pace,
        say: Callable[[PolicyResult | PiecesWanted], object],
        counters: Counter[str],
    ) -> None:
        """`say` hands a message to the uplink, which may lose it.

        `accept` puts a policy in force, with this carrier; it raises HubError.
        """
        self._accept = accept
        self._version = version
        self._pace = pace
        self._say = say
        self._counters = counters
        self._policies: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._pieces: asyncio.Queue[Sequence[bytes]] = asyncio.Queue(WAITING)
        self._superseded = Bucket(SUPERSEDED)
        self._awaited = False
        self._refusal = ""
        self._refused_at = 0
        """The version that was in force then."""

    @property
    def refusal(self) -> str:
        """Why the newest policy that was offered is not in force, "" when it is."""
        return self._refusal if self._version() == self._refused_at else ""

    def take_policy(self, document: bytes) -> None:
        """Let a policy wait for its turn, in place of the one that waits."""
        if self._policies.full():
            self._policies.get_nowait()
        self._policies.put_nowait(document)
        if self._awaited and self._pieces.empty():
            self._pieces.put_nowait(())  # who awaits pieces looks for a newer policy

    def take_pieces(self, pieces: Sequence[bytes]) -> None:
        """Let pieces wait for their turn."""
        if not self._awaited:
            self._counters["pieces_unasked"] += 1
        elif self._pieces.full():
            self._counters["pieces_too_many"] += 1
        else:
            self._pieces.put_nowait(pieces)

    async def run(self) -> None:
        """Look at policies until cancelled."""
        pause_seconds = self._pace.refused_seconds
        while True:
            document = await self._policies.get()
            result = await self._judge(document)
            if result is None:
                await self._rest_after_superseded()
                continue
            self._say(result)
            if not result.refused:
                pause_seconds = self._pace.refused_seconds
                continue
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, self._pace.refused_cap_seconds)

    async def _rest_after_superseded(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self._superseded.take(now):
            self._counters["policies_too_often"] += 1
            await asyncio.sleep(self._pace.refused_cap_seconds)

    # The carrier: see `hubd.policy.new.Carrier`.

    def ask(self, names: Sequence[bytes]) -> None:
        """Ask the backend for these pieces."""
        self._awaited = True
        self._say(PiecesWanted(tuple(names)))

    async def next(self) -> Sequence[bytes]:
        """Return pieces that have come, none when none came for a while.

        Raise LinkError when another policy has come.
        """
        pieces: Sequence[bytes] = ()
        if self._policies.empty():
            try:
                async with asyncio.timeout(self._pace.pieces_seconds):
                    pieces = await self._pieces.get()
            except TimeoutError:
                self._counters["pieces_late"] += 1
            while not self._pieces.empty():  # all that has come goes into one commit
                pieces = (*pieces, *self._pieces.get_nowait())
        if not self._policies.empty():
            raise _NewerError("another policy has come")
        return pieces

    async def _judge(self, document: bytes) -> PolicyResult | None:
        """Hand a policy on; the answer holds nothing of its content. None: a newer one has come."""
        try:
            version = await self._accept(document, self)
        except _NewerError:
            return None
        except RollbackError as error:
            self._refusal = ""
            return self._refuse(sentence(str(error)))
        except HubError as error:
            why = sentence(str(error)) or "refused"
        except MemoryError:
            why = f"a policy of {len(document)} bytes is more than this hub has memory for"
        else:
            self._refusal = ""
            return PolicyResult(version, "")
        finally:
            self._await_none()
        self._refusal = why
        self._refused_at = self._version()
        return self._refuse(why)

    def _refuse(self, why: str) -> PolicyResult:
        self._counters["policies_refused"] += 1
        log.warning("policy_refused", why=why)
        return PolicyResult(self._version(), why)

    def _await_none(self) -> None:
        """Forget the pieces that wait: nobody asks for them any more."""
        self._awaited = False
        while not self._pieces.empty():
            self._pieces.get_nowait()
