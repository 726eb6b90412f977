"""Orders of a site in words, as people type and read them."""

from __future__ import annotations

from typing import assert_never

from hubcore.access.precedence import DoorOrder
from hubcore.bridge.ceilings.devices import VERBS
from hubcore.bridge.site.order import (
    CredentialDisabled,
    DoorsOrder,
    GuestAdmitted,
    Ordered,
    SiteRelease,
)
from hubcore.device.command import Command, Verb

ORDERS = {
    "lockdown": DoorOrder.LOCKDOWN,
    "no-entry": DoorOrder.NO_ENTRY,
    "hold-open": DoorOrder.HOLD_OPEN,
}
"""The orders that stand, as people type them."""
_WORD_OF = {order: word for word, order in ORDERS.items()}


def verb_word(verb: Verb) -> str:
    """Return a verb as people type it."""
    return verb.name.lower().replace("_", "-")


VERBS_TYPED = {verb_word(verb): verb for verb in VERBS}
"""What a site orders of a device, as people type it."""


def said(what: Ordered) -> str:
    """Return an order in a few words."""
    match what:
        case SiteRelease(point):
            return f"release of access point {point}"
        case DoorsOrder(order, point, until):
            place = "all doors" if point is None else f"access point {point}"
            return f"{'' if until else 'end of '}{_WORD_OF[order]} at {place}"
        case CredentialDisabled(credential, until):
            return f"{'disabled' if until else 'enabled again'}: credential {credential}"
        case GuestAdmitted(grant_id, guest):
            who = "" if guest is None else f"{guest.grant.credential} "
            return f"{'let in' if guest else 'let in no more'}: {who}{grant_id.hex()}"
        case Command(device, verb, level):
            return f"{verb_word(verb)} {device}{'' if level is None else f' {level}'}"
        case _:
            assert_never(what)
