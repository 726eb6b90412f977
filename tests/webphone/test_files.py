"""The files of the page: what its worker keeps, and what every module holds to."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.webphone import cached
from tests.webphone.server import STATIC

pytestmark = pytest.mark.once


def test_what_the_worker_keeps_is_what_there_is() -> None:
    assert cached.CACHED.read_text() == cached.text(), "type: python -m tests.webphone.cached"


def test_a_change_of_any_file_is_a_new_version(tmp_path: Path) -> None:  # versions, law 1
    copy = tmp_path / "static"
    shutil.copytree(STATIC, copy)
    versions = {cached.text(copy)}
    kept = cached.kept(copy)
    for path in kept:
        with path.open("ab") as file:
            file.write(b" ")
        versions.add(cached.text(copy))
    assert len(versions) == 1 + len(kept)
    assert len(kept) > 25


def test_each_module_says_what_it_is_and_is_small() -> None:
    for path in STATIC.rglob("*.js"):
        source = path.read_text()
        assert source.startswith("/**\n * "), path
        assert len(source.splitlines()) <= 300, path
        assert max(map(len, source.splitlines())) <= 100, path
    for folder in {path.parent for path in STATIC.rglob("*")}:
        assert len([path for path in folder.iterdir() if path.is_file()]) <= 12, folder


def test_the_page_holds_no_script_and_no_style_of_its_own() -> None:
    """So that a policy without `unsafe-inline` lets all of it in, and nothing that is injected."""
    page = (STATIC / "index.html").read_text()
    assert re.search(r"<style|style=|\son\w+=", page) is None
    assert re.findall(r"<script[^>]*>([^<]*)</script>", page) == [""]


def test_nothing_is_fetched_from_elsewhere() -> None:
    for path in cached.kept():
        addresses = re.findall(r"https?://[^\s\"']+", path.read_text())
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, path
