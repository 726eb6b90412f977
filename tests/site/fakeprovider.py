"""A provider that lies: over TLS, with tokens of each wrong kind. It signs by another library."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from jwcrypto import jwk, jws

from hubsite.config import Oidc
from tests.site.realprovider import make_tls

CLIENT = "hubsite"
SECRET = "as long as a key of HS256 has to be, and longer"
Json = dict[str, Any]


def half_hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def new_key(kid: str = "one") -> jwk.JWK:
    return jwk.JWK.generate(kty="EC", crv="P-256", kid=kid)


@dataclass
class Fake:
    """Each member may be changed by a test; what it gave is asked for by `authorize`."""

    port: int = 0
    authority: Path = Path()
    key: jwk.JWK = field(default_factory=new_key)
    keys: list[jwk.JWK] = field(default_factory=list)
    changes: Json = field(default_factory=dict)
    """Members of a token in place of the right ones; None takes one away."""
    header: Json = field(default_factory=dict)
    document: Json = field(default_factory=dict)
    instead: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    """What a path answers in place of what it should."""
    asked: Counter[str] = field(default_factory=Counter)
    codes: dict[str, Json] = field(default_factory=dict)
    token: Callable[[str], str] = str
    """What is made of a token before it is sent."""

    @property
    def issuer(self) -> str:
        return f"https://localhost:{self.port}"

    def section(self, **more: Any) -> Oidc:
        words = {"issuer": self.issuer, "client_id": CLIENT, "client_secret": "x", "name": "Acme"}
        return Oidc(**{**words, **more})

    def authorize(self, address: str, subject: str = "u-1", **more: str) -> str:
        """Do what a browser and somebody there do; return where the browser is sent back to."""
        said = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert said["response_type"] == "code"
        assert said["code_challenge_method"] == "S256"
        assert len(said["nonce"]) == 43
        code = f"code-{len(self.codes)}"
        self.codes[code] = {**said, "subject": subject}
        back = {"code": code, "state": said["state"], "iss": self.issuer, **more}
        kept = {name: value for name, value in back.items() if value}
        return f"{said['redirect_uri']}?{urlencode(kept)}"

    def answers(self, path: str, body: bytes, headers: Any) -> tuple[int, Json]:
        if path == "/.well-known/openid-configuration":
            return 200, self._about()
        if path == "/keys":
            return 200, {"keys": [one.export_public(as_dict=True) for one in self.keys]}
        assert path == "/token"
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        known = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = self.codes.pop(form["code"], None)
        if asked is None or headers["Authorization"] != f"Basic {known}":
            return 400, {"error": "invalid_grant", "error_description": "<script>"}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (challenge, form["redirect_uri"]) != (asked["code_challenge"], asked["redirect_uri"]):
            return 400, {"error": "invalid_grant"}
        text = self.token(self._token(asked))
        return 200, {"access_token": "at", "token_type": "Bearer", "id_token": text}

    def _about(self) -> Json:
        at = self.issuer
        return {
            "issuer": at,
            "authorization_endpoint": f"{at}/authorize",
            "token_endpoint": f"{at}/token",
            "jwks_uri": f"{at}/keys",
            "authorization_response_iss_parameter_supported": True,
            **self.document,
        }

    def _token(self, asked: Json) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": asked["subject"],
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "at_hash": half_hash("at"),
            **self.changes,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return self.signed(json.dumps(kept), {"alg": "ES256", "kid": self.key["kid"]})

    def signed(self, payload: str, header: Json) -> str:
        made = jws.JWS(payload)
        said = {name: value for name, value in {**header, **self.header}.items() if value}
        made.add_signature(self.key, said["alg"], json.dumps(said))
        return made.serialize(compact=True)


@contextmanager
def fake_provider(folder: Path) -> Iterator[Fake]:
    key, authority = make_tls(folder)
    fake = Fake(authority=authority)
    fake.keys = [fake.key]
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who left is no error
    fake.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(fake: Fake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body: bytes) -> None:
            path = self.path.partition("?")[0]
            fake.asked[path] += 1
            if path in fake.instead:
                fake.instead[path](self)
                return
            status, said = fake.answers(path, body, self.headers)
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *_: object) -> None:
            """Say nothing: the tests look at what was asked."""

    return Handler
