"""The menu has three lists, and each of its pages is there."""

from __future__ import annotations

import re

import pytest

from hubsite.pages.shown import ways
from tests.site.browser import at_work

pytestmark = pytest.mark.once


def test_each_page_of_the_menu_is_there_and_says_where_one_is() -> None:
    browser = at_work()
    groups = ways()
    assert [group.label for group in groups] == ["Now", "Who may", "This site"]
    for group in groups:
        assert group.ways
        for way in group.ways:
            answer = browser.get(way.address)
            assert answer.status == 200, way
            here = re.findall(r'href="([^"]+)" aria-current="page"', answer.page.source)
            assert here == [way.address]


def test_each_list_of_the_menu_has_its_label() -> None:
    source = at_work().get("/").page.source
    labels = dict(re.findall(r'<p id="(menu-\d)">([^<]+)</p>', source))
    assert list(labels.values()) == [group.label for group in ways()]
    assert re.findall(r'<ul aria-labelledby="([^"]+)">', source) == list(labels)
