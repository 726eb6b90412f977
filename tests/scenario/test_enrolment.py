"""A machine becomes a hub: `hubctl enroll` as a process, real sockets, and what can go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import zmq
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from zmq.utils import z85

from hubcore.backend.enrolment.greeting import GREETING_BYTES_MAX, Greeting, write_greeting
from hubcore.backend.enrolment.messages import Enrolled, FromBackend
from hubcore.backend.enrolment.token import Token, read_token, trust_of, write_token
from hubcore.codec import cbor
from hubcore.codec.cose import read_key
from hubcore.codec.tls import (
    TlsCertificate,
    TlsName,
    TlsRole,
    der_of,
    public_der,
    read_certificate,
)
from hubcore.errors import ConfigError
from hubd.config.file import load
from hubd.enrolment.asking import Asking
from hubd.enrolment.durable import Sealer
from hubd.enrolment.enrol import Enrolment, Order
from hubd.enrolment.places import OWN_KEYS, Places
from hubsim.backend.admission.keyring import HubFiles
from hubsim.backend.admission.zap import Gate
from hubsim.enrolment.desk import Desk
from hubsim.enrolment.place import EnrolmentPlace, port_of
from tests.newhub import NewHub, Signer

pytestmark = pytest.mark.once

PATIENCE_SECONDS = 60.0
ROOT = Path(__file__).parents[2]
SIGNER = Signer()
SERVER_KEY = z85.decode(zmq.curve_keypair()[0])
SITE = SIGNER.of_site((SERVER_KEY,), beacon=bytes(range(16)))

CUT = 9
CHILD = """
import asyncio, os, sys
from pathlib import Path
from hubcore.backend.enrolment.token import read_token
from hubd.enrolment.asking import Asking
from hubd.enrolment.durable import Sealer
from hubd.enrolment.enrol import Enrolment, Order
from hubd.enrolment.places import Places

root, port, text, cut_at = sys.argv[1:]
steps = 0

def step(name):
    global steps
    steps += 1
    if steps == int(cut_at):
        os._exit(9)

order = Order("127.0.0.1", int(port), read_token(text))
enrolment = Enrolment(Places(Path(root)), None, step)
if enrolment.standing(order) is None:
    keys = enrolment.own_keys(order)
    asking = Asking(seconds=60, pace_seconds=0.05)
    enrolled = asyncio.run(enrolment.answer(order, keys, asking))
    enrolment.install(order, keys, enrolled)
"""
"""`hubctl enroll` without its words; the power goes before the step of a number."""


@dataclass
class Bureau:
    """A backend's enrolment port; it approves what asks, when `approves` is set."""

    desk: Desk
    port: int
    approves: bool = True

    async def approve(self) -> None:
        """Approve every machine that waits, until cancelled."""
        while True:
            for hub, entry in list(self.desk.book.entries.items()):
                if self.approves and entry.identity and not entry.certificate:
                    key = read_key(cbor.decode(bytes.fromhex(entry.identity)))
                    tls_key = bytes.fromhex(entry.tls_key)
                    self.desk.approve(hub, SIGNER.sign(hub, key, tls_key, entry.points))
            await asyncio.sleep(0.02)


@asynccontextmanager
async def bureau(path: Path) -> AsyncIterator[Bureau]:
    """Open one in this process, on any port."""
    (path / "hubs").mkdir(parents=True)
    public, secret = zmq.curve_keypair()
    gate = Gate(HubFiles(path / "hubs"), path / "revoked")
    desk = Desk(
        directory=path,
        of_site=SITE,
        public=z85.decode(public),
        gate=gate,
        revoke=gate.revoke,
        begin_again=lambda _: None,
        clock=lambda: 1_000_000.0,
        monotonic=asyncio.get_running_loop().time,
    )
    port = port_of(desk, EnrolmentPlace("127.0.0.1", 0, SITE), secret)
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(port.serve(ready))
        await ready.wait()
        made = Bureau(desk, port.port)
        approving = group.create_task(made.approve())
        yield made
        serving.cancel()
        approving.cancel()


async def run(*words: str, text: str = "") -> tuple[int, str]:
    """Run a program to its end; return its status and all that it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        said, _ = await process.communicate(text.encode())
    assert process.returncode is not None
    return process.returncode, said.decode()


async def enroll(root: Path, port: int, token: str, *more: str) -> tuple[int, str]:
    """Type `hubctl enroll` at the machine with this disk."""
    words = ("-m", "hubctl.main", "enroll", f"127.0.0.1:{port}", "--root", str(root), "--plain")
    return await run(*words, *more, text=token + "\n")


def files(root: Path) -> dict[str, bytes]:
    """What lies on a disk, by its name in the credential store or the configuration's folder."""
    found = {}
    for folder in ("etc/credstore", "etc/credstore.encrypted", "etc/hubd"):
        for path in (root / folder).glob("*"):
            found[path.name] = path.read_bytes()
    return found


def tls_identity(held: dict[str, bytes], hub: str) -> TlsCertificate:
    """The TLS certificate of a disk, proven by the authority there for the key there."""
    name = TlsName("acme", TlsRole.HUB, hub)
    authority = der_of(held["hubd.tls_authority"])
    certificate = read_certificate(der_of(held["hubd.tls_certificate"]), authority, name)
    key = load_pem_private_key(held["hubd.tls_key"], None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert certificate.key == public_der(key.public_key())
    return certificate


def promise(desk: Desk, hub: str = "hub-a", replaces: bool = False) -> str:
    return desk.promise(hub, {10: 'Front "door"', 11: "Würzburg"}, "Europe/Berlin", replaces)


def known(desk: Desk, hub: str) -> str:
    """The one key by which a hub is known."""
    (key,) = (key for key, name in desk._gate.hubs.items() if name == hub)
    return key


async def test_a_token_makes_a_machine_a_hub_and_the_same_again_says_so(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    async with bureau(tmp_path / "backend") as one:
        token = promise(one.desk)
        wiring = ("--strike", "10=gpiochip0:17", "--strike", "11=main:STRIKE")
        wiring += ("--rex", "10=a:2:low")
        status, said = await enroll(root, one.port, token, *wiring)
        assert status == 0, said
        assert "enrolled: hub hub-a of site acme, access points 10, 11" in said
        assert f"fingerprint of this machine: {one.desk.book.entries['hub-a'].fingerprint}" in said
        assert token.replace("-", "") not in said.replace("-", "")
        held = files(root)
        status, said = await enroll(root, one.port, token)
        assert (status, files(root)) == (0, held)
        assert "enrolled already: hub hub-a" in said
        assert zmq.curve_public(held["hubd.curve_secret"]).decode() == known(one.desk, "hub-a")
    assert held["hubd.beacon"] == SITE.beacon
    config = load(root / "etc/hubd/hubd.toml", {"CREDENTIALS_DIRECTORY": "/run/credentials"})
    assert config.backend is not None
    assert config.backend.endpoint == "tcp://127.0.0.1:4505"
    assert [door.name for door in config.doors] == ['Front "door"', "Würzburg"]
    modes = {path.stat().st_mode & 0o777 for path in (root / "etc/credstore").glob("hubd.*e*y")}
    assert modes == {0o600}


@pytest.mark.long
async def test_a_power_cut_at_each_step_and_the_same_again_ends_enrolled(tmp_path: Path) -> None:
    """enrol, laws 2 and 5"""
    async with bureau(tmp_path / "backend") as one:
        cut_at = 1
        was_cut = True
        while was_cut:
            root = tmp_path / f"disk-{cut_at}"
            hub = f"hub-{cut_at}"
            words = (str(root), str(one.port), promise(one.desk, hub))
            status, said = await run("-c", CHILD, *words, str(cut_at))
            was_cut = status == CUT
            assert was_cut or status == 0, said
            status, said = await run("-c", CHILD, *words, "0")
            assert status == 0, said
            held = files(root)
            assert zmq.curve_public(held["hubd.curve_secret"]).decode() == known(one.desk, hub)
            entry = one.desk.book.entries[hub]
            assert held["hubd.certificate"].hex() == entry.certificate
            tls = tls_identity(held, hub)
            assert tls.document.hex() == entry.tls_certificate
            left = ("pending", "enrolment", "enrolment.token")
            assert not [name for name in held if name.endswith(left)], cut_at
            cut_at += 1
    assert cut_at > 22, "each write and rename is a step"


async def test_where_the_machine_can_seal_no_private_key_lies_in_clear(tmp_path: Path) -> None:
    """places, law 3; durable, law 3: the real systemd-creds, as root"""
    sealer = Sealer()
    if os.geteuid() != 0 or not sealer.can():
        pytest.skip("systemd-creds cannot seal here")
    root = tmp_path / "disk"
    shipped = Places(root).drop_in_shipped
    shipped.parent.mkdir(parents=True)
    shipped.write_bytes((ROOT / "systemd/sealed-keys.conf").read_bytes())
    async with bureau(tmp_path / "backend") as one:
        words = ("-I", "-m", "hubctl.main", "enroll", f"127.0.0.1:{one.port}", "--root", str(root))
        token = promise(one.desk)
        for what in ("enrolled: hub", "enrolled already: hub"):
            status, said = await run(*words, text=token + "\n")
            assert status == 0, said
            assert what in said
        assert SITE.beacon not in b"".join(files(root).values())
        sealed = root / "etc/credstore.encrypted"
        opened = {
            name: sealer.unseal(name, (sealed / f"hubd.{name}").read_bytes())
            for name in (*OWN_KEYS, "beacon")
        }
        assert zmq.curve_public(opened["curve_secret"]).decode() == known(one.desk, "hub-a")
        for path in root.rglob("*"):
            data = path.read_bytes() if path.is_file() else b""
            assert not any(secret in data for secret in opened.values()), path
        tls_identity(files(root) | {"hubd.tls_key": opened["tls_key"]}, "hub-a")
        assert Places(root).drop_in.read_bytes() == shipped.read_bytes()


class Cut(BaseException):
    """The power is gone."""


async def enrol_here(root: Path, port: int, order: Order, cut_at: int = 0) -> None:
    """Do what `hubctl enroll` does, in this process; the power goes before a step."""
    steps = 0

    def step(_: str) -> None:
        nonlocal steps
        steps += 1
        if steps == cut_at:
            raise Cut

    enrolment = Enrolment(Places(root), None, step)
    if enrolment.standing(order) is None:
        keys = enrolment.own_keys(order)
        asking = Asking(seconds=PATIENCE_SECONDS, pace_seconds=0.02)
        enrolment.install(order, keys, await enrolment.answer(order, keys, asking))


async def test_another_token_never_installs_what_the_first_one_brought(tmp_path: Path) -> None:
    """enrol, law 6: whatever step the first one ended at, and then each step of the second"""
    refused = 0
    async with bureau(tmp_path / "backend") as one:

        def order(hub: str, anew: bool = False) -> Order:
            token = read_token(promise(one.desk, hub))
            return Order("127.0.0.1", one.port, token, anew=anew)

        was_cut = True
        cut_at = 0
        while was_cut:
            cut_at += 1
            root = tmp_path / f"disk-{cut_at}"
            hub = f"first-{cut_at}"
            other = f"second-{cut_at}"
            try:
                await enrol_here(root, one.port, order(hub), cut_at)
                was_cut = False
            except Cut:
                pass
            second = order(other)
            lies_here = (root / "etc/credstore/hubd.enrolment").exists()
            before = files(root)
            if lies_here:
                with pytest.raises(ConfigError, match=f"as hub {hub} of site acme"):
                    await enrol_here(root, one.port, second)
                assert files(root) == before
                refused += 1
            second = replace(second, anew=lies_here or not was_cut)
            with contextlib.suppress(Cut):
                await enrol_here(root, one.port, second, 1 + cut_at // 2)
            await enrol_here(root, one.port, second)
            held = files(root)
            entry = one.desk.book.entries[other]
            assert held["hubd.certificate"].hex() == entry.certificate
            tls_identity(held, other)
            assert zmq.curve_public(held["hubd.curve_secret"]).decode() == known(one.desk, other)
            bound = one.desk.book.entries[hub]
            for name in ("identity", "curve", "tls_key"):
                assert getattr(bound, name) != getattr(entry, name), (cut_at, name)
    assert refused > 10, "there are steps between the answer and the end"


async def test_a_hub_stays_what_it_is_unless_it_is_told_to_enrol_anew(tmp_path: Path) -> None:
    """enrol, law 4"""
    root = tmp_path / "disk"
    async with bureau(tmp_path / "backend") as one:
        status, said = await enroll(root, one.port, promise(one.desk))
        assert status == 0, said
        held = files(root)
        token = promise(one.desk, "hub-a", replaces=True)
        status, said = await enroll(root, one.port, token)
        assert (status, files(root)) == (1, held)
        assert "hub hub-a of site acme already" in said
        one.approves = False
        status, said = await enroll(root, one.port, token, "--anew", "--wait", "3")
        assert status == 1
        assert "nobody approved this hub within 3 s" in said
        for name in ("identity", "curve_secret", "tls_key", "certificate", "tls_certificate"):
            name = f"hubd.{name}"
            assert files(root)[name] == held[name], "its old keys stay in force"
        one.approves = True
        status, said = await enroll(root, one.port, token, "--anew")
        assert status == 0, said
        new = files(root)
        for name in OWN_KEYS:
            assert new[f"hubd.{name}"] != held[f"hubd.{name}"]
        tls_identity(new, "hub-a")
        assert zmq.curve_public(new["hubd.curve_secret"]).decode() == known(one.desk, "hub-a")
        status, said = await enroll(root, one.port, token, "--anew")
        assert (status, files(root)) == (0, new)


async def test_a_configuration_of_another_hub_is_kept_and_the_installers_own_stays(
    tmp_path: Path,
) -> None:
    """settings, laws 2 and 3"""
    root = tmp_path / "disk"
    place = root / "etc/hubd/hubd.toml"
    place.parent.mkdir(parents=True)
    place.write_text("# as it was installed\n")
    async with bureau(tmp_path / "backend") as one:
        status, said = await enroll(root, one.port, promise(one.desk))
        assert status == 0, said
        assert "is kept as" in said
        assert place.with_name("hubd.toml.before-1").read_text() == "# as it was installed\n"
        own = place.read_text().replace('chip = "CHANGE-ME", line = 0', 'chip = "main", line = 4')
        place.write_text(own)
        token = promise(one.desk, "hub-a", replaces=True)
        status, said = await enroll(root, one.port, token, "--anew")
        assert status == 0, said
        assert place.read_text() == own


async def test_what_the_installer_gets_wrong_is_a_sentence_and_changes_nothing(
    tmp_path: Path,
) -> None:
    root = tmp_path / "disk"
    async with bureau(tmp_path / "backend") as one:
        token = promise(one.desk)
        mistyped = token[:-1] + ("0" if token[-1] != "0" else "1")
        for words, part in (
            ((mistyped,), "group 8 of 8 is mistyped"),
            (("",), "these are 0"),
            ((token, "--strike", "10:gpiochip0:17"), "expected POINT=CHIP:LINE"),
            ((token, "--strike", "12=gpiochip0:17"), "no access point 12"),
        ):
            status, said = await enroll(root, one.port, *words)
            assert status == (64 if part.startswith("expected") else 1), said
            assert part in said
            assert "hubd.certificate" not in files(root)
        status, said = await enroll(root, one.port, token, "--strike", "10=gpiochip0:17")
        assert status == 0, said
        other = tmp_path / "other"
        status, said = await enroll(other, one.port, token)
        assert status == 1
        assert "another machine has used this token" in said
        unknown = write_token(Token(one.desk._trust, bytes(10)))
        status, said = await enroll(other, one.port, unknown)
        assert status == 1
        assert "knows no such token" in said


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[int]:
    """Run a hostile server; yield its port."""

    async def visitor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except OSError:
            pass
        finally:
            writer.close()

    serving = await asyncio.start_server(visitor, "127.0.0.1", 0)
    async with serving:
        yield serving.sockets[0].getsockname()[1]


def saying(data: bytes) -> Talk:
    """A server that says this and closes."""

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return talk


async def for_ever(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that never ends."""
    while True:
        writer.write(os.urandom(65_536))
        await writer.drain()


@pytest.mark.parametrize(
    ("talk", "part"),
    [
        (saying(b""), "is no enrolment port of a backend"),
        (saying(os.urandom(GREETING_BYTES_MAX)), "is no enrolment port of a backend"),
        (saying(write_greeting(Greeting("acme", bytes(32), 1))), "Nothing was sent to it"),
        (for_ever, "is no enrolment port of a backend"),
    ],
    ids=["silent", "noise", "another backend", "endless"],
)
async def test_another_server_gets_nothing(tmp_path: Path, talk: Talk, part: str) -> None:
    """greeting, laws 1 and 2"""
    got = b""

    async def listens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal got
        try:
            await talk(reader, writer)
            writer.write_eof()
        finally:
            got += await reader.read(100_000)

    token = write_token(Token(trust_of(b"\x07" * 32), b"\x55" * 10))
    async with server(listens) as port:
        status, said = await enroll(tmp_path, port, token)
    assert status == 1
    assert part in said
    assert got == b""


@pytest.mark.parametrize(
    ("lie", "part"),
    [
        ({"certificate"}, "a certificate for the key of another hub"),
        ({"tls_certificate"}, "a TLS certificate for the key of another hub"),
        ({"tls_authority"}, "no TLS certificate for this hub"),
    ],
    ids=lambda value: min(value) if isinstance(value, set) else "",
)
async def test_a_backend_that_lies_gives_a_hub_nothing_to_believe(
    tmp_path: Path, lie: set[str], part: str
) -> None:
    """enrol, law 3; asking, law 3"""
    root = tmp_path / "disk"
    async with bureau(tmp_path / "backend") as one:
        token = promise(one.desk)
        signed = SIGNER.sign_for(NewHub(), 10, 11)
        false = {
            "certificate": signed.certificate,
            "tls_certificate": signed.tls_certificate,
            "tls_authority": Signer().authority.document,
        }
        honest = one.desk.answer

        def answer(data: bytes, curve: str) -> FromBackend | None:
            said = honest(data, curve)
            if isinstance(said, Enrolled):
                return replace(said, **{name: false[name] for name in lie})
            return said

        one.desk.answer = answer  # type: ignore[method-assign]
        status, said = await enroll(root, one.port, token)
        assert status == 1
        assert part in said
        waiting = {f"hubd.{name}.pending" for name in OWN_KEYS}
        assert set(files(root)) == {*waiting, "hubd.enrolment.token"}
