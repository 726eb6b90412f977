"""How far a long command is: one line, on a terminal alone, and gone at the end."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from hubterm.progress import ITEMS_A_LOOK, QUIET_SECONDS, Progress


class Terminal(io.StringIO):
    """A terminal that keeps what was drawn."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


def test_what_is_short_shows_nothing() -> None:
    terminal = Terminal()
    clock = Clock()
    with Progress("records checked", stream=terminal, clock=clock) as shown:
        shown.show(1, 2)
        clock.now += QUIET_SECONDS / 2
        shown.show(2, 2)
    assert terminal.getvalue() == ""


def test_what_is_long_shows_how_far_it_is_at_a_pace_and_the_line_goes() -> None:
    terminal = Terminal()
    clock = Clock()
    with Progress("records checked", stream=terminal, clock=clock) as shown:
        clock.now += QUIET_SECONDS
        for done in range(5000, 6000):  # a thousand within the same moment
            shown.show(done, 20_000)
        clock.now += 10
        shown.show(20_001, 20_000)
    assert terminal.getvalue() == (
        "\r\x1b[Krecords checked: 5,000 of 20,000 (25 %)"
        "\r\x1b[Krecords checked: 20,001 of 20,000 (100 %)"
        "\r\x1b[K"
    )


def test_the_line_goes_when_the_work_is_interrupted() -> None:
    terminal = Terminal()
    clock = Clock()

    def interrupted() -> None:
        with Progress("records checked", stream=terminal, clock=clock) as shown:
            clock.now += QUIET_SECONDS
            shown.show(7)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert terminal.getvalue() == "\r\x1b[Krecords checked: 7\r\x1b[K"


def test_what_passes_by_is_counted_and_stays_as_it_is() -> None:
    terminal = Terminal()
    clock = Clock()

    def slow() -> Iterator[int]:
        for number in range(2 * ITEMS_A_LOOK + 1):
            clock.now += 0.01
            yield number

    with Progress("records read", stream=terminal, clock=clock) as shown:
        assert list(shown.over(slow(), 4 * ITEMS_A_LOOK)) == list(range(2 * ITEMS_A_LOOK + 1))
    assert "records read: 1,024 of 4,096 (25 %)" in terminal.getvalue()
    assert "records read: 2,048 of 4,096 (50 %)" in terminal.getvalue()


def drawn(stream: io.StringIO, *, as_json: bool = False) -> str:
    clock = Clock()
    with Progress("x", as_json=as_json, stream=stream, clock=clock) as shown:
        clock.now += QUIET_SECONDS
        shown.show(1, 2)
    return stream.getvalue()


def test_it_is_for_people_at_a_terminal_that_can_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(Terminal())
    assert drawn(Terminal(), as_json=True) == ""
    assert drawn(io.StringIO()) == ""
    for name in ("dumb", "unknown", ""):
        monkeypatch.setenv("TERM", name)
        assert drawn(Terminal()) == ""


def test_a_line_is_never_wider_than_the_terminal() -> None:
    terminal = Terminal()
    clock = Clock()
    with Progress("x" * 200, stream=terminal, clock=clock) as shown:
        clock.now += QUIET_SECONDS
        shown.show(1, 2)
    assert terminal.getvalue() == "\r\x1b[K" + "x" * 79 + "\r\x1b[K"
