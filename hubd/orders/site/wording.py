"""An order of the site in words and in facts: what is answered, and what a record tells."""

from __future__ import annotations

from typing import assert_never

from hubcore.backend.uplink.from_hub import ActResult
from hubcore.backend.uplink.words import ActOutcome, OrderOutcome, ReleaseOutcome
from hubcore.bridge.site.order import (
    CredentialDisabled,
    DoorsOrder,
    GuestAdmitted,
    SiteOrder,
    SiteRelease,
)
from hubcore.bridge.site.orders import SiteVerdict
from hubcore.device.command import Command
from hubcore.evidence.carried_orders import ALL_DOORS
from hubcore.evidence.facts import Detail, Fact
from hubd.orders.order_log import facts_of
from hubd.orders.standing import OrderSource
from hubd.orders.wording import LATE

TOO_OFTEN = "too many orders: the hub takes one of the site in 2 s, and refuses one in 10 s"
TOO_MANY_CREDENTIALS = "the site has disabled as many credentials as this hub keeps"
TOO_MANY_GUESTS = "the site has let in as many guests as its key may at once: end one"
NO_CLOCK = (
    "it lets somebody in or moves something, and the hub does not trust its clock: "
    "somebody must vouch for it"
)
NO_SUCH_DEVICE = "this hub has no such device"
UNPROVEN = "some of what was kept of the site's orders does not prove itself, and does not stand"
ASKED_BEFORE = (OrderOutcome.FAILED, "it was asked before and is not tried again: give a new one")

ANSWERS = {
    SiteVerdict.OVERTAKEN: (OrderOutcome.REFUSED, "a newer order about the same was taken"),
    SiteVerdict.LATE: (OrderOutcome.LATE, LATE),
    SiteVerdict.EARLY: (OrderOutcome.REFUSED, "it is from the future: look at the site's clock"),
    SiteVerdict.KEY_ENDED: (OrderOutcome.REFUSED, "the mandate of the site's key does not hold"),
    SiteVerdict.NO_CLOCK: (OrderOutcome.REFUSED, NO_CLOCK),
    SiteVerdict.FULL: (OrderOutcome.BUSY, "the hub remembers as many orders as it can"),
}
"""To each verdict by which nothing is done; TAKE and SAME have none."""
OUTCOMES = {
    ReleaseOutcome.RELEASED: OrderOutcome.TAKEN,
    ReleaseOutcome.LATE: OrderOutcome.LATE,
    ReleaseOutcome.REFUSED: OrderOutcome.REFUSED,
    ReleaseOutcome.FAILED: OrderOutcome.FAILED,
    ReleaseOutcome.BUSY: OrderOutcome.BUSY,
}

OUTCOMES_OF_DEVICES = {
    ActOutcome.CONFIRMED: OrderOutcome.TAKEN,
    ActOutcome.FAILED: OrderOutcome.FAILED,
    ActOutcome.TIMEOUT: OrderOutcome.FAILED,
    ActOutcome.UNKNOWN: OrderOutcome.FAILED,
    ActOutcome.REFUSED: OrderOutcome.REFUSED,
}
"""Only the device's own proof is TAKEN."""
WHY_NOT_DONE = {
    ActOutcome.CONFIRMED: "",
    ActOutcome.FAILED: "the device did not do it",
    ActOutcome.REFUSED: "the device was not told",
    ActOutcome.TIMEOUT: "the device has not proven it in time; it may have been done",
    ActOutcome.UNKNOWN: "nobody can tell whether the device did it",
}


def answer_of(result: ActResult) -> tuple[OrderOutcome, str]:
    """Return the answer to a command of one device, by what became of it."""
    if not result.outcomes:
        return OrderOutcome.BUSY, result.detail
    done = result.outcomes[0].outcome
    return OUTCOMES_OF_DEVICES[done], result.detail or WHY_NOT_DONE[done]


def facts_of_site(order: SiteOrder) -> Detail:
    """Return what a record tells of an order."""
    asked: Detail = {Fact.ASKER: order.by, Fact.OP: order.id}
    source = str(OrderSource.SITE)
    match order.what:
        case SiteRelease(access_point):
            about: Detail = {
                Fact.GIVEN_BY: source,
                Fact.ORDER: "release",
                Fact.ON: True,
                Fact.POINT: access_point,
            }
        case DoorsOrder(door_order, point, until):
            number = ALL_DOORS if point is None else point
            facts = facts_of(door_order, until is not None, source, until)
            about = {**facts, Fact.POINT: number}
        case CredentialDisabled(credential, until):
            about = {
                Fact.GIVEN_BY: source,
                Fact.ORDER: "credential_disabled",
                Fact.ON: until is not None,
                Fact.UNTIL: until,
                Fact.CREDENTIAL: credential,
            }
        case GuestAdmitted(grant_id, guest):
            about = {
                Fact.GIVEN_BY: source,
                Fact.ORDER: "guest",
                Fact.ON: guest is not None,
                Fact.UNTIL: order.what.until,
                Fact.GRANT: grant_id,
            }
            if guest is not None:
                about[Fact.CREDENTIAL] = guest.grant.credential
        case Command(device, verb, level):
            about = {
                Fact.GIVEN_BY: source,
                Fact.ORDER: "device",
                Fact.ON: True,
                Fact.TARGET: device,
                Fact.VERB: int(verb),
                Fact.LEVEL: level,
            }
        case _:
            assert_never(order.what)
    return {**about, **asked}


def facts_of_no_from_site(order: SiteOrder, answer: tuple[OrderOutcome, str]) -> Detail:
    """Return what a record tells of an order that was not taken."""
    outcome, why = answer
    return {
        **facts_of_site(order),
        Fact.ALLOWED: False,
        Fact.WHY: why,
        Fact.OUTCOME: outcome.name.lower(),
    }
