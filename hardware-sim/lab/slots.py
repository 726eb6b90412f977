"""Images of hubd's slots for the guest: real ones, of this tree, made as a release is packed.

Laws:
1. What makes a difference to an image names its folder in the cache: one that is there is right.
2. A version differs from this tree by its number, by a trial that takes seconds, and by a fault.
3. Of trees that were not asked for within KEPT_SECONDS none is kept.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.guest import SOURCE

PYTHON = "/usr/bin/python3"
PREFIX = "opt/hubd"
MAKE_SECONDS = 600
KEPT_SECONDS = 12 * 3600.0
PACKED = (
    *("hubcore", "drivers", "hubd", "hubctl", "hubbridge", "hubgateway", "hublocal", "hubsite"),
    *("hubterm", "hubtls", "hubupdate", "setup.cfg", "pyproject.toml"),
    *("systemd", "config", "packaging"),
)
"""What an installation is made of (`systemd/install.sh`, `packaging/tree`)."""
TRIAL = "hubcore/update/health.py"
QUICK = (
    ("GRACE_SECONDS = 60.0", "GRACE_SECONDS = 8.0"),
    ("TRIAL_SECONDS = 600.0", "TRIAL_SECONDS = 10.0"),
)
"""A trial of a day's work is too long for a case; its rules are as ever."""
Edit = tuple[str, str, str]
"""A file of the environment, what it says, and what it says in this image."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of hubd, as its image is to be."""

    number: str
    fault: Edit | None = None

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What differs from this tree."""
        quick = tuple((TRIAL, old, new) for old, new in QUICK)
        return quick if self.fault is None else (*quick, self.fault)


@functools.cache
def installed() -> Path:
    """Return what `make install` and `make install-update` put below DESTDIR, with this tree."""
    folder = _cache() / f"hub-{_digest_of_tree()}"
    if not folder.exists():
        made = folder.with_suffix(f".{os.getpid()}")
        environment = {
            **os.environ,
            "DESTDIR": str(made),
            "PYTHON": PYTHON,
            "EXTRAS": "update",
            "LOCKED": "yes",
        }
        _do(SOURCE / "systemd/install.sh", "install", environment=environment)
        _do(SOURCE / "systemd/install-update.sh", "install", environment=environment)
        _put(made, folder)
    folder.touch()
    _forget_old(folder.parent)
    return folder


def image_of(version: Version) -> Path:
    """Return the image of a version."""
    hub = installed()
    told = hashlib.sha256(repr(version).encode() + repr(version.edits).encode()).hexdigest()[:12]
    folder = hub.with_name(f"{hub.name}-{told}")
    if not folder.exists():
        made = folder.with_suffix(f".{os.getpid()}")
        place = made / "root" / PREFIX
        shutil.copytree(hub / PREFIX, place, symlinks=True, copy_function=os.link)
        _change(place, version)
        (made / "names").write_text(
            f"deb_version={version.number}\nmachine=amd64\npython_tag=cp3\n"
        )
        _do(SOURCE / "packaging/image", made, made)
        shutil.rmtree(made / "root")
        _put(made, folder)
    folder.touch()
    (image,) = folder.glob("*.squashfs")
    return image


def _forget_old(cache: Path) -> None:
    for folder in cache.glob("hub-*"):
        with suppress(FileNotFoundError):  # another process does the same
            if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _change(environment: Path, version: Version) -> None:
    """Make an environment one of that version."""
    (packages,) = environment.glob("lib/python3*/site-packages")
    number = packages / "hubcore/version.py"
    (line,) = [one for one in number.read_text().splitlines() if one.startswith("__version__ =")]
    edits = (("hubcore/version.py", line, f'__version__ = "{version.number}"'), *version.edits)
    for name, old, new in edits:
        file = packages / name
        text = file.read_text()
        if old not in text:
            raise LabError(f"{name} does not say {old!r}")
        file.unlink()  # its bytes are those of the tree that was installed, too
        file.write_text(text.replace(old, new))
    files = sorted({str(packages / name) for name, _, _ in edits})
    strip = ("-s", str(environment), "-p", f"/{PREFIX}")
    _do(PYTHON, *COMPILE, *strip, *files)


COMPILE = ("-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("HUBD_LAB_CACHE") or Path(base) / "hubd-lab")


def _digest_of_tree() -> str:
    digest = hashlib.sha256()
    for name in PACKED:
        top = SOURCE / name
        files = [top] if top.is_file() else sorted(top.rglob("*"))
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(SOURCE)}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _put(made: Path, folder: Path) -> None:
    """Let what was made have its name, unless somebody else was first."""
    try:
        made.rename(folder)
    except OSError:
        shutil.rmtree(made)


def _do(*words: str | Path, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        [str(word) for word in words],
        cwd=SOURCE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=MAKE_SECONDS,
        check=False,
    )
    if done.returncode:
        raise LabError(f"{words[0]}: {done.stdout[-1000:]} {done.stderr[-2000:]}")
