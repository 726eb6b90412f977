"""docs/hubctl.md says what hubctl does: its commands, exit statuses and ceilings are those of the
code.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest

import hubd.calls
import hubd.takeover.calls
from hubcore.access.words import Action
from hubcore.evidence.facts import SHOWN_CHARS
from hubcore.localapi import ACTORS_GROUP, ROOT_SUFFIX, UPDATES_USER
from hubctl import watch
from hubctl.client import ANSWER_SECONDS, DEFAULT_SOCKET, SILENCE_SECONDS
from hubctl.table import TABLE
from hubd.calls import evidence
from hubd.technician.acts import EACH, WHOLE
from hubd.technician.cardindex import BEGINNING_CHARS
from hubd.technician.decisions import DECISIONS_A_DOOR
from hublocal.calls import TAIL
from hublocal.places import LIMITS
from hublocal.roles import Role
from hublocal.stream import WAITS
from hublocal.tail.telling import BEATS_MISSED_MAX
from hubterm import exits

pytestmark = pytest.mark.once

TEXT = (Path(__file__).parents[2] / "docs" / "hubctl.md").read_text(encoding="utf-8")


def test_every_command_has_a_row_and_no_other_has() -> None:
    rows = {
        words.removesuffix(" --watch")
        for words in re.findall(r"^\| `(hubctl [A-Za-z -]+)` \|", TEXT, re.M)
    }
    shown = {row for row in TABLE if not row.hidden}
    assert rows == {f"hubctl {row.words}" for row in shown}


def test_every_exit_status_has_a_row_and_no_other_has() -> None:
    rows = {int(status) for status in re.findall(r"^\| (\d+) \|", TEXT, re.M)}
    ours = {value for name, value in vars(exits).items() if name.isupper() and type(value) is int}
    assert rows == ours | {128 + 13}


def test_no_two_exit_statuses_are_the_same() -> None:
    ours = [value for name, value in vars(exits).items() if name.isupper() and type(value) is int]
    assert len(ours) == len(set(ours)) == 13
    assert set(exits.STATUS_OF_CODE.values()) <= set(ours) - {exits.OK, exits.NO, exits.FAILED}


def test_every_action_has_its_number() -> None:
    (sentence,) = re.findall(r"^`action` is (.*?)\. ", TEXT, re.M | re.S)
    assert {int(number) for number in re.findall(r"\d+", sentence)} == set(Action)


@pytest.mark.parametrize(
    "sentence",
    [
        f"hubd answers at most {LIMITS.clients} clients at once. {LIMITS.root_places} places "
        "are kept for root, "
        f"one user takes at most {LIMITS.user_places}, and of these {LIMITS.user_tails} by tails.",
        f"Each client is answered {LIMITS.client_per_second:g} times a second, each user "
        f"{LIMITS.user_per_second:g} times",
        f"A user comes {LIMITS.newcomers_per_second:g} times a second, and all users but root "
        "together "
        f"{LIMITS.all_newcomers_per_second:g} times",
        f"Root comes in by a socket of its own, `{DEFAULT_SOCKET}{ROOT_SUFFIX}`",
        f"`hubctl` waits for up to {ANSWER_SECONDS:g} s",
        f"hubd asks each tail every {WAITS.beat:g} s whether it is there",
        f"Each user may act {EACH.burst:g} times at once, then once in {1 / EACH.per_second:g} s; "
        f"all users together {WHOLE.burst:g} times, then once in {1 / WHOLE.per_second:g} s.",
        f"Type the {BEGINNING_CHARS} to {SHOWN_CHARS} characters of a credential",
        f"each user has {evidence.EACH.burst:g} signed at once, then one in "
        f"{1 / evidence.EACH.per_second:g} s, all users together {evidence.WHOLE.burst:g}",
        f"the last {DECISIONS_A_DOOR} decisions since hubd started",
        f"the same on a full screen, every {watch.WATCH_SECONDS:g} s",
    ],
)
def test_numbers_are_those_of_the_code(sentence: str) -> None:
    assert sentence in " ".join(TEXT.split())


def test_a_tail_waits_longer_for_a_beat_than_the_hub_takes() -> None:
    assert BEATS_MISSED_MAX == 3  # "has not answered three times"
    assert 2 * WAITS.beat + WAITS.stall < SILENCE_SECONDS


def test_who_asks_waits_longer_than_the_hub_may_take_to_answer() -> None:
    line_seconds = LIMITS.user_places / LIMITS.user_per_second + 1 / LIMITS.client_per_second
    assert WAITS.handler + line_seconds < ANSWER_SECONDS
    assert WAITS.idle > watch.WATCH_SECONDS


def _modules_of(package: ModuleType) -> list[ModuleType]:
    names = [found.name for found in pkgutil.iter_modules(package.__path__)]
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


def test_each_call_stands_in_the_document_with_who_may_make_it() -> None:
    rows = dict(re.findall(r"^\| (`(?:status|trust-clock|takeover)`.*?) \| (.*?) \|$", TEXT, re.M))
    documented = {name: who for names, who in rows.items() for name in re.findall("`(.+?)`", names)}
    who = {
        Role.LOOK: "who can connect",
        Role.ACT: f"group `{ACTORS_GROUP}`, root",
        Role.RENEW: f"user `{UPDATES_USER}`, group `{ACTORS_GROUP}`, root",
    }
    calls = {TAIL: who[Role.LOOK]}
    for module in (*_modules_of(hubd.calls), hubd.takeover.calls):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            match node:
                case ast.Call(func=ast.Name(id="Call"), args=[ast.Constant(value=name), *_]):
                    roles = [ast.unparse(key.value) for key in node.keywords if key.arg == "role"]
                    (role,) = roles or ["Role.LOOK"]
                    calls[str(name)] = who[Role[role.removeprefix("Role.")]]
    assert len(calls) >= 12
    assert documented == calls
