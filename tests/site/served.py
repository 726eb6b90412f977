"""The real server, a process of its own."""

from __future__ import annotations

import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hubsim.stage import free_port
from tests.site.server import make_folder

SECONDS = 60


@contextmanager
def served(folder: Path) -> Iterator[tuple[Path, int]]:
    port = free_port()
    file = make_folder(folder, "--listen", f"127.0.0.1:{port}")
    with serving(file):
        yield file, port


@contextmanager
def serving(file: Path) -> Iterator[int]:
    """Serve by this configuration; yield the process that serves."""
    argv = [sys.executable, "-m", "hubsite", "--config", str(file), "serve"]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "Booting worker" in line:
                break
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said


def context_of(file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(file.parent / "tls.pem"))
