"""What the documents are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hubbridge.hubs.state import HubState
from hubbridge.rules.kept import Kept
from hubcore.bridge.ends import Ends
from hubcore.bridge.witness import SeenChain

THOUSANDTHS = 1000
Document = dict[str, Any]


class States(Protocol):
    """What is known of the hubs at this moment."""

    def all(self) -> dict[str, HubState]:
        """Return it by the names of the hubs."""


class Records(Protocol):
    """What is held of the hubs' records."""

    @property
    def hubs(self) -> Mapping[str, Kept]:
        """Return it by the names of the hubs."""

    def covered(self, hub: str) -> int:
        """Return the newest record of a hub that needs no head of it (any more)."""

    @property
    def used(self) -> Mapping[str, int]:
        """Return the bytes of each hub."""

    @property
    def is_tight(self) -> bool:
        """Tell whether the disk has no room for records."""

    @property
    def ends(self) -> Ends:
        """Return whom the site has ended."""

    def seen(self, hub: str) -> SeenChain | None:
        """Return what was seen of a hub, with its doubt."""


@dataclass(frozen=True, slots=True)
class Site:
    """Whose bridge it is."""

    site: str
    bridge: str
    budget_bytes: int
    started_at: float


class Backend(Protocol):
    """The way to the backend."""

    @property
    def phase(self) -> str:
        """Return how far the talk is."""

    @property
    def why(self) -> str:
        """Return why it is not further."""

    @property
    def gateway(self) -> str:
        """Return the name of the gateway that is connected, "" for none."""

    def age_seconds(self) -> int | None:
        """Return how long ago the backend was heard; None: not since the start."""


class Policy(Protocol):
    """The policy at the bridge, for its hubs."""

    @property
    def version(self) -> int:
        """Return the version that is whole here, 0 for none."""

    @property
    def coming(self) -> int:
        """Return the version that is on its way and not whole yet, 0 for none."""


class OwnCertificate(Protocol):
    """The bridge's own certificate."""

    @property
    def expires(self) -> int:
        """Return its end, Unix seconds."""

    @property
    def phase(self) -> str:
        """Return how far the next one is."""
