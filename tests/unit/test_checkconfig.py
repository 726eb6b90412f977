"""`hubd --check-config`: the start's own judgement beforehand, with keys as systemd would hand them over."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from hubd.checkconfig import EX_CONFIG, EX_NOPERM, EX_UNAVAILABLE, check
from hubd.errors import HardwareError
from hubsim import site as sites

UNIT = """# /usr/lib/systemd/system/hubd.service
[Service]
ExecStart=/opt/hubd/bin/hubd
User=hubd
LoadCredential=identity:hubd.identity
UMask=0077
# /etc/systemd/system/hubd.service.d/sealed-keys.conf
[Service]
LoadCredentialEncrypted=identity:hubd.identity
"""


class Systemd:
    """A service manager that is asked; `unit` None: it has no such unit; `away`: it is not there."""

    def __init__(self, unit: str | None = UNIT, away: bool = False) -> None:
        self.unit, self.away = unit, away
        self.asked: list[list[str]] = []

    def __call__(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        if self.away:
            raise HardwareError("systemd cannot be asked")
        self.asked.append(argv)
        if argv[0] == "systemctl":
            return subprocess.CompletedProcess(argv, self.unit is None, self.unit or "", "No files found")
        return subprocess.CompletedProcess(argv, 78, "", "what the check says there\n")


def _hub(folder: Path, keys: str, more: str = "") -> Path:
    """A site's hub with its keys as credentials or as paths; return its configuration."""
    sites.init(folder / "site")
    hub = folder / "site/hub"
    names = {"identity": "identity.key", "certificate": "certificate.cbor", "issuer": "issuer.cbor"}
    names |= {"curve_secret": "curve.secret", "backend_public": "backend.pub"}
    places = "".join(f'{name} = "{keys}{file if keys != "credential:" else name}"\n' for name, file in names.items())
    for name, file in names.items():
        (hub / name).write_bytes((hub / file).read_bytes())
        (hub / name).chmod(0o600)
    text = f'[hub]\nid = "hub-1"\nsite = "site-1"\ntime_zone = "UTC"\n[keys]\n{places}{more}'
    text += '[backend]\nendpoint = "tcp://backend.example:4505"\n[[doors]]\nid = "a"\nname = "A"\n'
    text += 'strike = { chip = "no-such-chip", line = 3 }\naccess_points = [{ number = 1, name = "In" }]\n'
    (hub / "check.toml").write_text(text)
    return hub / "check.toml"


def _check(file: Path, environment: Mapping[str, str], systemd: Systemd, uid: int = 0) -> tuple[int, list[str]]:
    said = list[str]()
    return check(file, environment, uid, systemd, said.append), said


def test_right_keys_are_told_with_what_the_backend_must_know(tmp_path: Path) -> None:
    file, systemd = _hub(tmp_path, ""), Systemd()
    status, said = _check(file, {}, systemd, uid=os.geteuid())
    assert systemd.asked == []
    assert said[0] == "configuration and keys are right: hub hub-1 of site site-1, UTC"
    assert said[1].startswith("certificate: access points 1, until 20")
    public = (tmp_path / "site/backend/hubs/hub-1.curve.pub").read_text().strip()
    assert said[2] == f"backend: tcp://backend.example:4505; it must know this hub's public key {public}"
    assert (status, said[3][:14]) == (EX_UNAVAILABLE, "door a: No GPI")


def test_what_systemd_has_handed_over_is_read_where_it_is(tmp_path: Path) -> None:
    file, systemd = _hub(tmp_path, "credential:"), Systemd()
    status, said = _check(file, {"CREDENTIALS_DIRECTORY": str(file.parent)}, systemd, uid=1000)
    assert (status, systemd.asked) == (EX_UNAVAILABLE, [])
    (file.parent / "identity").write_text("no key")
    status, said = _check(file, {"CREDENTIALS_DIRECTORY": str(file.parent)}, systemd)
    assert status == EX_CONFIG
    assert "/etc/credstore/hubd.identity: expected an EC P-256 private key" in said[0]


def test_systemd_is_asked_for_what_only_it_can_hand_over(tmp_path: Path) -> None:
    file, systemd = _hub(tmp_path, "credential:"), Systemd()
    assert _check(file, {}, systemd) == (78, ["what the check says there"])
    properties = [word.removeprefix("--property=") for word in systemd.asked[1] if word.startswith("--property=")]
    assert properties == [
        "User=hubd",
        "LoadCredential=identity:hubd.identity",
        "LoadCredentialEncrypted=identity:hubd.identity",
    ], "in the unit's order: of two for one name systemd takes the last"
    command = [sys.executable, "-P", "-m", "hubd", "--check-config", "--config", str(file)]
    assert systemd.asked[1][-len(command) :] == command


def test_a_wrong_file_needs_no_keys_to_be_told(tmp_path: Path) -> None:
    file, systemd = _hub(tmp_path, "credential:", more="no_such_key = 1\n"), Systemd()
    status, said = _check(file, {}, systemd, uid=1000)
    assert (status, systemd.asked) == (EX_CONFIG, [])
    assert "no_such_key" in said[0]


@pytest.mark.parametrize(
    ("systemd", "uid", "status", "part"),
    [
        (Systemd(), 1000, EX_NOPERM, "type it with sudo"),
        (Systemd(unit=None), 0, EX_UNAVAILABLE, "hubd.service is not installed (No files found); type: make install"),
        (Systemd(away=True), 0, EX_UNAVAILABLE, "systemd cannot be asked"),
    ],
)
def test_when_the_keys_cannot_be_looked_at(tmp_path: Path, systemd: Systemd, uid: int, status: int, part: str) -> None:
    found, said = _check(_hub(tmp_path, "credential:"), {}, systemd, uid)
    assert found == status
    assert part in said[0]
