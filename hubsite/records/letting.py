"""Lets go of old rows, and begins a hub's rows again.

Laws:
1. The oldest rows of a chain go, in the order of their numbers, and its base moves to the last that
   went. So what is left still proves itself from there.
2. A row goes when it is older than `keep_days`, or when there are more than `keep_rows`: then those
   of the hub that has the most, and of those at most half at once. While this server's clock is
   not believed (`hubsite.clocks`), none is too old.
3. At most ROWS_AT_ONCE go in one transaction: nobody waits for long.
4. Who begins a hub's rows again lets all of them go first.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import F

from hubcore.evidence.records import GENESIS
from hubsite.clocks.watch import is_believed
from hubsite.config import Records
from hubsite.records.models import Chain, HubDoor, Record

ROWS_AT_ONCE = 2000
DAY_SECONDS = 86_400


def let_go(keep: Records, now: int) -> int:
    """Let some rows go (laws 1 to 3) at `now`, in Unix seconds; return how many went."""
    with transaction.atomic():
        chain, count = _whose(keep, now)
        if chain is None:
            return 0
        rows = Record.objects.filter(hub=chain.hub, number__gt=chain.base_number)
        last = chain.base_number + min(count, ROWS_AT_ONCE, (chain.rows + 1) // 2)
        if not count:
            before = now - keep.keep_days * DAY_SECONDS
            seen = rows.order_by("number").values_list("number", "dated")[:ROWS_AT_ONCE]
            last = max((number for number, dated in seen if dated < before), default=0)
        return _remove_up_to(chain, last)


def _whose(keep: Records, now: int) -> tuple[Chain | None, int]:
    """Return whose rows go, and how many are too many; 0: those that are too old."""
    chains = Chain.objects.select_for_update().annotate(count=F("head_number") - F("base_number"))
    total = sum(Chain.objects.values_list(F("head_number") - F("base_number"), flat=True))
    if total > keep.keep_rows:
        return chains.order_by("-count").first(), total - keep.keep_rows
    if not is_believed(now):
        return None, 0
    before = now - keep.keep_days * DAY_SECONDS
    return chains.filter(oldest__lt=before, count__gt=0).first(), 0


def _remove_up_to(chain: Chain, number: int) -> int:
    """Remove the rows of a chain up to a number, and move its base there."""
    last = Record.objects.filter(hub=chain.hub, number=number).first()
    if last is None:
        return 0
    went, _ = Record.objects.filter(hub=chain.hub, number__lte=number).delete()
    left = Record.objects.filter(hub=chain.hub, number=number + 1).first()
    Chain.objects.filter(pk=chain.pk).update(
        base_number=number,
        base_hash=bytes(last.chain_hash),
        oldest=None if left is None else left.dated,
    )
    return went


def hubs_again() -> list[str]:
    """Return the hubs whose messages are to be read again."""
    return list(Chain.objects.filter(again=True).values_list("hub", flat=True))


def forget_some(hub: str) -> bool:
    """Remove some rows of a hub that begins again; tell whether none is left (law 4)."""
    with transaction.atomic():
        some = Record.objects.filter(hub=hub).order_by("number").values_list("number", flat=True)
        numbers = list(some[:ROWS_AT_ONCE])
        if numbers:
            Record.objects.filter(hub=hub, number__lte=numbers[-1]).delete()
            return False
        HubDoor.objects.filter(hub=hub).update(state="", alarms="", orders=[], number=0)
        Chain.objects.filter(pk=hub).update(
            base_number=0,
            base_hash=GENESIS,
            head_number=0,
            head_hash=GENESIS,
            oldest=None,
            newest=0,
            orders=b"",
            refused=0,
            refused_place=0,
            trouble="",
        )
        return True


def is_read_again(hub: str) -> None:
    """All that the engine has of this hub was read again."""
    Chain.objects.filter(pk=hub).update(again=False)
