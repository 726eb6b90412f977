"""The strike guard without its process: commands, deadlines and refusals on a clock that only the
test moves.
"""

import re
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.packets import receive
from drivers.strike import guard, offtimer
from drivers.strike.guard import find_factory, main, serve, tell
from drivers.strike.offtimer import OffTimers
from drivers.strike.wire import (
    MAX_CAP_MS,
    MAX_TEXT,
    Answer,
    AnswerKind,
    Command,
    Identity,
    StrikeLine,
    Verb,
)
from hubcore.errors import HardwareError

MS = 1_000_000
CAP_MS = 10_000
REST_MS = 500
WANTED = tuple(
    StrikeLine("chip", line, cap_ms=cap, rest_ms=REST_MS)
    for line, cap in enumerate((CAP_MS, 2_000, CAP_MS))
)


class FakeLines:
    """Lines that remember, and fail for the (line, level) pairs they were told to."""

    def __init__(self) -> None:
        self.driven: list[tuple[int, bool]] = []
        self.levels: dict[int, bool] = {}
        self.failing: set[tuple[int, bool]] = set()

    def set(self, index: int, active: bool) -> None:
        self.driven.append((index, active))
        if (index, active) in self.failing:
            raise HardwareError(f"line {index} does not go {'active' if active else 'inactive'}")
        self.levels[index] = active

    def close(self) -> None:
        raise AssertionError("the guard's process closes the lines")


class Bench:
    def __init__(self) -> None:
        self.now_ns = 5_000 * MS
        self.lines = FakeLines()
        self.timers = OffTimers(self.lines, WANTED, lambda: self.now_ns)
        # what drove the lines before is not known: a guard begins with a rest
        self.now_ns += REST_MS * MS

    def ask(self, verb: Verb, line: int = 0, milliseconds: int = 0, late_ns: int = 0) -> Answer:
        return self.timers.perform(
            Command(verb, line, 7, milliseconds, self.now_ns - late_ns).encode()
        )

    def after(self, milliseconds: float) -> bool:
        self.now_ns += int(milliseconds * MS)
        return self.timers.expire()


@pytest.fixture
def bench() -> Bench:
    return Bench()


class EndsWhenRead:
    """The guard's end of a socket whose other end closes when its first packet is read."""

    def __init__(self, theirs: socket.socket, ours: socket.socket) -> None:
        self._theirs = theirs
        self._ours = ours

    def fileno(self) -> int:
        return self._theirs.fileno()

    def send(self, data: bytes, flags: int) -> int:
        return self._theirs.send(data, flags)

    def recv(self, size: int, flags: int) -> bytes:
        self._ours.close()
        return self._theirs.recv(size, flags)


# guard, law 7
@pytest.mark.parametrize("queued", [1, 2, 5])
def test_a_packet_read_after_hubd_has_ended_is_not_obeyed(bench: Bench, queued: int) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stopped, stop = socket.socketpair()
    with ours, theirs, stopped, stop:
        for _ in range(queued):
            ours.send(Command(Verb.PULSE, 0, 7, 500, bench.now_ns).encode())
        serve(bench.timers, EndsWhenRead(theirs, ours), stopped.fileno(), Identity(1, 0))
    assert (0, True) not in bench.lines.driven


# offtimer, law 1
def test_a_pulse_drives_its_line_and_ends_at_its_deadline(bench: Bench) -> None:
    answer = bench.ask(Verb.PULSE, 1, 500)
    assert (answer.kind, answer.tag, answer.active, answer.at_ns) == (
        AnswerKind.DONE,
        7,
        0b010,
        bench.now_ns,
    )
    assert bench.timers.wait_ms() == 500
    assert not bench.after(499.5)
    # rounded up: poll never wakes before the deadline for nothing
    assert bench.timers.wait_ms() == 1
    assert bench.lines.levels == {1: True}
    assert bench.after(0.5)
    assert bench.lines.levels == {1: False}
    assert bench.timers.wait_ms() is None


# offtimer, law 2
def test_of_two_pulses_the_later_end_wins(bench: Bench) -> None:
    bench.ask(Verb.PULSE, 0, 5000)
    bench.after(1000)
    bench.ask(Verb.PULSE, 0, 1000)
    assert not bench.after(3999)
    assert bench.after(1)
    bench.ask(Verb.PULSE, 0, 1000)
    bench.after(500)
    bench.ask(Verb.PULSE, 0, 1000)
    assert not bench.after(999)
    assert bench.after(1)


# offtimer, law 4
def test_a_new_guard_begins_with_a_rest() -> None:
    lines = FakeLines()
    now_ns = 5_000 * MS
    timers = OffTimers(lines, WANTED, lambda: now_ns)
    answer = timers.perform(Command(Verb.PULSE, 0, 7, 1000, now_ns).encode())
    assert (answer.kind, answer.wait_ms, answer.active) == (AnswerKind.RESTING, REST_MS, 0)
    assert lines.driven == []


# offtimer, law 4
@pytest.mark.parametrize(
    ("rested_ms", "kind", "wait_ms"),
    [
        (REST_MS - 1, AnswerKind.RESTING, 1),
        (REST_MS, AnswerKind.DONE, 0),
    ],
)
def test_a_guard_that_takes_over_lines_at_rest_begins_with_what_is_left_of_it(
    rested_ms: int, kind: AnswerKind, wait_ms: int
) -> None:
    now_ns = 5_000 * MS
    timers = OffTimers(FakeLines(), WANTED, lambda: now_ns, rested_ms)
    answer = timers.perform(Command(Verb.PULSE, 0, 7, 1000, now_ns).encode())
    assert (answer.kind, answer.wait_ms) == (kind, wait_ms)


# offtimer, law 3
def test_pulses_that_prolong_each_other_end_at_the_cap_counted_from_the_first(bench: Bench) -> None:
    """Three opens 4 s apart once drove a strike with a cap of 10 s for 13 s."""
    began_ns = bench.now_ns
    for _ in range(2):
        assert bench.ask(Verb.PULSE, 0, 5_000).kind is AnswerKind.DONE
        bench.after(4_000)
    assert bench.ask(Verb.PULSE, 0, 5_000).kind is AnswerKind.DONE
    assert bench.timers.wait_ms() == 2_000
    assert bench.after(2_000)
    assert bench.lines.levels == {0: False}
    assert bench.now_ns - began_ns == CAP_MS * MS


def test_a_line_without_a_cap_is_driven_as_long_as_pulses_prolong_it_and_no_longer() -> None:
    now = [5_000 * MS]
    lines = FakeLines()
    wanted = [StrikeLine("chip", 0, cap_ms=0, rest_ms=REST_MS)]
    timers = OffTimers(lines, wanted, lambda: now[0])

    def pulse(milliseconds: int) -> Answer:
        return timers.perform(Command(Verb.PULSE, 0, 7, milliseconds, now[0]).encode())

    for _ in range(100):
        assert pulse(3_000).kind is AnswerKind.DONE  # at once, also by a guard that is new
        now[0] += 1_000 * MS
        assert not timers.expire()
    assert timers.wait_ms() == 2_000
    now[0] += 2_000 * MS
    assert timers.expire()
    assert lines.levels == {0: False}
    assert timers.wait_ms() is None
    assert pulse(MAX_CAP_MS + 1).kind is AnswerKind.REFUSED
    assert pulse(MAX_CAP_MS).kind is AnswerKind.DONE
    timers.perform(Command(Verb.SECURE, 0, 7, 0, now[0]).encode())
    assert lines.levels == {0: False}


def test_who_comes_at_the_end_of_a_stretch_gets_the_whole_pulse_but_for_the_rest(
    bench: Bench,
) -> None:
    bench.ask(Verb.PULSE, 0, 8_000)
    bench.after(7_000)
    # wants to end at 12 s, the cap is at 10 s
    assert bench.ask(Verb.PULSE, 0, 5_000).kind is AnswerKind.DONE
    assert bench.timers.wait_ms() == 3_000
    assert bench.after(3_000)
    assert bench.lines.levels == {0: False}
    assert bench.timers.wait_ms() == REST_MS
    refused = bench.ask(Verb.PULSE, 0, 5_000)
    assert (refused.kind, refused.wait_ms, refused.active) == (AnswerKind.RESTING, REST_MS, 0)
    assert bench.after(REST_MS)
    assert bench.lines.levels == {0: True}
    assert bench.timers.wait_ms() == 2_000 - REST_MS
    assert bench.after(2_000 - REST_MS)
    assert bench.lines.levels == {0: False}
    assert bench.timers.wait_ms() is None


def test_secure_in_a_rest_ends_what_waits(bench: Bench) -> None:
    bench.ask(Verb.PULSE, 0, 8_000)
    bench.after(7_000)
    bench.ask(Verb.PULSE, 0, 5_000)
    bench.after(3_000)
    bench.ask(Verb.SECURE, 0)
    assert bench.timers.wait_ms() is None
    bench.after(10_000)
    assert bench.lines.levels == {0: False}


def test_a_line_that_cannot_go_on_after_a_rest_stays_at_rest(bench: Bench) -> None:
    bench.ask(Verb.PULSE, 0, 8_000)
    bench.after(7_000)
    bench.ask(Verb.PULSE, 0, 5_000)
    bench.after(3_000)
    bench.lines.failing = {(0, True)}
    bench.after(REST_MS)
    assert bench.lines.driven[-1] == (0, False)
    assert bench.timers.wait_ms() is None


def test_lines_have_caps_of_their_own(bench: Bench) -> None:
    assert bench.ask(Verb.PULSE, 1, 2_000).kind is AnswerKind.DONE
    bench.after(2_000)
    refused = bench.ask(Verb.PULSE, 1, 2_001)
    assert (refused.kind, refused.active) == (AnswerKind.REFUSED, 0)
    assert "not within 1..2000 ms" in refused.text
    assert bench.ask(Verb.PULSE, 0, CAP_MS).kind is AnswerKind.DONE


def test_lines_have_deadlines_of_their_own(bench: Bench) -> None:
    bench.ask(Verb.PULSE, 0, 300)
    bench.ask(Verb.PULSE, 2, 100)
    assert bench.timers.wait_ms() == 100
    bench.after(100)
    assert bench.lines.levels == {0: True, 2: False}
    assert bench.timers.wait_ms() == 200


def test_secure_ends_a_pulse_and_its_deadline(bench: Bench) -> None:
    bench.ask(Verb.PULSE, 0, 5000)
    assert bench.ask(Verb.SECURE, 0).active == 0
    assert bench.lines.levels == {0: False}
    assert bench.timers.wait_ms() is None


def test_state_drives_nothing(bench: Bench) -> None:
    bench.ask(Verb.PULSE, 2, 100)
    driven = list(bench.lines.driven)
    assert bench.ask(Verb.STATE).active == 0b100
    assert bench.lines.driven == driven


GOOD = Command(Verb.PULSE, 0, 1, 100, 5_000 * MS)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        GOOD.encode()[:-1],
        GOOD.encode() + b"\0",
        b"\x00" + GOOD.encode()[1:],
        b"\x05" + GOOD.encode()[1:],
        Command(Verb.HOLD, 0, 1, 0, 0).encode(),
        GOOD.encode()[:2] + b"\x01\x00" + GOOD.encode()[4:],
        Command(Verb.PULSE, 3, 1, 100, 5_000 * MS).encode(),
        Command(Verb.SECURE, 255, 1, 0, 0).encode(),
        Command(Verb.PULSE, 0, 1, 0, 5_000 * MS).encode(),
        Command(Verb.PULSE, 0, 1, CAP_MS + 1, 5_000 * MS).encode(),
        Command(Verb.PULSE, 0, 1, 0xFFFF_FFFF, 5_000 * MS).encode(),
    ],
)
# offtimer, law 6
def test_what_is_no_command_is_refused_and_drives_nothing(bench: Bench, data: bytes) -> None:
    answer = bench.timers.perform(data)
    assert answer.kind is AnswerKind.REFUSED
    assert answer.text
    assert bench.lines.driven == []


# offtimer, law 5
def test_a_pulse_read_after_its_last_moment_is_refused(bench: Bench) -> None:
    assert bench.ask(Verb.PULSE, 0, 100, late_ns=1).kind is AnswerKind.REFUSED
    assert bench.lines.driven == []
    # the safe direction is never too late
    assert bench.ask(Verb.SECURE, 0, late_ns=10**9).kind is AnswerKind.DONE


@given(st.binary(max_size=2 * Command.SIZE))
def test_any_packet_gets_an_answer_and_at_most_a_capped_pulse(data: bytes) -> None:
    bench = Bench()
    answer = bench.timers.perform(data)
    assert Answer.decode(answer.encode()) == answer
    assert (bench.timers.wait_ms() or 0) <= CAP_MS
    bench.after(CAP_MS)
    assert not any(bench.lines.levels.values())


# offtimer, law 7
def test_a_line_that_cannot_be_driven_is_driven_inactive_and_reported(bench: Bench) -> None:
    bench.lines.failing = {(0, True)}
    answer = bench.ask(Verb.PULSE, 0, 100)
    assert (answer.kind, answer.active) == (AnswerKind.FAILED, 0)
    assert "does not go active" in answer.text
    assert bench.lines.driven == [(0, True), (0, False)]


# offtimer, law 8
def test_a_line_that_cannot_be_driven_inactive_does_not_keep_the_others_active(
    bench: Bench,
) -> None:
    for line in range(3):
        bench.ask(Verb.PULSE, line, 100)
    bench.lines.failing = {(0, False)}
    with pytest.raises(HardwareError, match="does not go inactive"):
        bench.after(100)
    assert bench.lines.levels == {0: True, 1: False, 2: False}
    assert bench.timers.wait_ms() == 0  # due until it is done


def test_answers_survive_the_wire_and_long_sentences_are_cut() -> None:
    answer = Answer(AnswerKind.FAILED, 9, 0xFFFF_FFFF, 2**63, "é" * MAX_TEXT)
    decoded = Answer.decode(answer.encode())
    assert decoded is not None
    assert (decoded.kind, decoded.tag, decoded.active, decoded.at_ns) == (
        AnswerKind.FAILED,
        9,
        0xFFFF_FFFF,
        2**63,
    )
    assert decoded.text == "é" * (MAX_TEXT // 2)
    assert Answer.decode(b"\x00" * 20) is None
    assert Answer.decode(b"\x01") is None
    assert Answer.decode(b"\x01" * (Answer.MAX_SIZE + 1)) is None


# guard, law 8
def test_the_guard_never_waits_for_a_hubd_that_does_not_read() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        for _ in range(10_000):
            tell(theirs, Answer(AnswerKind.EDGE, 0, 0, 0))
        assert receive(theirs, Command.SIZE) is None


def test_a_factory_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(HardwareError, match=r"cannot load drivers\.nowhere:open_lines"):
        find_factory("drivers.nowhere:open_lines")
    with pytest.raises(HardwareError, match=r"cannot load drivers\.strike\.guard:nothing"):
        find_factory("drivers.strike.guard:nothing")


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--fd", "x"],
        ["--fd", "99999", "--factory", "a:b", "--lines", '[["c", 0, false, 1, 0]]'],
        ["--fd", "0", "--factory", "a:b", "--lines", '[["c", 0, false, 0, 0]]'],
        ["--fd", "0", "--factory", "a:b", "--lines", '[["c", 0, false, 1, -1]]'],
        ["--fd", "0", "--factory", "a:b", "--lines", '[["c", 0, false, 1, 600001]]'],
        [
            "--fd",
            "0",
            "--factory",
            "a:b",
            "--lines",
            '[["c", 0, false, 1, 0], ["c", 1, false, 60001, 0]]',
        ],
        ["--fd", "0", "--factory", "a:b", "--lines", '[["c", 0, false]]'],
        ["--fd", "0", "--factory", "a:b", "--lines", "[]"],
    ],
)
def test_a_guard_started_by_hand_says_so(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 64
    assert "started by hubd" in capsys.readouterr().err


def test_the_guard_starts_without_the_daemons_weight() -> None:
    heavy = "{'asyncio', 'cryptography', 'ssl', 'hubcore.ports.doors'}"
    code = f"import sys, drivers.strike.guard; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("module", "laws"), [(guard, 10), (offtimer, 10)])
def test_the_tests_that_hold_the_laws_are_there(module: ModuleType, laws: int) -> None:
    named = re.findall(r"\btest_\w+\b(?!\.py)", module.__doc__ or "")
    unit = Path(__file__).parent
    files = ("test_guard.py", "test_guard_adopted.py", "test_strike.py")
    text = "".join((unit / name).read_text() for name in files)
    assert len(named) == laws
    assert [name for name in named if f"def {name}(" not in text] == []
