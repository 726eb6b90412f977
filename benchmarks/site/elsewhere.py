"""The same server where `hubissuer` signs, as `hubsite setup` installs it: the key is another's.

Law: the signer is a process of its own that begins with an empty log, as it is installed.
"""

from __future__ import annotations

import contextlib
import getpass
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen

from benchmarks.site.place import KEY, Place
from hubcore.codec import cbor
from hubtls.keys import read_signing_key

_SIGNS = "signs at"


@contextlib.contextmanager
def signing_elsewhere(place: Place) -> Iterator[tuple[Path, int]]:
    """Start a signer with the key of this place; yield a configuration that asks it, and its id.

    Raise RuntimeError for one that does not begin.
    """
    with tempfile.TemporaryDirectory(prefix="sig-") as folder:  # a socket's path is short
        there = Path(folder)
        argv = [sys.executable, "-m", "hubgateway.issuer", "serve", "--signing"]
        with Popen([*argv, str(_limits(place, there))], stdout=PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                if _SIGNS not in process.stdout.readline():
                    raise RuntimeError("hubissuer does not begin")
                yield _asking(place, there), process.pid
            finally:
                process.terminate()


def _limits(place: Place, folder: Path) -> Path:
    file = folder / "signing.toml"
    key = place.file.with_name(KEY)
    (folder / "log").mkdir()
    file.write_text(
        f'site = "acme"\nissuer_key = "{key}"\nfolder = "{folder}/log"\n'
        f'[unix]\nsocket = "{folder}/s"\ncallers = ["{getpass.getuser()}"]\n'
    )
    return file


def _asking(place: Place, folder: Path) -> Path:
    """Write the configuration of the server beside its other one, without a key."""
    issuer = folder / "issuer.cbor"
    issuer.write_bytes(cbor.encode(read_signing_key(place.file.with_name(KEY)).cose_key))
    lines = place.file.read_text().splitlines()
    kept = "\n".join(line for line in lines if not line.startswith("issuer_key"))
    file = place.file.with_name("elsewhere.toml")
    file.write_text(f'{kept}\n[signing]\nissuer = "{issuer}"\nsocket = "{folder}/s"\n')
    return file
