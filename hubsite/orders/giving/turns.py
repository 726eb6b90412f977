"""What one way does in a turn: it gives what waits, gives again what shuts, asks for answers.

Laws:
1. Each order that waits has its turn, whatever went wrong with those before it.
2. What goes wrong with an order leaves its row as `hubsite.orders.kept` says, and is told.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from hubcore.errors import HubError
from hubsite.orders import kept, letters
from hubsite.orders.giving.ways import NotGivenError, OrderWay, Receipt
from hubsite.orders.kept import Giving
from hubsite.rows import RowsThread

_LOG = logging.getLogger("hubsite.orders")


class Turns:
    """The turns of one way; `takes_new` tells whether orders that have no way yet go by it now."""

    def __init__(self, way: OrderWay, rows: RowsThread, takes_new: Callable[[], bool]) -> None:
        self._way = way
        self._rows = rows
        self._takes_new = takes_new

    async def take(self) -> None:
        """Take one turn. Raise HubError."""
        way = self._way
        await self._give_all()
        if way.gives_again:
            for giving in await self._rows.do(partial(kept.again, way.name, way.hubs, _now())):
                await way.give(giving)
        references = await self._rows.do(partial(kept.to_ask, way.name, _now()))
        said = await way.answers(references)
        if said:
            await self._rows.do(partial(kept.record_answers, said))
        await give_up_late(self._rows)

    async def look(self) -> None:
        """Look which hubs there are, and keep which access points they have. Raise HubError."""
        await self._way.look()
        await self._rows.do(partial(letters.keep_points, dict(self._way.points)))

    async def _give_all(self) -> None:
        """Give each order that waits once (law 1). Raise what went wrong with the first."""
        tried: list[str] = []
        failure: Exception | None = None
        while self._way.is_up:
            giving = await self._rows.do(partial(self._next, tuple(tried)))
            if giving is None:
                break
            tried.append(giving.key)
            try:
                await self._give(giving)
            except Exception as error:  # whatever it is: the others have their turn
                failure = failure or error
        if failure is not None:
            raise failure

    def _next(self, tried: tuple[str, ...]) -> Giving | None:
        way = self._way
        return kept.next_to_give(way.name, self._takes_new(), way.hubs, _now(), tried)

    async def _give(self, giving: Giving) -> None:
        """Give one order, and keep what came of it (law 2). Raise what went wrong."""
        try:
            receipt: Receipt = await self._way.give(giving)
        except Exception as error:  # whatever it is: it may have been done
            is_lost = not isinstance(error, NotGivenError)
            why = str(error) if isinstance(error, HubError) else repr(error)
            new = giving.is_new
            await self._rows.do(
                partial(kept.was_not_given, giving.key, why, is_lost=is_lost, is_new=new)
            )
            raise
        await self._rows.do(
            partial(kept.was_given, giving.key, receipt.reference, receipt.hubs, _now())
        )


async def give_up_late(rows: RowsThread) -> None:
    """Give up what was not given in time, whichever way is up."""
    try:
        await rows.do(partial(kept.fail_late, _now()))
    except HubError as error:
        _LOG.error("%s", error)


def _now() -> int:
    return int(time.time())
