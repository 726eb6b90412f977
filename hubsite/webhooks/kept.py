"""How far webhooks are, read from their tables and written back.

Laws:
1. A record counts as delivered once its receiver has taken it, and in the order of its arrival.
   Whatever happens between both, it is sent again.
2. After a failure there is a wait that grows, up to an hour.
3. What has failed for the days of the file is given up: all that waits, counted, and said since
   when. What comes later is tried once an hour. While this server's clock is not believed
   (`hubsite.clocks`), nothing is given up.
4. At most WEBHOOKS_MAX are there, so that each has a thread.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from hubcore.errors import ConfigError
from hubsite.accounts import factor
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.records.models import Record
from hubsite.register import changes
from hubsite.register.models import Credential
from hubsite.webhooks import signing
from hubsite.webhooks.address import read_url
from hubsite.webhooks.messages import Holder, Outgoing, of_record, of_test
from hubsite.webhooks.models import SENTENCE_LENGTH, Delivery, Webhook

WEBHOOKS_MAX = 16
BATCH = 20
COUNTED_MAX = 10_000
WAITS_SECONDS = (5, 30, 120, 600, 1800, 3600)
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Work:
    """What one webhook has to send now."""

    webhook: str
    url: str
    secret: bytes
    messages: tuple[Outgoing, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it: the last record that was taken (0: none), and why the next one was not.

    `has_tested` after a message that only tries the way.
    """

    webhook: str
    place: int
    failure: str
    has_sent: bool
    has_tested: bool = False


class TooManyError(Exception):
    """There are WEBHOOKS_MAX already (law 4)."""


def make(by: str, webhook: Webhook, key: bytes) -> bytes:
    """Keep a new webhook, from the newest record on; return its secret. `key` seals it.

    Raise TooManyError.
    """
    secret = signing.new_secret()
    webhook.secret = factor.seal(secret, _sealed_for(webhook.pk), key)
    webhook.changed_by = by
    with transaction.atomic():
        webhook.save(force_insert=True)
        Delivery.objects.create(webhook=webhook, place=newest())
        facts = {"host": read_url(webhook.url).host, "rights": _rights(webhook)}
        changes.write_act(by, ActKind.WEBHOOK_MADE, webhook, **facts)
        # Acts are written one after the other: of two at the same moment one counts both.
        if Webhook.objects.filter(ended_at=None).count() > WEBHOOKS_MAX:
            raise TooManyError(f"There are {WEBHOOKS_MAX} webhooks: end one first.")
    return secret


def _rights(webhook: Webhook) -> str:
    rights = [*webhook.kinds]
    if webhook.alarms:
        rights.append("alarms")
    if webhook.with_names:
        rights.append("names")
    return ",".join(rights)


def end(by: str, webhook: Webhook, seen: int) -> None:
    """Tell it nothing any more. Raise ChangedMeanwhileError."""
    with transaction.atomic():
        changes.take_turn(webhook, seen, by)
        Webhook.objects.filter(pk=webhook.pk).update(ended_at=timezone.now())
        changes.write_act(by, ActKind.WEBHOOK_ENDED, webhook)


def ask_test(by: str, webhook: Webhook) -> None:
    """Let it be tried now, whatever it waits for."""
    with transaction.atomic():
        Delivery.objects.filter(pk=webhook.pk).update(is_test_asked=True)
        log.write(by, ActKind.WEBHOOK_TESTED, about=f"webhook {webhook.pk}")


def newest() -> int:
    """Return the id of the newest record."""
    return int(Record.objects.aggregate(newest=Max("id"))["newest"] or 0)


def waiting(webhook: Webhook) -> int:
    """Return how many records wait, COUNTED_MAX + 1 for more."""
    rows = _wanted(webhook).filter(id__gt=webhook.delivery.place).order_by("id")
    return int(rows[: COUNTED_MAX + 1].count())


def due(now: int, busy: Collection[str], looked: dict[str, int], key: bytes) -> list[Work]:
    """Return what is to be sent now, by webhooks that are not busy.

    `looked` keeps up to which record there was nothing for a webhook. `now` in Unix seconds.
    """
    rows = Delivery.objects.filter(webhook__ended_at=None).exclude(pk__in=list(busy))
    ready = rows.filter(Q(next_at__lte=now) | Q(is_test_asked=True))
    head = newest()
    found = (_work(one, now, head, looked, key) for one in ready.select_related("webhook"))
    return [work for work in found if work is not None]


def _work(
    delivery: Delivery, now: int, head: int, looked: dict[str, int], key: bytes
) -> Work | None:
    webhook = delivery.webhook
    if delivery.is_test_asked:
        messages: tuple[Outgoing, ...] = (of_test(webhook.pk, now),)
    else:
        since = max(delivery.place, looked.get(webhook.pk, 0))
        rows = list(_wanted(webhook).filter(id__gt=since, id__lte=head).order_by("id")[:BATCH])
        holders = _holders(webhook, {row.credential for row in rows})
        messages = tuple(of_record(webhook.pk, row, holders) for row in rows)
    if not messages:
        looked[webhook.pk] = head
        return None
    try:
        secret = factor.unseal(bytes(webhook.secret), _sealed_for(webhook.pk), key)
    except ConfigError:
        why = "its secret was sealed by another `secret` of this server: make another webhook"
        settle(Done(webhook.pk, 0, why, has_sent=False, has_tested=True), now, 0)
        return None
    return Work(webhook.pk, webhook.url, secret, messages)


def _wanted(webhook: Webhook) -> QuerySet[Any]:
    """Return the records that a webhook has a right to."""
    wanted = Q(kind__in=webhook.kinds)
    if webhook.alarms:
        wanted |= Q(is_alarm=True)
    return Record.objects.filter(wanted)


def _holders(webhook: Webhook, credentials: set[str]) -> dict[str, Holder]:
    rows = Credential.objects.filter(pk__in=credentials - {""}).select_related("person")
    return {
        row.pk: Holder(row.person_id, row.person.name if webhook.with_names else "") for row in rows
    }


def settle(done: Done, now: int, give_up_before: int) -> None:
    """Write what came of a try (laws 1 to 3); moments in Unix seconds.

    What has failed since `give_up_before`, or longer, is given up.
    """
    with transaction.atomic():
        delivery = Delivery.objects.select_for_update().get(pk=done.webhook)
        delivery.place = max(delivery.place, done.place)
        if done.has_tested:
            delivery.is_test_asked = False
        if done.has_sent:
            delivery.succeeded_at = now
            delivery.tries = 0
            delivery.next_at = now
            delivery.failing_since = None
        if done.failure:
            _failed(delivery, done.failure, now)
        since = delivery.failing_since
        if since is not None and since <= give_up_before:
            _give_up(delivery, since)
        delivery.save()


def _failed(delivery: Delivery, failure: str, now: int) -> None:
    delivery.failed_at = now
    delivery.failure = failure[:SENTENCE_LENGTH]
    wait = WAITS_SECONDS[min(delivery.tries, len(WAITS_SECONDS) - 1)]
    delivery.next_at = now + wait
    delivery.tries += 1
    if delivery.failing_since is None:
        delivery.failing_since = now


def _give_up(delivery: Delivery, since: int) -> None:
    head = newest()
    rows = _wanted(delivery.webhook).filter(id__gt=delivery.place, id__lte=head)
    given_up = rows.count()
    if given_up:
        delivery.given_up += given_up
        delivery.given_up_since = delivery.given_up_since or since
    delivery.place = max(delivery.place, head)


def _sealed_for(webhook: str) -> str:
    return f"webhook {webhook}"
