"""What the policy in force says of a claim, an order or a door at this moment.

Laws:
1. Each judgement reads the policy and the clock again.
2. A policy that cannot be read opens nothing: it is a denial, and told, once in TELL_SECONDS:
   onlookers ask, too.
3. A clock that only the backend doubts decides about nothing but a phone by the full path, which
   has compared it with its own (`hubd.upkeep.backendtime`, law 4).
"""

from __future__ import annotations

from collections.abc import Callable

from hubcore.access.claim import Claim, Strength
from hubcore.access.decide import Denied, Facts, decide, hours_begin
from hubcore.access.passback import PassbackRule
from hubcore.access.precedence import RULES_OF, DoorMode
from hubcore.access.words import Denial, Mode
from hubcore.backend.uplink import from_backend
from hubcore.calendar.schedule import Schedule
from hubcore.errors import StoreError
from hubcore.evidence.facts import EventName, Fact, Tell
from hubcore.policy.policy import OperatorRight, PointRules
from hubcore.ports.clock import Clock, ClockState
from hubcore.ports.stores import PolicyLookups
from hubd.doors.persons import Persons
from hubd.doors.rules import Point, SiteRules

TELL_SECONDS = 10.0
ORDER_SECONDS_MAX = 60
"""An order that would live for longer is refused."""
_MODE_OF_DOOR = {
    Mode.NORMAL: DoorMode.LOCKED,
    Mode.LOCKDOWN: DoorMode.LOCKED_DOWN,
    Mode.NO_ENTRY: DoorMode.BLOCKED,
}
"""What a door is in when only the policy's modes are known."""


class Judge:
    """Judges with the rules of the site; each method tells why not, or None."""

    def __init__(
        self,
        rules: SiteRules,
        *,
        policy: PolicyLookups,
        clock: Clock,
        tell: Tell,
        persons: Persons,
        offline_seconds: Callable[[], float],
        used: Callable[[Claim], int],
        mode_at: Callable[[int], DoorMode] | None = None,
        disabled_here: Callable[[str], bool] = lambda _credential: False,
        is_guest: Callable[[bytes], bool] = lambda _digest: False,
    ) -> None:
        """`offline_seconds` tells how long the backend has been away.

        `used` tells how many uses of a claim's grant other operations have taken. `mode_at` tells
        what the door of an access point is in; by itself, what the policy says. It raises
        StoreError when the policy cannot be read. `disabled_here` tells whether the
        site has disabled a credential, beside the policy. `is_guest` tells whether the site lets in
        the guest of the grant with this digest, which it has signed itself.
        """
        self._is_guest = is_guest
        self._disabled_here = disabled_here
        self._used = used
        self._persons = persons
        self._offline_seconds = offline_seconds
        self._mode_at = mode_at or self._mode_of_policy
        self._rules = rules
        self._policy = policy
        self._clock = clock
        self._tell = tell
        self._tell_from = clock.monotonic()

    def why_denied(self, claim: Claim, at: float | None = None) -> Denial | None:
        """Tell why a claim is denied now; with `at` (Unix seconds), by the hours of that moment."""
        try:
            facts = self._facts(claim)
        except StoreError as error:
            return self._unreadable(error)
        decision = decide(facts, claim, self._clock.wall() if at is None else at)
        if isinstance(decision, Denied):
            return decision.why
        return None

    def hours_begin(self, claim: Claim, at: float | None = None) -> float | None:
        """Tell when a claim's hours begin next, None when not soon or when that is not known.

        With `at` (Unix seconds) from that moment on.
        """
        try:
            facts = self._facts(claim)
        except StoreError:
            return None
        return hours_begin(facts, claim, self._clock.wall() if at is None else at)

    def why_refused(self, order: from_backend.Release, came: float) -> Denial | None:
        """Tell why an order of the backend is refused; it came at the Unix time `came`."""
        if not self._time_is_trusted():
            return Denial.TIME_UNTRUSTED
        lives_too_long = order.expires_at > came + ORDER_SECONDS_MAX
        if lives_too_long or self.is_late(order):
            return Denial.TOO_LATE
        if order.access_point not in self._rules.points:
            return Denial.NO_GRANT
        return self._why_not_by(order) or self.why_shut(order.access_point)

    def _why_not_by(self, order: from_backend.Release) -> Denial | None:
        """Tell why whoever orders may not release this door from afar."""
        try:
            operator = self._policy.operator(order.by)
        except StoreError as error:
            return self._unreadable(error)
        if operator is None or not operator.may(OperatorRight.RELEASE, order.access_point):
            return Denial.NO_GRANT
        return None

    def is_late(self, order: from_backend.Release) -> bool:
        """Tell whether an order has expired."""
        return self._clock.wall() > order.expires_at

    def why_shut(self, access_point: int) -> Denial | None:
        """Tell why an access point must stay shut."""
        try:
            mode = self._mode_at(access_point)
        except StoreError as error:
            return self._unreadable(error)
        return RULES_OF[mode].refuses

    def needs_longer(self, claim: Claim) -> bool:
        """Tell whether a claim's holder needs more time; no longer when that cannot be read."""
        try:
            return self._policy.needs_longer(claim.credential)
        except StoreError:
            return False

    def passback_rule(self, access_point: int) -> PassbackRule | None:
        """Return the passback rule of an access point, None where there is none or none is read.

        A policy that cannot be read is told by the judgement itself.
        """
        try:
            return self._policy.point(access_point).passback
        except StoreError:
            return None

    def _mode_of_policy(self, access_point: int) -> DoorMode:
        return _MODE_OF_DOOR[self._policy.mode(access_point)]

    def _facts(self, claim: Claim) -> Facts:
        """Look up the few facts that matter."""
        point = self._rules.points.get(claim.access_point)
        policy = self._policy
        rules = policy.point(claim.access_point)
        return Facts(
            served=point is not None,
            fresh=point is not None and point.fresh,
            refused=RULES_OF[self._mode_at(claim.access_point)].refuses,
            revoked=policy.revoked(claim.credential, claim.grant_id),
            disabled=(policy.disabled(claim.credential) or self._disabled_here(claim.credential)),
            time_trusted=self._time_is_trusted_for(claim),
            without_time=point is not None and point.without_time,
            offline_too_long=point is not None and self._is_offline_too_long(point),
            schedules=self._schedules(claim, rules),
            demands=rules.demands,
            second_waits=self._persons.second_waits(claim),
            passed_back=self._persons.passed_back(rules.passback, claim),
            zone=self._rules.zone,
            grant_seconds_max=self._rules.grant_seconds_max,
            used=self._used(claim),
            guest_ended=claim.of_site and not self._is_guest(claim.site_digest),
        )

    def _is_offline_too_long(self, point: Point) -> bool:
        if point.offline_seconds_max is None:
            return False
        return self._offline_seconds() > point.offline_seconds_max

    def _schedules(self, claim: Claim, rules: PointRules) -> dict[int, Schedule]:
        """Return the schedules that a claim's grant and the door's demands name, where they are."""
        numbers = {demand.schedule for demand in rules.demands if demand.schedule is not None}
        if claim.entry is not None:
            numbers.update([rule for rule in claim.entry.rules if isinstance(rule, int)])
        found: dict[int, Schedule] = {}
        look_up = self._policy.schedule
        for number in numbers:
            schedule = look_up(number)
            if schedule is not None:
                found[number] = schedule
        return found

    def _time_is_trusted(self) -> bool:
        return self._clock.state() is ClockState.TRUSTED

    def _time_is_trusted_for(self, claim: Claim) -> bool:
        """Tell whether the wall clock may decide about a claim: law 3."""
        state = self._clock.state()
        if state is ClockState.CONTRADICTED:
            return claim.strength is Strength.FULL
        return state is ClockState.TRUSTED

    def _unreadable(self, error: StoreError) -> Denial:
        now = self._clock.monotonic()
        if now >= self._tell_from:
            self._tell_from = now + TELL_SECONDS
            self._tell(EventName.POLICY_UNREADABLE, {Fact.WHY: str(error)})
        return Denial.DOOR_FAULT
