"""The threat model, the white paper and tables like theirs: what is promised has a test that is
there.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
OWED = {
    "an-attacker-on-the-network",
    "a-stranger-on-the-radio",
    "phones-that-others-make",
    "a-stolen-phone",
    "a-stolen-or-opened-hub",
    "a-malicious-or-broken-backend",
    "a-rogue-gateway",
    "a-rogue-provider-of-identities",
    "a-rogue-server-of-the-site",
    "a-cloned-disk",
    "a-restored-backup",
}
"""The attackers whose results and bounds the page owes."""


def part(heading: str) -> str:
    """What stands under a heading, up to the next of its kind or a higher one."""
    level = heading.split()[0]
    after = TEXT.split(f"\n{heading}\n")[1]
    return re.split(rf"^#{{2,{len(level)}}} ", after, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The rows of the first table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def attackers() -> dict[str, str]:
    """The headings of the attackers, by their anchors."""
    headings = re.findall(r"^(### .+)$", part("## Who attacks, from where"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading[4:]).lower().replace(" ", "-"): heading
        for heading in headings
    }


def named(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def missing(table: list[list[str]]) -> list[str]:
    """The tests of the table that are not there, and rows that name none."""
    wrong = []
    for row in table:
        ids = re.findall(r"`([\w/.]+)::(\w+)`", row[2])
        if not ids:
            wrong.append(f"no test: {row[1]}")
        for place, test in ids:
            file = ROOT / "tests" / place
            if not file.is_file() or test not in named(file):
                wrong.append(f"{place}::{test}")
    return wrong


def test_the_short_answer_is_about_each_attacker_and_leads_to_its_part() -> None:
    table = rows(part("## The short answer"))
    linked = {re.findall(r"\]\(#([\w-]+)\)", row[0])[0] for row in table}
    assert linked == OWED
    assert linked <= set(attackers())
    assert all(row[1] and row[2] for row in table), "what holds and what does not"


@pytest.mark.parametrize("anchor", sorted(OWED))
def test_each_attacker_has_a_part_with_results_or_bounds(anchor: str) -> None:
    text = part(attackers()[anchor])
    assert "| " in text or re.search(r"^1\. ", text, re.MULTILINE)


def test_each_test_that_is_named_is_there() -> None:
    table = rows(part("## What is tried"))
    assert len(table) >= 40
    assert missing(table) == []


def test_each_attacker_has_a_test() -> None:
    tried = set(re.findall(r"\]\(#([\w-]+)\)", part("## What is tried")))
    assert tried >= OWED
    assert tried <= set(attackers())


def test_a_row_without_a_test_is_noticed() -> None:
    assert missing([["", "a thing", "-"]]) == ["no test: a thing"]
    wrong = "unit/test_threat_model.py::test_nowhere"
    assert missing([["", "a thing", f"`{wrong}`"]]) == [wrong]


@pytest.mark.parametrize(
    ("page", "heading"), [("updates", "### Faults"), ("bridge", "## Faults")], ids=str
)
def test_each_fault_of_a_page_has_a_test_that_is_there(page: str, heading: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    table = rows(text.split(f"\n{heading}\n")[1].split("\n## ")[0])
    assert len(table) >= 9
    assert missing([["", *row] for row in table]) == []


def test_what_holds_between_hub_bridge_and_backend_has_a_test_that_is_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = rows(text.split("\n## Between hub, bridge and backend\n")[1].split("\n## ")[0])
    assert len(table) >= 10
    assert missing([["", *row] for row in table]) == []


def test_a_row_without_a_test_that_is_there_is_noticed() -> None:
    assert missing([["", "it flies", "nothing"]]) == ["no test: it flies"]
    absent = "unit/test_threat_model.py::test_it_flies"
    assert missing([["", "it flies", f"`{absent}`"]]) == [absent]


def test_each_line_of_the_white_paper_has_a_test_or_says_who_owes_it() -> None:
    text = (ROOT / "docs" / "white-paper.md").read_text(encoding="utf-8")
    table = [row for section in text.split("\n## ")[1:] for row in rows(section)]
    assert len(table) >= 30
    owed = {"left to the site", "not yet"}
    assert all(row[1].startswith(row[2]) for row in table if row[2] in owed)
    assert missing([["", row[0], row[2]] for row in table if row[2] not in owed]) == []
