"""One command sets up a site's machine: all its files, by which a hub enrols from a page."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import segno
import zmq
import zmq.asyncio
from click.testing import CliRunner

from hubcore.access.cards import CARD_KEY_BYTES
from hubcore.backend.uplink import from_backend
from hubcore.errors import ConfigError, StoreError
from hubgateway.config import load
from hubgateway.issuer.signing.config import load_signing
from hubsim.enrolling import start_enroll
from hubsim.trial import filling
from hubsim.trial.pages import Pages
from hubsite import config
from hubsite.__main__ import hubsite
from hubsite.commands.operators import _show_code
from hubsite.commands.trial import trial_certificate
from hubsite.setup import making, places
from hubsite.setup.certificate import Given
from hubsite.setup.command import DEFAULTS, zone_here
from hubsite.setup.disk import Disk, Owner
from hubsite.setup.ports import check_port, check_ports
from hubsite.setup.standing import settle
from hubsite.setup.texts import Ports, Wish
from hubsite.setup.typed import points_of, spans_of
from tests.gateway.bench import WAIT_SECONDS, Hub, make_chain
from tests.gateway.test_enrolment import Machine as HubMachine
from tests.site.machine import Machine

pytestmark = pytest.mark.once
HUB = "front-1"
T = TypeVar("T")


@pytest.fixture
def machine() -> Iterator[Machine]:
    root = Path(tempfile.mkdtemp(prefix="site"))  # a socket's path has 107 bytes at most
    yield Machine(root)
    shutil.rmtree(root)


def setup(machine: Machine, *more: str) -> str:
    done = CliRunner().invoke(hubsite, machine.setup_words(*more), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def files(machine: Machine) -> dict[str, bytes]:
    found = machine.at("etc").rglob("*")
    return {str(one.relative_to(machine.root)): one.read_bytes() for one in found if one.is_file()}


@pytest.mark.long
async def test_a_hub_enrols_from_a_page_by_what_one_command_made(machine: Machine) -> None:
    machine.install()
    setup(machine, "--trial")
    machine.settle()
    async with machine.running():
        operator = await machine.first_operator()
        pages = Pages(machine.address, machine.at("etc/hubsite/tls.pem"))
        token = await asyncio.to_thread(_token, pages, operator, machine.enrolment_port)
        disk = machine.root / "disk"
        made = HubMachine(await start_enroll(machine.enrolment_port, token, disk), disk)
        shown = await made.fingerprint()
        await _until(lambda: shown in pages.get("/new-hubs").text)
        await asyncio.to_thread(pages.get, f"/new-hubs/of/{HUB}")
        await asyncio.to_thread(pages.submit, {"fingerprint": shown}, stays=True)
        assert "is the hub" in pages.page.text, pages.page.text
        assert await made.end() == 0, made.said
        await _is_a_hub(machine, pages, made)
        config = str(machine.at("etc/hubissuer/hubissuer.toml"))
        listed = await machine.command("--config", config, "list", module="hubgateway.issuer")
        assert HUB in listed
        assert "Violation" not in machine.log("hubgateway-engine")


def _token(pages: Pages, operator: filling.Operator, port: int) -> str:
    filling.sign_in(pages, operator)
    door = pages.add("door", {"name": "Front door"})
    point = pages.add("point", {"number": "7", "name": "inward", "door": door})
    pages.get("/new-hubs/token")
    typed = {"hub": HUB, "points": [point], "time_zone": "Europe/Berlin"}
    pages.submit(typed, stays=True)
    assert "token" in pages.page.areas, pages.page.text
    assert f"hubctl enroll localhost:{port} --strike 7=" in pages.page.text
    return pages.page.areas["token"].strip()


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            if await asyncio.to_thread(is_so):
                return
            await asyncio.sleep(0.05)


async def _is_a_hub(machine: Machine, pages: Pages, made: HubMachine) -> None:
    """It gets the policy of the pages, and its records come back to them."""
    context = zmq.asyncio.Context()
    hub = Hub(context, HUB, made.held("backend_public").split()[0])
    hub.secret = made.held("curve_secret").strip()
    hub.public = zmq.curve_public(hub.secret)
    try:
        welcome = await hub.greet(machine.endpoint)
        assert isinstance(welcome, from_backend.Welcome)
        await hub.hear_a(from_backend.NewPolicy)
        hub.records = make_chain(3)
        await hub.send_until_durable(machine.endpoint)
        await _until(lambda: "connected" in pages.get("/hubs").text)
        await _until(lambda: f"{HUB} 3" in pages.get("/records").text)
    finally:
        hub.close()
        context.term()


def refused(machine: Machine, *more: str) -> str:
    with pytest.raises((ConfigError, StoreError)) as error:
        CliRunner().invoke(hubsite, machine.setup_words(*more), catch_exceptions=False)
    return str(error.value)


def test_each_secret_is_for_one_reader(machine: Machine) -> None:
    setup(machine, "--trial")
    public = {".toml", ".conf", ".cbor", ".pem"}
    for name in files(machine):
        mode = stat.S_IMODE(machine.at(name).stat().st_mode)
        assert mode == (0o644 if Path(name).suffix in public else 0o600), name
    assert stat.S_IMODE(machine.at("etc/credstore").stat().st_mode) == 0o700


def test_the_servers_user_gets_no_key_that_signs_or_orders(machine: Machine) -> None:
    setup(machine, "--trial")
    there = files(machine)
    secrets = [data for name, data in there.items() if name.startswith("etc/credstore/")]
    assert len(secrets) == 9
    for name, data in there.items():
        if not name.startswith("etc/credstore/"):
            assert not [one for one in secrets if one in data], name


class StopError(Exception):
    """The power goes."""


class Dying(Disk):
    """A disk whose machine dies before it has made one file more than `left`."""

    left = 0

    def _write(self, path: Path, data: bytes, mode: int, owner: Owner | None) -> None:
        if len(self.made) == type(self).left:
            raise StopError
        super()._write(path, data, mode, owner)


WISH = Wish("acme", "localhost", "127.0.0.1:1", (7,), "UTC", Ports())
TRIAL = Given(is_trial=True)


def test_wherever_it_is_broken_off_the_same_again_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Disk(tmp_path / "whole")
    making.make_files(whole, WISH, TRIAL, 1_800_000_000)
    assert sorted(whole.made) == sorted(places.FILES)
    for cut in range(len(whole.made)):
        disk = Dying(tmp_path / f"cut-{cut}")
        monkeypatch.setattr(Dying, "left", cut)
        with pytest.raises(StopError):
            making.make_files(disk, WISH, TRIAL, 1_800_000_000)
        before = {place: disk.read(place) for place in disk.made}
        again = Disk(disk.root)
        making.make_files(again, WISH, TRIAL, 1_800_000_001)
        assert disk.made + again.made == whole.made
        assert {place: again.read(place) for place in before} == before
        assert [one.name for one in disk.root.rglob(".*")] == []


def test_what_is_there_is_kept_and_what_does_not_fit_is_refused(machine: Machine) -> None:
    setup(machine, "--trial")
    before = files(machine)
    assert "nothing, all was there" in setup(machine)
    assert files(machine) == before
    own = machine.at(places.GATEWAY_FILE)
    own.write_text("# mine\n" + own.read_text())
    setup(machine)
    assert own.read_text().startswith("# mine\n")
    machine.at(places.SERVER_ACCOUNT).unlink()
    assert "does not name the account of hubsite" in refused(machine)


@pytest.mark.parametrize(
    ("option", "other", "place"),
    [
        ("--site", "other", places.SERVER_FILE),
        ("--host", "localhosst", places.SERVER_FILE),
        ("--listen", "127.0.0.1:9", places.SERVER_FILE),
        ("--time-zone", "Asia/Tokyo", places.SERVER_FILE),
        ("--access-points", "1-8,20", places.SIGNING_FILE),
        ("--gateway-port", "9", places.GATEWAY_FILE),
        ("--enrolment-port", "9", places.SERVER_FILE),
        ("--engine-port", "9", places.SERVER_FILE),
        ("--monitor-port", "9", places.ENGINE_FILE),
    ],
)
def test_what_stands_otherwise_is_refused_with_both_before_anything_is_made(
    machine: Machine, option: str, other: str, place: str
) -> None:
    setup(machine, "--trial", "--time-zone", "Europe/Berlin")
    machine.at(places.AUTHORITY_KEY).unlink()
    machine.at(f"{places.ISSUER_FOLDER}/authority.pem").unlink()
    before = files(machine)
    said = refused(machine, option, other)
    assert f"{machine.at(place)} says {option[2:]} " in said
    assert f", and this line says {other}: leave {option} out, or change the file" in said
    assert files(machine) == before


@pytest.mark.parametrize(
    "place", [places.ENGINE_FILE, places.GATEWAY_FILE, places.SIGNING_FILE, places.ISSUER_FILE]
)
def test_each_file_that_is_there_is_asked_for_the_engines_port(
    machine: Machine, place: str
) -> None:
    setup(machine, "--trial")
    one = machine.at(place).read_bytes()
    shutil.rmtree(machine.at("etc"))
    machine.at(place).parent.mkdir(parents=True)
    machine.at(place).write_bytes(one)
    said = refused(machine, "--trial", "--engine-port", "9")
    assert f"{machine.at(place)} says engine-port {machine.engine_port}, and" in said
    assert list(files(machine)) == [place.lstrip("/")]


def test_what_is_left_out_is_as_the_files_say(machine: Machine) -> None:
    setup(machine, "--trial", "--access-points", "3,1,2", "--time-zone", "Europe/Berlin")
    typed = {"--access-points": "1-3"}
    wish = settle(Disk(machine.root), typed, DEFAULTS)
    assert wish == {
        "--site": "acme",
        "--host": "localhost",
        "--listen": f"127.0.0.1:{machine.pages_port}",
        "--access-points": "1-3",
        "--time-zone": "Europe/Berlin",
        "--gateway-port": str(machine.gateway_port),
        "--enrolment-port": str(machine.enrolment_port),
        "--engine-port": str(machine.engine_port),
        "--monitor-port": str(machine.monitor_port),
    }
    before = files(machine)
    words = ["setup", "--operator", "olga", "--root", str(machine.root)]
    done = CliRunner().invoke(hubsite, words, catch_exceptions=False)
    assert "nothing, all was there" in done.output
    assert files(machine) == before
    server = config.parse(files(machine)["etc/hubsite/hubsite.toml"], Path("x"))
    assert server.new_hubs == f"localhost:{machine.enrolment_port}"


def test_a_site_of_before_at_another_port_is_told_what_the_page_needs(machine: Machine) -> None:
    said = f'new_hubs = "localhost:{machine.enrolment_port}"'
    assert said not in setup(machine, "--trial")
    file = machine.at(places.SERVER_FILE)
    file.write_text(file.read_text().replace(f"{said}\n", ""))
    assert f"{said} into {file}" in setup(machine)


def test_what_no_file_says_is_typed_or_has_its_default(machine: Machine) -> None:
    assert settle(Disk(machine.root), {"--listen": "127.0.0.1:9"}, DEFAULTS) == {
        **DEFAULTS,
        "--listen": "127.0.0.1:9",
    }
    words = ["setup", "--operator", "olga", "--trial", "--root", str(machine.root)]
    with pytest.raises(ConfigError, match="--site is wanted"):
        CliRunner().invoke(hubsite, words, catch_exceptions=False)
    assert not machine.at("etc").exists()


def test_an_engine_elsewhere_is_kept_and_no_port_of_this_machine(machine: Machine) -> None:
    setup(machine, "--trial")
    file = machine.at(places.SERVER_FILE)
    here = f"nats://127.0.0.1:{machine.engine_port}"
    file.write_text(file.read_text().replace(here, "tls://engine.acme.example:4222"))
    assert "says engine-port tls://engine.acme.example:4222, and" in refused(machine)
    settled = settle(Disk(machine.root), {}, DEFAULTS)
    assert settled["--engine-port"] == str(machine.engine_port)


def test_a_run_that_was_killed_leaves_no_second_name_of_a_key(machine: Machine) -> None:
    setup(machine, "--trial")
    before = files(machine)
    for place in (places.SERVER_ACCOUNT, places.TLS_KEY, places.ISSUER_KEY):
        file = machine.at(place)
        file.with_name(f".{file.name}.77.unfinished").hardlink_to(file)
    machine.at(f"{places.SERVER_FOLDER}/.hubsite.secret.9.unfinished").write_bytes(b"hal")
    mine = machine.at(f"{places.SERVER_FOLDER}/.mine.9.unfinished")
    mine.write_bytes(b"of somebody else")
    assert "nothing, all was there" in setup(machine)
    mine.unlink()
    assert files(machine) == before
    assert machine.at(places.TLS_KEY).stat().st_nlink == 1


def test_a_server_that_was_made_alone_is_not_taken_for_a_whole_site(machine: Machine) -> None:
    folder = machine.at(places.SERVER_FOLDER)
    words = ["init", str(folder), "--site", "acme", "--host", "localhost", "--trial"]
    assert CliRunner().invoke(hubsite, words).exit_code == 0
    assert "no [engine] and [signing]" in refused(machine)


def test_a_key_that_lies_elsewhere_is_not_made_again(machine: Machine) -> None:
    setup(machine, "--trial")
    machine.at(places.ISSUER_KEY).unlink()
    machine.at(f"{places.SERVER_FOLDER}/issuer.cbor").unlink()
    setup(machine)
    assert not machine.at(places.ISSUER_KEY).exists()
    of_server = machine.at(f"{places.SERVER_FOLDER}/issuer.cbor").read_bytes()
    assert of_server == machine.at(f"{places.GATEWAY_FOLDER}/issuer.cbor").read_bytes()


def test_issuers_of_two_sites_are_refused(machine: Machine) -> None:
    setup(machine, "--trial")
    machine.at(f"{places.SERVER_FOLDER}/issuer.cbor").write_bytes(b"of another")
    assert "of another site" in refused(machine)


@pytest.mark.parametrize("place", [places.ISSUER_KEY, places.CURVE_SECRET, places.SERVER_ACCOUNT])
@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602])
def test_a_secret_that_others_may_use_is_refused(machine: Machine, place: str, mode: int) -> None:
    """disk, law 6"""
    setup(machine, "--trial")
    file = machine.at(place)
    file.chmod(mode)
    assert f"others may use it: chmod o= {file}" in refused(machine)
    file.chmod(0o640)
    assert "nothing, all was there" in setup(machine)


SECRETS = [places.ISSUER_KEY, places.AUTHORITY_KEY, places.CURVE_SECRET, places.GATEWAY_ACCOUNT]


@pytest.mark.parametrize("place", SECRETS)
def test_a_secret_that_is_none_is_named(machine: Machine, place: str) -> None:
    file = machine.at(place)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no key")
    assert place in refused(machine, "--trial")
    assert file.read_bytes() == b"no key"


def test_without_a_certificate_nothing_is_made(machine: Machine) -> None:
    said = refused(machine)
    assert "--trial" in said
    assert str(machine.at(places.TLS_KEY)) in said
    assert not machine.at("etc").exists()
    machine.at(places.SERVER_FOLDER).mkdir(parents=True)
    machine.at(places.TLS_CERTIFICATE).write_text("mine")
    assert "wanted" in refused(machine, "--trial")
    assert machine.at(places.TLS_CERTIFICATE).read_text() == "mine"


def test_the_installers_own_certificate_is_taken_with_its_key(
    machine: Machine, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        key, certificate = trial_certificate("localhost", int(time.time()))
        (tmp_path / f"{name}.key").write_bytes(key)
        (tmp_path / f"{name}.pem").write_bytes(certificate)

    def said(certificate: str, key: str) -> list[str]:
        return ["--certificate", f"{tmp_path}/{certificate}", "--key", f"{tmp_path}/{key}"]

    assert "not the key of" in refused(machine, *said("one.pem", "two.key"))
    assert "one.key" in refused(machine, *said("one.key", "one.key"))
    assert "nothing" in refused(machine, *said("nothing", "one.key"))
    assert "belong together" in refused(machine, "--key", f"{tmp_path}/one.key")
    assert not machine.at("etc").exists()
    setup(machine, *said("one.pem", "one.key"))
    assert machine.at(places.TLS_KEY).read_bytes() == (tmp_path / "one.key").read_bytes()
    setup(machine, *said("one.pem", "one.key"))
    assert "copy the newer ones" in refused(machine, *said("two.pem", "two.key"))


@pytest.mark.parametrize("place", [places.SERVER_SECRET, f"{places.SERVER_FOLDER}/issuer.cbor"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_in_the_place_of_a_file_leads_nowhere(
    machine: Machine, tmp_path: Path, place: str, is_there: bool
) -> None:
    outside = tmp_path / "outside"
    if is_there:
        outside.write_text("secret of root")
    machine.at(places.SERVER_FOLDER).mkdir(parents=True)
    machine.at(place).symlink_to(outside)
    assert f"{place}: it is a link" in refused(machine, "--trial")
    assert outside.exists() is is_there
    made = [one for one in machine.at("etc").rglob("*") if not one.is_symlink() and one.is_file()]
    assert not any(b"secret of root" in one.read_bytes() for one in made)


@pytest.mark.parametrize("typed", ["", "0", "1-", "5-2", "70000", "1,x", "-3", "1-65535"])
def test_what_is_no_access_point_is_refused(typed: str) -> None:
    with pytest.raises(ConfigError, match="--access-points"):
        points_of(typed)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("5-1", "'5-1' ends before it begins"),
        ("0-99999", "'0-99999': 0 is none, they are 1 to 65535"),
        ("1-99999", "99999 is none"),
        ("1,x", "'x' is no number, and no span"),
        ("1-5000", "these are 5000, and 4096 are the most"),
    ],
)
def test_what_is_wrong_with_a_span_is_said(typed: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        points_of(typed)


def test_access_points_are_numbers_and_spans() -> None:
    assert points_of("1-3, 8,2") == (1, 2, 3, 8)
    assert spans_of((8, 2, 3, 1, 3)) == "1-3,8"
    assert spans_of(()) == ""


@pytest.mark.parametrize(
    ("option", "typed", "words"),
    [
        ("--host", 'a"b', "of letters, digits, '.' and '-'"),
        ("--host", "https://site.acme.example/", "no address of a page"),
        ("--host", "site.acme.example:8443", "the port belongs to --listen"),
        ("--host", "", "a machine's name"),
        ("--host", ".acme.example", "a machine's name"),
        ("--host", "site..example", "a machine's name"),
        ("--host", "site.example.", "a machine's name"),
        ("--host", f"{64 * 'a'}.example", "a machine's name"),
        ("--site", "A b", "1 to 32 of a-z, 0-9 and '-'"),
        ("--listen", "x", "0.0.0.0:8443"),
        ("--listen", "0.0.0.0:70000", "a port is 1 to 65535"),
        ("--time-zone", "Berlin", "no zone such as Europe/Berlin"),
        ("--operator", "Olga Müller", "1 to 32 of a-z, 0-9, '.', '_' and '-'"),
    ],
)
def test_what_is_typed_wrong_is_said_in_words_and_makes_nothing(
    machine: Machine, option: str, typed: str, words: str
) -> None:
    said = refused(machine, "--trial", option, typed)
    assert said.startswith(f"{option} {typed!r}: ")
    assert words in said
    assert ".toml" not in said
    assert not machine.at("etc").exists()


def test_a_port_that_is_taken_is_named_with_its_option_and_its_program() -> None:
    """ports, law 1"""
    with socket.create_server(("127.0.0.1", 0)) as ear:
        port = ear.getsockname()[1]
        with pytest.raises(ConfigError) as error:
            check_port("--engine-port", "127.0.0.1", port)
    said = str(error.value)
    assert said.startswith(f"port {port} at 127.0.0.1 cannot be taken: Address already in use")
    assert "name another by --engine-port" in said
    has_it = f" (process {os.getpid()}) has it" in said
    assert has_it is (shutil.which("ss") is not None)
    check_port("--engine-port", "127.0.0.1", port)


def test_each_port_of_a_part_that_does_not_run_is_looked_at(machine: Machine) -> None:
    """ports, laws 1 and 2"""
    free = Ports(
        gateway=machine.gateway_port,
        enrolment=machine.enrolment_port,
        engine=machine.engine_port,
        monitor=machine.monitor_port,
    )
    pages = f"127.0.0.1:{machine.pages_port}"
    check_ports(free, pages, lambda _: False)
    units = {
        free.engine: "hubgateway-engine.service",
        free.monitor: "hubgateway-engine.service",
        free.gateway: "hubgateway.service",
        free.enrolment: "hubgateway.service",
        free.enrolment + 1: "hubgateway.service",
        machine.pages_port: "hubsite.service",
    }
    for port, unit in units.items():
        with socket.create_server(("127.0.0.1", port)):
            with pytest.raises(ConfigError, match=f"port {port} at "):
                check_ports(free, pages, lambda _: False)
            check_ports(free, pages, unit.__eq__)


class Terminal(io.StringIO):
    def __init__(self, encoding: str, is_terminal: bool) -> None:
        super().__init__()
        self._encoding = encoding
        self._is_terminal = is_terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._is_terminal


def test_a_second_factor_is_a_code_that_a_camera_reads_on_a_terminal_alone() -> None:
    address = "otpauth://totp/acme:olga?secret=ABCDEFGHIJKLMNOPQRSTUVWXYZ234567&issuer=acme"
    shown = Terminal("utf-8", True)
    _show_code(address, shown)
    modules = [
        [halves(sign)[row] for sign in line]
        for line in shown.getvalue().strip().splitlines()
        for row in (0, 1)
    ]
    code = segno.make(address, error="l", micro=False)
    rows = [list(row) for row in code.matrix_iter(scale=1, border=4)]
    assert modules[: len(rows)] == rows
    for silent in (Terminal("utf-8", False), Terminal("latin-1", True)):
        _show_code(address, silent)
        assert silent.getvalue() == ""


def halves(sign: str) -> tuple[int, int]:
    """Whether the upper and the lower half are dark: what is lit is light."""
    return {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1), "\xa0": (1, 1)}[sign]


def test_the_time_zone_is_that_of_the_machine(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    assert zone_here(disk) == "UTC"
    disk.at("/etc").mkdir()
    disk.at("/etc/localtime").symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    assert zone_here(disk) == "Europe/Berlin"


CARDS_OF_BEFORE = {
    places.SIGNING_FILE: ('card_key = "credential:card_key"\n', "\n[limits]\ncards = 0\n"),
    places.GATEWAY_FILE: ('card_key = "credential:card_key"\n',),
}


def _of_before(machine: Machine) -> None:
    """Make the files say what they said before there were cards."""
    for place, lines in CARDS_OF_BEFORE.items():
        text = machine.at(place).read_text()
        for line in lines:
            assert line in text
            text = text.replace(line, "")
        machine.at(place).write_text(text)
    for place in (places.CARD_KEY, places.GATEWAY_CARD_KEY):
        machine.at(place).unlink()


def _cards(machine: Machine) -> int:
    """How many cards there may be; all who need the card key have one and the same."""
    signing = load_signing(machine.at(places.SIGNING_FILE))
    gateway = load(machine.at(places.GATEWAY_FILE))
    assert gateway.enrolment is not None
    assert signing.card_key == gateway.enrolment.card_key == "credential:card_key"
    key = machine.at(places.CARD_KEY).read_bytes()
    assert len(key) == CARD_KEY_BYTES
    assert machine.at(places.GATEWAY_CARD_KEY).read_bytes() == key
    return signing.limits.cards


def test_a_new_site_has_a_card_key_and_as_many_cards_as_were_typed(machine: Machine) -> None:
    """making, law 4; command, law 2"""
    setup(machine, "--trial")
    before = files(machine)
    assert _cards(machine) == 0
    said = setup(machine, "--cards", "200")
    assert _cards(machine) == 200
    assert "Hubs that are enrolled" not in said
    changed = {name for name, data in files(machine).items() if data != before[name]}
    assert changed == {places.SIGNING_FILE.lstrip("/")}
    setup(machine)
    assert _cards(machine) == 200
    before = files(machine)
    setup(machine, "--cards", "200")
    assert files(machine) == before


def test_a_site_of_before_gets_its_card_key_where_cards_are_typed(machine: Machine) -> None:
    """making, law 4"""
    setup(machine, "--trial")
    _of_before(machine)
    before = files(machine)
    setup(machine)
    assert files(machine) == before
    said = setup(machine, "--cards", "7")
    assert _cards(machine) == 7
    assert "Hubs that are enrolled have no card key yet" in said
    for place, lines in CARDS_OF_BEFORE.items():
        text = machine.at(place).read_text()
        for line in lines:
            text = text.replace(line.replace("cards = 0", "cards = 7"), "")
        assert text == before[place.lstrip("/")].decode()


def _one_of_two(machine: Machine) -> str:
    machine.at(places.GATEWAY_CARD_KEY).write_bytes(bytes(CARD_KEY_BYTES))
    return "a site has one card key"


def _a_short_one(machine: Machine) -> str:
    for place in (places.CARD_KEY, places.GATEWAY_CARD_KEY):
        machine.at(place).write_bytes(b"short")
    return "it is not the 32 bytes"


def _elsewhere(machine: Machine) -> str:
    file = machine.at(places.GATEWAY_FILE)
    file.write_text(file.read_text().replace('card_key = "credential:card_key"', 'card_key = "x"'))
    return "card_key is x"


@pytest.mark.parametrize("spoil", [_one_of_two, _a_short_one, _elsewhere])
def test_another_card_key_is_refused_and_nothing_is_changed(
    machine: Machine, spoil: Callable[[Machine], str]
) -> None:
    setup(machine, "--trial")
    why = spoil(machine)
    before = files(machine)
    assert why in refused(machine, "--cards", "7")
    assert files(machine) == before
