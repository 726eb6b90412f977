"""Pins: a server of others that proves its name by another key gets nothing of ours."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import certifi
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.errors import ConfigError, LinkError
from hubsite import config
from hubsite.commands.trial import certificate_for
from hubsite.config import Oidc, Site, Syslog, Webhooks
from hubsite.oidc.fetching import Bounded
from hubsite.oidc.provider import Provider
from hubsite.pins.comparing import PinError, compare, pin, pin_of
from hubsite.pins.words import PINS_MAX
from hubsite.syslog.lines import Sender
from hubsite.syslog.shipper import Shipper
from hubsite.syslog.wire import SyslogWire
from hubsite.syslog.wire import context_of as context_of_syslog
from hubsite.webhooks.address import read_url
from hubsite.webhooks.posting import Poster
from hubsite.webhooks.posting import context_of as context_of_webhooks
from tests.site.fakeprovider import SECRET, fake_provider
from tests.site.server import HOST, begun, make_folder

pytestmark = pytest.mark.once

SECONDS = 30
OTHER = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
BACKUP = "sha256/BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA="
ISRG_ROOT_X1 = "sha256/C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M="
"""As it is published for that root of Let's Encrypt."""
ISSUER = 'issuer_key = "issuer.key"\n'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CURVE = ec.SECP256R1()


class Listener:
    """A server by TLS: `heard` are the bytes of each connection that has ended or goes on."""

    def __init__(self) -> None:
        folder = begun().site.file.parent
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.heard: list[bytearray] = []
        self.ended = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            with plain:
                self._take(plain)

    def _take(self, plain: socket.socket) -> None:
        self.heard.append(bytearray())
        try:
            with self._context.wrap_socket(plain, server_side=True) as wire:
                while data := wire.recv(4096):
                    self.heard[-1] += data
                    wire.sendall(ANSWER)
        except OSError:
            return
        finally:
            self.ended += 1

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def got_nothing(self) -> bool:
        """Wait until a connection has ended, and tell whether none brought a byte."""
        _until(lambda: self.ended > 0)
        return not any(self.heard)


@contextmanager
def _listening() -> Iterator[Listener]:
    listener = Listener()
    try:
        yield listener
    finally:
        listener.close()


def _until(holds: object) -> None:
    until = time.monotonic() + SECONDS
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.01)


def _der(pem: Path | bytes) -> bytes:
    data = pem if isinstance(pem, bytes) else pem.read_bytes()
    return load_pem_x509_certificate(data).public_bytes(Encoding.DER)


def _right() -> str:
    """Return the pin of this server's own certificate, which the servers of these tests show."""
    return pin_of(_der(begun().site.file.parent / "tls.pem"))


def _certificate(scalar: int) -> bytes:
    key = ec.derive_private_key(scalar, CURVE)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return _der(certificate_for(pem, HOST, 1_800_000_000))


def _with(**sections: object) -> Site:
    """Return the server's configuration with other sections."""
    site = begun().site
    read = msgspec.structs.replace(site.config, **sections)
    return Site(read, site.file, site.secret, site.database)


def test_a_pin_is_what_others_compute() -> None:
    roots = Path(certifi.where()).read_bytes()
    _, found, root = roots.partition(b'# Label: "ISRG Root X1"')
    assert found
    assert pin_of(_der(root)) == ISRG_ROOT_X1


@settings(max_examples=25)
@given(
    st.integers(1, 1 << 250),
    st.lists(st.integers(1, 1 << 250), min_size=1, max_size=PINS_MAX),
)
def test_any_key_that_is_none_of_the_pins_is_refused_and_named(
    shown: int, pinned: list[int]
) -> None:
    certificate = _certificate(shown)
    pins = [pin_of(_certificate(one)) for one in pinned]
    if shown in pinned:
        compare(certificate, "oidc", HOST, pins)
        return
    with pytest.raises(PinError) as refused:
        compare(certificate, "oidc", HOST, pins)
    said = f"oidc: pins: the key {pin_of(certificate)} of {HOST} is none of them"
    assert (str(refused.value), refused.value.verify_message) == (said, said)
    compare(certificate, "oidc", HOST, [*pins, pin_of(certificate)])


@pytest.mark.parametrize("shown", [None, b"", b"\x30\x00", b"junk"])
def test_a_key_that_cannot_be_read_is_refused(shown: bytes | None) -> None:
    with pytest.raises(PinError, match=f"syslog: pins: the key of {HOST} cannot be read"):
        compare(shown, "syslog", HOST, [OTHER])


def _context(*pins: str, authority: str = "tls.pem") -> ssl.SSLContext:
    named = begun().site.file.parent / authority if authority else None
    context = ssl.create_default_context(cafile=named)
    pin(context, "syslog", lambda _host: pins)
    return context


def test_a_pin_replaces_no_authority_and_no_name() -> None:
    with _listening() as listener:
        for host, authority in (("127.0.0.1", "tls.pem"), (HOST, "")):
            with pytest.raises(LinkError, match="certificate verify failed"):
                SyslogWire(host, listener.port, _context(_right(), authority=authority))
    assert _context(_right()).options & ssl.OP_NO_RENEGOTIATION


@pytest.mark.parametrize("pins", [[OTHER], [OTHER, BACKUP]])
async def test_a_wrong_one_gets_nothing_by_asyncio_either(pins: list[str]) -> None:
    """comparing, law 4"""
    with _listening() as listener:
        connect = partial(asyncio.open_connection, HOST, listener.port)
        with pytest.raises(PinError, match=f"the key .* of {HOST} is none of them"):
            await connect(ssl=_context(*pins))
        assert await asyncio.to_thread(listener.got_nothing)
        _, writer = await connect(ssl=_context(*pins, _right()))
        writer.close()


@pytest.mark.parametrize("is_right", [True, False])
def test_a_syslog_server_has_one_of_the_keys(is_right: bool) -> None:
    """wire, law 1"""
    pins = (OTHER, _right()) if is_right else (OTHER, BACKUP)
    section = Syslog(host=HOST, authority="tls.pem", pins=pins)
    context = context_of_syslog(begun().site, section)
    with _listening() as listener:
        connect = partial(SyslogWire, HOST, listener.port, context)
        if is_right:
            wire = connect()
            wire.send(b"1 x")
            _until(lambda: listener.heard == [bytearray(b"1 x")])
            wire.close()
            return
        shipper = Shipper(connect, Sender("x", 1))
        shipper.start()
        seen = f"syslog: pins: the key {_right()} of {HOST} is none of them"
        _until(lambda: seen in shipper.problem)
        shipper.stop()
        assert listener.got_nothing()


@pytest.mark.parametrize(
    ("pins", "is_right"),
    [
        ({HOST: (OTHER, BACKUP)}, False),
        ({HOST: (OTHER, "right")}, True),
        ({"elsewhere.example": (OTHER,)}, True),
    ],
)
def test_a_receiver_has_one_of_the_keys_of_its_host(
    pins: dict[str, tuple[str, ...]], is_right: bool
) -> None:
    """posting, law 1"""
    right = {
        host: tuple(_right() if one == "right" else one for one in keys)
        for host, keys in pins.items()
    }
    site = _with(webhooks=Webhooks(True, "tls.pem", pins=right))
    poster = Poster(context_of_webhooks(site), allows_private=True)
    with _listening() as listener:
        destination = read_url(f"https://{HOST.upper()}:{listener.port}/hook")
        if is_right:
            poster.post(destination, {}, b"{}")
            assert listener.heard[0].startswith(b"POST /hook ")
            return
        with pytest.raises(LinkError, match=r"webhooks: pins: the key sha256/.* is none of them"):
            poster.post(destination, {}, b"{}")
        assert listener.got_nothing()


def test_no_spelling_of_a_host_leaves_its_pins_out() -> None:
    section = Webhooks(pins={HOST: (OTHER,)})
    assert {section.pins_of(host) for host in (HOST, "LocalHost", f"{HOST}.")} == {(OTHER,)}
    assert section.pins_of("elsewhere.example") == ()


def test_a_provider_has_one_of_the_keys(tmp_path: Path) -> None:
    """fetching, law 1"""
    with fake_provider(tmp_path) as fake:
        right = pin_of(_der(fake.authority))
        section = fake.section(pins=(OTHER, right))
        provider = Provider(section, SECRET, str(fake.authority))
        assert provider.address_of("https://localhost/back", "s", "n", "v")
        wrong = Provider(fake.section(pins=(OTHER, BACKUP)), SECRET, str(fake.authority))
        before = fake.asked.total()
        with pytest.raises(LinkError):
            wrong.address_of("https://localhost/back", "s", "n", "v")
        assert f"oidc: pins: the key {right} of {HOST} is none of them" in wrong.problem
        assert fake.asked.total() == before


def test_a_provider_with_another_key_gets_no_byte() -> None:
    with _listening() as listener:
        section = Oidc(f"https://{HOST}:{listener.port}", "x", "x", pins=(OTHER,))
        authority = str(begun().site.file.parent / "tls.pem")
        provider = Provider(section, SECRET, authority, Bounded(1, 2, section.pins))
        with pytest.raises(LinkError):
            provider.address_of("https://localhost/back", "s", "n", "v")
        assert listener.got_nothing()


def test_pins_of_an_engine_need_tls(tmp_path: Path) -> None:
    file = make_folder(tmp_path / "s")
    begins = f"{ISSUER}{file.read_text()}[engine]\npins = {[OTHER]}\nservers = "
    file.write_text(f'{begins}["tls://engine.example:4222"]\n')
    assert config.load(file).config.engine.pins == (OTHER,)
    file.write_text(f'{begins}["tls://engine.example:4222", "nats://127.0.0.1:4222"]\n')
    with pytest.raises(ConfigError, match=r"engine\.pins: nats://127\.0\.0\.1:4222 shows no key"):
        config.load(file)


SECTIONS = {
    "engine": '[engine]\nservers = ["tls://engine.example:4222"]\npins = ',
    "oidc": '[oidc]\nissuer = "https://a.example"\nclient_id = "x"\nclient_secret = "x"\npins = ',
    "syslog": '[syslog]\nhost = "logs.example"\npins = ',
    "webhooks": '[webhooks.pins]\n"hooks.example" = ',
}
WRONG = [
    "[]",
    f'["{OTHER[7:]}"]',  # without its kind
    f'["{OTHER.replace("256", "1")}"]',
    f'["{OTHER[:-1]}"]',  # base64 without its end
    f'["{OTHER[:-2]}B="]',  # a second spelling of the same digest
    f'["{OTHER}\\n"]',
    f'["{OTHER}", "sha256/="]',
    str([OTHER] * (PINS_MAX + 1)),
    f'"{OTHER}"',
]


@pytest.mark.parametrize("name", SECTIONS)
def test_pins_that_are_none_are_refused_by_their_key(tmp_path: Path, name: str) -> None:
    file = make_folder(tmp_path / "s")
    begins = f"{ISSUER}{file.read_text()}{SECTIONS[name]}"
    file.write_text(f"{begins}{[OTHER, BACKUP]}\n")
    config.load(file)
    for wrong in WRONG:
        file.write_text(f"{begins}{wrong}\n")
        with pytest.raises(ConfigError, match=rf"\$\.{name}\.pins"):
            config.load(file)


@pytest.mark.parametrize("host", ["", "Hooks.example", "hooks.example.", "https://hooks.example"])
def test_a_host_that_no_address_has_is_refused(tmp_path: Path, host: str) -> None:
    file = make_folder(tmp_path / "s")
    file.write_text(f'{file.read_text()}[webhooks.pins]\n"{host}" = ["{OTHER}"]\n')
    with pytest.raises(ConfigError, match=r"\$\.webhooks\.pins"):
        config.load(file)
