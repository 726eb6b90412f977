"""The program that goes on for ever: one step, what a person wishes, a pause, and again.

Laws:
1. One program at a time: it holds the disk's lock as long as it lives.
2. It may be killed at any moment. What it needs is on the disk; the next one goes on.
3. A person's hold begins no update and switches none. An update whose switch has begun goes to its
   end, and a person's own return is not held.
4. An error ends a step. It is told once when it begins and once when it is over.
5. After a version was found well the program ends, so that it starts again from that slot: the slot
   that it runs from would be written next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from hubcore.errors import ExpiredError, HubError, LinkError, StoreError, TrustError
from hubcore.ports.clock import Clock
from hubcore.update.director import Word
from hubcore.update.running.pauses import Outcome, pause_after, pause_after_error
from hubcore.update.running.wishes import Wish
from hubcore.update.slots import Event, Phase, Slots, let_out, roll_back
from hubupdate.disk import Disk
from hubupdate.duties import Duties
from hubupdate.running.board import Board, Shown
from hubupdate.running.wishes import Wishes

WISH_SECONDS = 2.0
"""How long a person waits at most until a wish is seen."""
_HOLDABLE = frozenset({Phase.RESTING, Phase.WRITING, Phase.WRITTEN, Phase.WAITING})
_KINDS: tuple[tuple[type[HubError], str], ...] = (
    (ExpiredError, "expired"),
    (TrustError, "trust"),
    (LinkError, "link"),
    (StoreError, "store"),
)


class Next(Enum):
    """What follows a turn."""

    GO_ON = "another turn"
    RENEW = "end, and start again from the slot that was found well"


@dataclass(frozen=True, slots=True)
class World:
    """What lives outside: `rest` lets seconds pass, `chance` draws 0..1, `tell` says a line."""

    clock: Clock
    rest: Callable[[float], None]
    chance: Callable[[], float]
    tell: Callable[[str], None]


class Service:
    """One hub's updates. Whoever calls it holds the disk's lock."""

    def __init__(
        self, disk: Disk, duties: Duties, wishes: Wishes, board: Board, world: World
    ) -> None:
        self._disk = disk
        self._duties = duties
        self._wishes = wishes
        self._board = board
        self._world = world
        self._failures = 0
        self._shown = Shown(at=0.0, next_at=0.0, said="it has begun")

    def run(self) -> None:
        """Go on until a version was found well."""
        while True:
            seconds, following = self.turn()
            if following is Next.RENEW:
                return
            self.rest(seconds)

    def turn(self) -> tuple[float, Next]:
        """Do one step; return the seconds until the next, and what follows."""
        at = self._world.clock.wall()
        slots: Slots | None = None
        following = Next.GO_ON
        try:
            self._do_wishes()
            slots = self._disk.state()
            if self._is_held(slots):
                seconds = self._note(at, "a person holds it: hubctl update hold --end", None, slots)
            else:
                outcome = self._duties.step()
                slots = self._disk.state()
                seconds = self._note(at, _said(outcome), outcome, slots)
                if outcome is Event.FOUND_WELL:
                    following = Next.RENEW
        except HubError as error:
            seconds = self._failed(at, error, slots)
        self._shown = replace(self._shown, next_at=at + seconds, held=self._wishes.held())
        self._board.show(slots, self._shown)
        return seconds, following

    def _is_held(self, slots: Slots) -> bool:
        return self._wishes.held() and slots.phase in _HOLDABLE and not slots.by_person

    def _do_wishes(self) -> None:
        """Do what persons wish. Raise StoreError."""
        for digest in self._wishes.take_out():
            self._disk.keep_state(let_out(self._disk.state(), digest))
            self._world.tell(f"image {digest.hex()[:16]}… was let out of quarantine by a person")
        if self._wishes.take(Wish.ROLL_BACK):
            after = roll_back(self._disk.state())
            if isinstance(after, Slots):
                self._disk.keep_state(after)
                self._world.tell("a person lets the version before come back")
            else:
                self._world.tell(f"a person's return is refused: {after.value}")
        if self._wishes.take(Wish.CHECK):
            self._failures = 0

    def _note(self, at: float, said: str, outcome: Outcome, slots: Slots) -> float:
        if self._failures:
            self._world.tell("the fault is over")
        if said != self._shown.said:
            self._world.tell(said)
        self._failures = 0
        self._shown = replace(
            self._shown,
            at=at,
            said=said,
            error="",
            failing_since=None,
            looked_at=self._duties.looked_at,
            withdrawn=self._duties.withdrawn,
            held_by_plan=outcome is Word.HELD,
            lists_end=self._duties.lists_end,
        )
        return pause_after(outcome, slots.phase, self._world.chance())

    def _failed(self, at: float, error: HubError, slots: Slots | None) -> float:
        said = str(error)
        if said != self._shown.said:
            self._world.tell(said)
        self._failures += 1
        kinds = [kind for class_, kind in _KINDS if isinstance(error, class_)]
        self._shown = replace(
            self._shown,
            at=at,
            said=said,
            error=kinds[0] if kinds else "other",
            failing_since=self._shown.failing_since or at,
            looked_at=self._duties.looked_at,
            lists_end=self._duties.lists_end,
        )
        phase = Phase.RESTING if slots is None else slots.phase
        return pause_after_error(self._failures, phase, self._world.chance())

    def rest(self, seconds: float) -> None:
        """Let seconds pass; a wish, also for a hold or its end, ends the pause."""
        was_held = self._wishes.held()
        ends = self._world.clock.monotonic() + seconds
        while (left := ends - self._world.clock.monotonic()) > 0:
            if self._wishes.some() or self._wishes.held() is not was_held:
                return
            self._world.rest(min(WISH_SECONDS, left))


def _said(outcome: Outcome) -> str:
    if outcome is None:
        return "no plan for this hub's channel"
    return str(outcome.value)
