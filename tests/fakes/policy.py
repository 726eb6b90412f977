"""A policy store in memory whose rules a test sets one by one, or whole by `replace`."""

from __future__ import annotations

from dataclasses import dataclass, field

from hubcore.access.cards import Card
from hubcore.access.revocations import CarriedRevocations
from hubcore.access.words import Mode
from hubcore.calendar.schedule import Schedule
from hubcore.errors import RollbackError, StoreError
from hubcore.policy.policy import NO_RULES, Operator, PointRules, Policy


@dataclass
class FakePolicy:
    """`ports.stores.PolicyStore` without a disk.

    `failing`: every method but `version` raises it.
    """

    number: int = 1
    credentials: set[str] = field(default_factory=set)
    grants: set[bytes] = field(default_factory=set)
    schedules: dict[int, Schedule] = field(default_factory=dict)
    modes: dict[int, Mode] = field(default_factory=dict)
    out_of_use: set[str] = field(default_factory=set)
    slow: set[str] = field(default_factory=set)
    points: dict[int, PointRules] = field(default_factory=dict)
    cards: dict[bytes, Card] = field(default_factory=dict)
    operators: dict[str, Operator] = field(default_factory=dict)
    groups: dict[int, tuple[str, ...]] = field(default_factory=dict)
    failing: StoreError | None = None
    carried: CarriedRevocations = field(default_factory=CarriedRevocations)
    """They count beside the policy, as in the proven one."""

    def version(self) -> int:
        return self.number

    def revoked(self, credential: str, grant_id: bytes) -> bool:
        self._fail_if_told()
        is_carried = self.carried.revoked(credential, grant_id)
        return is_carried or credential in self.credentials or grant_id in self.grants

    def schedule(self, number: int) -> Schedule | None:
        self._fail_if_told()
        return self.schedules.get(number)

    def mode(self, access_point: int) -> Mode:
        self._fail_if_told()
        return self.modes.get(access_point, Mode.NORMAL)

    def disabled(self, credential: str) -> bool:
        self._fail_if_told()
        return credential in self.out_of_use

    def needs_longer(self, credential: str) -> bool:
        self._fail_if_told()
        return credential in self.slow

    def point(self, access_point: int) -> PointRules:
        self._fail_if_told()
        return self.points.get(access_point, NO_RULES)

    def card(self, digest: bytes) -> Card | None:
        self._fail_if_told()
        return self.cards.get(digest)

    def operator(self, name: str) -> Operator | None:
        self._fail_if_told()
        return self.operators.get(name)

    def group(self, number: int) -> tuple[str, ...]:
        self._fail_if_told()
        return self.groups.get(number, ())

    async def replace(self, policy: Policy, document: bytes) -> None:
        self._fail_if_told()
        if policy.version <= self.number:
            raise RollbackError(f"policy {policy.version} is not newer than {self.number}")
        self.take(
            FakePolicy(
                number=policy.version,
                credentials=set(policy.revoked_credentials),
                grants=set(policy.revoked_grants),
                schedules=dict(policy.schedules),
                modes=dict(policy.modes),
                out_of_use=set(policy.disabled),
                slow=set(policy.extended_time),
                points=dict(policy.points),
                cards=dict(policy.cards),
                operators=dict(policy.operators),
                groups=dict(policy.groups),
            )
        )

    def take(self, other: FakePolicy) -> None:
        """Hold the rules of another store from now on."""
        self.number = other.number
        self.credentials = set(other.credentials)
        self.grants = set(other.grants)
        self.schedules = dict(other.schedules)
        self.modes = dict(other.modes)
        self.out_of_use = set(other.out_of_use)
        self.slow = set(other.slow)
        self.points = dict(other.points)
        self.cards = dict(other.cards)
        self.operators = dict(other.operators)
        self.groups = dict(other.groups)

    def _fail_if_told(self) -> None:
        if self.failing:
            raise self.failing
