"""A policy store in memory whose rules a test sets one by one, or whole as the port has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hubcore.access.cards import Card
from hubcore.access.revocations import CarriedRevocations
from hubcore.access.words import Mode
from hubcore.calendar.schedule import Schedule
from hubcore.errors import RollbackError, StoreError
from hubcore.policy.assembly import Assembly
from hubcore.policy.policy import NO_RULES, Operator, PointRules
from hubcore.policy.root import NO_DIGEST, Root
from hubcore.policy.tables import Gathered
from hubcore.policy.tree import Table, rows_of


class Staged:
    """A policy that comes together in memory."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self.assembly = Assembly(root.trees, lambda _table, _piece, _name: False)
        self.rows = Gathered()

    def take(self, pieces: Sequence[bytes]) -> int:
        found = [self.assembly.take(piece) for piece in pieces]
        for places in found:
            for one in places or ():
                tree = self.root.trees[one.table]
                first = one.piece * tree.pages_a_piece
                for key, row in rows_of(one.pages, tree, first):
                    self.rows.add(one.table, key, row)
        return sum(places is not None for places in found)


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
    digest_in_force: bytes = NO_DIGEST
    staged: Staged | None = None
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

    def holders_in(self, page: int) -> Sequence[tuple[str, bytes]] | None:
        """Each card has a page of its own."""
        self._fail_if_told()
        cards = list(self.cards.values())
        return [(cards[page].credential, cards[page].digest)] if page < len(cards) else None

    def operator(self, name: str) -> Operator | None:
        self._fail_if_told()
        return self.operators.get(name)

    def group(self, number: int) -> tuple[str, ...]:
        self._fail_if_told()
        return self.groups.get(number, ())

    def digest(self) -> bytes:
        return self.digest_in_force

    async def stage(self, new: Root) -> None:
        self._fail_if_told()
        if new.version <= self.number:
            raise RollbackError(f"policy {new.version} is not newer than {self.number}")
        self.staged = Staged(new)

    def wanted(self, most: int) -> Sequence[bytes]:
        return () if self.staged is None else self.staged.assembly.ask(most)

    async def take(self, pieces: Sequence[bytes]) -> int:
        self._fail_if_told()
        return 0 if self.staged is None else self.staged.take(pieces)

    async def put_in_force(self) -> None:
        self._fail_if_told()
        staged = self.staged
        if staged is None or not staged.assembly.complete:
            raise StoreError("no policy is staged whole")
        self.staged = None
        root = staged.root
        rows = staged.rows
        self.be(
            FakePolicy(
                number=root.version,
                digest_in_force=root.head.digest,
                credentials=rows.names[Table.CREDENTIALS],
                grants=rows.grants,
                schedules=dict(root.schedules),
                modes=dict(root.modes),
                out_of_use=rows.names[Table.DISABLED],
                slow=rows.names[Table.EXTENDED_TIME],
                points=dict(root.points),
                cards=rows.cards,
                operators=dict(root.operators),
                groups=dict(root.groups),
            )
        )

    def be(self, other: FakePolicy) -> None:
        """Hold the rules of another store from now on."""
        self.number = other.number
        self.digest_in_force = other.digest_in_force
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
