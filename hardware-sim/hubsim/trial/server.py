"""The server of the site, `hubsite`, as a process with a certificate of its own.

Laws:
1. It signs by the site's own issuer, whose key it reads from the site's folder: a desk's way.
2. Accounts are made as on any machine, by `hubsite operator`. A password is shown and not kept.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from hubsim.stage import START_SECONDS, Stage, StageError
from hubsite.accounts.factor import STEP_SECONDS, code_at

HOST = "localhost"
STOP_SECONDS = 20.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Operator:
    """An account, and what an authenticator app has of it: `address` is otpauth://."""

    name: str
    password: str = field(repr=False)
    address: str = field(repr=False)

    @property
    def secret(self) -> str:
        """Return the second factor as an app takes it when it is typed (base32)."""
        return parse_qs(urlsplit(self.address).query)["secret"][0]

    def code(self) -> str:
        """Return the code of this moment."""
        secret = base64.b32decode(self.secret + "=" * (-len(self.secret) % 8))
        return code_at(secret, int(time.time()) // STEP_SECONDS)


class SiteServer:
    """An async context manager: inside it, the server serves at `address`."""

    def __init__(self, stage: Stage, engine: str, port: int) -> None:
        self.address = f"https://{HOST}:{port}"
        self.folder = stage.path / "hubsite"
        self._port = port
        self._engine = engine
        self._stage = stage
        self._file = self.folder / "hubsite.toml"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def certificate(self) -> Path:
        """Return where its certificate is."""
        return self.folder / "tls.pem"

    @property
    def has_ended(self) -> bool:
        """Whether it serves no more."""
        return self._process is None or self._process.returncode is not None

    async def __aenter__(self) -> Self:
        await self._make()
        serve = ("-m", "hubsite", "--config", str(self._file), "serve")
        with (self._stage.path / "hubsite.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(sys.executable, *serve, stderr=log)
        try:
            await self._until_it_listens()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()

    async def operator(self, name: str) -> Operator:
        """Make an account. Raise StageError."""
        said = await self._command("operator", "add", name)
        shown = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
        return Operator(name, shown["password"].strip(), shown["second factor"].strip())

    async def end_operator(self, name: str) -> None:
        """Let nobody sign in by an account any more. Raise StageError."""
        await self._command("operator", "end", name)

    async def _make(self) -> None:
        words = ("--site", self._stage.site.name, "--host", HOST, "--trial")
        listen = ("--listen", f"127.0.0.1:{self._port}")
        await self._run("init", str(self.folder), *words, *listen)
        key = (self._stage.site.path / "issuer.key").absolute()
        made = self._file.read_text()
        self._file.write_text(
            f'issuer_key = "{key}"\n{made}\n[engine]\nservers = ["{self._engine}"]\n'
        )

    async def _command(self, *words: str) -> str:
        return await self._run("--config", str(self._file), *words)

    async def _run(self, *words: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hubsite",
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(START_SECONDS):
            out, err = await process.communicate()
        if process.returncode != 0:
            raise StageError(err.decode(errors="replace").strip())
        return out.decode()

    async def _until_it_listens(self) -> None:
        ends = time.monotonic() + START_SECONDS
        while time.monotonic() < ends and not self.has_ended:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.close()
                return
            await asyncio.sleep(LOOK_SECONDS)
        raise StageError(f"hubsite did not start: {self._stage.tail('hubsite')}")

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
