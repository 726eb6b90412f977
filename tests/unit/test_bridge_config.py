"""A bridge's configuration: what is taken, and what refuses the start."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubbridge.config import DEFAULT_PORT, load, place_of
from hubbridge.rules.room import RoomLimits
from hubcore.errors import ConfigError
from hubtls.identity import IdentityFiles

TEXT = """site = "site-1"
name = "bridge-1"
listen = "10.20.0.2"
tls_key = "credential:tls_key"
tls_certificate = "tls.pem"
tls_authority = "/etc/hubbridge/authority.pem"
issuer = "issuer.cbor"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hubbridge.toml"
    path.write_text(text)
    return path


def test_the_least_that_a_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, TEXT)
    config = load(path)
    assert (config.site, config.name, config.listen) == ("site-1", "bridge-1", "10.20.0.2")
    assert config.port == DEFAULT_PORT
    assert config.limits() == RoomLimits()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/hubbridge.service")
    assert config.files(path) == IdentityFiles(
        key=Path("/run/credentials/hubbridge.service/tls_key"),
        certificate=tmp_path / "tls.pem",
        authority=Path("/etc/hubbridge/authority.pem"),
    )


def test_a_secret_is_read_where_systemd_takes_it_from_by_whoever_types_the_program() -> None:
    """config, law 2"""
    file = Path("/etc/hubbridge/hubbridge.toml")
    handed = {"CREDENTIALS_DIRECTORY": "/run/credentials/hubbridge.service"}
    where = place_of("credential:tls_key", file, handed)
    assert where == Path("/run/credentials/hubbridge.service/tls_key")
    assert place_of("credential:tls_key", file, {}) == Path("/etc/credstore/hubbridge.tls_key")
    assert place_of("tls.pem", file, {}) == Path("/etc/hubbridge/tls.pem")


def test_room_is_told_in_mib(tmp_path: Path) -> None:
    config = load(written(tmp_path, TEXT + "[room]\nbudget_mib = 64\nhubs = 8\nfree_mib = 16\n"))
    assert config.limits() == RoomLimits(64 << 20, 8, 16 << 20)
    assert config.limits().share_bytes == 8 << 20


@pytest.mark.parametrize(
    ("before", "after", "part"),
    [
        ('name = "bridge-1"\n', "", "name"),
        ('"bridge-1"', '"Bridge"', "name"),
        ('"site-1"', '"-site"', "site"),
        ('"10.20.0.2"', "7", "listen"),
        ("site =", 'stie = "x"\nsite =', "stie"),
        ('listen = "10.20.0.2"', 'listen = "10.20.0.2"\nport = 70000', "port"),
        ("site =", "room = {hubs = 0}\nsite =", "hubs"),
        ("site =", "site", "expected"),
    ],
)
def test_a_mistake_refuses_the_start(tmp_path: Path, before: str, after: str, part: str) -> None:
    """config, law 1"""
    assert before in TEXT
    path = written(tmp_path, TEXT.replace(before, after))
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert part in str(caught.value).lower()


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_other_bytes_are_a_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "hubbridge.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="hubbridge"):
        load(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "absent.toml")
