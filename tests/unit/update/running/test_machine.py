"""The hub as this machine has it: hubd's socket, and what root did or did not do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hubcore.errors import StoreError
from hubcore.update.health import Look, Peer, Required
from hubcore.update.slots import Slot
from hubupdate.hub import Switch
from hubupdate.running.daemon import Reply
from hubupdate.running.machine import ANSWER_SECONDS, NOW, TRY_AGAIN, Machine, Passing
from hubupdate.running.orders import Order, Orders

WELL: Mapping[str, Any] = {
    "ready": True,
    "missing": [],
    "late": [],
    "problems": [],
    "radio": {"on_air": True, "links": 0},
    "backend": {"connected": True},
    "doors": [],
}


@dataclass
class Desk:
    """A machine whose root answers an order at once, or never."""

    folder: Path
    status: int | None = 0
    starts: Slot | None = Slot.B
    answers_after: float = 0.0
    """So many seconds after its start hubd answers."""
    now: float = 0.0
    started: float | None = None
    links: int = 0
    """Phones that are connected."""
    ordered: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("orders", "answers", "mounts"):
            (self.folder / name).mkdir()

    def rest(self, seconds: float) -> None:
        """Let time pass; root sees an order meanwhile."""
        self.now += max(seconds, 1.0)
        for order in (self.folder / "orders").iterdir():
            if self.status is None:
                return
            self.ordered.append(order.name.partition("-")[0])
            order.unlink()
            self._start()
            (self.folder / "answers" / order.name).write_text(f"{self.status}\n")

    def _start(self) -> None:
        self.started = self.now
        link = self.folder / "mounts" / NOW
        link.unlink(missing_ok=True)
        if self.starts is not None:
            link.symlink_to(self.starts)

    def ask(self) -> Mapping[str, Any] | None:
        if self.started is None or self.now < self.started + self.answers_after:
            return None
        return {**WELL, "radio": {"on_air": True, "links": self.links}}

    def machine(self) -> Machine:
        orders = Orders(
            self.folder / "orders", self.folder / "answers", lambda: self.now, self.rest
        )
        passing = Passing(lambda: self.now, self.rest)
        return Machine(self.folder / "mounts", orders, self.ask, self.call, passing)

    def call(self, name: str, _arguments: Mapping[str, Any]) -> Reply:
        """Be a hubd that knows no change of hands."""
        return Reply(code="unknown-call") if self.ask() is not None else Reply()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_slot_has_taken_over_when_it_runs_and_answers(desk: Desk) -> None:
    desk.answers_after = ANSWER_SECONDS / 2
    assert desk.machine().switch(Slot.B) is Switch.DONE
    assert desk.ordered == [Order.RESTART]
    assert desk.machine().look(Slot.B) == Look(frozenset(Required), frozenset({Peer.BACKEND}))


@pytest.mark.parametrize(
    ("status", "starts", "answers_after"),
    [(1, Slot.B, 0.0), (0, Slot.A, 0.0), (0, None, 0.0), (0, Slot.B, ANSWER_SECONDS * 10)],
    ids=["start failed", "other slot", "by hand", "never answers"],
)
def test_a_slot_that_does_not_run_has_not_taken_over(
    desk: Desk, status: int, starts: Slot | None, answers_after: float
) -> None:
    desk.status = status
    desk.starts = starts
    desk.answers_after = answers_after
    assert desk.machine().switch(Slot.B) is Switch.FAILED


def test_a_hub_is_not_started_again_while_a_phone_is_connected(desk: Desk) -> None:
    desk.started = 0.0
    desk.links = 1
    machine = desk.machine()
    assert machine.switch(Slot.B) is Switch.NOT_NOW
    assert not machine.is_at_rest()
    assert desk.ordered == []
    desk.links = 0
    assert machine.is_at_rest()
    assert machine.switch(Slot.B) is Switch.DONE


def test_the_old_version_is_started_again_whoever_is_connected(desk: Desk) -> None:
    desk.started = 0.0
    desk.links = 1
    desk.starts = Slot.A
    assert desk.machine().go_back(Slot.A)
    assert desk.ordered == [Order.RESTART]


def test_an_old_version_that_does_not_start_is_started_once_more(desk: Desk) -> None:
    desk.status = 1
    with pytest.raises(StoreError, match="the old version does not start"):
        desk.machine().go_back(Slot.A)


def test_the_other_slots_hubd_is_never_well_in_a_trial(desk: Desk) -> None:
    desk.machine().switch(Slot.B)
    assert desk.machine().look(Slot.A).right == frozenset()


@pytest.mark.parametrize("target", ["/opt/hubd/", "C", "../../etc"])
def test_what_runs_from_no_slot_is_never_well_in_a_trial(desk: Desk, target: str) -> None:
    desk.started = 0.0
    (desk.folder / "mounts" / NOW).symlink_to(target)
    assert desk.machine().look(Slot.A).right == frozenset()
    assert desk.machine().look(Slot.B).right == frozenset()


def test_a_root_that_does_nothing_blames_no_image(desk: Desk) -> None:
    desk.status = None
    with pytest.raises(StoreError, match="nobody starts hubd"):
        desk.machine().switch(Slot.B)
    with pytest.raises(StoreError, match="could not be tested"):
        desk.machine().passes_its_test(desk.folder / "B.squashfs")


@pytest.mark.parametrize(("status", "passes"), [(0, True), (1, False), (73, False), (78, False)])
def test_a_self_test_passes_by_its_status(desk: Desk, status: int, passes: bool) -> None:
    desk.status = status
    assert desk.machine().passes_its_test(desk.folder / "B.squashfs") is passes


def test_a_self_test_without_room_is_made_again(desk: Desk) -> None:
    desk.status = TRY_AGAIN
    with pytest.raises(StoreError):
        desk.machine().passes_its_test(desk.folder / "B.squashfs")
