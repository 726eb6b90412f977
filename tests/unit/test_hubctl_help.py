"""Who knows nothing gets on with `--help`: each command has examples, and each of them is right."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from hubctl.main import hubctl
from hubctl.options import with_shared
from hubctl.shell.examples import OF_COMMAND, QUESTIONS
from hubctl.shell.fields import without_output
from hubctl.table import TABLE, find
from hubd.enrolment.__main__ import enroll
from hubd.netcheck.__main__ import netcheck
from hubterm import deadline

SHOWN = [row for row in TABLE if not row.hidden]
PROGRAMS = {"enroll": enroll, "netcheck": netcheck}
"""Commands that give way to a program of hubd, which has its own help."""


def command_of(words: str) -> click.Command:
    if words in PROGRAMS:
        return PROGRAMS[words]
    (row,) = [row for row in SHOWN if row.words == words]
    return with_shared(row.load())


def help_of(words: str) -> str:
    if words in PROGRAMS:
        result = CliRunner().invoke(PROGRAMS[words], ["--help"])
    else:
        result = CliRunner().invoke(hubctl, [*words.split(), "--help"])
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def examples_in(text: str) -> Iterator[str]:
    """Yield what is typed in the part "Examples" of a help text."""
    _, _, part = text.partition("Examples:\n")
    for line in part.partition("\n\n")[0].splitlines():
        yield re.split(r"\s{2,}", line.strip())[0]


def refusal_of(words: str, typed: str) -> str:
    """Return why an example cannot be typed; "" when it can."""
    first, *rest = shlex.split(typed.removeprefix("sudo "))
    found = find(rest)
    if first != "hubctl" or found is None or found.row.words != words:
        return f"{typed} is another command"
    command = command_of(words)
    try:
        command.make_context(words, without_output(found.rest).rest).close()
    except click.UsageError as error:
        return f"{typed}: {error.format_message()}"
    finally:
        deadline.end()
    return ""


@pytest.mark.parametrize("words", [row.words for row in SHOWN])
def test_each_command_has_examples_that_can_be_typed(words: str) -> None:
    examples = list(examples_in(help_of(words)))
    assert examples, f"hubctl {words} is new: add an example to hubctl/shell/examples.py"
    assert [refused for one in examples if (refused := refusal_of(words, one))] == []


def test_an_example_that_cannot_be_typed_is_noticed() -> None:
    assert refusal_of("doors", "hubctl devices")
    assert refusal_of("doors", "hubctl doors front")
    assert refusal_of("doors", "hubctl doors --colour")
    assert refusal_of("audit list", "hubctl audit list --last many")
    assert not refusal_of("doors", "sudo hubctl doors -o id,state")


def test_no_example_is_of_a_command_that_has_gone() -> None:
    assert set(OF_COMMAND) | set(PROGRAMS) == {row.words for row in SHOWN}
    assert not set(OF_COMMAND) & set(PROGRAMS)


def test_the_first_page_names_the_command_for_each_question() -> None:
    shown = CliRunner().invoke(hubctl, []).stdout
    for question in QUESTIONS:
        assert question.typed in shown
        assert question.says in shown
        rest = shlex.split(question.typed.removeprefix("sudo "))[1:]
        found = find(rest)
        assert found is not None
        assert found.row.section == "Look" or found.row.words == "doctor"


def test_one_command_says_which_node_is_dead() -> None:
    answers = [one.typed for one in QUESTIONS if one.says == "which Z-Wave node is dead?"]
    assert answers == ["hubctl zwave"]


@pytest.mark.parametrize(
    ("typed", "same_as"),
    [
        (["help"], ["--help"]),
        (["help", "why"], ["why", "--help"]),
        (["help", "clock", "trust"], ["clock", "trust", "--help"]),
        (["help", "audit"], ["audit", "--help"]),
        (["help", "status", "--json"], ["status", "--help"]),
        (["audit", "help"], ["audit", "--help"]),
        (["doors", "help"], ["doors", "--help"]),
        (["clock", "trust", "help"], ["clock", "trust", "--help"]),
    ],
)
def test_help_is_a_word_too(typed: list[str], same_as: list[str]) -> None:
    said = CliRunner().invoke(hubctl, typed, prog_name="hubctl")
    expected = CliRunner().invoke(hubctl, same_as, prog_name="hubctl")
    assert said.exit_code == 0
    assert said.stdout == expected.stdout
    assert "Usage: hubctl" in said.stdout or "Commands:" in said.stdout


def test_help_for_what_is_no_command_says_so() -> None:
    said = CliRunner().invoke(hubctl, ["help", "stauts"], prog_name="hubctl")
    assert (said.exit_code, said.stdout) == (64, "")
    assert "Did you mean 'status'?" in said.stderr


def test_a_look_names_the_verbs_of_its_noun() -> None:
    assert "hubctl clock trust" in help_of("clock")
    assert "hubctl audit verify" in help_of("audit list")
