"""What the policy in force says of a claim, an order or a door at this moment.

Laws:
1. Each judgement reads the policy and the clock again.
2. A policy that cannot be read opens nothing: it is a denial, and told.
"""

from __future__ import annotations

from hubcore.access.claim import Claim
from hubcore.access.decide import Denied, Facts, decide
from hubcore.access.words import Denial, Mode
from hubcore.backend import uplink
from hubcore.calendar.schedule import Schedule
from hubcore.errors import StoreError
from hubcore.evidence.facts import EventName, Fact, Tell
from hubcore.ports.clock import Clock, ClockState
from hubcore.ports.stores import PolicyStore
from hubd.doors.rules import SiteRules

ORDER_SECONDS_MAX = 60
"""An order that would live for longer is refused."""
_SHUT = (Mode.LOCKDOWN, Mode.NO_ENTRY)


class Judge:
    """Judges with the rules of the site; each method tells why not, or None."""

    def __init__(
        self,
        rules: SiteRules,
        *,
        policy: PolicyStore,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._rules = rules
        self._policy = policy
        self._clock = clock
        self._tell = tell

    def why_denied(self, claim: Claim) -> Denial | None:
        """Tell why a phone's claim is denied."""
        try:
            facts = self._facts(claim)
        except StoreError as error:
            return self._unreadable(error)
        now = self._clock.wall()
        decision = decide(facts, claim, now)
        if isinstance(decision, Denied):
            return decision.why
        return None

    def why_refused(self, order: uplink.Release, came: float) -> Denial | None:
        """Tell why an order of the backend is refused; it came at the Unix time `came`."""
        if not self._time_is_trusted():
            return Denial.TIME_UNTRUSTED
        lives_too_long = order.expires_at > came + ORDER_SECONDS_MAX
        if lives_too_long or self.is_late(order):
            return Denial.TOO_LATE
        if order.access_point not in self._rules.points:
            return Denial.NO_GRANT
        return self.why_shut(order.access_point)

    def is_late(self, order: uplink.Release) -> bool:
        """Tell whether an order has expired."""
        return self._clock.wall() > order.expires_at

    def why_shut(self, access_point: int) -> Denial | None:
        """Tell why an access point must stay shut."""
        try:
            mode = self._policy.mode(access_point)
        except StoreError as error:
            return self._unreadable(error)
        if mode in _SHUT:
            return Denial.LOCKDOWN
        return None

    def _facts(self, claim: Claim) -> Facts:
        """Look up the few facts that matter."""
        point = self._rules.points.get(claim.access_point)
        return Facts(
            served=point is not None,
            fresh=point is not None and point.fresh,
            mode=self._policy.mode(claim.access_point),
            revoked=self._policy.revoked(claim.credential, claim.grant_id),
            time_trusted=self._time_is_trusted(),
            schedules=self._schedules(claim),
            zone=self._rules.zone,
            grant_seconds_max=self._rules.grant_seconds_max,
        )

    def _schedules(self, claim: Claim) -> dict[int, Schedule]:
        """Return the schedules that a claim's grant names by number, as far as there are any."""
        found: dict[int, Schedule] = {}
        if claim.entry is None:
            return found
        for rule in claim.entry.rules:
            if not isinstance(rule, int):
                continue
            schedule = self._policy.schedule(rule)
            if schedule is not None:
                found[rule] = schedule
        return found

    def _time_is_trusted(self) -> bool:
        return self._clock.state() is ClockState.TRUSTED

    def _unreadable(self, error: StoreError) -> Denial:
        self._tell(EventName.POLICY_UNREADABLE, {Fact.WHY: str(error)})
        return Denial.DOOR_FAULT
