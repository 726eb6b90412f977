"""The picture of README.md shows the pages as they are today: it has their words in itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pictures.site import PAGE, pictured
from tests.pictures.words import MAGIC, with_words, words_in, words_of
from tests.site.browser import at_work

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[3]
PICTURE = ROOT / "docs" / "pictures" / "site.png"
PHONE = ROOT / "hubsite" / "webphone" / "static" / "index.html"
OF_A_SITE = re.compile(r" · .*| \(\d+ that nobody has seen\)")
"""What a page's title and menu say of one site."""


def _everywhere(words: list[str]) -> list[str]:
    return [OF_A_SITE.sub("", one) for one in words]


def test_the_picture_has_the_words_that_the_pages_have_today() -> None:
    """pictures.site, law 2"""
    today = pictured(at_work().get(PAGE).page.source, PHONE.read_text(encoding="utf-8"))
    shown = words_in(PICTURE.read_bytes())
    assert len(today) > 20
    assert _everywhere(shown) == _everywhere(today), "make pictures"


def test_words_are_those_of_headings_menu_buttons_and_labels() -> None:
    """pictures.words, law 1"""
    source = (
        "<title>A &amp; B</title><a>none</a><nav><a href='/'>Over\n view</a></nav><h1>Doors</h1>"
        "<label>Name <input></label><table><tr><th>When</th></tr><tbody><tr><th>a row</th></tr>"
        "</tbody></table><button>Add</button><button>Add</button><p>text</p>"
    )
    assert words_of(source) == ["A & B", "Over view", "Doors", "Name", "When", "Add"]
    assert words_of(source.replace("Add", "Take")) != words_of(source)


def test_words_are_read_as_they_were_written_and_damage_is_told() -> None:
    """pictures.words, law 2"""
    plain = PICTURE.read_bytes()
    end = plain[-12:]
    empty = MAGIC + end
    made = with_words(empty, ["Türen", "Open …"])
    assert words_in(empty) == []
    assert words_in(made) == ["Türen", "Open …"]
    assert made.endswith(end)
    with pytest.raises(ValueError, match="damaged"):
        words_in(made.replace(b"Open", b"Shut"))
    with pytest.raises(ValueError, match="no PNG"):
        words_in(b"")
