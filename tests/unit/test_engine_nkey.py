"""An account at the engine is a key in a file of its own, as NATS writes it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.errors import ConfigError
from hubgateway.config import load
from hubgateway.engine.account import account_of, new_account, read_account
from hubgateway.issuer.signing.config import load_signing
from hubsite import config

SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
"""The pair of the NATS documentation, "NKeys"."""
CREDENTIALS = (
    "-----BEGIN NATS USER JWT-----\neyJ0.word.of\n------END NATS USER JWT------\n\n"
    f"-----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
)


def held(folder: Path, text: str, mode: int = 0o600) -> str:
    file = folder / "account"
    file.write_text(text)
    file.chmod(mode)
    return str(file)


def test_the_pair_of_the_documentation_is_one() -> None:
    account = account_of(SEED.encode())
    assert (account.public, account.seed) == (PUBLIC, SEED)


def test_a_new_account_is_read_again_and_signs() -> None:
    made = new_account()
    again = account_of(made.seed.encode())
    assert again.public == made.public != new_account().public
    signature = base64.b64decode(again.sign("nonce"))
    made.key.public_key().verify(signature, b"nonce")


def test_a_file_has_a_seed_or_credentials(tmp_path: Path) -> None:
    seed = read_account(held(tmp_path, f"{SEED}\n"))
    assert (seed.public, seed.jwt) == (PUBLIC, "")
    whole = read_account(held(tmp_path, CREDENTIALS))
    assert (whole.public, whole.jwt) == (PUBLIC, "eyJ0.word.of")


@given(st.integers(0, len(SEED) - 2), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_mistyped_seed_is_none(at: int, letter: str) -> None:
    typed = SEED[:at] + letter + SEED[at + 1 :]
    if letter != SEED[at]:
        with pytest.raises(ValueError, match="it is no key"):
            account_of(typed.encode())


@pytest.mark.parametrize("text", ["", "x", SEED[:-1], f"{SEED}\n{SEED}", PUBLIC, "SA" + SEED[2:]])
def test_what_is_no_account_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"credentials .*account"):
        read_account(held(tmp_path, text))


def test_others_must_not_read_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="others may use it"):
        read_account(held(tmp_path, SEED, 0o604))


def test_each_configuration_finds_it_beside_itself_or_by_systemd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/given")
    gateway = tmp_path / "gateway.toml"
    said = 'listen = "tcp://*:1"\ncurve_secret = "c"\nservers = ["tls://h:1"]\n'
    for named, place in (("a", str(tmp_path / "a")), ("credential:a", "/run/given/a")):
        gateway.write_text(f'{said}credentials = "{named}"\n')
        assert load(gateway).credentials == place
        site = (
            'site = "acme"\nhosts = ["h"]\nsecret = "s"\ntls_key = "k"\ntls_certificate = "c"\n'
            f'issuer_key = "i"\n[engine]\nservers = ["tls://h:1"]\ncredentials = "{named}"\n'
        )
        engine = config.parse(site.encode(), tmp_path / "hubsite.toml").engine
        assert engine is not None
        assert engine.credentials == place
        signing = tmp_path / "signing.toml"
        signing.write_text(
            'site = "acme"\nissuer_key = "i"\nfolder = "."\n'
            '[unix]\nsocket = "s"\ncallers = ["root"]'
            '\n[enrolment]\nservers = ["tls://h:1"]\nauthority_key = "k"\ntls_authority = "a"\n'
            f'enrolment_key = "{"x" * 40}"\ncredentials = "{named}"\n'
        )
        section = load_signing(signing).enrolment
        assert section is not None
        assert section.credentials == place
