"""What bridges say of their hubs beside the records: alarms, testimonies, doubts.

Laws:
1. A testimony is kept if the mandate of this very bridge proves it: the newest of each bridge and
   hub. It is held against the engine's records, and people are told where they do not agree.
2. A doubt is told to people and to `hub.doubts.HUB`; nobody is stopped by it.
3. Each has a pace, by bridge and hub, that no bridge sets.
4. Of a hub that no row of the directory names nothing is kept, told or looked up: a bridge that
   invents names costs nothing but its own line.
"""

from __future__ import annotations

from collections.abc import Callable

from hubcore.access.words import HubName
from hubcore.backend.notices import Notices
from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.from_hub import Notice
from hubcore.bridge.backend import codec
from hubcore.bridge.backend.from_bridge import Ahead, BornWitness, Doubted
from hubcore.bridge.mandate import Mandate
from hubcore.bridge.signedhead import HeadKind, prove_head
from hubcore.errors import FrameError, ProofError
from hubcore.ports.clock import Clock
from hubcore.timing.pace import Paces, Rate
from hubgateway.engine.engine import Engine
from hubgateway.keeper import Keeper
from hubgateway.rules import names

EACH = Rate(burst=4, per_second=1 / 30)
WHOLE = Rate(burst=2048, per_second=64.0)
SOURCES_MAX = 8192


class BridgedWords:
    """`tell` hears what people should know; `mandate` returns the one of a bridge's testimony.

    `is_known` tells whether the directory names a hub; it raises LinkError while that is away.
    """

    def __init__(
        self,
        site: str,
        engine: Engine,
        keeper: Keeper,
        mandate: Callable[[str], Mandate | None],
        is_known: Callable[[str], bool],
        tell: Callable[[str, str], None],
        clock: Clock,
    ) -> None:
        self._site = site
        self._engine = engine
        self._keeper = keeper
        self._mandate = mandate
        self._is_known = is_known
        self._tell = tell
        self._clock = clock
        self._notices = Notices()
        self._paces = Paces(each=EACH, whole=WHOLE, sources_max=SOURCES_MAX)

    async def alarm(self, said: Ahead) -> None:
        """Tell of an alarm whose record waits. Raise PeerError, StoreError, LinkError."""
        notice = uplink.decode_from_hub(said.notice)
        if not isinstance(notice, Notice):
            raise FrameError("a bridge forwards as an alarm what is none")
        if not self._is_known(said.hub):
            return
        known = await self._keeper.known(said.hub)
        now = self._clock.monotonic()
        text = self._notices.sentence(said.hub, notice, known.head.number, now)
        if text:
            self._tell(f"alarms of {said.hub}", text)
            await self._engine.tell(names.subject(names.NOTICES, said.hub), said.notice)

    async def testimony(self, bridge: str, said: BornWitness) -> None:
        """Keep what a bridge has seen (law 1). Raise StoreError, LinkError."""
        if not self._may_say(bridge, said.hub, "seen"):
            return
        mandate = self._mandate(bridge)
        if mandate is None:
            self._tell(f"bridge {bridge}", "it bears witness, and no mandate is for its key")
            return
        try:
            name = HubName(self._site, said.hub)
            seen = prove_head(HeadKind.TESTIMONY, said.document, name, mandate).head
        except ProofError as error:
            self._tell(f"bridge {bridge}", f"its testimony of {said.hub}: {error}")
            return
        key = names.testimony(bridge, said.hub)
        await self._engine.buckets.put(names.TESTIMONIES_BUCKET, key, said.document)
        if await self._keeper.agrees(said.hub, seen) is False:
            what = f"bridge {bridge} has seen another record {seen.number} than the engine has"
            self._tell(said.hub, f"FORK: {what}")

    async def doubt(self, bridge: str, said: Doubted) -> None:
        """Tell of a doubt (law 2). Raise StoreError, LinkError."""
        if not self._may_say(bridge, said.hub, "doubts"):
            return
        self._tell(
            said.hub,
            f"{said.cause.name}: bridge {bridge} doubts it: record {said.told} was told, it has "
            f"seen its records up to {said.seen}; look at both logs",
        )
        await self._engine.tell(names.subject(names.DOUBTS, said.hub), codec.encode(said))

    def _may_say(self, bridge: str, hub: str, what: str) -> bool:
        """Tell whether this is of a hub that is known, and in its pace (laws 3 and 4)."""
        known = self._is_known(hub)
        return known and self._paces.take((bridge, hub, what), self._clock.monotonic())
