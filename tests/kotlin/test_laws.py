"""The laws of the phone's files in Kotlin that no vector shows (`src/Laws.kt`)."""

from __future__ import annotations

import subprocess

from tests.kotlin.visits import JAVA

SECONDS = 120


def test_each_law_holds() -> None:
    argv = [*JAVA, "hub.laws.LawsKt"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith("right ")] == []
    assert len(lines) >= 10
    assert (done.returncode, done.stderr) == (0, "")
