"""The table of checks: whole, raised, told with every field, and with remedies that can be
typed.
"""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hubcore.checks import (
    CHECK_OF_PART,
    CHECKS,
    SUBJECTS,
    CheckId,
    Severity,
    Topic,
    certificate_problem,
    problem,
    tls_problem,
)
from hubctl.table import find
from hubd.wiring.look.finding import KIND_OF_CLASS, FindingKind, found
from hubsim.main import main as hubsim

ROOT = Path(__file__).parents[2]
RAISES = ("problem", "found")
"""The two functions that take a check and its fields."""
ON_DEBIAN = {
    "apt": "apt",
    "apt-get": "apt",
    "bluetoothctl": "bluez",
    "chmod": "coreutils",
    "chown": "coreutils",
    "dmesg": "util-linux",
    "df": "coreutils",
    "du": "coreutils",
    "fuser": "psmisc",
    "gpiodetect": "gpiod",
    "gpioinfo": "gpiod",
    "hwclock": "util-linux-extra",
    "install": "coreutils",
    "ss": "iproute2",
    "ufw": "ufw",
    "journalctl": "systemd",
    "ls": "coreutils",
    "make": "make",
    "mv": "coreutils",
    "rfkill": "rfkill",
    "rm": "coreutils",
    "systemctl": "systemd",
    "systemd-creds": "systemd",
    "timedatectl": "systemd",
}
"""The commands that remedies may name, and the package that brings each; /opt/hubd/bin/hubd is the
project's own.
"""
COMMAND = re.compile(
    r"(?:sudo |\b(?:[Tt]ype|[Ss]ee|then|purpose|hand): )(?!sudo |hubsim |hubctl )([a-z/][\w/-]*)"
)


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def _is_rows(node: ast.stmt) -> bool:
    """Whether a statement is the rows of one file of the table."""
    return (
        isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id == "ROWS"
    )


def trees() -> Iterator[ast.stmt]:
    """All statements at the top of the files of hubd and of the table, without the rows: what names
    a check there, raises it.
    """
    for room in ("hubcore/checks", "hubd"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if not _is_rows(node):
                    yield node


def named(tree: ast.AST) -> set[str]:
    """The checks that a tree names, CheckId.NAME."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "CheckId"
    }


def test_every_check_has_a_row_and_every_topic_a_check() -> None:
    assert set(CHECKS) == set(CheckId)
    assert {check.topic for check in CHECKS.values()} == set(Topic)


def test_the_files_of_the_table_share_no_check_and_no_topic() -> None:  # checks, law 5
    assert sum(len(rows) for rows in SUBJECTS) == len(CHECKS)
    topics = [{row.topic for row in rows.values()} for rows in SUBJECTS]
    assert sum(len(of_file) for of_file in topics) == len(Topic)
    files = {path.stem for path in (ROOT / "hubcore/checks").glob("*.py")}
    assert len(files - {"__init__", "words"}) == len(SUBJECTS)


@pytest.mark.parametrize("check", CheckId)
def test_every_row_has_a_cause_and_a_remedy(check: CheckId) -> None:
    row = CHECKS[check]
    assert row.cause.strip()
    assert row.remedy.strip()
    assert row.remedy == row.remedy.strip()
    if row.cause.endswith("."):
        assert row.remedy.endswith("."), "two sentences"
        assert row.remedy[0].isupper()


def test_every_check_is_raised_somewhere() -> None:
    raised = set[str]()
    for tree in trees():
        raised |= named(tree)
    assert sorted({check.name for check in CheckId} - raised) == []


def raisings() -> Iterator[tuple[str, set[str]]]:
    """Every call that names a check and fills its fields in, as (check, names of the fields)."""
    for tree in trees():
        for node in ast.walk(tree):
            match node:
                case ast.Call(
                    func=ast.Name(id=name),
                    args=[ast.Attribute(value=ast.Name(id="CheckId"), attr=check), *_],
                ) if name in RAISES:
                    yield check, {keyword.arg for keyword in node.keywords if keyword.arg}


def test_a_check_that_is_raised_by_its_name_gets_every_field_and_no_other() -> None:
    calls = list(raisings())
    assert len(calls) >= 20
    for check, given in calls:
        row = CHECKS[CheckId[check]]
        assert given == fields(row.cause) | fields(row.remedy), check


def test_what_stands_while_a_part_is_down_has_its_name_and_asks_for_why_alone() -> None:
    for part, check in CHECK_OF_PART.items():
        assert CHECKS[check].topic == part
        assert fields(CHECKS[check].cause) == {"why"}
        assert fields(CHECKS[check].remedy) == set()


def remedies(pattern: re.Pattern[str]) -> Iterator[tuple[CheckId, str]]:
    for check, row in CHECKS.items():
        yield from ((check, found) for found in pattern.findall(row.remedy))


def test_commands_of_remedies_exist_on_debian_or_are_ours() -> None:
    named = {command for _, command in remedies(COMMAND)}
    assert {"systemctl", "timedatectl", "journalctl"} <= named
    assert sorted(named - set(ON_DEBIAN) - {"/opt/hubd/bin/hubd"}) == []


def commands(command: click.Command, words: str) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield words
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from commands(inner, f"{words} {name}")


def test_commands_of_hubctl_and_hubsim_in_remedies_exist() -> None:
    text = (ROOT / "docs" / "hubctl.md").read_text(encoding="utf-8")
    asked = {found for _, found in remedies(re.compile(r"hubctl ([A-Za-z]+(?: [A-Za-z-]+)*)"))}
    assert asked
    rows = {words: find(words.split()) for words in asked}
    assert [words for words, found in rows.items() if found is None or found.row.hidden] == []
    shown = [f"| `hubctl {found.row.words}` |" for found in rows.values() if found is not None]
    assert [row for row in shown if row not in text] == []
    orders = {found for _, found in remedies(re.compile(r"hubsim backend --at SITE ([a-z]+)"))}
    assert orders
    assert {f"hubsim backend {order}" for order in orders} <= set(commands(hubsim, "hubsim"))


def test_a_remedy_with_a_command_that_does_not_exist_is_noticed() -> None:
    assert COMMAND.findall(
        "Type: sudo frobnicate --all; then: mendit x. See: systemctl status bluetooth"
    ) == [
        "frobnicate",
        "mendit",
        "systemctl",
    ]


def test_a_certificate_is_told_alike_by_the_daemon_and_before_a_start() -> None:
    day = 86_400
    assert certificate_problem(0, 100 * day, 10 * day, "/etc/cert") is None
    told = certificate_problem(0, 100 * day, 101 * day, "/etc/cert")
    assert told is not None
    assert told.line.startswith(
        "The hub's certificate ended on 1970-04-11T00:00:00.000Z: phones refuse it. Have the "
    )


def test_a_tls_certificate_is_told_of_before_its_end_and_after_it() -> None:
    day = 86_400
    assert tls_problem(0, 100 * day, 10 * day, "/etc/tls") is None
    for now, begins in (
        (80 * day, "The hub's TLS certificate ends in 20 days"),
        (101 * day, "The hub's TLS certificate ended on 1970-04-11"),
        (-1, "The hub's TLS certificate begins on 1970-01-01"),
    ):
        told = tls_problem(0, 100 * day, now, "/etc/tls")
        assert told is not None
        assert told.line.startswith(begins)
        assert told.severity is Severity.WARNING, "doors still open"


@pytest.mark.parametrize(
    ("check", "fields", "kind", "text"),
    [
        (
            CheckId.BLUETOOTHD_MISSING,
            {},
            FindingKind.UNAVAILABLE,
            "BlueZ is not installed; type: sudo apt install bluez",
        ),
        (
            CheckId.LINE_SHARED,
            {"line": "a", "other": "b", "pin": "c"},
            FindingKind.WRONG,
            "a and b are the same pin, c; give each ",
        ),
        (
            CheckId.RTC_UNREADABLE,
            {"rtc": "rtc0"},
            FindingKind.WARNING,
            "/dev/rtc0 cannot be read; see: sudo hwclock --show",
        ),
        (
            CheckId.DISK_LOW,
            {"folder": "/x", "mebibytes": 20.0},
            FindingKind.WARNING,
            "20.0 MiB are left on the disk of /x. M",
        ),
    ],
)
def test_a_finding_is_a_row_with_its_kind(
    check: CheckId, fields: dict[str, object], kind: FindingKind, text: str
) -> None:
    told = found(check, "about", **fields)
    assert (told.kind, told.about) == (kind, "about")
    assert told.text.startswith(text)


def test_an_error_of_any_class_changes_the_exit_status() -> None:
    assert FindingKind.WARNING not in KIND_OF_CLASS.values()
    assert FindingKind.FACT not in KIND_OF_CLASS.values()


def test_a_problem_has_the_grade_of_its_row() -> None:
    told = problem(CheckId.DISK_SHORT, folder="/x", mebibytes=1.0)
    assert (told.id, told.severity) == (Topic.DISK, Severity.ERROR)
