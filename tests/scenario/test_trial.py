"""`hubsim trial`: a whole site on one machine, as `make site` starts it; and how it ends."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubsim.chromium.browser import MISSING, PROGRAM
from hubsim.stage import StageError
from hubsim.trial.filling import sign_in
from hubsim.trial.pages import PageRead, Pages, newest_policy
from hubsim.trial.server import Operator
from hubsim.trial.show import until_over

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
SECONDS = 280
STEPS = ("an engine (NATS)", "the site's server", "on its pages", "the hub has all of that")
BY_PHONE = ("a phone in a browser", "says “Allowed”", "are in the engine and on the bridge's disk")


class Trial:
    """The program, and what it has printed."""

    def __init__(self, path: Path, *more: str) -> None:
        self.path = path
        argv = [sys.executable, "-m", "hubsim.main", "trial", "--at", str(path), *more]
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        self.said = ""

    def until(self, words: str) -> None:
        """Read what it prints until it says this."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if words in line:
                return
        raise AssertionError(self.said)

    def end(self) -> int:
        """Let it end; return its status."""
        out, _ = self.process.communicate(timeout=SECONDS)
        self.said += out
        return self.process.returncode

    def shown(self, what: str) -> str:
        """Return what it shows behind a word."""
        found = re.search(rf"^ *{what}  +(\S+)$", self.said, re.MULTILINE)
        assert found is not None, self.said
        return found[1]

    def left(self) -> list[str]:
        """Return the commands of processes that still run for it."""
        return [line for line in _commands() if str(self.path) in line]


def _commands() -> Iterator[str]:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


@pytest.mark.long
@pytest.mark.timeout(SECONDS)
@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
def test_a_whole_site_runs_one_can_sign_in_and_ctrl_c_ends_all_of_it(tmp_path: Path) -> None:
    trial = Trial(tmp_path / "t")
    trial.until("Ctrl-C ends it.")
    for step in (*STEPS, *BY_PHONE):
        assert step in trial.said
    address = trial.shown("The operators' pages").rstrip("/")
    pages = Pages(address, trial.path / "hubsite" / "tls.pem")
    uri = trial.shown("for an app")
    assert trial.shown("second factor") in uri
    sign_in(pages, Operator(trial.shown("name"), trial.shown("password"), uri))
    assert "Anna Example" in pages.get("/person").text
    assert pages.get(trial.shown("A phone more").removeprefix(address)).forms
    assert any("hubbridge" in one for one in trial.left())
    trial.process.send_signal(signal.SIGINT)
    assert trial.end() == 0, trial.said
    assert trial.left() == []


@pytest.mark.long
def test_ctrl_c_amid_the_start_ends_all_of_it(tmp_path: Path) -> None:
    trial = Trial(tmp_path / "t")
    ends = time.monotonic() + SECONDS
    while not trial.left()[1:] and time.monotonic() < ends:
        time.sleep(0.05)
    trial.process.send_signal(signal.SIGTERM)
    assert trial.end() == 1
    assert "ended before all was there" in trial.said
    assert trial.left() == []


def test_a_folder_of_somebody_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    trial = Trial(tmp_path)
    assert trial.end() == 1
    assert "holds something already" in trial.said
    assert os.listdir(tmp_path) == ["mine"]


async def test_a_part_that_has_ended_ends_the_trial_and_is_named() -> None:  # show, law 2
    class Ended:
        path = Path("somewhere")

        def __init__(self) -> None:
            self.looks = 0

        def ended(self) -> Iterator[str]:
            self.looks += 1
            if self.looks > 1:
                yield "bridge"

    with pytest.raises(StageError, match="bridge has ended; its log is in somewhere"):
        await until_over(asyncio.Event(), Ended(), 0.01)
    stopped = asyncio.Event()
    stopped.set()
    await until_over(stopped, Ended(), 0.01)


def test_make_site_runs_once_where_that_is_asked(tmp_path: Path) -> None:
    clean = {
        key: value
        for key, value in os.environ.items()
        if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ONCE")
    }
    for more, ends in (((), "hubsim trial \n"), (("ONCE=1",), "hubsim trial --once\n")):
        argv = ["make", "-n", "site", f"VENV={tmp_path}", *more]
        (tmp_path / "ready").touch()
        done = subprocess.run(
            argv, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout.endswith(ends)


PAGE = """
<form action="/away"><button>Go</button></form>
<form method="post"><input type="hidden" name="seen" value="3">
<input type="checkbox" name="groups" value="1" checked>
<input type="checkbox" name="groups" value="2">
<input type="checkbox" name="groups" value="4" checked>
<select name="hours"><option value="">All</option><option value="7" selected>Seven</option></select>
<select name="zone"><option value="a">A</option><option value="b">B</option></select>
<textarea name="note">old
text</textarea></form><textarea id="link">https://x/</textarea>
"""


def test_a_form_goes_back_as_the_page_had_it() -> None:  # pages, law 1
    page = PageRead(PAGE)
    assert [form.action for form in page.forms] == ["/away", ""]
    assert page.forms[1].values == {
        "seen": "3",
        "groups": ["1", "4"],
        "hours": "7",
        "zone": "a",
        "note": "old\ntext",
    }
    assert page.areas["link"] == "https://x/"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("The newest policy is 12. It has every change.", 12),
        ("The newest policy is 12. Changes since then are being signed.", None),
        ("The newest policy is 12. It waits for the hubs' engine. It has every change.", None),
        ("No policy was signed yet.", None),
    ],
)
def test_only_a_policy_that_hubs_can_get_counts(text: str, version: int | None) -> None:
    assert newest_policy(text) == version
