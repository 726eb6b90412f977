"""Whether the policy, and what stands, let an order of the site be taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import assert_never

from hubcore.access.precedence import Refusal, StandingOrder, opens
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.bridge.site.order import (
    AdmittedGuest,
    CredentialDisabled,
    DoorsOrder,
    GuestAdmitted,
    Ordered,
    SiteOrder,
    SiteRelease,
)
from hubcore.device.command import Command
from hubcore.errors import StoreError
from hubcore.policy.policy import Operator, OperatorRight
from hubcore.ports.stores import PolicyLookups
from hubd.orders.site.held import DISABLED_MAX, Held
from hubd.orders.site.wording import NO_SUCH_DEVICE, TOO_MANY_CREDENTIALS, TOO_MANY_GUESTS
from hubd.orders.standing import RIGHT_TO_ORDER, OrderSource, StandingOrders
from hubd.orders.wording import (
    NO_SUCH_POINT,
    NOT_ALLOWED,
    OVERRULED,
    TOO_MANY,
    UNREADABLE,
    cannot_be_held,
)

Answer = tuple[OrderOutcome, str]
"""The outcome of an order, and a sentence or nothing."""


class SiteOrderJudge:
    """Judges an order that has proven itself and came in time."""

    def __init__(
        self,
        standing: StandingOrders,
        policy: PolicyLookups,
        may_hold: Callable[[str], bool],
        has_device: Callable[[str], bool],
    ) -> None:
        self._standing = standing
        self._policy = policy
        self._may_hold = may_hold
        self._has_device = has_device

    def why_refused(self, order: SiteOrder, held: Held, now: int | None) -> Answer | None:
        """Tell why an order is not taken; `held` is what is kept before it.

        `now` in Unix seconds; None: the clock is not trusted.
        """
        what = order.what
        if not self._has_place(what):
            is_of_device = isinstance(what, Command)
            return OrderOutcome.REFUSED, NO_SUCH_DEVICE if is_of_device else NO_SUCH_POINT
        try:
            operator = self._policy.operator(order.by)
        except StoreError as error:
            return OrderOutcome.FAILED, f"{UNREADABLE}: {error}"
        if operator is None or not self._may(operator, order):
            return OrderOutcome.REFUSED, NOT_ALLOWED
        if isinstance(what, CredentialDisabled):
            has_room = held.holds_subject(order) or held.credentials() < DISABLED_MAX
            return None if has_room else (OrderOutcome.REFUSED, TOO_MANY_CREDENTIALS)
        if isinstance(what, GuestAdmitted) and what.guest is not None:
            ceiling = held.guests_max()
            others = sum(one.guest.grant.grant_id != what.grant_id for one in held.guests(now))
            return None if others < ceiling else (OrderOutcome.REFUSED, TOO_MANY_GUESTS)
        if isinstance(what, DoorsOrder) and what.until is not None:
            return self._why_cannot_stand(what)
        return None

    def _has_place(self, what: Ordered) -> bool:
        """Tell whether an order is about something that this hub has."""
        match what:
            case CredentialDisabled():
                return True
            case GuestAdmitted(_, guest):
                points = _points_of(guest)
                is_here = [self._standing.door_of(point) is not None for point in points]
                return guest is None or any(is_here)
            case Command(device):
                return self._has_device(device)
            case DoorsOrder() | SiteRelease():
                point = what.access_point
                return point is None or self._standing.door_of(point) is not None
            case _:
                assert_never(what)

    def _may(self, operator: Operator, order: SiteOrder) -> bool:
        match order.what:
            case SiteRelease(access_point):
                return operator.may(OperatorRight.RELEASE, access_point)
            case DoorsOrder(door_order, access_point):
                right = RIGHT_TO_ORDER[door_order]
                points = self._all_points() if access_point is None else [access_point]
                return all(operator.may(right, point) for point in points)
            case CredentialDisabled():
                right = OperatorRight.LOCK_DOWN
                return all(operator.may(right, point) for point in self._all_points())
            case GuestAdmitted(_, guest):
                points = _points_of(guest)
                right = OperatorRight.RELEASE
                return operator.may(right) and all(operator.may(right, point) for point in points)
            case Command():
                return operator.may(OperatorRight.COMMAND)
            case _:
                assert_never(order.what)

    def _all_points(self) -> Sequence[int]:
        return [number for points in self._standing.points.values() for number in points]

    def _why_cannot_stand(self, what: DoorsOrder) -> Answer | None:
        standing = StandingOrder(what.order, OrderSource.SITE)
        for door in self._standing.doors_of(what.access_point):
            if opens(what.order) and not self._may_hold(door):
                return OrderOutcome.REFUSED, cannot_be_held(door)
            match self._standing.why_not(door, standing):
                case Refusal.OVERRULED:
                    return OrderOutcome.REFUSED, OVERRULED
                case Refusal.TOO_MANY:
                    return OrderOutcome.REFUSED, TOO_MANY
        return None


def _points_of(guest: AdmittedGuest | None) -> Sequence[int]:
    """Return the access points of a guest; none at his end."""
    return [] if guest is None else [entry.access_point for entry in guest.grant.access]
