"""Removes what is over, while this server runs: sessions, tokens, what was spent, links, orders.

Laws:
1. It looks each EVERY_SECONDS. At most ROWS of a table are removed at once, so that nobody waits
   long for the database. What is left goes in the next turn; codes and tokens, in the same one.
2. What an act tells stays in the acts.
3. A link that connected a phone stays while its tokens may be renewed: its end is theirs. A guest
   whose phone has joined stays: a credential that was revoked is named in each later policy.
4. An invitation that nobody used stays LINK_DAYS after its end, and so does a guest's link: the
   page says what became of it.
5. An alarm that a bridge has told, that somebody has seen, and whose record has not come for
   ALARM_DAYS, goes.
6. Nothing is removed while the clock of this server is not believed (`hubsite.clocks`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from hubsite.clocks.watch import ClockWatch, problem_of
from hubsite.looping import Looping

EVERY_SECONDS = 60.0
ROWS = 500
LINK_DAYS = 30
ALARM_DAYS = 90


def tidy() -> None:
    """Remove what is over (law 1)."""
    from hubsite.accounts.models import Session
    from hubsite.accounts.once import tidy_spent
    from hubsite.bridge.models import BridgeAlarm
    from hubsite.orders.tidying import tidy_orders
    from hubsite.register.models import Invitation
    from hubsite.register.tokens import remove_expired

    now = timezone.now()
    over = now - timedelta(days=LINK_DAYS)
    _remove(Session.objects.filter(expire_date__lt=now))
    tidy_spent(ROWS)
    remove_expired()
    _remove(Invitation.objects.filter(ends__lt=over, family=None))
    _remove_guests(over)
    seen_before = (now - timedelta(days=ALARM_DAYS)).timestamp()
    _remove(BridgeAlarm.objects.filter(seen_at__lt=seen_before))
    tidy_orders(ROWS, int(now.timestamp()))


def _remove(rows: QuerySet[Any]) -> None:
    """Remove some of these (law 1)."""
    found = list(rows.order_by("pk").values_list("pk", flat=True)[:ROWS])
    rows.filter(pk__in=found).delete()


def _remove_guests(over: datetime) -> None:
    """Remove guests whose link ended before `over`, and connected no phone (laws 3 and 4)."""
    from hubsite.register.models import GuestLink, Person

    unused = GuestLink.objects.filter(ends__lt=over, joined=0, person__credentials=None)
    unused = unused.filter(person__grants=None, person__invitations=None)
    for key, person in list(unused.order_by("pk").values_list("pk", "person")[:ROWS]):
        with transaction.atomic():
            # Who joins at this moment has changed `joined`: then nothing is removed.
            if GuestLink.objects.filter(pk=key, joined=0).delete()[0]:
                Person.objects.filter(pk=person).delete()


class Tidier(Looping):
    """The part that removes them; `turn` is one turn."""

    def __init__(
        self,
        clock: ClockWatch,
        every_seconds: float = EVERY_SECONDS,
        turn: Callable[[], None] = tidy,
    ) -> None:
        super().__init__("Tidying", "hubsite.tidying")
        self._clock = clock
        self._every_seconds = every_seconds
        self._turn = turn

    async def serve(self) -> None:
        """Remove what is over until it is stopped (law 6). Raise StoreError."""
        while not self.is_stopped:
            clock = await self.with_rows(self._clock.look)
            if clock.is_believed:
                await self.with_rows(self._turn)
            self.found(problem_of(clock), "the clock")
            await self.wait(self._every_seconds)
