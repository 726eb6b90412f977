"""The port of what brings orders to hubs: all kinds pass tests/site/orders/test_order_ways.

Laws:
1. `give` raises NotGivenError only where no hub can have heard of the order. Whatever else goes
   wrong is a LinkError: it may have been done.
2. A way keeps no row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hubcore.errors import LinkError
from hubsite.orders.kept import Giving, HubSaid
from hubsite.orders.words import WayName


class NotGivenError(LinkError):
    """No hub has heard of it."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was given: the way's own id for it, and which hubs are meant; "" and none: as asked."""

    reference: str = ""
    hubs: tuple[str, ...] = ()


class OrderWay(Protocol):
    """One way. Each call raises LinkError when the other side does not answer."""

    @property
    def name(self) -> WayName:
        """Return which way it is."""

    @property
    def gives_again(self) -> bool:
        """Tell whether an order for hubs that are away must be given again from here."""

    @property
    def is_up(self) -> bool:
        """Tell whether it can give orders now."""

    @property
    def hubs(self) -> Collection[str]:
        """Return the hubs of the site, as they were when `look` asked last."""

    @property
    def points(self) -> Mapping[int, str]:
        """Return which hub has which access point, as far as the way knows."""

    async def connect(self) -> None:
        """Go to the other side."""

    async def close(self) -> None:
        """Leave it."""

    def remember(self, hubs: Collection[str]) -> None:
        """Take these for the hubs of the site, until `look` has asked."""

    async def look(self) -> None:
        """Ask which hubs there are; orders are given meanwhile."""

    async def give(self, giving: Giving) -> Receipt:
        """Give an order to the hubs that are meant. Raise as law 1 says."""

    async def answers(self, references: Sequence[str]) -> list[HubSaid]:
        """Return what hubs have answered to these orders, as far as this way is asked for it."""
