"""A real `hubsite` for the page: a process with TLS and tables of its own, and a person in them.

Laws:
1. It signs by the issuer's key of the stage, so its grants open the stage's door.
2. What an operator does is done to its tables by a process beside it, as `hubsite operator` does.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hubsim.stage import Stage, free_port

SECONDS = 180
POLL_SECONDS = 0.05
PEOPLE = """
import json, sys
from pathlib import Path
from datetime import UTC, datetime, timedelta
from hubsite import config
from hubsite.starting import begin
begin(config.load(Path(sys.argv[1])))
from hubsite.phones.joining import invite
from hubsite.register import changes, models
for line in sys.stdin:
    done = {}
    if line == "invite\\n":
        door, _ = models.Door.objects.get_or_create(name="Front door")
        point, _ = models.AccessPoint.objects.get_or_create(number=1, name="inward", door=door)
        person = models.Person.objects.create(name="Anna")
        begins = datetime.now(UTC) - timedelta(hours=1)
        models.Grant.objects.create(person=person, begins=begins).points.add(point)
        done = {"token": invite("olga", person)}
    elif line == "revoke\\n":
        for one in models.Credential.objects.filter(revoked_at=None):
            changes.revoke_credential("olga", one, one.revision)
    else:
        row = models.Credential.objects.get(revoked_at=None)
        done = {"kind": row.kind, "signed": row.signed.count()}
    print(json.dumps(done), flush=True)
"""


class SiteServer:
    """A context manager: inside it, the server serves at `address`."""

    def __init__(self, folder: Path, stage: Stage) -> None:
        self.port = free_port()
        self.address = f"https://localhost:{self.port}"
        self.page_address = f"{self.address}/webphone/index.html"
        self._folder = folder
        self._file = folder / "hubsite.toml"
        self._stage = stage
        self._process: subprocess.Popen[bytes]
        self._operator: subprocess.Popen[str]

    def __enter__(self) -> Self:
        words = ["--site", self._stage.site.name, "--host", "localhost", "--trial"]
        listen = ["--listen", f"127.0.0.1:{self.port}"]
        self._run("-m", "hubsite", "init", str(self._folder), *words, *listen)
        key = self._stage.site.path.absolute() / "issuer.key"
        text = f'issuer_key = "{key}"\n{self._file.read_text()}'
        self._file.write_text(f"{text}\n[phones]\ncome_back = true\n")
        self._start()
        self._operator = subprocess.Popen(
            [sys.executable, "-c", PEOPLE, str(self._file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._operator.communicate(timeout=SECONDS)
        self._end()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Serve nothing inside it."""
        self._end()
        try:
            yield
        finally:
            self._start()

    def _start(self) -> None:
        serve = [sys.executable, "-m", "hubsite", "--config", str(self._file), "serve"]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(serve, stderr=log)
        self._until_it_listens()

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait(SECONDS)

    def operator(self, do: str) -> dict[str, Any]:
        """Do what an operator does: `invite` a new person, `revoke` all phones; or `look`."""
        assert self._operator.stdin is not None
        assert self._operator.stdout is not None
        self._operator.stdin.write(f"{do}\n")
        self._operator.stdin.flush()
        answer: dict[str, Any] = json.loads(self._operator.stdout.readline())
        return answer

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _until_it_listens(self) -> None:
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            said = (self._folder / "log").read_text()
            assert self._process.poll() is None, said
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(POLL_SECONDS)
        raise AssertionError(said)
