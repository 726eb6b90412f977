"""The documents say what is so: links lead somewhere, tables are those of the files, messages are
those of the code.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from benchmarks.table import COLUMNS, cells, from_json
from hubsim.main import main

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DECISIONS = ROOT / "docs" / "decisions"
ROOMS = ("docs", "hardware-sim", "benchmarks", "tests", "systemd", "config")
LINK = re.compile(r"\]\(([^)\s]*)\)")
README_LINES_MAX = 152


def documents() -> list[Path]:
    """Every page that people read."""
    pages = [README]
    for room in ROOMS:
        pages += sorted((ROOT / room).rglob("*.md"))
    return pages


def links(page: Path) -> Iterator[str]:
    for target in LINK.findall(page.read_text()):
        if not target.startswith(("http:", "https:", "mailto:")):
            yield target


def anchors(page: Path) -> set[str]:
    """The names of the parts of a page: its headings, as readers of Markdown make names of them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def leads_somewhere(page: Path, target: str) -> bool:
    name, _, part = target.partition("#")
    there = page.parent / name if name else page
    return there.exists() and (not part or part in anchors(there))


def broken(page: Path) -> list[str]:
    return [target for target in links(page) if not leads_somewhere(page, target)]


@pytest.mark.parametrize("page", documents(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_a_file(page: Path) -> None:
    assert broken(page) == []


def test_a_link_that_leads_nowhere_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A Part, and more\n[a](page.md#a-part-and-more) [b](nowhere.md) [c](#no-part)"
        " [d](https://elsewhere.example)"
    )
    assert broken(page) == ["nowhere.md", "#no-part"]


def commands_of_rules() -> list[str]:
    """The commands in the table of the hub guide that says who may when, in its order."""
    part = (ROOT / "docs" / "hub.md").read_text().split("\n## Who may when\n")[1].split("\n## ")[0]
    rows = [row for row in part.splitlines() if row.startswith("| ") and "`" in row]
    return [command for row in rows[1:] for command in re.findall(r"`([^`]+)`", row.split("|")[2])]


def test_each_rule_of_the_hub_guide_can_be_typed(tmp_path: Path) -> None:
    """One row after the other, on a site of its own: as a person would do who follows the page."""
    at = ["--at", str(tmp_path / "acme")]
    init = ["init", "--site", "acme", "--hub", "hub-a", "--access-point", "10"]
    for words in [init, *map(shlex.split, commands_of_rules())]:
        result = CliRunner().invoke(main, ["site", *at, *words])
        assert result.exit_code == 0, (words, result.output)
    assert len(commands_of_rules()) >= 15


def test_the_readme_is_one_page() -> None:
    assert len(README.read_text().splitlines()) <= README_LINES_MAX


def messages() -> list[str]:
    """What the README says that a person may read when something is wrong."""
    section = README.read_text().split("## When something is wrong")[1].split("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


def sources() -> Iterator[str]:
    """What may say something to a person."""
    yield (ROOT / ".ci" / "pip").read_text()
    for room in ("hubcore/checks", "hubd", "hubctl", "drivers"):
        for file in (ROOT / room).rglob("*.py"):
            yield file.read_text()


def test_each_message_of_the_readme_is_one_that_somebody_says() -> None:
    said = "\n".join(sources())
    assert len(messages()) >= 8
    assert [message for message in messages() if message not in said] == []


def test_the_figures_of_the_readme_are_those_that_were_measured() -> None:
    section = README.read_text().split("## Figures")[1].split("\n## ")[0]
    desk = from_json(json.loads((ROOT / "benchmarks" / "latest.json").read_text()))
    lab = from_json(json.loads((ROOT / "benchmarks" / "latest-lab.json").read_text()))
    measured = {figure.key: figure.value for figure in (*desk.figures, *lab.figures)}
    assert (
        f"{measured['trips_warm']:.0f} round trip and {measured['bytes_short']:.0f} bytes"
        in section
    )
    assert f"{measured['trips_cold']:.0f} and {measured['bytes_cold']:,.0f}" in section
    assert f"takes {measured['memory_hub']:.0f} MB" in section
    ratio = f"{measured['lab_strike_short_info']:.3g}"
    assert f"{ratio} times" in section


def test_each_decision_has_a_number_a_date_and_a_row_in_the_index() -> None:
    pages = sorted(page for page in DECISIONS.glob("*.md") if page.name != "README.md")
    index = (DECISIONS / "README.md").read_text()
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        title = page.read_text().splitlines()[0].removeprefix("# ")
        assert re.search(r"^\d{4}-\d\d-\d\d · ", page.read_text(), re.MULTILINE), page.name
        row = re.compile(
            rf"^\| \[{page.name[:4]}\]\({re.escape(page.name)}\) "
            rf"\| {re.escape(title)} \| [\d-]+ \|$",
            re.MULTILINE,
        )
        assert row.search(index), page.name


@pytest.mark.parametrize("name", ["latest.json", "latest-lab.json", "latest-offline.json"])
def test_the_figures_are_those_of_the_files(name: str) -> None:
    shown = (ROOT / "benchmarks" / "README.md").read_text()
    table = from_json(json.loads((ROOT / "benchmarks" / name).read_text()))
    assert f"| {' | '.join(COLUMNS)} |" in shown
    for figure in table.figures:
        assert f"| {' | '.join(cells(figure))} |" in shown


def test_the_picture_shows_the_steps_of_the_demo() -> None:
    words = ElementTree.fromstring((ROOT / "docs" / "pictures" / "demo.svg").read_text()).itertext()  # noqa: S314
    shown = "".join(words).replace("\xa0", " ")
    simulator = ROOT / "hardware-sim" / "hubsim"
    acts = [*(simulator / "demo").glob("*.py"), simulator / "bridge" / "secondact.py"]
    steps = [
        node.args[0].value
        for act in acts
        for node in ast.walk(ast.parse(act.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "done"
        and isinstance(node.args[0], ast.Constant)
    ]
    assert len(steps) >= 8
    assert [step for step in steps if step not in shown] == []


def test_the_house_is_drawn_as_it_is() -> None:
    text = (ROOT / "docs" / "start-here.md").read_text(encoding="utf-8")
    files = set(
        re.findall(
            r"(?<![\w/])(?:hubcore|hubd|hubctl|hubterm|drivers|hardware-sim)/[\w/]+\.py", text
        )
    )
    assert len(files) >= 15
    assert sorted(name for name in files if not (ROOT / name).is_file()) == []
    rooms = set(
        re.findall(
            r"^\| `((?:hubcore|hubd|hubctl|hubterm|drivers|hardware-sim)/[\w/]*)`", text, re.M
        )
    )
    assert sorted(name for name in rooms if not (ROOT / name).is_dir()) == []
    subjects = {
        folder.name for folder in (ROOT / "hubcore").iterdir() if (folder / "__init__.py").is_file()
    }
    assert {f"hubcore/{name}/" for name in subjects} <= rooms
