"""Which hubs a gateway hears: what it tells to whoever shows that to people.

How it works: a connected hub never keeps silent for long, because it says Ping when it has heard
nothing for 30 s. So a gateway notes when it heard each hub, and tells every TELL_SECONDS which ones
it hears. Who listens believes a hub to be away when no gateway has named it for AWAY_SECONDS.

Laws:
1. A hub is heard for HEARD_SECONDS after its newest message.
2. What was heard longest ago is forgotten: at most HUBS_MAX hubs are remembered.
3. A message names at most NAMED_MAX hubs. A gateway that hears nobody says so with an empty one.
4. What is no such list gives FrameError, and names nobody.

Shape: a CBOR array of hub ids.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from hubcore.backend.uplink.fields import check_text
from hubcore.backend.uplink.words import MAX_TEXT_BYTES
from hubcore.codec import cbor
from hubcore.errors import FrameError

TELL_SECONDS = 10.0
HEARD_SECONDS = 45.0
AWAY_SECONDS = 35.0
"""Three messages may be lost."""
NAMED_MAX = 1024
HUBS_MAX = 16_384
MESSAGE_BYTES_MAX = NAMED_MAX * (MAX_TEXT_BYTES + 3) + 8


class Heard:
    """When each hub was heard last; times are monotonic seconds."""

    def __init__(self, hubs_max: int = HUBS_MAX) -> None:
        self._hubs_max = hubs_max
        self._at: OrderedDict[str, float] = OrderedDict()

    def hear(self, hub: str, now: float) -> None:
        """A hub has said something."""
        self._at[hub] = now
        self._at.move_to_end(hub)
        if len(self._at) > self._hubs_max:
            self._at.popitem(last=False)

    def messages(self, now: float) -> Iterator[bytes]:
        """Yield what is to be told now (law 3)."""
        heard = sorted(hub for hub, at in self._at.items() if now - at < HEARD_SECONDS)
        for first in range(0, max(len(heard), 1), NAMED_MAX):
            yield cbor.encode(heard[first : first + NAMED_MAX])


def read_present(data: bytes) -> frozenset[str]:
    """Return the hubs that a gateway names. Raise FrameError (law 4)."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise FrameError(f"present: it has more than {MESSAGE_BYTES_MAX} bytes")
    hubs = cbor.decode(data, max_depth=1, max_items=NAMED_MAX + 1)
    if not isinstance(hubs, list) or len(hubs) > NAMED_MAX:
        raise FrameError("present: it is no list of hubs")
    for hub in hubs:
        check_text("hub", hub, MAX_TEXT_BYTES)
    return frozenset(hubs)
