"""What README.md and docs show of hubctl is what it prints: on a simulated site, run anew."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import pytest_asyncio

from tests.pictures.__main__ import DOCUMENTS, PICTURE_BYTES_MAX
from tests.pictures.documents import shape, shown_in, with_shown
from tests.pictures.drawing import draw
from tests.pictures.scene import COLUMNS, ON_SCREEN, WHILE_AWAY, WHILE_WELL, Taken, take

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.once]

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
OF_MACHINES = re.compile(r"/(?:root|home|tmp|opt(?!/hubd/)|usr|work|mnt)/|\.venv|Users/")
"""Paths that are no hub's own: hubd lies in /opt/hubd on each."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def taken(tmp_path_factory: pytest.TempPathFactory) -> Taken:
    """What hubctl shows today."""
    return await take(tmp_path_factory.mktemp("desk") / "site")


def documented() -> list[tuple[str, str, str]]:
    found = []
    for name in DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        found += [(name, typed, shown) for typed, shown in shown_in(text)]
    return found


async def test_the_documents_show_what_hubctl_prints(taken: Taken) -> None:
    shown = documented()
    assert {typed for _, typed, _ in shown} <= set(WHILE_WELL) | set(WHILE_AWAY)
    assert {name for name, _, _ in shown} >= {"README.md", "docs/hub.md"}
    assert len(shown) >= 6
    for name, typed, text in shown:
        assert shape(text) == shape(taken.texts[typed]), f"{name}, {typed}: make pictures"


async def test_each_command_that_is_taken_says_something(taken: Taken) -> None:
    assert set(taken.texts) == set(WHILE_WELL) | set(WHILE_AWAY)
    for typed, text in taken.texts.items():
        assert len(shape(text)) >= 1, typed
        assert not OF_MACHINES.search(text), typed


async def test_the_screen_is_drawn_cell_by_cell(taken: Taken, tmp_path: Path) -> None:
    draw(taken.screen, COLUMNS, "hubctl top", tmp_path / "t.svg")
    words = "".join(ElementTree.parse(tmp_path / "t.svg").getroot().itertext())  # noqa: S314
    words = words.replace("\xa0", " ")
    for line in taken.screen:
        assert line.cell_len <= COLUMNS
        for word in line.plain.split():
            assert word in words
    assert all(part in words for part in ON_SCREEN)
    assert any(span.style.bold for line in taken.screen for span in line.spans)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["terminal.svg", "report.png", "site.png"])
async def test_a_picture_is_small_and_says_nothing_of_a_machine(name: str) -> None:
    data = (PICTURES / name).read_bytes()
    assert 5_000 < len(data) < PICTURE_BYTES_MAX
    text = data.decode("latin-1")
    assert not OF_MACHINES.search(text)
    assert name in (ROOT / "README.md").read_text(encoding="utf-8")
    if name.endswith(".svg"):
        words = "".join(ElementTree.fromstring(text).itertext()).replace("\xa0", " ")  # noqa: S314
        assert "Front door" in words
        assert "http" not in re.sub(r'xmlns="[^"]*"', "", text)
    else:
        assert data.startswith(b"\x89PNG")


async def test_no_output_names_this_machine() -> None:
    for name, typed, text in documented():
        assert not OF_MACHINES.search(text), (name, typed)


async def test_only_the_blocks_that_are_marked_are_changed() -> None:
    mark = "<!-- shown: hubctl x -->"
    before = f"a\n\n{mark}\n\n    old\n    older\n\nb\n\n    code\n"
    after = with_shown(before, {"hubctl x": "new  1\n\nmore\n"})
    assert after == f"a\n\n{mark}\n\n    $ hubctl x\n    new  1\n    more\n\nb\n\n    code\n"
    assert list(shown_in(after)) == [("hubctl x", "new  1\nmore")]
    assert with_shown(after, {"hubctl x": "new  1\nmore"}) == after


async def test_another_label_or_column_is_noticed() -> None:
    text = "hub    hub-1 of site\nclock  trusted\ndoors\n  id  name\n  a   b\n"
    assert shape(text) == ["hub", "clock", "doors", "id | name", "a"]
    assert shape(text) == shape(text.replace("trusted", "behind"))
    assert shape(text) != shape(text.replace("clock", "time "))
    assert shape(text) != shape(text.replace("id  name", "id  what"))
    at = "Sun 2026-11-29 02:00 (Europe/Berlin): phone 08429912… at 2\n"
    later = "Mon 2026-11-30 03:10 (Europe/Berlin): phone a842991f… at 3\n"
    assert shape(at) == shape(later)
    assert shape(at) != shape(at.replace("phone", "card"))
