"""A PKCS#11 token of SoftHSM, in a folder of its own; a test can pull it out."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
LABEL = "acme"
PIN = "4711-4711"
SO_PIN = "12345678"
_INIT = ("softhsm2-util", "--init-token", "--free")
_NO_PROGRAM = "needs softhsm2-util: apt-get install softhsm2"
_NO_LIBRARY = "needs the extra token of setup.cfg"


class Token:
    """One token, whose files are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._slot = folder / "tokens"
        self._pocket = folder / "pulled-out"
        self._slot.mkdir(parents=True)

    def uri(self, label: str = "issuer") -> str:
        """Return the name of a key."""
        return f"pkcs11:token={LABEL};object={label}?module-path={MODULE}"

    def let_go(self) -> None:
        """Forget all logins and sessions, as a new process has none."""
        import pkcs11

        pkcs11.lib(str(MODULE)).reinitialize()

    def pull_out(self) -> None:
        """Take the token away, also from a program that uses it."""
        self._slot.rename(self._pocket)
        self._slot.mkdir()

    def put_back(self) -> None:
        """Put it in again."""
        self._slot.rmdir()
        self._pocket.rename(self._slot)


@contextmanager
def softhsm(folder: Path) -> Iterator[Token]:
    """Yield a token that this process finds, and nothing else."""
    if shutil.which("softhsm2-util") is None:
        pytest.skip(_NO_PROGRAM)
    if importlib.util.find_spec("pkcs11") is None:
        pytest.skip(_NO_LIBRARY)
    token = Token(folder)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    try:
        subprocess.run(
            [*_INIT, "--label", LABEL, "--so-pin", SO_PIN, "--pin", PIN],
            check=True,
            capture_output=True,
        )
        token.let_go()  # it reads its configuration then alone
        yield token
    finally:
        os.environ.pop("SOFTHSM2_CONF")
        if before is not None:
            os.environ["SOFTHSM2_CONF"] = before
