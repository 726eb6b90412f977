"""How often one hub may cause the engine some work, beside its records.

Laws:
1. An answer to an order, a result of a policy, a Hello and the like are taken at the pace PACES
   says, each kind by itself. Beyond it they are left out; a hub says what matters again.
2. Records, and what the gateway answers alone, have no pace here: a hub that was away for long
   sends as fast as it is acknowledged.
3. Memory is bounded: of more than HUBS_MAX hubs, the one that spoke longest ago is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.backend.uplink import from_hub
from hubcore.backend.uplink.health import HealthState
from hubcore.backend.uplink.updates import UpdateState
from hubcore.timing.pace import Paces, Rate

HUBS_MAX = 65_536
ANSWERS = Rate(burst=256, per_second=4.0)
"""A hub carries out fewer orders than these, at its own pace."""
TOLD = Rate(burst=16, per_second=2.0)
PIECES = Rate(burst=128, per_second=16.0)
"""64 pieces of 64 KiB at a time."""
HELLOS = Rate(burst=30, per_second=1.0)
KEYS = Rate(burst=16, per_second=1.0)
UPDATES = Rate(burst=4, per_second=0.1)
"""A hub says it once a connection and then at most once a minute. It costs the engine a write."""
HEALTH = Rate(burst=8, per_second=0.1)
"""A hub keeps a pace of its own (`hubd.backend.beside.health`), over all connections."""

_KINDS: Mapping[type[from_hub.HubMessage], str] = {
    from_hub.Hello: "hellos",
    from_hub.Result: "answers",
    from_hub.OrderResult: "answers",
    from_hub.ActResult: "answers",
    from_hub.PolicyResult: "answers",
    from_hub.Telemetry: "told",
    from_hub.CertificateRequest: "told",
    from_hub.Notice: "told",
    UpdateState: "updates",
    HealthState: "health",
    from_hub.PiecesWanted: "pieces",
    from_hub.NewKey: "keys",
    from_hub.RetireKey: "keys",
}
WITHOUT_PACE = frozenset({from_hub.Evidence, from_hub.Ping, from_hub.Alive})
"""What a hub may say as often as its line carries it (law 2)."""
PACES: Mapping[str, Rate] = {
    "hellos": HELLOS,
    "answers": ANSWERS,
    "told": TOLD,
    "pieces": PIECES,
    "keys": KEYS,
    "updates": UPDATES,
    "health": HEALTH,
}
_ANY = Rate(burst=1e12, per_second=1e12)


class HubPace:
    """The paces of all hubs. Times are monotonic seconds."""

    def __init__(self, hubs_max: int = HUBS_MAX) -> None:
        self._paces = {
            kind: Paces(each=rate, whole=_ANY, sources_max=hubs_max) for kind, rate in PACES.items()
        }

    def allows(self, hub: str, message: from_hub.HubMessage, now: float) -> bool:
        """Tell whether this message of a hub is taken now."""
        kind = _KINDS.get(type(message))
        return kind is None or self._paces[kind].take(hub, now)
