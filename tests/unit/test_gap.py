"""The steps of a hub between two processes, and the rehearsal that makes them quick."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from hubcore.errors import HardwareError
from hubcore.phone.epochs import EpochRing
from hubcore.update.gap import Gap, GapStep, spans
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.config.file import Config, load
from hubd.rehearsal import FOLDER, rehearse
from hubd.takeover.changing import Changing
from hubd.wiring.hardware import real_parts
from hubd.wiring.parts import MakeParts, Parts, TellPart
from hubsim import site as sites
from tests.handing.site import DOOR

pytestmark = pytest.mark.once


def test_what_two_processes_have_seen_is_joined() -> None:
    clock = itertools.count(1.0, 0.25)
    old = Gap(lambda: next(clock))
    new = Gap(lambda: next(clock))
    for step in (GapStep.SETTLED, GapStep.ENDED, GapStep.GIVEN):
        old.note(step)
    for step in (GapStep.TURN, GapStep.TAKEN):
        new.note(step)
    found = spans(f"{new.shown()} {old.shown()}")
    assert list(found) == [GapStep.ENDED, GapStep.GIVEN, GapStep.TURN, GapStep.TAKEN]
    assert set(found.values()) == {0.25}


def test_a_process_that_begins_once_more_forgets_what_was() -> None:
    clock = itertools.count(1.0)
    gap = Gap(lambda: next(clock))
    for step in (GapStep.SETTLED, GapStep.GIVEN, GapStep.TURN):
        gap.note(step)
    assert gap.shown() == "turn=3.0000"


@pytest.mark.parametrize("text", ["settled", "settled=", "other=1.0", "=1"])
def test_what_is_no_step_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        spans(text)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    site = sites.init(tmp_path / "site", points=[1], for_show=True)
    path = sites.write_config(site, "tcp://127.0.0.1:9", [DOOR])
    monkeypatch.chdir(path.parent)
    return load(path)


def nothing(_program: Path) -> None:
    """Any program may be started."""


def fails(_config: Config, _keys: HubKeys, _tell: TellPart) -> Parts:
    raise HardwareError("no parts")


# rehearsal, laws 1 and 2
@pytest.mark.parametrize("make_parts", [real_parts, fails])
async def test_a_rehearsal_leaves_everything_as_it_was(
    config: Config, make_parts: MakeParts
) -> None:
    state = config.hub.state_directory
    (state / FOLDER).mkdir(parents=True)
    (state / FOLDER / "audit.db").write_text("of one that was killed")
    (state / "audit.db").write_text("is not touched")
    ring = EpochRing()
    changing = Changing(nothing)
    before = changing.standing
    await rehearse(config, make_parts, ring, changing)
    assert [path.name for path in state.iterdir()] == ["audit.db"]
    assert (state / "audit.db").read_text() == "is not touched"
    assert ring.current is None
    assert changing.standing is before
