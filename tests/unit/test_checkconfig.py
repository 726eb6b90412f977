"""`hubd --check-config`: the start's own judgement beforehand, with keys as systemd would hand them
over.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gpiod
import pytest

from hubcore.checks import CheckId
from hubcore.errors import HardwareError
from hubcore.ports.clock import KernelTime
from hubd.adapters.keys.keyfiles import load_keys
from hubd.adapters.sqlite.database import AUDIT
from hubd.config.file import load
from hubd.start.checkconfig import EX_CONFIG, EX_NOPERM, EX_UNAVAILABLE, World, check, page
from hubd.start.checkconfig.credstore import handed_over
from hubd.wiring.look.finding import Finding, FindingKind
from hubsim import site as sites

pytestmark = pytest.mark.once

UNIT = """# /usr/lib/systemd/system/hubd.service
[Service]
ExecStart=/opt/hubd/bin/hubd
User=hubd
StateDirectory=hubd
LoadCredential=identity:hubd.identity
LoadCredential=certificate:hubd.certificate
LoadCredential=issuer:hubd.issuer
LoadCredential=curve_secret:hubd.curve_secret
LoadCredential=backend_public:hubd.backend_public
UMask=0077
"""
SEALED = """# /etc/systemd/system/hubd.service.d/sealed-keys.conf
[Service]
LoadCredentialEncrypted=identity:hubd.identity
"""
ROOT = Path(__file__).parents[2]
FILES = {"identity": "identity.key", "certificate": "certificate.cbor", "issuer": "issuer.cbor"}
FILES |= {"curve_secret": "curve.secret", "backend_public": "backend.pub"}
RUNS = "LoadState=loaded\nActiveState=active\n"


class Machine:
    """A service manager and systemd-creds that are asked; `unit` None: there is no such unit;
    `away`: none is there.
    """

    def __init__(self, unit: str | None = UNIT, away: bool = False, bluetooth: str = RUNS) -> None:
        self.unit = unit
        self.away = away
        self.bluetooth = bluetooth
        self.bluetooth_status = 0
        self.unit_said = "No files found"
        self.service = "LoadState=not-found\n"
        self.inside = page.encode([Finding(FindingKind.FACT, "hub", "what the check says there")])
        self.decrypt: tuple[int, str] = (0, "")
        self.asked: list[list[str]] = []

    def __call__(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        if self.away:
            raise HardwareError("systemctl cannot be asked")
        self.asked.append(argv)
        match argv[:2]:
            case ["systemctl", "cat"]:
                return subprocess.CompletedProcess(
                    argv, self.unit is None, self.unit or "", self.unit_said
                )
            case ["systemctl", "show"] if argv[-1] == "hubd.service":
                return subprocess.CompletedProcess(argv, 0, self.service, "")
            case ["systemctl", "show"]:
                return subprocess.CompletedProcess(argv, self.bluetooth_status, self.bluetooth, "")
            case ["dpkg-query", *_]:
                return subprocess.CompletedProcess(argv, 1, "", "no packages found")
            case ["systemd-creds", "decrypt"]:
                status, said = self.decrypt
                return subprocess.CompletedProcess(argv, status, "", said)
        return subprocess.CompletedProcess(argv, 0, self.inside, "")

    def handed(self) -> list[str]:
        """The properties with which the check was run inside."""
        (inside,) = [argv for argv in self.asked if argv[0] == "systemd-run"]
        return [
            word.removeprefix("--property=") for word in inside if word.startswith("--property=")
        ]


@dataclass
class Chips:
    """The GPIO chips of a board: label, and the names of the lines by offset; who uses a line."""

    labels: dict[str, str] = field(default_factory=lambda: {"gpiochip0": "pinctrl-rp1"})
    names: dict[int, str] = field(default_factory=lambda: {17: "GPIO17"})
    used: dict[int, str] = field(default_factory=dict)

    def make(self, root: Path) -> None:
        (root / "dev").mkdir(parents=True)
        for name in self.labels:
            (root / "dev" / name).write_text("")

    @contextmanager
    def open(self, path: str) -> Iterator[Any]:
        label = self.labels[Path(path).resolve().name]
        yield SimpleNamespace(
            get_info=lambda: SimpleNamespace(label=label), get_line_info=self._line
        )

    def _line(self, line: str | int) -> Any:
        offsets = {name: offset for offset, name in self.names.items()}
        offset = line if isinstance(line, int) else offsets.get(line, 99)
        if offset >= 54:
            raise ValueError("line offset out of range")
        consumer = self.used.get(offset, "")
        return SimpleNamespace(
            offset=offset,
            name=self.names.get(offset),
            used=offset in self.used,
            consumer=consumer or None,
        )


@dataclass
class Hub:
    """A hub's configuration and keys, the machine below `root`, and what is asked of it."""

    folder: Path
    keys: str = ""
    machine: Machine = field(default_factory=Machine)
    chips: Chips = field(default_factory=Chips)
    uid: int = field(default_factory=os.geteuid)
    owner: int = field(default_factory=os.geteuid)
    bluez: str = ""
    now: float = 0.0

    def __post_init__(self) -> None:
        self.site = sites.init(self.folder / "site")
        self.root = self.folder / "root"
        self.chips.make(self.root)
        (self.root / "sys/class/bluetooth/hci0").mkdir(parents=True)
        (self.root / "sys/class/rtc/rtc0").mkdir(parents=True)
        (self.root / "sys/class/rtc/rtc0/since_epoch").write_text("1900000000\n")
        self.store = self.root / "etc/credstore"
        self.store.mkdir(parents=True, mode=0o700)
        hub = self.site.hub
        for name, file in FILES.items():
            data = (hub / file).read_bytes()
            for place in (hub / name, self.store / f"hubd.{name}"):
                place.write_bytes(data)
                place.chmod(0o600)
        self.doors = '[[doors]]\nid = "a"\nname = "A"\nstrike = { chip = "gpiochip0", line = 17 }\n'
        self.doors += 'access_points = [{ number = 1, name = "In" }]\n'
        self.state = ""
        self.kernel_time: KernelTime | None = None

    def write(self, more: str = "") -> Path:
        """Write the configuration."""
        places = "".join(
            f'{name} = "{self.keys}{name if self.keys == "credential:" else file}"\n'
            for name, file in FILES.items()
        )
        text = (
            '[hub]\nid = "hub-1"\nsite = "site-1"\ntime_zone = '
            f'"UTC"\n{self.state}[keys]\n{places}{more}'
        )
        text += f'[backend]\nendpoint = "tcp://backend.example:4505"\n{self.doors}'
        file = self.site.hub / "check.toml"
        file.write_text(text)
        return file

    def check(
        self, environment: Mapping[str, str] | None = None, more: str = ""
    ) -> tuple[int, list[str]]:
        """Check; return the exit status and the page."""
        found = self.findings(environment, more)
        return page.status(found), list(page.lines(found))

    def checks(self) -> set[CheckId | None]:
        """The rows that fail."""
        return {one.check for one in self.findings()} - {None}

    def findings(
        self, environment: Mapping[str, str] | None = None, more: str = ""
    ) -> list[Finding]:
        world = World(
            uid=self.uid,
            owner=self.owner,
            run=self.machine,
            root=self.root,
            open_chip=cast("Any", self.chips.open),
            ask_bluez=lambda _wanted: self.bluez,
            kernel_time=lambda: self.kernel_time,
            **({"now": lambda: self.now} if self.now else {}),
        )
        return check(self.write(more), environment or {}, world)


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """A hub whose keys are paths, and whose state lies in a folder of its own."""
    made = Hub(tmp_path)
    made.state = 'state_directory = "state"\n'
    return made


@pytest.fixture
def handed(tmp_path: Path) -> Hub:
    """A hub whose keys systemd hands over, looked at by root."""
    return Hub(tmp_path, "credential:", uid=0)


def the_line(said: list[str], start: str) -> str:
    (found,) = [line for line in said if line.startswith(start)]
    return found


def test_what_is_right_is_told_with_what_the_backend_must_know(hub: Hub) -> None:
    status, said = hub.check()
    assert (status, said[0]) == (0, "right: the configuration, the keys and what they name")
    assert "hub: hub-1 of site site-1" in said
    assert the_line(said, "certificate: ").startswith("certificate: access points 1, until 20")
    public = (hub.site.backend / "hubs/hub-1.curve.pub").read_text().strip()
    theirs = (hub.site.backend / "curve.pub").read_text().strip()
    told = the_line(said, "backend: ")
    assert told.startswith(
        "backend: tcp://backend.example:4505; it must know this hub's public key "
    )
    assert told.endswith(f" {public}, and its own must be {theirs}")
    chip = hub.root / "dev/gpiochip0"
    assert f"door a: strike on {chip} (label pinctrl-rp1), line 17 named 'GPIO17'" in said


def test_systemd_is_not_asked_about_keys_that_are_paths(hub: Hub) -> None:
    hub.check()
    assert {argv[1] for argv in hub.machine.asked} == {"show", "--show"}


def test_what_systemd_has_handed_over_is_read_where_it_is(handed: Hub) -> None:
    handed.uid = 1000
    environment = {"CREDENTIALS_DIRECTORY": str(handed.site.hub)}
    status, _ = handed.check(environment)
    assert status == 0
    assert all(argv[0] != "systemd-run" for argv in handed.machine.asked)
    (handed.site.hub / "identity").write_text("no key")
    status, said = handed.check(environment)
    assert (status, said[0]) == (EX_CONFIG, "NOT right: 1 thing to mend")
    assert "wrong: keys: /etc/credstore/hubd.identity: expected an EC P-256 private key" in said[1]


def test_systemd_is_asked_for_what_only_it_can_hand_over(handed: Hub) -> None:
    handed.machine.unit = UNIT + SEALED
    sealed = handed.root / "etc/credstore.encrypted"
    sealed.mkdir(mode=0o700)
    (handed.store / "hubd.identity").rename(sealed / "hubd.identity")
    status, said = handed.check()
    assert (status, said[1:]) == (0, ["hub: what the check says there"])
    assert handed.machine.handed() == [
        "User=hubd",
        "LoadCredentialEncrypted=identity:hubd.identity",
        "LoadCredential=certificate:hubd.certificate",
        "LoadCredential=issuer:hubd.issuer",
        "LoadCredential=curve_secret:hubd.curve_secret",
        "LoadCredential=backend_public:hubd.backend_public",
    ], "of two for one name systemd takes the last"
    command = [sys.executable, "-P", "-m", "hubd", "--check-config", "--json", "--config"]
    assert handed.machine.asked[-1][-len(command) - 1 : -1] == command
    assert "--setenv=HUBD_SEALED_KEYS=identity" in handed.machine.asked[-1]
    opened = [argv for argv in handed.machine.asked if argv[0] == "systemd-creds"]
    assert opened == [
        ["systemd-creds", "decrypt", "--name=identity", str(sealed / "hubd.identity"), "/dev/null"]
    ], "what it holds goes nowhere"


def test_the_last_line_for_a_name_counts_and_an_empty_one_takes_all_back() -> None:
    text = (
        "LoadCredential=a:x\n LoadCredential = b \n#LoadCredential=d\nLoadCredentialEncrypted=a:y\n"
    )
    found = handed_over(text)
    assert list(found) == ["a", "b"]
    assert (found["a"].source, found["a"].sealed, found["b"].source) == ("y", True, "b")
    assert list(handed_over(text + "LoadCredential=\nLoadCredential=c:z\n")) == ["c"]


def test_a_wrong_file_needs_no_keys_to_be_told(handed: Hub) -> None:
    handed.uid = 1000
    status, said = handed.check(more="no_such_key = 1\n")
    assert (status, handed.machine.asked) == (EX_CONFIG, [])
    assert said[0] == "NOT right: 1 thing to mend"
    assert "no_such_key" in said[1]


@pytest.mark.parametrize(
    ("machine", "uid", "status", "part"),
    [
        (Machine(), 1000, EX_NOPERM, "type it with sudo"),
        (
            Machine(unit=None),
            0,
            EX_UNAVAILABLE,
            "hubd.service is not installed (No files found); type: make install",
        ),
        (Machine(away=True), 0, EX_UNAVAILABLE, "systemctl cannot be asked"),
    ],
)
def test_when_the_keys_cannot_be_looked_at(
    handed: Hub, machine: Machine, uid: int, status: int, part: str
) -> None:
    handed.machine = machine
    handed.uid = uid
    found, said = handed.check()
    assert found == status
    assert not said[0].startswith("right")
    assert part in said[1]


@pytest.mark.parametrize("uid", [0, 1000])
def test_a_chip_that_nobody_has_named_yet_is_told_with_and_without_root(
    handed: Hub, uid: int
) -> None:
    handed.uid = uid
    handed.machine = Machine(away=True)
    handed.doors = handed.doors.replace("gpiochip0", "CHANGE-ME")
    status, said = handed.check()
    assert status == EX_UNAVAILABLE
    assert said[0].startswith("NOT right: ")
    told = the_line(said, "not there: door a: ")
    assert "strike of door a: replace CHANGE-ME with the chip that it is wired to" in told
    assert not any(f"{handed.site.hub}/check.toml is right" in line for line in said)


def test_without_root_a_file_is_well_formed_and_not_right(handed: Hub) -> None:
    handed.uid = 1000
    status, said = handed.check()
    assert (status, said[0]) == (EX_NOPERM, "not known to be right")
    assert (
        "check.toml is well formed; whether keys, doors and machine are right takes root to tell"
        in said[1]
    )


@pytest.mark.parametrize("broken", ["away", "no unit", "does not run"])
def test_without_a_systemd_that_answers_the_rest_is_judged_all_the_same(
    handed: Hub, broken: str
) -> None:
    handed.machine = Machine(unit=None if broken == "no unit" else UNIT, away=broken == "away")
    handed.machine.inside = ""
    handed.doors = handed.doors.replace("gpiochip0", "gpiochip7")
    status, said = handed.check()
    assert status == (EX_CONFIG if broken == "does not run" else EX_UNAVAILABLE)
    assert said[0] == "NOT right: 2 things to mend"
    assert "No GPIO chip" in the_line(said, "not there: door a: ")
    for about in ("time zone: ", "clock: "):
        assert the_line(said, about)
    assert any("bluetooth: " in line for line in said)
    assert not any("state directory" in line for line in said), "the unit's user alone can tell"


SEAL = "sudo systemd-creds encrypt --name=identity FILE /etc/credstore.encrypted/hubd.identity"
SAID = {
    "Embedded credential name 'curve_secret' does not match filename 'identity', refusing.": (
        "it was sealed under another name, 'curve_secret'"
    ),
    "Decryption failed (incorrect key?): error:00000000:lib(0)::reason(0)": "it was sealed on "
    "another "
    "machine",
    "Failed to determine local credential key: No such file or directory": "it was sealed on "
    "another "
    "machine",
    "TPM2 support not installed: Operation not supported": "TPM",
    "Failed to unseal secret using TPM2: Operation not permitted": "TPM",
    "Credential's time passed, refusing to use.": "its seal has expired",
    "Unexpected block size in header.": "it is damaged, or is not a sealed key at all",
    "Encrypted file too short.": "it is damaged, or is not a sealed key at all",
    "Failed to read encrypted credential data: Invalid argument": "it is damaged, or is "
    "not a sealed key at all",
    "Something that nobody foresaw": "systemd-creds cannot open it: Something that nobody foresaw",
}


@pytest.mark.parametrize("said", SAID)
def test_a_sealed_key_that_cannot_be_opened_is_told_with_its_cause_and_the_command(
    handed: Hub, said: str
) -> None:
    handed.machine.unit = UNIT + SEALED
    handed.machine.decrypt = (1, said + "\n")
    sealed = handed.root / "etc/credstore.encrypted"
    sealed.mkdir(mode=0o700)
    (sealed / "hubd.identity").write_text("sealed")
    status, page_ = handed.check()
    assert (status, page_[0]) == (EX_CONFIG, "NOT right: 1 thing to mend")
    assert page_[1].startswith(f"wrong: key identity: {sealed}/hubd.identity: ")
    assert SAID[said] in page_[1]
    assert SEAL in page_[1]
    assert "identity" not in "".join(handed.machine.handed()), (
        "systemd would refuse to run the check at all"
    )
    assert "hub: what the check says there" in page_, "and the rest is looked at"


def test_a_machine_without_any_key_is_no_hub_yet_and_is_told_to_enrol(handed: Hub) -> None:
    files = sorted(handed.store.iterdir())
    for file in files:
        file.rename(file.with_suffix(".aside"))
    status, said = handed.check()
    assert (status, said[0]) == (EX_CONFIG, "NOT right: 1 thing to mend")
    assert said[1].startswith("wrong: keys: This machine is no hub yet: none of its keys is there.")
    assert "sudo hubctl enroll HOST:PORT" in said[1]
    (handed.store / "hubd.issuer").write_bytes(b"x")
    assert any("key identity: " in line for line in handed.check()[1]), "one is there: told singly"


def test_a_sealed_key_that_is_missing_is_never_to_be_put_down_plain(handed: Hub) -> None:
    handed.machine.unit = UNIT + SEALED
    (handed.store / "hubd.identity").unlink()
    handed.machine.inside = page.encode([Finding(FindingKind.WRONG, "keys", "told better already")])
    status, said = handed.check()
    assert (status, said[0]) == (EX_CONFIG, "NOT right: 1 thing to mend")
    assert "there is no such file; type: " + SEAL in said[1]
    assert "/etc/credstore/" not in said[1]


def test_a_plain_key_where_a_sealed_one_is_taken_is_told_with_the_command_that_seals_it(
    handed: Hub,
) -> None:
    handed.machine.unit = UNIT + SEALED
    status, said = handed.check()
    plain = handed.store / "hubd.identity"
    assert status == EX_CONFIG
    assert f"encrypt --name=identity {plain} /etc/credstore.encrypted/hubd.identity" in said[1]


def test_a_key_that_nothing_asks_for_and_systemd_cannot_open_is_told_too(handed: Hub) -> None:
    """The unit would not start: systemd hands over what is there, asked for or not."""
    handed.machine.unit = UNIT + "LoadCredentialEncrypted=beacon:hubd.beacon\n"
    assert handed.check()[0] == 0, "what is neither asked for nor there is nothing to tell"
    (handed.store / "hubd.beacon").write_bytes(bytes(16))
    (handed.store / "hubd.beacon").chmod(0o600)
    status, said = handed.check()
    assert (status, said[0]) == (EX_CONFIG, "NOT right: 1 thing to mend")
    assert said[1].startswith(f"wrong: key beacon: {handed.store}/hubd.beacon: found plain in ")
    assert "beacon" not in "".join(
        word for word in handed.machine.asked[-1] if "LoadCredential" in word
    )


def test_a_plain_key_beside_a_sealed_one_is_worth_a_look(handed: Hub) -> None:
    handed.machine.unit = UNIT + SEALED
    sealed = handed.root / "etc/credstore.encrypted"
    sealed.mkdir(mode=0o700)
    (sealed / "hubd.identity").write_text("sealed")
    status, said = handed.check()
    assert status == 0
    assert f"type: sudo rm {handed.store}/hubd.identity" in the_line(
        said, "look at: key identity: "
    )


def test_a_backends_key_that_was_changed_since_hubd_started_is_worth_a_look(handed: Hub) -> None:
    """The running hubd keeps to the copy that it was handed."""
    assert CheckId.KEY_OTHER_RUNS not in handed.checks(), "hubd does not run"
    running = handed.root / "run/credentials/hubd.service"
    running.mkdir(parents=True)
    for name in FILES:
        (running / name).write_bytes((handed.store / f"hubd.{name}").read_bytes())
    assert CheckId.KEY_OTHER_RUNS not in handed.checks()
    (running / "identity").write_bytes(b"no private key is compared")
    assert CheckId.KEY_OTHER_RUNS not in handed.checks()
    (running / "backend_public").write_bytes(b"another backend's key")
    status, said = handed.check()
    assert status == 0, "it may be meant: a restart is due"
    file = handed.store / "hubd.backend_public"
    assert the_line(said, "look at: key backend_public: ") == (
        f"look at: key backend_public: {file}: it is another one than hubd was handed when it "
        "started, and runs with; if the file is right, type: sudo systemctl restart hubd; else put "
        "back the old one"
    )


@pytest.mark.parametrize("sealed", [False, True])
def test_a_folder_in_the_place_of_a_key(handed: Hub, sealed: bool) -> None:
    handed.machine.unit = UNIT + (SEALED if sealed else "")
    (handed.store / "hubd.identity").unlink()
    store = handed.root / ("etc/credstore.encrypted" if sealed else "etc/credstore")
    (store / "hubd.identity").mkdir(parents=True)
    status, said = handed.check()
    assert status == EX_CONFIG
    assert f"found a folder in its place; type: sudo mv {store}/hubd.identity" in said[1]


@pytest.mark.parametrize(
    ("name", "mode", "part"),
    [
        ("identity", 0o644, "a private key that others may read (mode 644); type: sudo chmod 600 "),
        ("identity", 0o000, "not even its owner may read it (mode 000); type: sudo chmod 600 "),
        ("issuer", 0o666, "others may write it (mode 666); type: sudo chmod 600 "),
        ("issuer", 0o000, "not even its owner may read it (mode 000); type: sudo chmod 600 "),
        (
            "curve_secret",
            0o440,
            "a private key that others may read (mode 440); type: sudo chmod 600 ",
        ),
        ("certificate", 0o644, ""),
    ],
)
def test_the_rights_of_a_key_in_the_store(handed: Hub, name: str, mode: int, part: str) -> None:
    (handed.store / f"hubd.{name}").chmod(mode)
    status, said = handed.check()
    assert status == (EX_CONFIG if part else 0)
    if part:
        file = handed.store / f"hubd.{name}"
        assert said[1].startswith(f"wrong: key {name}: {file}: {part}{file}")


def test_a_key_and_a_store_that_are_not_roots_are_told_to_everybody(handed: Hub) -> None:
    handed.owner += 1
    status, said = handed.check()
    file = handed.store / "hubd.identity"
    assert status == EX_CONFIG
    told = "\n".join(said)
    assert (
        f"{file}: it belongs to user {os.geteuid()}, who may replace it; type: sudo chown "
        f"root:root {file}" in told
    )
    assert f"type: sudo chown root:root {handed.store} && sudo chmod 700 {handed.store}" in told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_key_or_a_store_that_belongs_to_nobody(handed: Hub) -> None:
    os.chown(handed.store / "hubd.identity", 65534, 65534)
    status, said = handed.check()
    assert status == EX_CONFIG
    file = handed.store / "hubd.identity"
    assert (
        f"{file}: it belongs to user 65534, who may replace it; type: sudo chown root:root {file}"
        in said[1]
    )
    os.chown(file, 0, 0)
    os.chown(handed.store, 65534, 65534)
    assert (
        f"type: sudo chown root:root {handed.store} && sudo chmod 700 {handed.store}"
        in handed.check()[1][1]
    )


def test_a_check_that_systemd_does_not_run_is_no_empty_page(handed: Hub) -> None:
    handed.machine.inside = ""
    status, said = handed.check()
    assert status == EX_CONFIG
    assert "systemd could not hand over the keys or run the check" in said[1]


def test_a_state_elsewhere_needs_the_units_leave(handed: Hub) -> None:
    handed.state = 'state_directory = "/data/hubd"\n'
    status, said = handed.check()
    assert status == EX_UNAVAILABLE
    assert "ReadWritePaths=/data/hubd" in said[1]
    handed.machine.unit = UNIT + "ReadWritePaths=/data\n"
    assert handed.check()[0] == 0


@pytest.mark.parametrize(
    ("days", "status", "part"),
    [
        (364, 0, "look at: certificate: The hub's certificate ends in "),
        (366, EX_UNAVAILABLE, "not valid: certificate: "),
        (-2, EX_UNAVAILABLE, "not valid: certificate: "),
        (10, 0, "certificate: access points 1, until "),
    ],
)
def test_a_certificate_is_judged_by_the_time(hub: Hub, days: int, status: int, part: str) -> None:
    hub.now = os.stat(hub.site.path / "issuer.key").st_mtime + days * 86_400
    found, said = hub.check()
    assert found == status
    told = the_line(said, part)
    assert said[0].startswith("NOT right" if status else "right")
    if days == 366:
        assert "certificate ended on" in told
        assert ", then: sudo systemctl restart hubd. " in told
    if days == -2:
        assert "certificate begins on" in told


@pytest.mark.parametrize(
    ("seconds", "word"),
    [(-30, "certificate begins on"), (365 * 86_400 + 30, "certificate ended on")],
)
def test_a_certificate_has_no_leeway_for_phones_give_none(
    hub: Hub, seconds: int, word: str
) -> None:
    hub.now = load_keys(load(hub.write(), {})).certified.not_before + seconds
    status, said = hub.check()
    assert status == EX_UNAVAILABLE
    assert any(word in line for line in said)


TLS = {"tls_key": "tls.key", "tls_certificate": "tls.pem", "tls_authority": "authority.pem"}


@pytest.mark.parametrize(
    ("days", "part"),
    [
        (10, "tls: spiffe://site-1/hub/hub-1, until 20"),
        (364, "look at: tls: The hub's TLS certificate ends in "),
        (366, "look at: tls: The hub's TLS certificate ended on "),
        (-2, "look at: tls: The hub's TLS certificate begins on "),
    ],
)
def test_a_tls_certificate_is_told_with_its_name_and_judged_by_the_time(
    hub: Hub, days: int, part: str
) -> None:
    hub.now = os.stat(hub.site.path / "issuer.key").st_mtime + days * 86_400
    more = "".join(f'{name} = "{file}"\n' for name, file in TLS.items())
    status, said = hub.check(more=more)
    assert the_line(said, part)
    assert (status == 0) is (days in (10, 364)), "the hub's own certificate decides"


@pytest.mark.parametrize("missing", TLS)
def test_a_file_for_tls_that_is_missing_or_open_to_others_is_told(
    handed: Hub, missing: str
) -> None:
    handed.machine.unit = (ROOT / "systemd/hubd.service").read_text()
    more = "".join(f'{name} = "credential:{name}"\n' for name in TLS)
    for name, file in TLS.items():
        place = handed.store / f"hubd.{name}"
        place.write_bytes((handed.site.hub / file).read_bytes())
        place.chmod(0o600 if name == "tls_key" else 0o644)
    place = handed.store / f"hubd.{missing}"
    place.chmod(0o646)
    status, said = handed.check(more=more)
    assert status == EX_CONFIG
    assert any(f"key {missing}: {place}: " in line and "chmod" in line for line in said), said
    place.unlink()
    status, said = handed.check(more=more)
    assert status == EX_CONFIG
    assert any(f"key {missing}: " in line and "there is no such file" in line for line in said)


def test_a_strike_that_is_not_there_does_not_stand_below_a_right(hub: Hub) -> None:
    hub.doors = hub.doors.replace("gpiochip0", "gpiochip7")
    status, said = hub.check()
    assert (status, said[0]) == (EX_UNAVAILABLE, "NOT right: 1 thing to mend")
    assert said[1].startswith("not there: door a: Strike of door a: No GPIO chip")
    assert "(apt install gpiod)" in said[1]


def test_each_strike_of_a_door_with_several_is_looked_at(hub: Hub) -> None:
    listed = '[[doors.movers]]\nkind = "strike"\nid = "{}"\nchip = "gpiochip{}"\nline = 17\n'
    strike = 'strike = { chip = "gpiochip0", line = 17 }\n'
    assert strike in hub.doors
    hub.doors = hub.doors.replace(strike, "") + listed.format("left", 0) + listed.format("right", 7)
    status, said = hub.check()
    assert status == EX_UNAVAILABLE
    assert said[1].startswith("not there: door a: Strike right of door a: No GPIO chip")
    assert the_line(said, "door a: strike left on ").endswith("line 17 named 'GPIO17'")


@pytest.mark.parametrize("role", ["dps", "rex"])
def test_inputs_are_looked_at_like_strikes(hub: Hub, role: str) -> None:
    hub.doors += f'{role} = {{ chip = "gpiochip0", line = "NO_SUCH" }}\n'
    hub.doors = hub.doors.replace("access_points", "access_points", 1)
    status, said = hub.check()
    assert status == EX_UNAVAILABLE
    assert said[1].startswith(
        f"not there: door a: {role.capitalize()} of door a (line 'NO_SUCH' of gpiochip0)"
    )
    assert "`gpioinfo` (apt install gpiod)" in said[1]


@pytest.mark.parametrize(
    "other", ['chip = "gpiochip0", line = "GPIO17"', 'chip = "pinctrl-rp1", line = 17']
)
def test_one_pin_under_two_names_is_one_pin(hub: Hub, other: str) -> None:
    hub.doors += f"dps = {{ {other} }}\n"
    status, said = hub.check()
    assert status == EX_CONFIG
    assert said[1].startswith(
        "wrong: door a: dps of door a and strike of door a are the same pin, "
    )


def test_a_fire_input_of_two_doors_is_no_mistake(hub: Hub) -> None:
    fire = 'fire = { chip = "gpiochip0", line = 18 }\n'
    second = hub.doors.replace('"a"', '"b"').replace("number = 1", "number = 2")
    hub.doors += fire + second.replace("line = 17", "line = 19") + fire
    _status, said = hub.check()
    assert the_line(said, "door b: fire on ")
    assert not [line for line in said if "the same pin" in line]


def test_one_chip_under_two_device_names_is_one_chip(hub: Hub) -> None:
    (hub.root / "dev/gpiochip4").symlink_to("gpiochip0")  # as Raspberry Pi OS does
    hub.doors += 'dps = { chip = "gpiochip4", line = 17 }\n'
    status, said = hub.check()
    assert status == EX_CONFIG
    assert "are the same pin" in said[1]


def test_a_line_that_somebody_else_has(hub: Hub) -> None:
    hub.chips.used[17] = "hubd-strike"
    assert hub.check()[0] == 0, "the hub that runs meanwhile"
    hub.chips.used[17] = "spi0 CS0"
    status, said = hub.check()
    assert status == EX_UNAVAILABLE
    assert "is in use by spi0 CS0" in said[1]


@pytest.mark.parametrize(
    "own", ["gpio-brcmstb@107d508500", "raspberrypi-exp-gpio", "brcmvirt-gpio"]
)
def test_a_chip_that_the_board_has_for_itself_is_worth_a_look(tmp_path: Path, own: str) -> None:
    labels = {"gpiochip0": own, "gpiochip4": "pinctrl-rp1"}
    hub = Hub(tmp_path, chips=Chips(labels))
    hub.state = 'state_directory = "state"\n'
    status, said = hub.check()
    told = the_line(said, "look at: door a: ")
    assert status == 0
    assert (
        f"is on chip {own}; the pins of this board's header are those of chip pinctrl-rp1" in told
    )
    hub.doors = hub.doors.replace('"gpiochip0"', '"pinctrl-rp1"')
    assert not [line for line in hub.check()[1] if line.startswith("look at: door")]


@pytest.mark.parametrize("label", ["tca9555", "1-0020", "mcp23s17.0", "74hc595", "CP2104"])
def test_a_line_of_an_expander_is_as_good_as_one_of_the_header(tmp_path: Path, label: str) -> None:
    hub = Hub(tmp_path, chips=Chips({"gpiochip0": "pinctrl-bcm2711", "gpiochip2": label}))
    hub.state = 'state_directory = "state"\n'
    hub.doors = hub.doors.replace('"gpiochip0"', f'"{label}"')
    status, said = hub.check()
    assert status == 0
    assert f"(label {label}), line 17" in the_line(said, "door a: strike on ")
    assert not [line for line in said if line.startswith("look at: door")]


@pytest.mark.parametrize(
    ("told", "adapter", "answer", "part", "check_id"),
    [
        (
            "LoadState=not-found\nActiveState=inactive\n",
            True,
            "",
            "type: sudo apt install bluez",
            CheckId.BLUETOOTHD_MISSING,
        ),
        ("LoadState=masked\nActiveState=inactive\n", True, "", "unmask", CheckId.BLUETOOTHD_MASKED),
        (
            "LoadState=loaded\nActiveState=inactive\n",
            True,
            "",
            "type: sudo systemctl start bluetooth",
            CheckId.BLUETOOTHD_STOPPED,
        ),
        (
            "LoadState=loaded\nActiveState=inactive\n",
            False,
            "",
            "has no working Bluetooth adapter",
            CheckId.ADAPTER_MISSING,
        ),
        (RUNS, True, "BlueZ has no adapter X", "BlueZ has no adapter X", CheckId.ADAPTER_UNFIT),
    ],
)
def test_bluez_and_its_adapter_are_looked_for(
    hub: Hub, told: str, adapter: bool, answer: str, part: str, check_id: CheckId
) -> None:
    hub.machine.bluetooth = told
    hub.bluez = answer
    if not adapter:
        (hub.root / "sys/class/bluetooth/hci0").rmdir()
    status, said = hub.check()
    assert (status, said[0]) == (EX_UNAVAILABLE, "NOT right: 1 thing to mend")
    assert part in the_line(said, "not there: bluetooth: ")
    assert hub.checks() == {check_id}


def test_a_systemd_that_does_not_say_how_bluetoothd_is_leaves_it_open(hub: Hub) -> None:
    hub.machine.bluetooth_status = 1
    assert hub.checks() == {CheckId.BLUETOOTHD_UNKNOWN}
    assert hub.check()[0] == 0


def test_a_unit_that_systemd_does_not_show_is_another_thing_than_none(handed: Hub) -> None:
    handed.machine.unit = None
    handed.machine.unit_said = "Failed to get properties: Connection timed out"
    assert CheckId.SYSTEMD_UNKNOWN in handed.checks()


def test_a_key_that_systemd_would_not_take_is_too_large(handed: Hub) -> None:
    (handed.store / "hubd.identity").write_bytes(bytes((1 << 20) + 1))
    assert CheckId.KEY_TOO_LARGE in handed.checks()


def test_a_unit_that_may_not_write_in_its_state_directory(handed: Hub) -> None:
    handed.state = 'state_directory = "/srv/hub"\n'
    assert CheckId.STATE_READ_ONLY in handed.checks()


def test_libosdp_that_is_not_installed_is_told() -> None:
    looks = (
        "import sys; from pathlib import Path; sys.modules['osdp_sys'] = None\n"
        "from hubd.wiring.readers import look_at_osdp\n"
        "from hubd.wiring.look.world import World\n"
        "print(*[one.check for one in look_at_osdp([], World(uid=0))])"
    )
    done = subprocess.run([sys.executable, "-c", looks], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == CheckId.READER_LIBRARY


def test_a_hub_without_a_clock_that_outlasts_a_power_cut_hears_what_follows(hub: Hub) -> None:
    clock = hub.root / "sys/class/rtc/rtc0"
    assert the_line(hub.check()[1], "clock: ").endswith("and outlasts a power cut")
    (clock / "since_epoch").write_text("17\n")
    assert "stands at 1970-01-01T00:00:17.000Z: its battery is flat" in the_line(
        hub.check()[1], "look at: clock: "
    )
    (clock / "since_epoch").unlink()
    clock.rmdir()
    status, said = hub.check()
    assert status == 0
    assert hub.checks() == {CheckId.RTC_NONE}
    told = the_line(said, "look at: clock: ")
    assert "no phone opens a door" in told
    assert "sudo hubctl clock trust" in told


def test_who_keeps_the_clock_is_told_where_the_kernel_says_it(hub: Hub) -> None:
    assert not [line for line in hub.check()[1] if "time service" in line]
    hub.kernel_time = KernelTime(True, 0.0215, 0.001)
    told = the_line(hub.check()[1], "time service: ")
    assert told == "time service: one keeps the clock right within 0.021 s"
    hub.kernel_time = KernelTime(False, 16.0, 16.0)
    status, said = hub.check()
    assert status == 0
    told = the_line(said, "look at: time service: ")
    assert "unsynchronised" in told
    assert "timedatectl" in told


def test_new_rules_of_the_time_zone_are_said_to_need_a_restart(hub: Hub) -> None:
    assert "count from the next start: sudo systemctl restart hubd" in the_line(
        hub.check()[1], "time zone: "
    )


def test_the_state_directory_is_looked_at_and_left_as_it_is(hub: Hub) -> None:
    folder = hub.site.hub / "state"
    assert "is not there yet" in the_line(hub.check()[1], "state directory: ")
    assert not folder.exists()
    folder.mkdir(mode=0o700)
    AUDIT.prepare(folder / "audit.db")
    AUDIT.open(folder / "audit.db").close()
    before = sorted(path.name for path in folder.iterdir())
    status, said = hub.check()
    assert status == 0
    assert "MiB free" in "\n".join(said)
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("chmod 777 state", "others may write there (mode 777); type: sudo chmod 700 "),
        ("rmdir state && touch state", "expected a folder"),
        ("printf 'no database' >state/audit.db", "audit.db: it is damaged or no database"),
        ("cp other.db state/policy.db", "policy.db: it is a database, but not of this kind"),
        (
            "rmdir state; ln -s state state",
            "cannot be examined",
        ),
    ],
)
def test_a_state_directory_that_hubd_cannot_use(hub: Hub, change: str, part: str) -> None:
    folder = hub.site.hub / "state"
    folder.mkdir(mode=0o700)
    with sqlite3.connect(hub.site.hub / "other.db") as other:
        other.execute("CREATE TABLE a (b)")
    other.close()
    subprocess.run(["sh", "-c", change], cwd=hub.site.hub, check=True)
    status, said = hub.check()
    assert (status, said[0]) == (EX_UNAVAILABLE, "NOT right: 1 thing to mend")
    assert part in the_line(said, "not there: state directory: ")


_AS_NOBODY = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from hubd.start.checkconfig import machine
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
config = SimpleNamespace(hub=SimpleNamespace(state_directory=Path(sys.argv[1])))
for finding in machine.state(config):
    print(finding.kind, finding.text)
    print(finding.check)
"""


def state_as_nobody(folder: Path) -> list[str]:
    """What a user who may do little finds of a state directory."""
    command = [sys.executable, "-c", _AS_NOBODY, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_state_directory_that_nobody_makes_is_told() -> None:
    assert CheckId.STATE_NO_FOLDER in state_as_nobody(Path("/no-such-folder/state"))


def test_a_state_directory_of_somebody_else_is_told() -> None:
    assert CheckId.STATE_NOT_OURS in state_as_nobody(Path("/usr"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root leaves a log of its own there")
def test_a_write_ahead_log_that_root_left_is_blamed_and_not_its_database(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("state")
    for above in folder.parents:
        if "pytest" in above.name or above.name.startswith("popen-"):
            above.chmod(0o755)
    AUDIT.prepare(folder / "audit.db")
    AUDIT.open(folder / "audit.db").close()
    for path in (folder, folder / "audit.db"):
        os.chown(path, 65534, 65534)
    (folder / "audit.db-wal").write_bytes(b"")
    (folder / "audit.db-wal").chmod(0o600)
    said = "\n".join(state_as_nobody(folder))
    assert (
        f"{folder}/audit.db-wal: hubd may not use it (user 0); type: sudo chown hubd:hubd" in said
    )
    assert CheckId.DATABASE_NOT_OURS in said


def test_the_program_says_the_same_as_json(hub: Hub) -> None:
    file = hub.write()
    command = [sys.executable, "-m", "hubd", "--check-config", "--config", str(file)]
    told = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == shown.returncode
    found = page.decode(told.stdout)
    assert {"hub", "certificate", "bluetooth", "clock"} <= {
        item["about"] for item in json.loads(told.stdout)
    }
    assert next(page.lines(found)) == shown.stdout.splitlines()[0]


def test_the_chip_of_these_tests_is_what_the_library_has() -> None:
    assert {"get_info", "get_line_info"} <= set(dir(gpiod.Chip))
