"""What is around hubd: each check is broken on a made-up machine, and is seen."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hubcore.checks import CheckId, Topic
from hubcore.errors import HardwareError
from hubd.building import topics as judging
from hubd.start.checkconfig import firewall, service, wear
from hubd.wiring.look import bluezversion
from hubd.wiring.look.finding import Finding, FindingKind
from hubd.wiring.look.world import World

WELL = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "Result": "success",
    "NRestarts": "0",
    "WatchdogUSec": "20s",
    "ControlGroup": "/system.slice/hubd.service",
}
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n"


def row(local: str, remote: str, state: str, inode: int) -> str:
    """A line of proc(5)'s /proc/net/tcp."""
    return f"   0: {local} {remote} {state} 0:0 00:00 0 999 0 {inode} 1\n"


class Host:
    """A machine of files below `root`, and of commands that answer what a test says."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.shown = dict(WELL)
        self.level = "→ Overall exposure level for hubd.service: 1.5 OK"
        self.bluez = "5.90-1"
        self.lacks = set[str]()

    def run(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        if argv[0] in self.lacks:
            raise HardwareError(f"{argv[0]} cannot be asked")
        said = {
            "systemctl": "".join(f"{name}={value}\n" for name, value in self.shown.items()),
            "systemd-analyze": self.level,
            "dpkg-query": self.bluez,
        }
        return subprocess.CompletedProcess(argv, 0, said[argv[0]], "")

    def write(self, place: str, text: str) -> Path:
        file = self.root / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def world(self) -> World:
        return World(uid=os.geteuid(), root=self.root, run=self.run)

    def service(self) -> list[Finding]:
        return list(service.look(self.world()))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    for place, mode in (("run/hubd/hubd.sock", 0o660), ("run/hubd/hubd.sock.root", 0o600)):
        made.write(place, "").chmod(mode)
    made.write("sys/fs/cgroup/system.slice/hubd.service/cgroup.procs", "41\n42\n")
    for process, inode in ((41, 1001), (42, 1002)):
        descriptors = tmp_path / "proc" / str(process) / "fd"
        descriptors.mkdir(parents=True)
        (descriptors / "3").symlink_to(f"socket:[{inode}]")
        (descriptors / "4").symlink_to("/dev/null")
    made.write("proc/net/tcp", HEAD + row("00000000:0016", "00000000:0000", "0A", 7))
    return made


def wrong(found: list[Finding]) -> list[CheckId | None]:
    return [one.check for one in found if one.kind is not FindingKind.FACT]


def test_a_service_that_is_well_is_told_by_facts_alone(host: Host) -> None:
    found = host.service()
    assert wrong(found) == []
    assert {one.about for one in found} == {"watchdog", "exposure", "socket", "listening"}


def test_a_machine_without_the_service_has_none_of_its_checks(host: Host) -> None:
    host.shown["LoadState"] = "not-found"
    assert host.service() == []
    host.lacks = {"systemctl"}
    assert host.service() == []


@pytest.mark.parametrize(
    ("changed", "check", "says"),
    [
        (
            {"ActiveState": "failed", "Result": "exit-code", "NRestarts": "3"},
            CheckId.SERVICE_FAILED,
            "hubd.service has failed (exit-code)",
        ),
        ({"NRestarts": "3"}, CheckId.SERVICE_RESTARTS, "ended 3 times by itself"),
        ({"WatchdogUSec": "0"}, CheckId.WATCHDOG_OFF, "has no watchdog"),
        ({"WatchdogUSec": "infinity"}, CheckId.WATCHDOG_OFF, "has no watchdog"),
    ],
)
def test_how_systemd_keeps_it(
    host: Host, changed: Mapping[str, str], check: CheckId, says: str
) -> None:
    host.shown.update(changed)
    (told,) = [one for one in host.service() if one.check]
    assert (told.check, told.kind) == (check, FindingKind.WARNING)
    assert says in told.text


def test_of_a_unit_that_never_ran_the_watchdog_is_not_told_off(host: Host) -> None:
    host.shown.update({"ActiveState": "inactive", "WatchdogUSec": "infinity"})
    assert wrong(host.service()) == []


def test_a_unit_that_lost_a_limit_is_exposed(host: Host) -> None:
    host.level = "→ Overall exposure level for hubd.service: 2.1 OK"
    assert wrong(host.service()) == [CheckId.UNIT_EXPOSED]
    host.level = "no such thing"
    (told,) = [one for one in host.service() if one.check]
    assert (told.check, told.kind) == (CheckId.UNIT_EXPOSED, FindingKind.UNKNOWN)


@pytest.mark.parametrize(
    ("place", "mode"), [("run/hubd/hubd.sock", 0o666), ("run/hubd/hubd.sock.root", 0o660)]
)
def test_a_socket_that_lets_others_in(host: Host, place: str, mode: int) -> None:
    (host.root / place).chmod(mode)
    (told,) = [one for one in host.service() if one.check]
    assert (told.check, f"/{place}: mode {mode:o}" in told.text) == (CheckId.SOCKET_OPEN, True)


@pytest.mark.parametrize(
    ("file", "line", "port"),
    [
        ("tcp", row("00000000:1F90", "00000000:0000", "0A", 1001), "tcp port 8080"),
        ("tcp6", row(32 * "0" + ":1F90", 32 * "0" + ":0000", "0A", 1002), "tcp6 port 8080"),
        ("udp", row("00000000:0035", "00000000:0000", "07", 1002), "udp port 53"),
    ],
)
def test_a_process_of_the_unit_that_listens_on_the_network(
    host: Host, file: str, line: str, port: str
) -> None:
    host.write(f"proc/net/{file}", HEAD + line)
    (told,) = [one for one in host.service() if one.check]
    assert told.check is CheckId.PORT_LISTENS
    assert port in told.text


def test_a_connection_to_somebody_is_no_open_port(host: Host) -> None:
    host.write("proc/net/tcp", HEAD + row("0100007F:9999", "0100007F:1199", "01", 1001))
    host.write("proc/net/udp", HEAD + row("0100007F:9999", "0100007F:0035", "01", 1002))
    assert wrong(host.service()) == []


@pytest.mark.parametrize("text", [None, HEAD + "a line that is too short\n"])
def test_what_cannot_be_seen_of_ports_is_unknown_and_not_well(host: Host, text: str | None) -> None:
    if text is None:
        (host.root / "proc/41/fd/3").unlink()
        (host.root / "proc/41/fd/4").unlink()
        (host.root / "proc/41/fd").rmdir()
    else:
        host.write("proc/net/tcp", text)
    (told,) = [one for one in host.service() if one.check]
    assert (told.check, told.kind) == (CheckId.PORT_LISTENS, FindingKind.UNKNOWN)


def flash(root: Path, life: str, spare: str) -> list[Finding]:
    """Look at a disk of eMMC whose state folder lies on a partition."""
    folder = root / "state"
    folder.mkdir()
    device = root / "sys/devices/mmc0:0001"
    (device / "block/mmcblk0/mmcblk0p2").mkdir(parents=True)
    (device / "block/mmcblk0/device").symlink_to(device)
    (device / "life_time").write_text(life)
    (device / "pre_eol_info").write_text(spare)
    number = folder.stat().st_dev
    block = root / "sys/dev/block"
    block.mkdir(parents=True)
    (block / f"{os.major(number)}:{os.minor(number)}").symlink_to(
        device / "block/mmcblk0/mmcblk0p2"
    )
    return list(wear.look(folder, root / "sys"))


@pytest.mark.parametrize(
    ("life", "spare", "check", "says"),
    [
        ("0x01 0x02\n", "0x01\n", None, "10 to 20 % of its life"),
        ("0x03 0x09\n", "0x01\n", CheckId.FLASH_WORN, "80 to 90 %"),
        ("0x01 0x01\n", "0x02\n", CheckId.FLASH_WORN, "0 to 10 %"),
        ("0x0b 0x01\n", "0x01\n", CheckId.FLASH_ENDS, "more than 100 %"),
        ("0x00 0x00\n", "0x03\n", CheckId.FLASH_ENDS, "nearly all"),
    ],
)
def test_how_worn_the_flash_is(
    tmp_path: Path, life: str, spare: str, check: CheckId | None, says: str
) -> None:
    (told,) = flash(tmp_path, life, spare)
    assert told.check is check
    assert says in told.text
    assert "mmc0:0001" in told.text


@pytest.mark.parametrize(("life", "spare"), [("0x00 0x00", "0x00"), ("what?", "")])
def test_a_flash_that_does_not_tell_has_no_check(tmp_path: Path, life: str, spare: str) -> None:
    assert flash(tmp_path, life, spare) == []


def test_a_disk_that_is_no_flash_has_no_check(tmp_path: Path) -> None:
    assert list(wear.look(tmp_path / "not/there/yet", tmp_path / "sys")) == []


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("5.55-3.1+deb11u1", "never tried"),
        ("5.66-1+deb12u2", "issues/2447"),
        ("1:5.82-1.1", "issues/2447"),
        ("5.66-1+deb12u2+hubd1", None),
        ("5.90-1", None),
    ],
)
def test_a_bluez_that_is_known_bad(host: Host, version: str, says: str | None) -> None:
    host.bluez = version
    (told,) = bluezversion.look(host.world())
    assert told.check is (None if says is None else CheckId.BLUEZ_KNOWN_BAD)
    assert (says or version) in told.text


def test_a_bluez_that_is_no_package_has_no_check(host: Host) -> None:
    host.bluez = ""
    assert list(bluezversion.look(host.world())) == []
    host.lacks = {"dpkg-query"}
    assert list(bluezversion.look(host.world())) == []


def test_each_known_bad_version_names_its_source() -> None:
    for bad in bluezversion.KNOWN_BAD:
        assert bad.source.startswith(("https://", "docs/"))
        assert bad.first <= bad.last


def outward(root: Path, port: int = 4505) -> Iterator[Finding]:
    places = (f"tcp://backend.example:{port}",)
    config = SimpleNamespace(backend=SimpleNamespace(places=places))
    return firewall.look(cast("Any", config), root)


UFW = {"etc/ufw/ufw.conf": "ENABLED=yes\n", "etc/default/ufw": 'DEFAULT_OUTPUT_POLICY="DROP"\n'}
RULE = "### tuple ### allow tcp 4505 0.0.0.0/0 any 0.0.0.0/0 out\n"
OUTPUT = "type filter hook output priority 0; policy drop;"
CHAIN = "table inet f {{\n chain out {{\n  " + OUTPUT + "\n{}\n }}\n}}"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (UFW, "sudo ufw allow out 4505/tcp"),
        ({**UFW, "etc/ufw/user.rules": RULE.replace("4505", "443")}, "sudo ufw allow out 4505"),
        ({"etc/nftables.conf": CHAIN.format("  tcp dport 443 accept")}, "tcp dport 4505 out"),
        ({"etc/nftables.conf": CHAIN.format("# tcp dport 4505 accept")}, "tcp dport 4505 out"),
    ],
)
def test_a_firewall_that_drops_the_way_to_the_backend(
    host: Host, files: Mapping[str, str], says: str
) -> None:
    for place, text in files.items():
        host.write(place, text)
    (told,) = outward(host.root)
    assert (told.check, told.kind) == (CheckId.FIREWALL_DROPS, FindingKind.WARNING)
    assert says in told.text


@pytest.mark.parametrize(
    "files",
    [
        {},
        {**UFW, "etc/ufw/ufw.conf": "ENABLED=no\n"},
        {**UFW, "etc/default/ufw": 'DEFAULT_OUTPUT_POLICY="ACCEPT"\n'},
        {**UFW, "etc/ufw/user.rules": RULE},
        {"etc/nftables.conf": CHAIN.format("  tcp dport { 443, 4505 } accept")},
        {"etc/nftables.conf": CHAIN.format("").replace("output", "input")},
    ],
)
def test_a_firewall_that_lets_it_out(host: Host, files: Mapping[str, str]) -> None:
    for place, text in files.items():
        host.write(place, text)
    assert wrong(list(outward(host.root))) == []


def test_rules_that_this_user_may_not_read_are_unknown(host: Host) -> None:
    def forbidden(*_: object, **__: object) -> Any:
        raise PermissionError(13, "Permission denied", "/etc/ufw/user.rules")

    for place, text in UFW.items():
        host.write(place, text)
    root = host.root
    found = list(firewall.look(cast("Any", CONFIG), root, open_file=forbidden))
    assert [(one.check, one.kind) for one in found] == [
        (CheckId.FIREWALL_DROPS, FindingKind.UNKNOWN)
    ]


CONFIG = SimpleNamespace(backend=SimpleNamespace(places=("tcp://backend.example:4505",)))


def test_a_hub_without_a_backend_has_no_check_of_the_firewall(host: Host) -> None:
    for place, text in UFW.items():
        host.write(place, text)
    alone = SimpleNamespace(backend=None)
    assert list(firewall.look(cast("Any", alone), host.root)) == []


def test_every_topic_is_judged_by_the_daemon_or_before_a_start() -> None:
    """A new topic stands in one of the two, or nobody would show it."""
    groups = [
        topics
        for name, topics in vars(judging).items()
        if name.startswith(("OF_", "ALWAYS", "BEFORE"))
    ]
    assert sum(len(topics) for topics in groups) == len(Topic)
    assert frozenset().union(*groups) == set(Topic)
