"""A policy store in memory whose rules a test sets one by one, or whole by `replace`."""

from __future__ import annotations

from dataclasses import dataclass, field

from hubcore.access.words import Mode
from hubcore.calendar.schedule import Schedule
from hubcore.errors import RollbackError, StoreError
from hubcore.policy.policy import Policy


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
    failing: StoreError | None = None

    def version(self) -> int:
        return self.number

    def revoked(self, credential: str, grant_id: bytes) -> bool:
        self._fail_if_told()
        return credential in self.credentials or grant_id in self.grants

    def schedule(self, number: int) -> Schedule | None:
        self._fail_if_told()
        return self.schedules.get(number)

    def mode(self, access_point: int) -> Mode:
        self._fail_if_told()
        return self.modes.get(access_point, Mode.NORMAL)

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
            )
        )

    def take(self, other: FakePolicy) -> None:
        """Hold the rules of another store from now on."""
        self.number = other.number
        self.credentials = set(other.credentials)
        self.grants = set(other.grants)
        self.schedules = dict(other.schedules)
        self.modes = dict(other.modes)

    def _fail_if_told(self) -> None:
        if self.failing:
            raise self.failing
