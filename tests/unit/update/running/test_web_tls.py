"""A server as a carrier over TLS: whom a hub believes, and what it shows of itself."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from hubcore.errors import ConfigError, LinkError
from hubupdate.carrier import Carrier
from hubupdate.config import carriers_of, load
from tests.fakes.serverauthority import ServerAuthority

PATH = "images/metadata/timestamp.json"
BODY = bytes(range(256)) * 500


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class TlsServer(http.server.ThreadingHTTPServer):
    """A handshake that fails is the peer's affair: it says nothing."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@dataclass(frozen=True)
class Site:
    """A server that asks for a certificate of its authority, and a hub's file beside it."""

    folder: Path
    port: int

    def carrier(self, **part: str) -> Carrier:
        lines = [f'url = "https://127.0.0.1:{self.port}"']
        lines += [f'{name} = "{value}"' for name, value in part.items()]
        file = self.folder / "hubupdate.toml"
        head = 'hub = "h"\ntime_zone = "UTC"\n[[carriers]]\n'
        file.write_text(head + "\n".join(lines) + "\n")
        (made,) = carriers_of(load(file), file)
        return made


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    ours = ServerAuthority.make(tmp_path, "ours")
    ours.issue("server")
    ours.issue("hub")
    ServerAuthority.make(tmp_path, "theirs").issue("stranger")
    top = tmp_path / "top"
    (top / PATH).parent.mkdir(parents=True)
    (top / PATH).write_bytes(BODY)
    server = TlsServer(("127.0.0.1", 0), partial(Quiet, directory=str(top)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    context.load_verify_locations(tmp_path / "ours.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Site(tmp_path, server.server_port)
    finally:
        server.shutdown()
        server.server_close()


HUB = {"certificate": "hub.pem", "key": "hub.key"}


def test_a_hub_and_a_server_of_one_authority_know_each_other(site: Site) -> None:
    carrier = site.carrier(authority="ours.pem", **HUB)
    assert b"".join(carrier.pieces(PATH)) == BODY


@pytest.mark.parametrize(
    "part",
    [
        {"authority": "theirs.pem", **HUB},
        dict(HUB),
        {"authority": "ours.pem"},
        {"authority": "ours.pem", "certificate": "stranger.pem", "key": "stranger.key"},
    ],
    ids=["another authority", "the system's", "no certificate", "a stranger's"],
)
def test_who_does_not_prove_himself_gets_and_gives_nothing(
    site: Site, part: dict[str, str]
) -> None:
    with pytest.raises(LinkError):
        list(site.carrier(**part).pieces(PATH))


def test_a_key_of_another_certificate_is_refused_at_the_start(site: Site) -> None:
    with pytest.raises(ConfigError):
        site.carrier(authority="ours.pem", certificate="hub.pem", key="stranger.key")
