"""A guest that ends early shows its console's last lines in the error.

A program of the test is its kernel.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.guest import CONSOLE_LINES, Guest

pytestmark = pytest.mark.once

PATIENCE_SECONDS = 20.0
PANIC = "Kernel panic - not syncing: ptrace set fp regs failed, errno = 14"
BOOTED = r"""
for word; do case $word in ssl0=*) descriptor=${word##*:} ;; esac; done
printf '{"id": 0}\n' >&"$descriptor"
read -r request <&"$descriptor"
"""


@pytest.fixture
async def guest(tmp_path: Path) -> AsyncIterator[Guest]:
    made = Guest(tmp_path)
    try:
        yield made
    finally:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await made.stop()


def _kernel(folder: Path, text: str) -> Path:
    """A kernel that shows a hundred lines, does what the text says, and panics."""
    program = folder / "kernel"
    lines = "i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i + 1)); done"
    program.write_text(f"#!/bin/bash\n{lines}\n{text}\necho '{PANIC}'\nexit 1\n")
    program.chmod(0o755)
    return program


async def test_a_guest_that_ends_while_it_boots_shows_its_consoles_last_lines(
    guest: Guest, tmp_path: Path
) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(LabError, match="the guest has ended") as caught:
            await guest.boot(_kernel(tmp_path, ""))
    _, *lines = str(caught.value).splitlines()
    assert lines[-2:] == ["line 99", PANIC]
    assert len(lines) == CONSOLE_LINES


async def test_so_does_one_that_ends_in_the_middle_of_a_request(
    guest: Guest, tmp_path: Path
) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await guest.boot(_kernel(tmp_path, BOOTED))
        with pytest.raises(LabError, match="the guest has ended") as caught:
            await guest.run("true")
    assert str(caught.value).splitlines()[-1] == PANIC


async def test_what_is_asked_of_a_guest_that_has_ended_is_told_so_at_once(
    guest: Guest, tmp_path: Path
) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await guest.boot(_kernel(tmp_path, BOOTED))
        with pytest.raises(LabError):
            await guest.run("true")
        with pytest.raises(LabError, match="the guest has ended") as caught:
            await guest.run("true")
    assert PANIC in str(caught.value)
