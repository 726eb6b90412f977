"""Rows in each table that a page shows: long names, names that are markup, and what went wrong."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings

from hubcore.access.precedence import DoorOrder
from hubcore.backend.uplink import codec
from hubcore.device.command import Verb
from hubcore.device.state import Position, Quantity
from hubcore.device.telemetry import POSITION_NUMBERS
from hubcore.evidence.carried_orders import CarriedOrder, write_orders
from hubcore.evidence.facts import Fact, RecordKind
from hubsite.accounts.models import Account, Key
from hubsite.bridge.models import BridgeAlarm
from hubsite.fleet.models import DeviceValue, HubAsked, HubPromise, HubState
from hubsite.hubs.office import Office
from hubsite.hubs.signer import FileSigner
from hubsite.orders.models import Given, Order
from hubsite.phones.guests import make_link
from hubsite.phones.joining import invite
from hubsite.records import kept as records
from hubsite.records.models import Chain, HubDoor
from hubsite.register import models
from hubsite.scim.models import ScimToken
from hubsite.scim.tokens import make_token
from hubsite.webhooks import kept as webhooks
from hubsite.webhooks.models import Delivery, Webhook
from tests.site.browser import at_work
from tests.site.chains import access, at_door, message, told
from tests.site.phones.test_web_phones import ISSUER, connected
from tests.site.server import begun
from tests.unit.test_uplink_messages import FULL

WORD = "Donaudampfschifffahrtsgesellschaftskapitaensmuetzenabzeichen"
"""60 letters, and no place to break a line."""
LONG = f"{WORD}{WORD}"
EVIL = f"<script>alert(1)</script>{WORD}"
HUB = "h" * 32
SESSION = "__Host-session"
ORDER = "0123456789abcdef" * 2
NOW = int(time.time())
_LONG_AGO = datetime.now(UTC) - timedelta(days=3)


@dataclass(frozen=True)
class Seen:
    """What is needed to open the pages: an operator's session, and what tells a page from another.

    `keys` are what stands in addresses: a word for each row.
    """

    session: str
    keys: dict[str, object]


def fill() -> Seen:
    """Fill each table of the server that is begun in this process."""
    browser = at_work()
    settings.HUBSITE_RUNNING.begin(Office("acme", FileSigner(ISSUER)), None)
    points = _doors()
    keys = {**_register(points), **_guests(points), **_fleet(), **_orders(), **_others()}
    _records()
    _account()
    return Seen(browser.client.cookies[SESSION].value, keys)


def _doors() -> list[models.AccessPoint]:
    calendar = models.Calendar.objects.create(name=LONG, days=[["2026-12-25", EVIL[:60]]])
    schedule = models.Schedule.objects.create(
        name=LONG, week=[[[480, 720], [780, 1080]]] * 5 + [[]] * 2, special=[[calendar.pk, []]]
    )
    doors = [models.Door.objects.create(name=name) for name in (LONG, EVIL)]
    return [
        models.AccessPoint.objects.create(
            number=number, name=name, door=door, hold_open=schedule, two_persons=True
        )
        for number, name, door in ((1, "inward", doors[0]), (65_535, LONG, doors[1]))
    ]


def _register(points: list[models.AccessPoint]) -> dict[str, object]:
    group = models.Group.objects.create(name=LONG)
    models.Group.objects.create(name=EVIL)
    person = models.Person.objects.create(name=EVIL, note=LONG)
    person.groups.add(group)
    schedule = models.Schedule.objects.get()
    for whom in ({"person": person}, {"group": group}):
        grant = models.Grant.objects.create(begins=_LONG_AGO, schedule=schedule, **whom)
        grant.points.set(points)
    models.Person.objects.create(name=LONG)
    models.Person.objects.bulk_create(models.Person(name=f"Person {n}") for n in range(60))
    models.Credential.objects.create(person=person, key=b"k", label=LONG, revoked_at=_LONG_AGO)
    connected(person)
    phone = person.credentials.get(revoked_at=None)
    return {
        "person": person.pk,
        "group": group.pk,
        "door": points[0].door.pk,
        "point": points[1].pk,
        "schedule": schedule.pk,
        "calendar": models.Calendar.objects.get().pk,
        "grant": grant.pk,
        "phone": phone.pk,
        "join": invite("olga", person),
    }


def _guests(points: list[models.AccessPoint]) -> dict[str, object]:
    link = models.GuestLink(begins=_LONG_AGO, ends=datetime.now(UTC) + timedelta(days=1), uses=3)
    token = make_link("olga", link, EVIL, [point.pk for point in points])
    return {"guest": link.pk, "join-guest": token}


def _fleet() -> dict[str, object]:
    models.SignedPolicy.objects.create(version=7, issued_at=NOW, act=1, document=b"d")
    models.HubPolicy.objects.create(hub=HUB, version=6, refused=LONG, said_at=_LONG_AGO)
    models.HubPolicy.objects.create(hub="hub-1", version=7, said_at=_LONG_AGO)
    HubState.objects.create(
        hub=HUB,
        is_here=False,
        away_since=_LONG_AGO,
        began=_LONG_AGO,
        stop=EVIL,
        wrong=codec.encode(FULL),
        wrong_at=_LONG_AGO,
        access_points="1, 65535",
        certificate_ends=NOW + 86_400,
        certificate_wrong=LONG,
        tls_ends=NOW - 86_400,
    )
    HubState.objects.create(hub="hub-1", is_here=True, began=_LONG_AGO)
    fingerprint = "abcd-abcd-abcd-abcd-abcd"
    for hub, state in ((HUB, "asked"), ("front-1", "waits")):
        HubPromise.objects.create(
            hub=hub,
            state=state,
            doors=LONG,
            time_zone="America/Argentina/ComodRivadavia",
            ends=NOW + 86_400,
            fingerprint=fingerprint,
        )
    for is_done in (True, False, None):
        HubAsked.objects.create(
            by="olga", act="token", hub=HUB, is_done=is_done, sentence=LONG, fingerprint=fingerprint
        )
    for number, who in ((7, ""), (8, "olga")):
        BridgeAlarm.objects.create(
            hub=HUB,
            number=number,
            chain_hash="ab" * 32,
            words=LONG[:200],
            at=NOW,
            bridge="bridge-1",
            heard_at=NOW,
            is_other=bool(who),
            seen_by=who,
            seen_at=NOW if who else None,
        )
    models.EndedHub.objects.create(kid="0123456789abcdef", hub=HUB, ended_by="olga")
    for quantity in Quantity:
        DeviceValue.objects.create(
            hub=HUB, device="d" * 32, quantity=quantity, value=1, at=NOW - 86_400
        )
    position = POSITION_NUMBERS[Position.CLOSED]
    for quantity, value in ((Quantity.POSITION, position), (Quantity.LEVEL, 0)):
        DeviceValue.objects.create(hub=HUB, device="s" * 32, quantity=quantity, value=value, at=NOW)
    return {"hub": HUB, "promise": HUB, "device": "d" * 32, "shutter": "s" * 32}


def _orders() -> dict[str, object]:
    row = {"by": "o" * 32, "at": NOW, "lives_until": NOW + 600, "way": "engine"}
    order = Order.objects.create(key=ORDER, kind="lockdown", on=True, state="given", **row)
    Order.objects.create(
        key="f" * 32, kind="release", on=True, point=65_535, state="waiting", why=LONG, **row
    )
    shutter = {"hub": HUB, "device": "s" * 32, "verb": Verb.SET_LEVEL, "level": 40}
    told = Order.objects.create(
        key="d" * 32, kind="device", on=True, state="given", **shutter, **row
    )
    Given.objects.create(
        order=told, hub=HUB, message=HUB, expires_at=NOW, answer="failed", detail=LONG
    )
    for hub, answer in ((HUB, "refused"), ("hub-1", "taken"), ("hub-2", "")):
        Given.objects.create(
            order=order, hub=hub, message=hub, expires_at=NOW, answer=answer, detail=LONG
        )
    return {"order": order.pk, "device-order": told.pk}


def _others() -> dict[str, object]:
    webhook = Webhook(label=EVIL, url=f"https://{WORD}.example/{LONG}", kinds=["access", "door"])
    webhooks.make("olga", webhook, begun().site.secret)
    Delivery.objects.update(
        tries=3,
        failing_since=NOW - 600,
        failed_at=NOW,
        failure=LONG,
        given_up=9,
        given_up_since=NOW,
    )
    token = ScimToken(name="t" * 24)
    make_token("olga", token)
    return {"webhook": webhook.pk, "token": token.pk}


def _records() -> None:
    carried = write_orders([CarriedOrder(0, DoorOrder.LOCKDOWN, None, "olga")])
    phone = models.Credential.objects.get(revoked_at=None)
    said = told(
        access(credential=phone.pk),
        access(allowed=False, credential=EVIL[:64], point=65_535, grant=WORD, reader=WORD),
        {"kind": RecordKind.ORDER, Fact.ORDERS: carried},
        at_door("forced", door=WORD),
        at_door("held_open", door=EVIL[:64]),
        *(access() for _ in range(55)),
        at=NOW - 86_400,
    )
    assert records.take([message(1, said, HUB)], NOW).records == len(said)
    Chain.objects.update(refused=2, trouble=LONG)
    HubDoor.objects.filter(door=WORD).update(site_door=models.Door.objects.first())


def _account() -> None:
    account = Account.objects.get(name="olga")
    Account.objects.update(wrong_tries=3, wrong_at=_LONG_AGO, wrong_from="2001:db8:1:2:3:4:5:6")
    for name, refused_at in ((LONG[:40], None), (EVIL[:40], _LONG_AGO)):
        Key.objects.create(
            account=account, name=name, digest=name, credential=bytes(64), refused_at=refused_at
        )
