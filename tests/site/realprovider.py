"""A real provider of OpenID Connect, a process of its own: oidc-provider on Node.js, over TLS."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hubsim.stage import free_port
from hubsite.commands.trial import trial_certificate
from tests.site.fetched import fetched

SCRIPT = Path(__file__).parent / "provider" / "provider.mjs"
CLIENT = "hubsite"
SECRET = "a secret of these tests"
SECONDS = 120
MISSING = "no Node.js, and no pip that could fetch it: .ci/provider-modules"


def modules() -> Path | None:
    """Return the folder of the provider's modules; None without them."""
    return fetched("provider-modules")


def make_tls(folder: Path, host: str = "localhost") -> tuple[Path, Path]:
    """Write a key and a certificate of a host."""
    key, certificate = trial_certificate(host, int(time.time()))
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in (("key.pem", key), ("authority.pem", certificate)):
        (folder / name).write_bytes(data)
    return folder / "key.pem", folder / "authority.pem"


@dataclass
class Real:
    """The provider; `who` changes whom it signs in."""

    issuer: str
    authority: Path
    process: subprocess.Popen[str]

    def who(self, subject: str, **more: object) -> None:
        self._say({"subject": subject, **more})

    def _say(self, who: dict[str, object]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(who) + "\n")
        self.process.stdin.flush()
        _until(self.process.stdout, "heard")


@contextmanager
def real_provider(folder: Path, back: Sequence[str], host: str = "localhost") -> Iterator[Real]:
    """Serve; `back` are the addresses to which it sends browsers back."""
    found = modules()
    assert found is not None
    key, certificate = make_tls(folder, host)
    port = free_port()
    options = {
        "host": host,
        "port": port,
        "key": str(key),
        "certificate": str(certificate),
        "client": CLIENT,
        "secret": SECRET,
        "back": list(back),
        "who": {"subject": "u-1"},
    }
    node = found / "bin" / "node"
    argv = [str(node if node.exists() else shutil.which("node")), str(SCRIPT), str(found)]
    process = subprocess.Popen(
        [*argv, json.dumps(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        _until(process.stdout, "serving")
        yield Real(f"https://{host}:{port}", certificate, process)
    finally:
        process.communicate(timeout=SECONDS)


def _until(lines: IO[str] | None, word: str) -> None:
    assert lines is not None
    for line in lines:
        if line.strip() == word:
            return
    raise AssertionError(f"the provider ended before it said {word}")
