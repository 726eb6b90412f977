"""Every command of hubctl: its words, where it is, and what it does in one line.

Laws:
1. `NOUN [NAME] [VERB]`: a command without a verb only looks.
2. A word in capitals stands for a name that is typed. A verb comes before a name in the choice of
   the row.
3. A command is loaded when it is typed.
4. `quick` names the function of `hubctl.shell.looks` that shows a command without click.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import click

LOOK = "Look"
ACT = "Act (group hubd-admin, or root)"
CARE = "Care"
SECTIONS = (LOOK, ACT, CARE)


class Row(NamedTuple):
    """One command; `place` is `module:attribute`. A hidden one is an older spelling."""

    words: str
    place: str
    says: str
    section: str
    hidden: bool = False
    quick: str = ""

    @property
    def noun(self) -> str:
        return self.words.split()[0]

    def load(self) -> click.Command:
        module, _, attribute = self.place.partition(":")
        command: click.Command = getattr(
            importlib.import_module(f"hubctl.commands.{module}"), attribute
        )
        return command


TABLE = (
    Row(
        "status",
        "look.status:status",
        "How the hub is: what is wrong, and what to do.",
        LOOK,
        quick="status",
    ),
    Row("why", "look.why:why", "Who was refused last, why, and what would change it.", LOOK),
    Row(
        "doors",
        "look.doors:doors",
        "The doors, their modes and the ways through them.",
        LOOK,
        quick="doors",
    ),
    Row("door NAME", "doors.look:door", "One door: who holds it, its ways, who came last.", LOOK),
    Row(
        "door NAME test",
        "doors.look:test",
        "What a release would do now. Drives nothing.",
        LOOK,
    ),
    Row(
        "devices",
        "look.devices:devices",
        "The devices, and how each stands.",
        LOOK,
        quick="devices",
    ),
    Row("osdp", "look.osdp:osdp", "The card readers: channel, key, what is wrong.", LOOK),
    Row("reader NAME", "look.osdp:reader", "One card reader.", LOOK),
    Row("zwave", "look.zwave:zwave", "The Z-Wave network: stick, service, nodes.", LOOK),
    Row("hub", "look.hub:hub", "Who this hub is, and when its certificate ends.", LOOK),
    Row("uplink", "look.uplink:uplink", "The way to the backend, and why it fails.", LOOK),
    Row("bridge", "look.bridge:bridge", "The way over a bridge of the site, and why not.", LOOK),
    Row("clock", "look.clock:clock", "Whether the clock can be trusted, and why.", LOOK),
    Row("policy", "look.policy:policy", "Which policy is in force, and how old it is.", LOOK),
    Row("ble", "live.ble:ble", "The radio: on air or not, and who is connected.", LOOK),
    Row("trace", "live.trace:trace", "The last unlocks step by step, with times.", LOOK),
    Row("policy why", "doors.would:would", "Would a credential open a door? Why not?", LOOK),
    Row("keys", "keys.showing:keys", "Which keys this hub has, and until when.", LOOK),
    Row("metrics", "look.metrics:metrics", "Numbers for Prometheus.", LOOK),
    Row("top", "live.top:top", "The hub on a screen that lives.", LOOK),
    Row("tail", "live.tail:tail", "Events as they happen.", LOOK),
    Row("doctor", "care.doctor:doctor", "Every check, with what to do. Works without hubd.", CARE),
    Row(
        "netcheck",
        "care.netcheck:netcheck",
        "Each step to backend and bridges. Works without hubd.",
        CARE,
    ),
    Row("config check", "care.config:check", "Check configuration, keys and machine.", CARE),
    Row("config show", "care.config:show", "The configuration in force, with defaults.", CARE),
    Row("audit list", "audit.listing:list_records", "The newest records, or of a time.", CARE),
    Row("audit show", "audit.showing:show", "One record, decoded, and its place.", CARE),
    Row("audit export", "audit.exporting:export", "A file of records that proves itself.", CARE),
    Row("audit verify", "audit.verifying:verify", "Check every record of the evidence.", CARE),
    Row("update", "care.update:update", "Which version runs, and what comes next.", CARE),
    Row("report", "care.report:report", "Figures of the last days, also as a page.", CARE),
    Row("bench", "care.bench:bench", "How fast this hub is, and whether that will do.", CARE),
    Row("bugreport", "care.bugreport:bugreport", "A file for whoever is to help.", CARE),
    Row("door NAME release", "doors.act:release", "Open a door once.", ACT),
    Row("door NAME lockdown", "doors.act:lockdown", "Let nobody in by a door.", ACT),
    Row("door NAME normal", "doors.act:normal", "End that.", ACT),
    Row("clock trust", "act.clock:trust", "Say that the clock is right now.", ACT),
    Row("state accept", "act.state:accept", "Say that policy and log are right as they are.", ACT),
    Row("policy load", "act.policy:load", "Load the policy that lies on a stick.", ACT),
    Row("passback reset", "act.passback:reset", "Forget where everybody is.", ACT),
    Row("passback CREDENTIAL reset", "act.passback:reset_one", "Forget where one is.", ACT),
    Row("keys rotate", "keys.rotating:rotate", "Change a key, and wait until it is done.", ACT),
    Row("reader NAME install", "act.reader:install", "Give a new reader its key.", ACT),
    Row("reader NAME change-key", "act.reader:change_key", "Give a reader its next key.", ACT),
    Row("zwave include", "act.zwave:include", "Take a device into the Z-Wave network.", ACT),
    Row("zwave exclude", "act.zwave:exclude", "Take a device out of a Z-Wave network.", ACT),
    Row("zwave NODE ping", "act.zwave:ping", "Ask whether a node answers.", ACT),
    Row("zwave NODE heal", "act.zwave:heal", "Have a node look for its ways again.", ACT),
    Row("zwave NODE remove-failed", "act.zwave:remove_failed", "Forget a dead node.", ACT),
    Row("update check", "care.update:check", "Look for an update now.", ACT),
    Row("update hold", "care.update:hold", "Take no update until that is ended.", ACT),
    Row("update rollback", "care.update:rollback", "Let the version before come back.", ACT),
    Row("update DIGEST let-out", "care.update:let_out", "Let a failed image be tried again.", ACT),
    Row("update cache", "care.cache:cache", "Whether a site's cache of updates is fresh.", CARE),
    Row("enroll", "act.enroll:enroll", "Make this machine a hub, by a token.", ACT),
    Row("update status", "care.update:update", "The same as: update", CARE, True),
    Row("keys show", "keys.showing:keys", "The same as: keys", LOOK, True),
    Row("policy show", "look.policy:policy", "Older spelling of: policy", LOOK, True),
    Row("trust-clock", "act.clock:trust", "Older spelling of: clock trust", ACT, True),
    Row("accept-state", "act.state:accept", "Older spelling of: state accept", ACT, True),
    Row("passback-reset", "act.passback:reset_old", "Older: passback reset", ACT, True),
    Row("reader install", "act.reader:install", "Older: reader NAME install", ACT, True),
    Row("reader change-key", "act.reader:change_key", "Older: reader NAME change-key", ACT, True),
)


class Found(NamedTuple):
    """A row, and the words after it, names first."""

    row: Row
    rest: list[str]


_VALUED = ("--socket", "--file", "--timeout", "-o", "--output", "--hub", "--point")
"""Shared options whose value is the next word."""


def find(words: Sequence[str], table: Sequence[Row] = TABLE) -> Found | None:
    """Return the row that was typed; None when there is none."""
    if not words:
        return None
    standing = places(words)
    best: tuple[tuple[int, int], Row] | None = None
    for row in table:
        literals = _fit(row.words.split(), [words[at] for at in standing])
        rank = (literals, -len(row.words.split()))
        if literals and (best is None or rank > best[0]):
            best = (rank, row)
    if best is None:
        return None
    row = best[1]
    tokens = row.words.split()
    taken = standing[: len(tokens)]
    names = [words[at] for at, token in zip(taken, tokens, strict=True) if token.isupper()]
    rest = [word for at, word in enumerate(words) if at not in taken]
    return Found(row, [*names, *rest])


def places(words: Sequence[str]) -> list[int]:
    """Return where the words are that are no options, up to `--`."""
    found = []
    is_value = False
    for at, word in enumerate(words):
        if word == "--":
            break
        if is_value:
            is_value = False
        elif word.startswith("-") and word != "-":
            is_value = word in _VALUED
        else:
            found.append(at)
    return found


def _fit(tokens: Sequence[str], words: Sequence[str]) -> int:
    """Return how many words are literally those of the row; 0 when they do not fit."""
    if len(words) < len(tokens):
        return 0
    literals = 0
    for token, word in zip(tokens, words, strict=False):
        if token == word:
            literals += 1
        elif not token.isupper():
            return 0
    return literals


def rows_of(noun: str, table: Sequence[Row] = TABLE) -> list[Row]:
    """Return the rows of a noun that are shown."""
    return [row for row in table if row.noun == noun and not row.hidden]


def nearest(typed: str, table: Sequence[Row] = TABLE) -> str | None:
    """Return the command that was probably meant."""
    return near(typed, {row.noun for row in table if not row.hidden})


def nearest_verb(row: Row, rest: Sequence[str], table: Sequence[Row] = TABLE) -> str | None:
    """Return the verb of the noun that the first word after a command was probably meant as."""
    verbs = {one.words.split()[-1] for one in rows_of(row.noun, table)} - set(row.words.split())
    words = [rest[at] for at in places(rest)]
    return near(words[0], verbs) if words else None


def near(typed: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like the one that was typed; None when none is."""
    from difflib import get_close_matches

    found = get_close_matches(typed, sorted(known), 1)
    return found[0] if found else None
