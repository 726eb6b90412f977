"""What the calls of the bridge's socket share: arguments that are checked, orders in words.

Law: an argument is what it should be, or the call is refused with a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from hubcore.access.precedence import DoorOrder
from hubcore.backend.uplink.words import UINT16_MAX
from hubcore.bridge.siteorder import (
    AdmittedGuest,
    CredentialDisabled,
    DoorsOrder,
    GuestAdmitted,
    Ordered,
    SiteRelease,
)
from hublocal.calls import CallRefused

Arguments = Mapping[str, object]
TEXT_CHARS_MAX = 64
ORDERS = {
    "lockdown": DoorOrder.LOCKDOWN,
    "no-entry": DoorOrder.NO_ENTRY,
    "hold-open": DoorOrder.HOLD_OPEN,
}
"""The orders that stand, as people type them."""
_WORD_OF = {order: word for word, order in ORDERS.items()}


def text(arguments: Arguments, name: str) -> str | None:
    """Return a text; None where there is none. Raise CallRefused."""
    value = arguments.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_CHARS_MAX:
        raise CallRefused("bad-argument", f"`{name}` is a text of 1 to {TEXT_CHARS_MAX} characters")
    return value


def needed_text(arguments: Arguments, name: str) -> str:
    """Return a text that must be there. Raise CallRefused."""
    value = text(arguments, name)
    if value is None:
        raise CallRefused("bad-argument", f"`{name}` is missing")
    return value


def whole(arguments: Arguments, name: str, lowest: int, highest: int) -> int | None:
    """Return a whole number; None where there is none. Raise CallRefused."""
    value = arguments.get(name)
    if value is None:
        return None
    if type(value) is not int or not lowest <= value <= highest:
        raise CallRefused("bad-argument", f"`{name}` is a whole number of {lowest} to {highest}")
    return value


def yes(arguments: Arguments, name: str) -> bool:
    """Return a yes or no that must be there. Raise CallRefused."""
    value = arguments.get(name)
    if not isinstance(value, bool):
        raise CallRefused("bad-argument", f"`{name}` is true or false")
    return value


def access_point(arguments: Arguments) -> int | None:
    """Return the number of an access point; None for all. Raise CallRefused."""
    return whole(arguments, "point", 1, UINT16_MAX)


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
        case GuestAdmitted(_, guest):
            return "a guest is let in no more" if guest is None else _let_in(guest)
        case _:
            assert_never(what)


def _let_in(guest: AdmittedGuest) -> str:
    return f"let in: {guest.grant.credential}"
