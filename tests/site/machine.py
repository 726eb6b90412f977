"""A machine that `make install-site` and `hubsite setup` have filled, below a folder.

It stands for systemd: each part runs by the very line of its installed unit, with the folders and
the credentials that the unit names and no others, and is there when it has said READY=1. What is
said in absolute paths is said below the folder, and users are the one who runs the tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import re
import shlex
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from hubsim.stage import free_port
from hubsim.trial.server import Operator
from tests.gateway.bench import WAIT_SECONDS

ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0
PARTS = ("hubgateway-engine", "hubgateway", "hubissuer", "hubsite")
BY_MODULE = {
    "hubsite": ["-m", "hubsite"],
    "hubgateway": ["-m", "hubgateway"],
    "hubissuer": ["-m", "hubgateway.issuer"],
    "hubengine": ["-c", "from hubgateway.enginewatch import main; main()"],
}
"""The programs of the environment, as this one has them."""
_PLACES = re.compile(r"(?<![\w/])/(?=etc/|var/lib/|run/hub)")


def free_span() -> int:
    """A port that is free together with the one after it."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            with contextlib.suppress(OSError):
                two.bind(("127.0.0.1", port + 1))
                return port


class Machine:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.pages_port = free_port()
        self.gateway_port = free_port()
        self.enrolment_port = free_span()
        self.engine_port = free_port()
        self.monitor_port = free_port()

    @property
    def address(self) -> str:
        return f"https://localhost:{self.pages_port}"

    @property
    def endpoint(self) -> str:
        return f"tcp://127.0.0.1:{self.gateway_port}"

    def at(self, place: str) -> Path:
        return self.root / place.lstrip("/")

    def install(self) -> None:
        """`make install-site`, but for the environment: this one has it."""
        environment = {"PATH": os.environ["PATH"], "DESTDIR": str(self.root)}
        script = ROOT / "systemd/install-site.sh"
        subprocess.run([script, "files"], env=environment, check=True, timeout=60)

    def setup_words(self, *more: str) -> list[str]:
        ports = {
            "--gateway-port": self.gateway_port,
            "--enrolment-port": self.enrolment_port,
            "--engine-port": self.engine_port,
            "--monitor-port": self.monitor_port,
        }
        said = [str(word) for pair in ports.items() for word in pair]
        listen = f"127.0.0.1:{self.pages_port}"
        named = ["--site", "acme", "--host", "localhost", "--operator", "olga"]
        return ["setup", *named, "--listen", listen, "--root", str(self.root), *said, *more]

    def settle(self) -> None:
        """Say each place below the folder, and loopback for all networks."""
        for file in self.at("etc").rglob("*"):
            if file.suffix not in (".toml", ".conf"):
                continue
            text = _PLACES.sub(f"{self.root}/", file.read_text())
            text = text.replace("tcp://*:", "tcp://127.0.0.1:")
            user = pwd.getpwuid(os.getuid()).pw_name
            file.write_text(text.replace('callers = ["hubsite"]', f'callers = ["{user}"]'))

    def unit(self, name: str) -> str:
        return self.at(f"usr/lib/systemd/system/{name}.service").read_text()

    def argv(self, name: str) -> list[str]:
        """The line of a unit, by the programs of this environment."""
        (line,) = re.findall(r"^ExecStart=(.+)$", self.unit(name), re.M)
        words = shlex.split(_PLACES.sub(f"{self.root}/", line))
        engine = str(Path(sysconfig.get_path("scripts")) / "nats-server")
        words = [engine if word == "/opt/hubsite/bin/nats-server" else word for word in words]
        program = Path(words[0])
        assert program.parent == Path("/opt/hubsite/bin")
        return [sys.executable, *BY_MODULE[program.name], *words[1:]]

    def credentials(self, name: str) -> Path:
        """What systemd hands over: the files that the unit names, as far as they are there."""
        folder = self.at(f"run/credentials/{name}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for line in re.findall(r"^LoadCredential=(\S+)$", self.unit(name), re.M):
            credential, _, file = line.partition(":")
            held = self.at("etc/credstore") / (file or credential)
            if held.exists():
                shutil.copy(held, folder / credential)
        return folder

    def folders(self, name: str) -> None:
        for kind, below in (("State", "var/lib"), ("Runtime", "run")):
            for folder in re.findall(rf"^{kind}Directory=(\S+)$", self.unit(name), re.M):
                self.at(f"{below}/{folder}").mkdir(parents=True, exist_ok=True)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start each part once the one before is there, as `hubsite setup` does."""
        async with AsyncExitStack() as stack:
            for name in PARTS:
                await stack.enter_async_context(self._part(name))
            yield

    @asynccontextmanager
    async def _part(self, name: str) -> AsyncIterator[None]:
        self.folders(name)
        self.at("run").mkdir(exist_ok=True)
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ear.setblocking(False)
        place = self.at(f"run/{name}.ready")
        ear.bind(str(place))
        environment = {
            **os.environ,
            "CREDENTIALS_DIRECTORY": str(self.credentials(name)),
            "NOTIFY_SOCKET": str(place),
        }
        with self.at(f"run/{name}.log").open("ab") as log, ear:
            process = await asyncio.create_subprocess_exec(
                *self.argv(name), env=environment, cwd=ROOT, stdout=log, stderr=log
            )
            try:
                await self._until_ready(name, process, ear)
                yield
            finally:
                if process.returncode is None:
                    process.terminate()
                await asyncio.wait_for(process.wait(), WAIT_SECONDS)

    async def _until_ready(
        self, name: str, process: asyncio.subprocess.Process, ear: socket.socket
    ) -> None:
        waits = asyncio.create_task(
            self._engine_answers() if "Type=exec" in self.unit(name) else _ready(ear)
        )
        ends = asyncio.create_task(process.wait())
        first = asyncio.FIRST_COMPLETED
        await asyncio.wait((waits, ends), timeout=START_SECONDS, return_when=first)
        is_ready = waits.done()
        for task in (waits, ends):
            task.cancel()
        assert is_ready, self.log(name)

    async def _engine_answers(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.engine_port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.02)

    def log(self, name: str) -> str:
        return self.at(f"run/{name}.log").read_text()[-3000:]

    async def command(self, *words: str, module: str = "hubsite") -> str:
        """Give a command at the machine; return all that it said."""
        made = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(WAIT_SECONDS):
            said, _ = await made.communicate()
        assert made.returncode == 0, said.decode()
        return said.decode()

    async def first_operator(self) -> Operator:
        """What `hubsite setup` does last."""
        file = str(self.at("etc/hubsite/hubsite.toml"))
        said = await self.command("--config", file, "operator", "add", "--first", "olga")
        shown = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
        again = await self.command("--config", file, "operator", "add", "--first", "olga")
        assert "there is olga already; none is made" in again
        other = await self.command("--config", file, "operator", "add", "--first", "bob")
        assert "there is olga already; none is made" in other
        assert "hubsite operator renew olga" in other
        return Operator("olga", shown["password"].strip(), shown["second factor"].strip())


async def _ready(ear: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    said = b""
    while b"READY=1" not in said:
        said = await loop.sock_recv(ear, 4096)
