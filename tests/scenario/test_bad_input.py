"""What a broken machine, a wrong installation and a bad backend do to the real daemon, run as a
process.

Law: a refused start is one sentence that names the file and the remedy, never a traceback; a hub
that runs goes on, says what is wrong, and opens nothing that it cannot decide on and record.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hubcore.access.grant import Access
from hubcore.backend.uplink.words import MAX_POLICY_BYTES
from hubcore.codec import cbor
from hubcore.errors import LinkError
from hubcore.phone.messages import Reason
from hubcore.policy import document
from hubcore.policy.document import MAX_BYTES
from hubcore.policy.policy import Policy
from hubcore.version import BUILD_TIME
from hubd.adapters.sqlite.policy import PolicyDatabase
from hubsim import site as sites
from hubsim.backend.server import Backend
from hubsim.desk import BANK
from hubsim.door.lines import Bank
from hubsim.phone import wallet as wallets
from hubsim.phone.attempt import Report, Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from hubsim.site import OPEN_AND_QUERY, DeskDoor, Site, Validity
from hubsim.stage import Stage
from tests import policies
from tests.scenario.conftest import FRONT, start_again

pytestmark = pytest.mark.once

EX_CONFIG = 78
EX_CANTCREAT = 73
START_SECONDS = 20.0
ROOT = Path(__file__).parents[2]
NOWHERE = "tcp://127.0.0.1:9"  # the port of a service that no machine offers
RELEASES_ON_A_FULL_DISK = 40  # fewer than come at once: more of them come one a second


def make_site(path: Path) -> Site:
    site = sites.init(path / "site")
    sites.write_config(site, NOWHERE, [DeskDoor()])
    return site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


def hubd(config: Path, *prefix: str) -> subprocess.CompletedProcess[str]:
    """Start the real daemon, which is to refuse."""
    return subprocess.run(
        [*prefix, sys.executable, "-m", "hubd", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


def hubctl(socket: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hubctl.main", "--socket", str(socket), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=START_SECONDS, check=False
    )


def refused(result: subprocess.CompletedProcess[str], status: int, *said: str) -> None:
    """Check that a start was refused with this status and one sentence on standard error that says
    these things.
    """
    # beside the journal's lines
    sentences = [line for line in result.stderr.splitlines() if not line.startswith("{")]
    assert result.returncode == status, result.stderr
    assert len(sentences) == 1, result.stderr
    assert sentences[0].startswith("hubd: ")
    assert "Traceback" not in result.stderr + result.stdout
    for word in said:
        assert word in sentences[0], sentences[0]


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def another_site(site: Site) -> Site:
    return sites.init(site.path.parent / "other", site="site-2")


def append(file: Path, text: str) -> None:
    with file.open("a") as stream:
        stream.write(text)


@dataclass(frozen=True)
class Wrong:
    """One thing wrong with an installation, the status it ends with and what the sentence says."""

    do: Callable[[Site], object]
    status: int
    said: tuple[str, ...]


def toml(site: Site) -> Path:
    return site.hub / "hub.toml"


def open_to_all(site: Site) -> None:
    (site.hub / "state").mkdir(mode=0o777)
    (site.hub / "state").chmod(0o777)


def put(site: Site, name: str, data: bytes) -> None:
    (site.hub / "state").mkdir(mode=0o700, exist_ok=True)
    (site.hub / "state" / name).write_bytes(data)
    (site.hub / "state" / name).chmod(0o600)


def directory_for_file(site: Site) -> None:
    toml(site).unlink()
    toml(site).mkdir()


WRONG = {
    "no file": Wrong(lambda s: toml(s).unlink(), EX_CONFIG, ("hub.toml", "no such file")),
    "a directory": Wrong(directory_for_file, EX_CONFIG, ("hub.toml", "irectory")),
    "no TOML": Wrong(lambda s: append(toml(s), "\n[[["), EX_CONFIG, ("hub.toml", "no TOML")),
    "no UTF-8": Wrong(lambda s: toml(s).write_bytes(b"# \xff\n"), EX_CONFIG, ("hub.toml", "UTF-8")),
    "too long": Wrong(
        lambda s: append(toml(s), "#" * (1 << 20)), EX_CONFIG, ("hub.toml", "longer file")
    ),
    "unknown key": Wrong(
        lambda s: append(toml(s), "\n[radio]\nadaptor = 1\n"), EX_CONFIG, ("hub.toml", "adaptor")
    ),
    "wrong value": Wrong(
        lambda s: edit(toml(s), "strike_seconds = 5.0", "strike_seconds = 500.0"),
        EX_CONFIG,
        ("hub.toml", "strike_seconds", "0.2 to 30", "500"),
    ),
    "no time zone": Wrong(
        lambda s: edit(toml(s), "Europe/Berlin", "Europe/Atlantis"),
        EX_CONFIG,
        ("hub.toml", "time_zone", "tzdata"),
    ),
    "missing key file": Wrong(
        lambda s: (s.hub / "identity.key").unlink(),
        EX_CONFIG,
        ("identity.key", "no such file", "P-256"),
    ),
    "world-readable key": Wrong(
        lambda s: (s.hub / "identity.key").chmod(0o644),
        EX_CONFIG,
        ("identity.key", "mode 644", "chmod 600"),
    ),
    "another's key": Wrong(
        lambda s: os.chown(s.hub / "curve.secret", 12345, 12345),
        EX_CONFIG,
        ("curve.secret", "uid 12345", "chown"),
    ),
    "empty key": Wrong(
        lambda s: (s.hub / "curve.secret").write_text(""), EX_CONFIG, ("curve.secret", "empty")
    ),
    "garbage key": Wrong(
        lambda s: (s.hub / "identity.key").write_bytes(b"\0" * 100), EX_CONFIG, ("identity.key",)
    ),
    "garbage certificate": Wrong(
        lambda s: (s.hub / "certificate.cbor").write_bytes(b"\x9f" * 4000),
        EX_CONFIG,
        ("certificate.cbor",),
    ),
    "another site's certificate": Wrong(
        lambda s: shutil.copy(another_site(s).hub / "certificate.cbor", s.hub),
        EX_CONFIG,
        ("certificate.cbor", "keys.issuer"),
    ),
    "another hub's name": Wrong(
        lambda s: edit(toml(s), 'id = "hub-1"', 'id = "hub-2"'),
        EX_CONFIG,
        ("certificate.cbor", "hub-2"),
    ),
    "a door not certified": Wrong(
        lambda s: edit(toml(s), "number = 1", "number = 2"),
        EX_CONFIG,
        ("certificate.cbor", "access point 2"),
    ),
    "a state directory for all": Wrong(open_to_all, EX_CANTCREAT, ("state", "chmod 700")),
    "a file for a directory": Wrong(
        lambda s: (s.hub / "state").write_text(""), EX_CANTCREAT, ("state",)
    ),
    "garbage evidence": Wrong(
        lambda s: put(s, "audit.db", secrets.token_bytes(8192)), EX_CANTCREAT, ("audit.db",)
    ),
    "evidence of something else": Wrong(
        lambda s: put(s, "audit.db", b"SQLite format 3\0" + bytes(5000)),
        EX_CANTCREAT,
        ("audit.db",),
    ),
    "garbage policy": Wrong(
        lambda s: put(s, "policy.db", secrets.token_bytes(8192)), EX_CANTCREAT, ("policy.db",)
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_installation_is_refused_with_a_sentence(site: Site, what: str) -> None:
    wrong = WRONG[what]
    if what == "another's key" and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    wrong.do(site)
    refused(hubd(toml(site)), wrong.status, *wrong.said)


def test_another_sites_policy_is_refused_with_a_sentence(site: Site) -> None:
    async def leave_behind() -> None:
        (site.hub / "state").mkdir(mode=0o700)
        other = policies.proven(Policy("site-2", 1, int(time.time())), sites.make_key())
        async with await PolicyDatabase.open(
            site.hub / "state" / "policy.db", "site-2", lambda _: other
        ) as store:
            await policies.put_file(store, other)

    asyncio.run(leave_behind())
    refused(hubd(toml(site)), EX_CONFIG, "policy.db", "site-2", "move the file aside")


def unshare() -> tuple[str, ...]:
    """The command that gives a process mounts of its own; skip where the machine does not permit
    it.
    """
    command = (
        ("unshare", "--mount")
        if os.geteuid() == 0
        else ("unshare", "--user", "--map-root-user", "--mount")
    )
    if (
        not shutil.which("unshare")
        or subprocess.run([*command, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("this machine permits no mount namespace")
    return command


def test_a_read_only_state_directory_is_refused_with_a_sentence(site: Site) -> None:
    state = site.hub / "state"
    state.mkdir(mode=0o700)
    script = 'mount -t tmpfs -o ro,mode=700 none "$0" && exec "$@"'
    refused(
        hubd(toml(site), *unshare(), "sh", "-c", script, str(state)),
        EX_CANTCREAT,
        "audit.db",
        "ead-only",
    )


def test_a_state_directory_without_room_is_refused_with_a_sentence(site: Site) -> None:
    state = site.hub / "state"
    state.mkdir(mode=0o700)
    script = 'mount -t tmpfs -o size=3M,mode=700 none "$0" && exec "$@"'
    refused(
        hubd(toml(site), *unshare(), "sh", "-c", script, str(state)),
        EX_CANTCREAT,
        str(state),
        "full",
        "make room",
    )


@contextmanager
def running(config: Path, socket: Path) -> Iterator[subprocess.Popen[str]]:
    """The real daemon, on a machine that lacks what a hub needs; it must end cleanly."""
    command = [sys.executable, "-m", "hubd", "--config", str(config)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            ends = time.monotonic() + START_SECONDS
            while hubctl(socket, "doors").returncode != 0:
                assert process.poll() is None, process.stderr.read() if process.stderr else ""
                assert time.monotonic() < ends
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            _, told = process.communicate(timeout=START_SECONDS)
        assert process.returncode == 0
        assert "Traceback" not in told


def test_a_machine_without_radio_gpio_and_backend(site: Site) -> None:
    """hubd goes on and says what to do; a second one on the same files or socket is refused."""
    socket = site.hub / "hubd.sock"
    with running(toml(site), socket):
        ends = time.monotonic() + START_SECONDS
        problems: dict[str, dict[str, str]] = {}
        while not {"radio", "strikes"} <= set(problems) and time.monotonic() < ends:
            shown = hubctl(socket, "status", "--json")
            problems = {problem["id"]: problem for problem in json.loads(shown.stdout)["problems"]}
        assert shown.returncode == 1
        status = json.loads(shown.stdout)
        assert not status["radio"]["on_air"]
        assert not status["ready"]
        assert status["backend"]["phase"] == "down"
        assert status["backend"]["why"]
        assert status["records"]["waiting"] >= 1
        assert "gpio" in problems["strikes"]["remedy"]
        page = hubctl(socket, "status")
        assert page.returncode == 1
        assert "bluetoothctl" in page.stdout
        assert "gpioinfo" in page.stdout
        refused(hubd(toml(site)), EX_CANTCREAT, "audit.db", "another hubd", "stop that one first")
        edit(toml(site), 'state_directory = "state"', 'state_directory = "state-2"')
        refused(hubd(toml(site)), EX_CONFIG, "hubd.sock")


@pytest.mark.parametrize("left", ["nothing", "a dead socket", "a file"])
def test_hubctl_without_a_daemon_says_what_to_do(tmp_path: Path, left: str) -> None:
    path = tmp_path / "hubd.sock"
    if left == "a dead socket":
        import socket

        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    elif left == "a file":
        path.write_text("")
    for command in ("status", "doors", "tail"):
        result = hubctl(path, command)
        assert result.returncode == 69
        assert str(path) in result.stderr
        assert "systemctl status hubd" in result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert result.stdout == ""
    machine = hubctl(path, "status", "--json")
    assert (machine.returncode, machine.stdout) == (69, "")
    assert json.loads(machine.stderr)["error"]["code"] == "down"


class OddStage(Stage):
    """A stage whose hub is started in an odd way: `prefix` goes before the command, `shim` is
    Python run before it.
    """

    prefix: Sequence[str] = ()
    shim = ""
    disk: Path | None = None
    """Where the hub's state directory is seen from here, when the hub has mounts of its own."""

    async def start_hub(self) -> None:
        if not self.prefix:
            await super().start_hub()
            return
        await self.start(
            "hub", "hub", "--at", str(self.path), "--radio", self.transport, "--nobody"
        )
        await self.until(self._up, "the hub is up")
        state = (self.site.hub / "state").absolute()
        self.disk = Path(f"/proc/{self.process_id('hub')}/root{state}")
        self._bank = Bank(self.disk / BANK)

    async def start(self, name: str, *arguments: str) -> str:
        if name != "hub":
            return await super().start(name, *arguments)
        code = f"{self.shim}\nfrom hubsim.main import main\nmain()"
        with (self.path / "hub.log").open("ab") as log:
            self._processes[name] = await asyncio.create_subprocess_exec(
                *self.prefix, sys.executable, "-c", code, *arguments, stdout=log, stderr=log
            )
        return ""


@asynccontextmanager
async def odd_stage(
    path: Path, prefix: Callable[[Path], Sequence[str]] = lambda _: ()
) -> AsyncIterator[OddStage]:
    stage = OddStage(path / "site", [FRONT], person=False)
    stage.prefix = prefix(stage.site.hub / "state")
    async with stage:
        yield stage


async def policy_version(stage: Stage) -> int:
    """Return the version in force, once there is one."""

    async def found() -> int:
        return int((await stage.hub("status"))["policy_version"])

    await stage.until(found, "a policy is in force")
    return await found()


def new_phone(stage: Stage) -> Wallet:
    name = secrets.token_hex(4)
    stage.site.grant(name, [Access(1, OPEN_AND_QUERY, ())], Validity.days(7, time.time() - 86_400))
    return wallets.load(stage.site.phone(name))


async def visit(stage: Stage, wallet: Wallet) -> Report:
    async with on_air(stage.transport) as device, connect(device) as link:
        return await Session(link, wallet).run(1)


def problem(status: dict[str, Any], name: str) -> dict[str, str]:
    found: dict[str, str] = next((p for p in status["problems"] if p["id"] == name), {})
    return found


async def test_a_full_disk_opens_until_its_reserve_is_used_then_nothing_and_it_passes(
    tmp_path: Path,
) -> None:
    command = unshare()

    def small_disk(state: Path) -> Sequence[str]:
        state.mkdir(mode=0o700, parents=True)
        script = 'mount -t tmpfs -o size=12M,mode=700 none "$0" && exec "$@"'
        return (*command, "sh", "-c", script, str(state))

    async def order() -> str:
        outcome = "busy"
        while outcome == "busy":  # the strike rests: an order may be given again soon
            said = await stage.backend("release", hub="hub-1", access_point=1, by="operator-7")
            outcome = str(said["outcome"])
        return outcome

    async with odd_stage(tmp_path, small_disk) as stage:
        disk = stage.disk
        assert disk is not None
        fill(disk / "filler")
        for _ in range(RELEASES_ON_A_FULL_DISK):
            assert await order() == "released"
        report = await visit(stage, new_phone(stage))
        assert report.verdict is not None
        assert report.verdict.allowed, report.verdict

        async def warned() -> bool:
            return problem(await stage.hub("status"), "disk").get("severity") == "error"

        await stage.until(warned, "the full disk stands as a problem", 15.0)
        use_up(stage)
        while (outcome := await order()) == "released":  # what the pages at hand still take
            pass
        assert outcome == "failed"
        await stage.until(lambda: not stage.strike().active, "the strike rests", 5.0)
        rises = stage.strike().rises
        for _ in range(3):
            report = await visit(stage, new_phone(stage))
            assert report.verdict is not None, report.why
            assert report.verdict.reason is Reason.FAULT
        assert stage.strike().rises == rises
        assert "make room" in problem(await stage.hub("status"), "audit")["what"]
        (disk / "filler").unlink()

        async def mended() -> bool:
            return not problem(await stage.hub("status"), "audit")

        await stage.until(mended, "the problem ends by itself", 15.0)
        report = await visit(stage, new_phone(stage))
        assert report.verdict is not None
        assert report.verdict.allowed, report.verdict
        assert stage.strike().rises == rises + 1
        assert "Traceback" not in (stage.path / "hub.log").read_text()
        assert await stage.stop("hub") == 0


USE_UP = """
import contextlib, sqlite3, sys
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("CREATE TABLE filler (data BLOB)")
for size in (1 << 16, 1 << 12):
    with contextlib.suppress(sqlite3.OperationalError):
        while True:
            other.execute("INSERT INTO filler VALUES (zeroblob(?))", (size,))
"""


def use_up(stage: Stage) -> None:
    """Take the pages that the evidence's file has in reserve, as thousands of releases would."""
    enter = ["nsenter", "--target", str(stage.process_id("hub")), "--mount"]
    user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    database = stage.site.hub / "state" / "audit.db"
    subprocess.run(
        [*enter, *user, sys.executable, "-c", USE_UP, str(database.absolute())],
        check=True,
        timeout=60,
    )


def fill(file: Path) -> None:
    """Write until the disk takes not one byte more."""
    with file.open("wb", buffering=0) as stream:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    stream.write(bytes(size))


def clock_off(seconds: float) -> str:
    """Python that sets a process's wall clock off, its monotonic one untouched."""
    return f"import time\nreal = time.time\ntime.time = lambda: real() + {seconds!r}"


@pytest.mark.long
async def test_a_wrong_clock_moves_nothing_and_says_so(tmp_path: Path) -> None:
    async with odd_stage(tmp_path) as stage:
        wallet = new_phone(stage)
        report = await visit(stage, wallet)
        assert report.verdict is not None
        assert report.verdict.allowed
        await stage.stop("hub")

        # a day before this software was built
        stage.shim = clock_off(BUILD_TIME - time.time() - 86_400)
        await stage.start_hub()
        before = stage.strike().rises

        async def known() -> bool:
            return bool(problem(await stage.hub("status"), "clock"))

        await stage.until(known, "the hub knows that its clock is wrong")
        status = await stage.hub("status")
        assert "timedatectl" in problem(status, "clock")["remedy"]
        assert status["clock"]["state"] == "before_build"
        assert (await stage.backend("release", hub="hub-1", access_point=1, by="operator-7"))[
            "outcome"
        ] == "refused"
        await stage.stop("hub")

        # behind its own records, and within what a phone accepts of a certificate
        stage.shim = clock_off(-600)
        await start_again(stage)
        report = await visit(stage, wallet)
        assert report.verdict is not None, report.why
        assert report.verdict.reason is Reason.CLOCK
        assert stage.strike().rises == before == 0
        await stage.stop("hub")

        stage.shim = ""
        await start_again(stage)
        report = await visit(stage, wallet)
        assert report.verdict is not None
        assert report.verdict.allowed


@asynccontextmanager
async def bad_backend(stage: Stage) -> AsyncIterator[Backend]:
    """The backend of the site, fallen into wrong hands: it sends every hub every document."""
    await stage.kill("backend")
    keys = stage.site.backend
    hubs = {(keys / "hubs" / "hub-1.curve.pub").read_text().strip(): "hub-1"}
    backend = Backend(
        stage.endpoint, (keys / "curve.secret").read_text().strip(), hubs, keys, lambda _: 1 << 60
    )
    task = asyncio.create_task(backend.serve())
    try:
        await backend.wait_for(lambda b: "hub-1" in b.connections, 15.0)
        yield backend
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def offered(backend: Backend, document: bytes) -> str:
    """Offer the hub a policy; return why it refused it."""
    backend.policies.results.clear()
    assert backend.policies.push_document(document) == 1
    await backend.wait_for(lambda b: "hub-1" in b.policies.results, 30.0)
    return backend.policies.results["hub-1"].refused


def bad_policies(site: Site) -> dict[str, tuple[bytes, str]]:
    """Return documents that no hub may accept, each with a word of the refusal."""
    later = Policy(site.name, 9, int(time.time()))
    good = document.issue(later, site.issuer)
    return {
        "an older version": (
            document.issue(Policy(site.name, 1, int(time.time())), site.issuer),
            "not newer",
        ),
        "another signer": (document.issue(later, sites.make_key()), "policy"),
        "another site": (
            document.issue(Policy("site-2", 9, int(time.time())), site.issuer),
            "another site",
        ),
        "a bit flipped": (good[:-1] + bytes([good[-1] ^ 1]), "signature"),
        "cut": (good[:-1], "policy"),
        "garbage": (secrets.token_bytes(1000), "policy"),
        "a certificate": ((site.hub / "certificate.cbor").read_bytes(), "policy"),
        "a version beyond the disk's numbers": (
            document.issue(Policy(site.name, 1 << 63, int(time.time())), site.issuer),
            "policy",
        ),
        "as deep as it goes": (b"\x81" * 4096 + b"\x00", "policy"),
        "as wide as it goes": (cbor.encode_flat([0] * (MAX_POLICY_BYTES - 16)), "policy"),
    }


POLICIES = 10
AT_ONCE = 3
"""How many documents `bad_policies` returns, and how many one hub is offered: it looks at each a
longer while later.
"""


@pytest.mark.parametrize(
    "first",
    [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(AT_ONCE, POLICIES, AT_ONCE))],
)
async def test_a_backend_in_wrong_hands_changes_no_policy_and_stops_no_phone(
    tmp_path: Path, first: int
) -> None:
    assert MAX_POLICY_BYTES <= MAX_BYTES
    async with odd_stage(tmp_path) as stage:
        wallet = new_phone(stage)
        version = await policy_version(stage)
        async with bad_backend(stage) as backend:
            offers = list(bad_policies(stage.site).items())
            assert len(offers) == POLICIES
            for what, (document, word) in offers[first : first + AT_ONCE]:
                offer = asyncio.create_task(offered(backend, document))
                report = await visit(stage, wallet)
                assert report.verdict is not None, (what, report.why)
                assert report.verdict.allowed, (what, report.verdict)
                assert word in await offer, what
                assert await policy_version(stage) == version, what
            stranger = await backend.release("hub-1", 99)
            assert stranger.outcome.name == "REFUSED"
            with pytest.raises(LinkError):
                await backend.release("hub-9", 1)
        assert "Traceback" not in (stage.path / "hub.log").read_text()
        assert await stage.stop("hub") == 0
