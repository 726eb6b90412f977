"""An engine's file of an earlier version gets the rights of this one, and nothing else changes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.errors import ConfigError, StoreError
from hubgateway.engine.rights import ORDERS, RIGHTS, Who, covers, missing
from hubsite.__main__ import hubsite
from hubsite.setup import places
from hubsite.setup.accounts import PROGRAMS, bring_rights, engine_text
from hubsite.setup.units import is_older, moment_of
from tests.site.machine import Machine

pytestmark = pytest.mark.once
_FILES = Path(__file__).parents[1] / "engines" / "earlier"
EARLIER = {one.stem: one.read_text() for one in _FILES.glob("*.conf")}
"""Files of the engine as versions before this one have written them, with words for the keys."""
KEYS = {who: f"KEY-OF-{who.name}" for who in Who}
NOW = engine_text(KEYS, 4222, 8222)
HEALTH = {
    "hubgateway may publish `$KV.hub_health.>`",
    "hubissuer may publish `$KV.hub_health.>`",
    "hubsite may publish `$JS.API.STREAM.MSG.GET.KV_hub_health`",
}
POLICY = "hubsite may publish `$JS.API.STREAM.MSG.GET.KV_hub_policy`"
PURGE = "hubsite may publish `$JS.API.STREAM.PURGE.KV_hub_policy`"
LACKED = {
    "first": {POLICY, PURGE, *HEALTH},
    "restored": {PURGE, *HEALTH},
    "orders": {PURGE, *HEALTH},
    "health": {PURGE},
}


def rights(text: str) -> dict[str, tuple[set[str], set[str]]]:
    """What each account may by a file, read apart from the code that changes it."""
    found = {}
    for part in re.sub(r"#.*", "", text).split("nkey: ")[1:]:
        lists = re.findall(r"(?:publish|subscribe): \[(.*?)\]", part, re.DOTALL)
        publish, subscribe = (set(re.findall(r'"([^"]+)"', one)) for one in lists)
        found[part.split("\n")[0].strip()] = (publish, subscribe)
    return found


def came(before: str, now: str) -> list[str]:
    """The lines that came; none may have gone, and none may have moved."""
    rest = iter(before.splitlines())
    wanted = next(rest, None)
    new = []
    for line in now.splitlines():
        if line == wanted:
            wanted = next(rest, None)
        else:
            new.append(line.strip())
    assert wanted is None
    return new


@pytest.mark.parametrize("version", sorted(LACKED))
def test_a_file_of_each_version_gets_what_this_one_needs(version: str) -> None:
    before = EARLIER[version]
    brought = bring_rights(before, KEYS)
    assert set(brought.added) == LACKED[version]
    assert brought.left == ()
    wanted = rights(NOW)
    if ORDERS in rights(before)[KEYS[Who.SERVER]][0]:
        wanted[KEYS[Who.SERVER]][0].add(ORDERS)
    assert rights(brought.text) == wanted
    assert len(came(before, brought.text)) == len(LACKED[version])
    assert bring_rights(brought.text, KEYS) == type(brought)(brought.text, (), ())


def test_there_is_a_file_of_each_earlier_form() -> None:
    assert EARLIER.keys() == LACKED.keys()


def test_a_file_of_now_lacks_nothing() -> None:
    assert bring_rights(NOW, KEYS).text == NOW
    assert bring_rights(NOW, KEYS).added == ()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_of_it_is_gone_comes_back_and_what_a_person_wrote_stays(
    data: st.DataObject,
) -> None:
    """accounts, laws 2 and 3: over drawn files."""
    text = NOW
    mine = ('"mine.>"', '# mine, with a ] and a "', '"$KV.hub_keys.*"')
    gone = data.draw(st.sets(st.sampled_from(re.findall(r'^ +"[^"]+"$', NOW, re.MULTILINE))))
    for line in gone:
        other = data.draw(st.sampled_from(["", *mine]))
        text = text.replace(f"{line}\n", f"                    {other}\n" if other else "")
    brought = bring_rights(text, KEYS)
    assert len(came(text, brought.text)) == len(brought.added)
    assert brought.left == ()
    now = rights(brought.text)
    for who in PROGRAMS:
        for has, wanted in zip(
            now[KEYS[who]], (RIGHTS[who].publish, RIGHTS[who].subscribe), strict=True
        ):
            assert all(any(covers(one, subject) for one in has) for subject in wanted)
    assert bring_rights(brought.text, KEYS).added == ()


def test_what_covers_a_right_is_enough() -> None:
    health = '"$KV.hub_health.>"'
    text = NOW.replace(health, '"$KV.>"')
    assert bring_rights(text, KEYS).text == text


@pytest.mark.parametrize(
    ("wider", "subject", "is_so"),
    [
        (">", "a.b", True),
        ("a.>", "a.>", True),
        ("a.>", "a", False),
        ("a.*", "a.b", True),
        ("a.*", "a.>", False),
        ("a.*", "a.b.c", False),
        ("a.b", "a.*", False),
        ("*.b", "a.b", True),
        ("a.b.c", "a.b", False),
    ],
)
def test_wildcards_are_the_engines(wider: str, subject: str, is_so: bool) -> None:
    assert covers(wider, subject) is is_so


def test_what_somebody_made_a_comment_stays_out_and_is_told() -> None:
    text = NOW.replace('"hub.present"\n', '# "hub.present" not here\n', 1)
    brought = bring_rights(text, KEYS)
    assert brought.text == text
    assert brought.left == (
        "hubgateway needs `hub.present` under `publish`, and it is a comment there",
    )


FOREIGN = {
    "another form": ("permissions {", "permissions: {"),
    "what is denied": ("subscribe: [\n", 'deny: ["x"]\n subscribe: [\n'),
    "another comment": ('"hub.present"', '"hub.present" // mine'),
    "a name": ("nkey: ", "user: x, nkey: "),
}


@pytest.mark.parametrize("form", FOREIGN)
def test_an_account_of_another_form_is_left_and_what_it_lacks_is_named(form: str) -> None:
    old, new = FOREIGN[form]
    head, key, tail = NOW.partition(f"nkey: {KEYS[Who.GATEWAY]}")
    mine = f"{head}{(key + tail).replace(old, new, 1)}"
    assert mine != NOW
    assert bring_rights(mine, KEYS) == type(bring_rights(NOW, KEYS))(mine, (), ())
    lacks = mine.replace('"$KV.hub_health.>"\n', "\n", 1)
    brought = bring_rights(lacks, KEYS)
    assert brought.text == lacks
    assert brought.left == (
        "the account of hubgateway is not as setup makes it, and lacks `$KV.hub_health.>` "
        "under `publish`",
    )


ENGINE = str(Path(sysconfig.get_path("scripts")) / "nats-server")


def test_the_engine_reads_what_was_brought(tmp_path: Path) -> None:
    """Also into lists of one line, and into an empty one."""
    text = EARLIER["first"].replace(f"nkey: {KEYS[Who.PERSON]}", "user: person, password: p")
    text = re.sub(r"subscribe: \[\s*([^\]]*?)\s*\]", r"subscribe: [\1]", text)
    text = text.replace('subscribe: ["_INBOX.>"]', "subscribe: []", 1)
    text = bring_rights(text, KEYS).text
    for number, who in enumerate(PROGRAMS):
        text = text.replace(f"nkey: {KEYS[who]}", f"user: u{number}, password: p")
    file = tmp_path / "nats.conf"
    file.write_text(text)
    subprocess.run([ENGINE, "-t", "-c", file], check=True, capture_output=True, timeout=30)


@pytest.fixture
def machine() -> Iterator[Machine]:
    root = Path(tempfile.mkdtemp(prefix="rig"))
    yield Machine(root)
    shutil.rmtree(root)


def test_typed_again_setup_brings_an_older_site_up_and_says_each_line(machine: Machine) -> None:
    words = machine.setup_words("--trial")
    assert CliRunner().invoke(hubsite, words, catch_exceptions=False).exit_code == 0
    file = machine.at(places.ENGINE_FILE)
    whole = file.read_text()
    of_before = re.sub(r'\n +"[^"]*hub_health[^"]*"', "", whole).replace(
        "listen:", "# mine\nlisten:"
    )
    file.write_text(of_before)
    file.chmod(0o640)
    typed = ["setup", "--root", str(machine.root)]
    said = CliRunner().invoke(hubsite, typed, catch_exceptions=False).output
    assert f"changed: {places.ENGINE_FILE}" in said
    for line in HEALTH:
        assert f"{file}: {line} now, which this version needs" in said
    assert len(came(of_before, file.read_text())) == 3
    assert file.stat().st_mode & 0o777 == 0o640
    again = CliRunner().invoke(hubsite, typed, catch_exceptions=False).output
    assert "changed" not in again


def test_without_an_operator_no_site_is_begun(machine: Machine) -> None:
    words = [one for one in machine.setup_words("--trial") if one not in ("--operator", "olga")]
    with pytest.raises(ConfigError, match="--operator is wanted"):
        CliRunner().invoke(hubsite, words, catch_exceptions=False)
    assert not machine.at("etc").exists()


def test_an_engine_that_began_before_its_file_was_changed_is_known(tmp_path: Path) -> None:
    """units, law 4"""
    file = tmp_path / "nats.conf"
    file.write_text("x")
    moment = moment_of("Mon 2026-11-30 15:40:59.500000 UTC\n")
    for seconds, older in ((-1.0, False), (-0.001, False), (0.001, True), (1.0, True)):
        os.utime(file, (moment + seconds, moment + seconds))
        assert is_older(moment, file) is older
    assert not is_older(moment_of("\n"), file)
    with pytest.raises(StoreError):
        is_older(moment, tmp_path / "none")


def test_a_refusal_of_the_engine_is_told_with_its_line() -> None:
    said = 'nats: permissions violation for publish to "$js.api.stream.msg.get.kv_hub_health"'
    text = missing(said, Who.SERVER)
    assert "hubsite at the engine lacks `$JS.API.STREAM.MSG.GET.KV_hub_health`" in text
    assert "`hubsite setup`, typed again" in text
    orders = missing('Permissions Violation for Publish to "hub.commands.front-1"', Who.SERVER)
    assert "lacks `hub.commands.*` under `publish`: `hubsite setup --orders shuts`" in orders
    hears = missing('permissions violation for subscription to "hub.lives.*"', Who.GATEWAY)
    assert "hubgateway at the engine lacks `hub.lives.*` under `subscribe`" in hears
    assert missing("nats: timeout", Who.GATEWAY) == ""
    assert "`x.y`" in missing('permissions violation for publish to "x.y"', Who.ISSUER)
