"""What the kernel says of its clock: the real call, and each answer that it may give."""

from __future__ import annotations

import ctypes

import pytest

from hubcore.ports.clock import KernelTime
from hubd.adapters.host import kerneltime
from hubd.adapters.host.kerneltime import Timex


def test_this_kernel_answers_and_its_answer_is_read_at_the_right_places() -> None:
    said = Timex()
    state = ctypes.CDLL(None).adjtimex(ctypes.byref(said))
    assert 0 <= state <= 5
    assert 9_000 <= said.tick <= 11_000, "a tick is 10 ms, give or take a tenth"
    assert said.tolerance > 0
    assert said.time_seconds > 1_700_000_000
    found = kerneltime.look()
    assert found is not None
    assert 0 <= found.error_seconds_max <= 17


def test_the_structure_is_as_long_as_the_kernels() -> None:
    longs = ctypes.sizeof(ctypes.c_long)
    assert ctypes.sizeof(Timex) >= {8: 208, 4: 128}[longs]


@pytest.mark.parametrize(
    ("state", "status", "synchronised"),
    [(0, 0x2001, True), (5, 0x2001, False), (0, 0x2041, False), (5, 0x0040, False)],
)
def test_a_clock_is_synchronised_when_neither_state_nor_status_says_otherwise(
    state: int, status: int, synchronised: bool
) -> None:
    def ask(said: Timex) -> int:
        said.status = status
        said.maxerror = 250_000
        said.esterror = 1_500
        return state

    assert kerneltime.look(ask) == KernelTime(synchronised, 0.25, 0.0015)


def test_a_kernel_that_refuses_says_nothing() -> None:
    assert kerneltime.look(lambda _said: -1) is None
