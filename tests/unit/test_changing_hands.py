"""Who may have a hub change hands, with which program, and how its word on a trial counts."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from hubcore.errors import ConfigError, HubError, SequenceError, TrustError
from hubcore.update.packets import Connection, Descriptor, DescriptorKind
from hubd.adapters.local.api import HUBD
from hubd.handing.programs import check_program
from hubd.takeover.changing import Changing, Standing, TrialFailedError
from hubd.wiring.handed.belongings import BUS, GUARD, SPARE, TICKETS, Belongings
from hublocal.sockets import SocketFile

TALK = Connection(
    unique_name=":1.7",
    serial=9,
    unread=b"",
    service=":1.2",
    adapter="/org/bluez/hci0",
    advertisement=0,
)
LISTENER = Descriptor(DescriptorKind.LISTENER, "all")
OURS = frozenset({0, os.getuid()})


def _nothing(_program: Path) -> None:
    """Any program may be started."""


# changing, law 1
async def test_one_change_at_a_time() -> None:
    changing = Changing(_nothing)
    changing.order(Path("/a"))
    with pytest.raises(SequenceError):
        changing.order(Path("/b"))
    assert await changing.ordered() == Path("/a")
    with pytest.raises(SequenceError):
        changing.order(Path("/b"))
    changing.came_to_nothing("it did not start", is_tried=True)
    assert changing.is_tried
    changing.order(Path("/b"))
    assert (changing.why, changing.is_tried) == ("", False)
    assert await changing.ordered() == Path("/b")


async def test_a_process_that_takes_over_is_not_ordered_to_give_away_meanwhile() -> None:
    changing = Changing(_nothing, takes_over=True)
    with pytest.raises(SequenceError):
        changing.order(Path("/a"))
    changing.alone()
    changing.order(Path("/a"))


async def test_nobody_waits_for_orders_that_come_no_more() -> None:
    changing = Changing(_nothing)
    changing.order(Path("/a"))
    changing.close()
    assert await changing.ordered() is None


def test_a_program_that_is_refused_is_no_order() -> None:
    def refuse(_program: Path) -> None:
        raise TrustError("no")

    changing = Changing(refuse)
    with pytest.raises(TrustError):
        changing.order(Path("/a"))
    assert changing.standing is Standing.ALONE


# changing, law 2
async def test_a_word_counts_for_the_trial_that_runs() -> None:
    changing = Changing(_nothing)
    with pytest.raises(SequenceError):
        changing.end_trial("")
    async with asyncio.TaskGroup() as tasks:
        trial = tasks.create_task(changing.trial())
        await asyncio.sleep(0)
        assert changing.standing is Standing.ON_TRIAL
        changing.end_trial("")
        with pytest.raises(SequenceError):
            changing.end_trial("late")
        await trial


async def test_a_bad_word_is_its_error() -> None:
    changing = Changing(_nothing)

    async def say() -> None:
        changing.end_trial("no backend")

    with pytest.raises(TrialFailedError, match="no backend"):
        await asyncio.gather(changing.trial(), say())


# changing, law 3
async def test_a_trial_of_which_nobody_speaks_ends_badly() -> None:
    changing = Changing(_nothing, longest_seconds=0.01)
    with pytest.raises(TrialFailedError, match="nobody has said"):
        await changing.trial()


def _program(folder: Path) -> Path:
    program = folder / "bin" / "hubd"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def test_a_program_below_the_folder_may_be_started_also_through_a_link_in_it(
    tmp_path: Path,
) -> None:
    program = _program(tmp_path / "A")
    (tmp_path / "current").symlink_to("A")
    check_program(program, [tmp_path], OURS)
    check_program(tmp_path / "current" / "bin" / "hubd", [tmp_path], OURS)


# programs, law 1
def test_a_program_elsewhere_may_not_whatever_link_leads_there(tmp_path: Path) -> None:
    program = _program(tmp_path / "elsewhere")
    folder = tmp_path / "slots"
    folder.mkdir()
    (folder / "hubd").symlink_to(program)
    (folder / "bin").symlink_to(program.parent)
    for path in (program, folder / "bin/hubd", folder / ".." / "elsewhere" / "bin" / "hubd"):
        with pytest.raises(TrustError, match="is not below"):
            check_program(path, [folder], OURS)


# programs, laws 2 and 3
def test_a_python_that_is_a_link_to_the_machines_own_may_be_started(tmp_path: Path) -> None:
    own = _program(tmp_path / "usr")
    (own.parent / "python3").symlink_to("hubd")
    slot = tmp_path / "slots" / "A"
    (slot / "bin").mkdir(parents=True)
    (slot / "bin" / "python3").symlink_to(own.parent / "python3")
    (slot / "bin" / "python").symlink_to("python3")
    program = slot / "bin" / "python"
    check_program(program, [tmp_path / "slots"], OURS)
    own.parent.chmod(0o777)
    with pytest.raises(TrustError, match="can be changed by others"):
        check_program(program, [tmp_path / "slots"], OURS)
    own.parent.chmod(0o755)
    own.chmod(0o775)
    with pytest.raises(TrustError, match="can be changed by others"):
        check_program(program, [tmp_path / "slots"], OURS)


def test_links_that_lead_round_or_nowhere_may_not(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").symlink_to("d")
    for name in ("a", "c"):
        with pytest.raises(TrustError, match="cannot be started"):
            check_program(tmp_path / name, [tmp_path], OURS)


# programs, law 2
@pytest.mark.parametrize("part", [".", "bin", "bin/hubd"])
@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_what_others_may_change_may_not(tmp_path: Path, part: str, mode: int) -> None:
    program = _program(tmp_path / "A")
    (tmp_path / "A" / part).chmod(mode)
    with pytest.raises(TrustError, match="can be changed by others"):
        check_program(program, [tmp_path], OURS)


def test_what_is_anothers_may_not(tmp_path: Path) -> None:
    program = _program(tmp_path / "A")
    with pytest.raises(TrustError, match="can be changed by others"):
        check_program(program, [tmp_path], frozenset({os.getuid() + 1}))


@pytest.mark.parametrize("path", ["/opt/hubd/\ud800", "/opt/hubd/\0", "hubd", "/" + "x" * 5000])
def test_what_no_file_can_be_called_may_not(tmp_path: Path, path: str) -> None:
    with pytest.raises(TrustError):
        check_program(Path(path), [tmp_path], OURS)


# programs, law 3
def test_what_is_no_program_may_not(tmp_path: Path) -> None:
    program = _program(tmp_path / "A")
    program.chmod(0o644)
    paths = (
        program,
        program.parent,
        tmp_path / "none",
        Path("bin/hubd"),
        Path("/a\0b"),
        Path("/" + "a" * 2000),
    )
    for path in paths:
        with pytest.raises(TrustError):
            check_program(path, [tmp_path], OURS)


class Pipes:
    """Descriptors that tell whether they are open."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def one(self) -> int:
        reads, writes = os.pipe()
        os.close(reads)
        self.made.append(writes)
        return writes

    def open(self) -> list[int]:
        found = []
        for number in self.made:
            try:
                os.fstat(number)
            except OSError:
                continue
            found.append(number)
        return found


def test_belongings_come_back_as_a_packet_brings_them() -> None:
    pipes = Pipes()
    mine = Belongings({BUS: pipes.one(), GUARD: pipes.one(), LISTENER: pipes.one()}, TALK)
    holdings, descriptors = mine.holdings()
    assert Belongings.of(holdings, descriptors) == mine
    copy = mine.copy()
    mine.close()
    assert pipes.open() == []
    for number in copy.descriptors.values():
        os.fstat(number)
    copy.close()


# belongings, law 2; hands, law 2
def test_what_goes_along_comes_back_or_is_gone() -> None:
    pipes = Pipes()
    kept = Belongings(
        {BUS: pipes.one(), GUARD: pipes.one(), SPARE: pipes.one(), TICKETS: pipes.one()}, TALK
    )
    spare = kept.descriptors[SPARE]
    back = Belongings({GUARD: pipes.one()})
    renewed = kept.renewed(back)
    assert renewed.descriptors == {GUARD: back.descriptors[GUARD], SPARE: spare}
    assert renewed.connection is None
    assert sorted(pipes.open()) == sorted(renewed.descriptors.values())
    later = Belongings({BUS: pipes.one()}, TALK)
    assert renewed.renewed(later).connection == TALK
    assert renewed.joined(later).descriptors.keys() == {BUS, GUARD, SPARE}
    assert renewed.without(GUARD, SPARE).descriptors == {}
    later.close()


# sockets, law 3
def test_a_listener_goes_on_with_everybody_who_waits_in_it(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    former = SocketFile(path, 0o660, HUBD)
    former.bind(8)
    with socket.socket(socket.AF_UNIX) as waits:
        waits.connect(str(path))
        descriptor = former.hand_on()
        assert descriptor is not None
        former.close()
        assert path.exists()
        latter = SocketFile(path, 0o660, HUBD)
        listener = latter.take_up(descriptor)
        connection, _ = listener.accept()
        connection.close()
        latter.close()
    assert not path.exists()
    assert former.hand_on() is None


def test_what_does_not_listen_there_is_not_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    other = SocketFile(tmp_path / "other", 0o660, HUBD)
    other.bind(8)
    number = other.hand_on()
    assert number is not None
    file = SocketFile(path, 0o660, HUBD)
    with pytest.raises(ConfigError, match="does not listen there"):
        file.take_up(number)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        with pytest.raises(ConfigError, match="does not listen there"):
            file.take_up(deaf.fileno())
        deaf.fileno()
    with pytest.raises(HubError, match="is no socket"):
        file.take_up(os.open("/dev/null", os.O_RDONLY))
    assert file.listener is None
    os.close(number)
