"""The file of `hubissuer serve`, its unit, and the program as a process."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hubcore.bridge.mandate import issue_mandate
from hubcore.codec.cose import write_key
from hubcore.codec.tls import TlsName, TlsRole, der_of, read_certificate
from hubcore.errors import ConfigError
from hubcore.issuing.limits import A_DAY, HubLimits, Limits
from hubcore.issuing.words import DAY_SECONDS, DocumentKind
from hubcore.policy.policy import Operator, OperatorRight, Policy
from hubgateway.issuer import keys
from hubgateway.issuer.__main__ import hubissuer as command
from hubgateway.issuer.holding import files
from hubgateway.issuer.signing.client import SigningClient, by_socket
from hubgateway.issuer.signing.config import (
    callers_of,
    card_key_of,
    limits_of,
    load_signing,
)
from hubgateway.issuer.signing.serve import open_signing
from hubsim.site.documents import make_key, pem
from hubtls.keys import read_issuer
from tests.unit.issuer.issuingdesk import ISSUER, MANDATE, PHONE, SITE, grant
from tests.unit.issuer.test_signing_log import written as log_of

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "config/signing.toml"
UNIT = ROOT / "systemd/hubissuer.service"
ME = pwd.getpwuid(os.getuid()).pw_name
TOP = f'site = "{SITE}"\nissuer_key = "k"\nfolder = "."\n'
LEAST = f'{TOP}[unix]\nsocket = "s"\ncallers = ["{ME}"]\n'
OPENS = '[[operators]]\nname = "*"\nrights = ["release", "command"]\n'
has_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sig"))
    yield made
    shutil.rmtree(made)


def written(folder: Path, text: str) -> Path:
    file = folder / "signing.toml"
    file.write_text(text)
    return file


def test_what_is_not_written_allows_little(folder: Path) -> None:
    """law 2"""
    file = written(folder, LEAST)
    limits = limits_of(load_signing(file), file, ISSUER.verify_key)
    assert limits == Limits(SITE)
    assert (limits.operators, limits.held_open, limits.mandates) == ({}, frozenset(), ())


def enrolment(folder: Path) -> str:
    """The section with all that it needs, in a folder that has a site's keys."""
    keys.begin(folder / "issuer", SITE, "nats://127.0.0.1:1", int(time.time()) - 60)
    said = (folder / "issuer" / keys.CONFIG).read_text()
    key = re.findall(r'enrolment_key = "[^"]+"', said)[0]
    return (
        f'[enrolment]\nservers = ["nats://127.0.0.1:1"]\n{key}\n'
        f'authority_key = "issuer/{keys.AUTHORITY_KEY}"\n'
        f'tls_authority = "issuer/{keys.AUTHORITY}"\n'
    )


def test_a_section_about_hubs_allows_nothing_that_it_does_not_name(folder: Path) -> None:
    """enrolconfig, the law"""
    file = written(folder, LEAST + enrolment(folder))
    assert limits_of(load_signing(file), file, ISSUER.verify_key).hubs == HubLimits()
    more = (
        "access_points = [10]\nnew_hubs_a_day = 2\nends_a_day = 1\nacts_a_day = 9\nreplace = true\n"
    )
    file.write_text(file.read_text() + more)
    assert limits_of(load_signing(file), file, ISSUER.verify_key).hubs == HubLimits(
        frozenset({10}), 2, 1, 9, True
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("access_points = [0]", "access_points"),
        ("new_hubs_a_day = -1", "new_hubs_a_day"),
        ("hub_days = 0", "hub_days"),
        ("other = 1", "unknown field"),
        ("replicas = 9", "replicas"),
    ],
)
def test_a_wrong_section_about_hubs_refuses_the_start(folder: Path, line: str, said: str) -> None:
    (folder / "k").write_bytes(pem(ISSUER))
    (folder / "k").chmod(0o600)
    file = written(folder, f"{LEAST}{enrolment(folder)}{line}\n")
    with pytest.raises(ConfigError, match=said):
        open_signing(file)


@pytest.mark.parametrize("missing", [keys.AUTHORITY_KEY, keys.AUTHORITY])
def test_without_what_the_section_names_it_does_not_start(folder: Path, missing: str) -> None:
    (folder / "k").write_bytes(pem(ISSUER))
    (folder / "k").chmod(0o600)
    file = written(folder, LEAST + enrolment(folder))
    opened = open_signing(file)
    assert opened.desk is not None
    opened.signer.close()
    (folder / "issuer" / missing).unlink()
    with pytest.raises(ConfigError, match=missing):
        open_signing(file)
    file.write_text(LEAST)
    open_signing(file).signer.close()  # the log was given up


def test_the_sample_of_the_section_about_hubs_is_right(folder: Path) -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    sample = text[text.index("# [enrolment]") :].split("\n\n")[0]
    lines = [line.removeprefix("# ") for line in sample.splitlines()]
    file = written(folder, LEAST + "\n".join(lines))
    section = load_signing(file).enrolment
    assert section is not None
    assert section.limits() == HubLimits(frozenset({10, 11}), new_hubs_a_day=5)


def test_limits_are_those_of_the_file(folder: Path) -> None:
    (folder / "orders.mandate").write_bytes(issue_mandate(MANDATE, ISSUER))
    more = (
        "[limits]\npolicy_version = 40\ngrant_days = 14\ncertificate_days = 90\nheld_open = [2]\n"
        'mandate_days = 30\napart = [9]\nmandates = ["orders.mandate"]\n[limits.a_day]\ngrant = 5\n'
        "revoking_policy = 6\n"
        '[[operators]]\nname = "hubsite"\nrights = ["release", "lock-down"]\naccess_points = [1]\n'
    )
    file = written(folder, LEAST + more)
    assert limits_of(load_signing(file), file, ISSUER.verify_key) == Limits(
        site=SITE,
        policy_version=40,
        grant_seconds=14 * DAY_SECONDS,
        certificate_seconds=90 * DAY_SECONDS,
        mandate_seconds=30 * DAY_SECONDS,
        operators={
            "hubsite": Operator(OperatorRight.RELEASE | OperatorRight.LOCK_DOWN, frozenset({1}))
        },
        held_open=frozenset({2}),
        apart=frozenset({9}),
        mandates=(MANDATE,),
        a_day={**A_DAY, DocumentKind.GRANT: 5},
        revoking_a_day=6,
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "site"),
        (TOP, "nobody can ask"),
        (LEAST + "more = 1\n", "more"),
        (LEAST + "[limits]\ngrant_days = 0\n", "grant_days"),
        (LEAST + "[limits.a_day]\ngrants = 5\n", "grants"),
        (LEAST + '[[operators]]\nname = "a"\nrights = ["all"]\n', "no right"),
        (LEAST + OPENS, "need access_points: those doors alone"),
        (LEAST + OPENS.replace("release", "hold-open"), "need access_points"),
        (
            f"{LEAST}[limits]\napart = [3]\n{OPENS}access_points = [2, 3]\n",
            "access point 3 is apart",
        ),
        (LEAST + 2 * '[[operators]]\nname = "a"\nrights = []\n', "twice"),
    ],
)
def test_what_is_wrong_refuses_the_start(folder: Path, text: str, why: str) -> None:
    """laws 1 and 3"""
    with pytest.raises(ConfigError, match=why):
        load_signing(written(folder, text))


def test_a_mandate_of_another_issuer_or_twice_one_place_is_refused(folder: Path) -> None:
    """law 4"""
    for name, issuer, made in (
        ("a", make_key(), MANDATE),
        ("b", ISSUER, replace(MANDATE, site="other")),
        ("c", ISSUER, MANDATE),
        ("d", ISSUER, replace(MANDATE, version=MANDATE.version + 1)),
    ):
        (folder / name).write_bytes(issue_mandate(made, issuer))
    for named, why in ((["a"], "no mandate"), (["b"], "no mandate"), (["c", "d"], "two are for")):
        file = written(folder, f"{LEAST}[limits]\nmandates = {named}\n".replace("'", '"'))
        with pytest.raises(ConfigError, match=why):
            limits_of(load_signing(file), file, ISSUER.verify_key)


def test_a_caller_that_is_no_user_refuses_the_start(folder: Path) -> None:
    config = load_signing(written(folder, LEAST.replace(ME, "no-such-user")))
    assert config.unix is not None
    with pytest.raises(ConfigError, match="no user 'no-such-user'"):
        callers_of(config.unix)


def test_a_folder_that_is_none_refuses_the_start(folder: Path) -> None:
    (folder / "k").write_bytes(pem(ISSUER))
    (folder / "k").chmod(0o600)
    with pytest.raises(ConfigError, match="no folder"):
        open_signing(written(folder, LEAST.replace('folder = "."', 'folder = "nowhere"')))


def test_the_sample_is_read_and_names_what_the_unit_hands_over() -> None:
    config = load_signing(SAMPLE)
    assert config.unix is not None
    assert config.folder == "/var/lib/hubissuer"
    text = UNIT.read_text(encoding="utf-8")
    handed = set(re.findall(r"^LoadCredential=(\w+):hubissuer\.\1$", text, re.M))
    assert "engine_account" in handed
    assert set(re.findall(r"credential:([a-z_]+)", SAMPLE.read_text(encoding="utf-8"))) <= handed
    assert f"RuntimeDirectory={Path(config.unix.socket).parent.name}\n" in text
    assert f"StateDirectory={Path(config.folder).name}\n" in text
    (user,) = re.findall(r"^User=(.+)$", text, re.M)
    assert f"\nu {user} " in (ROOT / "systemd/hubissuer.sysusers").read_text(encoding="utf-8")


@has_systemd
def test_systemd_understands_each_line_of_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8")
    unit.write_text(re.sub("/opt/hubgateway/bin/[a-z]+", "/bin/true", text))
    argv = ["systemd-analyze", "verify", "--recursive-errors=no", str(unit)]
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert unit.name not in said.stderr, said.stderr


def exposure(unit: Path) -> float:
    argv = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    (level,) = re.findall(r"exposure level for \S+: ([0-9.]+)", said.stdout)
    return float(level)


@has_systemd
def test_the_signer_is_no_more_exposed_than_the_bridge() -> None:
    assert exposure(UNIT) <= exposure(ROOT / "systemd/hubbridge.service")


def hubissuer(*words: str | Path) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


class Running:
    """`hubissuer serve` as a process."""

    def __init__(self, file: Path) -> None:
        argv = [sys.executable, "-m", "hubgateway.issuer", "serve", "--signing", str(file)]
        self.process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        assert "signs at" in self.said, self.said

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.returncode


def begun(folder: Path) -> Path:
    """A site as `hubissuer init` makes it, with its key behind a passphrase; return its folder."""
    made = folder / "site"
    assert hubissuer("init", made, "--site", SITE).exit_code == 0
    secret = made / "passphrase"
    secret.write_text("correct horse battery\n")
    secret.chmod(0o600)
    files.lock_file(made / keys.ISSUER_KEY, "correct horse battery", 1 << 10)
    written(made, LEAST.replace('"k"', f'"{keys.ISSUER_KEY}"\nissuer_secret = "passphrase"'))
    return made


def test_a_site_is_signed_for_through_kills(folder: Path) -> None:
    """by its commands, and by a process that is killed"""
    made = begun(folder)
    file = made / "signing.toml"
    checked = hubissuer("serve", "--signing", file, "--check-config")
    assert "is right: the key is in a file behind a passphrase" in checked.output
    client = SigningClient(by_socket(made / "s"), SITE, read_issuer(made / keys.ISSUER))
    now = int(time.time())
    revoked = frozenset({"bert"})
    running = Running(file)
    client.policy(Policy(SITE, 3, now, revoked_credentials=revoked))
    client.grant(grant(not_before=now, expires=now + 1000), write_key(PHONE.verify_key.public))
    second = hubissuer("serve", "--signing", file)
    assert "another program has the log open" in str(second.exception)
    running.end(signal.SIGKILL)
    running = Running(file)
    assert "the log at 2:" in running.said
    client.policy(Policy(SITE, 4, now, revoked_credentials=revoked))
    assert running.end(signal.SIGTERM) == 0
    shown = hubissuer("signed", "--file", made / "signed.log")
    words = [line.split()[2] for line in shown.stdout.splitlines()]
    assert words == ["policy", "grant", "policy"]
    assert f"for user {ME}" in shown.stdout


def test_a_log_that_was_cut_or_edited_is_told(folder: Path) -> None:
    made = begun(folder)
    log = made / "signed.log"
    whole = log_of(log, 3)
    head = hubissuer("signed", "--file", log).stderr.split()[-1]
    assert head.startswith("3:")
    assert hubissuer("signed", "--file", log, "--known", head, "--json").exit_code == 0
    log.write_bytes(whole[:-1])
    cut = hubissuer("signed", "--file", log, "--known", head)
    assert "was cut off" in str(cut.exception)
    log.write_bytes(whole[1:])
    argv = [sys.executable, "-m", "hubgateway.issuer", "serve", "--signing"]
    done = subprocess.run(
        [*argv, str(made / "signing.toml")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "edited or damaged" in done.stderr) == (69, True)


def test_a_certificate_for_each_end_is_made_without_an_engine(folder: Path) -> None:
    made = folder / "site"
    hubissuer("init", made, "--site", SITE)
    config = made / keys.CONFIG
    key = made / "tls.key"
    key.write_bytes(pem(make_key()))
    out = made / "tls.pem"
    for role in ("site", "issuer"):
        done = hubissuer("--config", config, "server", role, f"{role}-1", key, "--out", out)
        assert f"spiffe://{SITE}/{role}/{role}-1" in done.output
        authority = der_of((made / keys.AUTHORITY).read_bytes())
        name = TlsName(SITE, TlsRole(role), f"{role}-1")
        assert read_certificate(der_of(out.read_bytes()), authority, name).key
    wrong = hubissuer("--config", config, "server", "site", "No Name", key, "--out", out)
    assert isinstance(wrong.exception, ConfigError)


@pytest.mark.parametrize(
    ("named", "there", "why"),
    [
        ("", None, "limits.cards needs card_key"),
        ('card_key = "c"\n', None, "card_key .*c: No such file"),
        ('card_key = "c"\n', bytes(31), "card_key: it has 31 bytes, not 32"),
        ('card_key = "c"\n', bytes(32), ""),
    ],
)
def test_cards_are_allowed_with_the_sites_card_key(
    folder: Path, named: str, there: bytes | None, why: str
) -> None:
    """law 5"""
    if there is not None:
        (folder / "c").write_bytes(there)
        (folder / "c").chmod(0o600)
    file = written(folder, named + LEAST + "[limits]\ncards = 7\n")
    if not why:
        config = load_signing(file)
        assert card_key_of(config, file) == there
        assert limits_of(config, file, ISSUER.verify_key) == Limits(SITE, cards=7)
        return
    with pytest.raises(ConfigError, match=why):
        card_key_of(load_signing(file), file)
