"""The uses of grants that have a number of them: a hub lets the holder in so often, and no more.

How it goes: an operation that gets a yes takes a use before anything is written. The record of the
yes spends it. The record that nothing moved gives it back.

Laws:
1. A use is taken from the yes on, so that of two claims of one moment only one gets the last use.
2. It is free again when its record will never be durable, or when the record that nothing moved is.
   Until then it is taken, whatever the hub knows better: after a restart only records count.
3. An operation that is asked again spends nothing more: its own use does not count against it. One
   that is new has no use of its own, also when its id was used long ago.
4. What is counted has a ceiling, USES_KEPT_MAX. Beyond it no use is given until a grant has ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hubcore.access.claim import Claim
from hubcore.access.words import Action
from hubcore.evidence.uses import FORGET_SECONDS, Use
from hubcore.ports.clock import Clock, ClockState

USES_KEPT_MAX = 16_384
"""Uses of all grants that stand at once: some 5 MB."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an operation may spend: one of the `uses` of a grant that ends at `expires`."""

    grant: bytes
    op: bytes
    uses: int
    expires: int

    @classmethod
    def of(cls, claim: Claim) -> Allowance | None:
        """Return what a claim may spend, None when nothing of it is counted."""
        if claim.uses is None or claim.action is not Action.OPEN:
            return None
        return cls(claim.grant_id, claim.op, claim.uses, claim.expires)


@dataclass(slots=True)
class _Taken:
    """A use that is taken; `recorded` None: its record is still on its way."""

    use: Use
    recorded: bool | None = None
    gives_back: bool = False
    """The record that gives it back is on its way."""


class Uses:
    """The uses that are spent or taken, by grant."""

    def __init__(self, standing: Iterable[Use], clock: Clock) -> None:
        """`standing` are those that the records say."""
        self._clock = clock
        self._taken: dict[bytes, dict[int, _Taken]] = {}
        self._own: set[tuple[bytes, bytes]] = set()
        """Grant and operation of those that are known to hold a use."""
        self._count = 0
        for use in standing:
            self._take(use, recorded=True)

    def used(self, claim: Claim) -> int:
        """Return how many uses of a claim's grant other operations have taken."""
        taken = len(self._taken.get(claim.grant_id, ()))
        return taken - ((claim.grant_id, claim.op) in self._own)

    def begin(self, allowance: Allowance | None) -> None:
        """An operation is new: it holds no use."""
        if allowance is not None:
            self._own.discard((allowance.grant, allowance.op))

    def take(self, allowance: Allowance) -> Use | None:
        """Take a use for an operation that gets a yes; None when there is none."""
        if self._count >= USES_KEPT_MAX:
            self._forget_ended()
        number = self._free_number(allowance)
        if number is None or self._count >= USES_KEPT_MAX:
            return None
        use = Use(allowance.grant, number, allowance.op, allowance.expires)
        self._take(use)
        return use

    def recorded(self, use: Use, durable: bool) -> None:
        """The record of the yes is durable, or never will be."""
        taken = self._found(use)
        if taken is not None:
            taken.recorded = durable
            self._free_if_unspent(taken)

    def gives_back(self, use: Use) -> None:
        """The record that nothing moved goes to the log."""
        taken = self._found(use)
        if taken is not None:
            taken.gives_back = True

    def gave_back(self, use: Use, durable: bool) -> None:
        """The record that nothing moved is durable, or never will be."""
        taken = self._found(use)
        if taken is None:
            return
        taken.gives_back = False
        if durable:
            self._free(use)
        else:
            self._free_if_unspent(taken)

    def _free_number(self, allowance: Allowance) -> int | None:
        """Return a number that is free: of the first N + 1 numbers N that are taken leave one."""
        taken = self._taken.get(allowance.grant, {})
        highest = min(len(taken) + 1, allowance.uses)
        for number in range(highest, 0, -1):
            if number not in taken:
                return number
        return None

    def _take(self, use: Use, recorded: bool | None = None) -> None:
        self._taken.setdefault(use.grant, {})[use.number] = _Taken(use, recorded)
        self._own.add((use.grant, use.op))
        self._count += 1

    def _found(self, use: Use) -> _Taken | None:
        """Return what is known of a use that an operation took, None when it is not taken by it."""
        taken = self._taken.get(use.grant, {}).get(use.number)
        return taken if taken is not None and taken.use is use else None

    def _free_if_unspent(self, taken: _Taken) -> None:
        if taken.recorded is False and not taken.gives_back:
            self._free(taken.use)

    def _free(self, use: Use) -> None:
        of_grant = self._taken[use.grant]
        del of_grant[use.number]
        if not of_grant:
            del self._taken[use.grant]
        self._own.discard((use.grant, use.op))
        self._count -= 1

    def _forget_ended(self) -> None:
        """Forget uses of grants that ended long ago, by a clock that is believed."""
        if self._clock.state() is not ClockState.TRUSTED:
            return
        before = self._clock.wall() - FORGET_SECONDS
        every = [taken for of_grant in self._taken.values() for taken in of_grant.values()]
        for taken in every:
            if taken.recorded and not taken.gives_back and taken.use.expires < before:
                self._free(taken.use)
