"""Which programs may take a hub over.

Whoever may act at the hub names one on the local socket: the interpreter of a slot. It runs as
hubd, with hubd's keys.

Laws:
1. It lies below one of the folders in which root keeps what was installed or proven, and nothing on
   the way to it is a link that leads out of them.
2. It may itself be a link, as in an environment, whose `python` is a link to the machine's own.
3. Neither it, nor what it leads to, nor any folder on the way there from the root of the file
   system, can be changed by anybody but its owner, who is root.
4. Any other path is refused before anything is started.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from hubcore.errors import TrustError

ROOT = 0
FOLDERS = (Path("/opt/hubd"), Path("/run/hubd-slots"))
PATH_CHARS_MAX = 1024
LINKS_MAX = 8


def check_program(
    program: Path, folders: Sequence[Path] = FOLDERS, owners: frozenset[int] = frozenset({ROOT})
) -> None:
    """Raise TrustError for a program that may not take the hub over."""
    if not program.is_absolute() or len(str(program)) > PATH_CHARS_MAX or "\0" in str(program):
        raise TrustError("The program that is to take over is no absolute path.")
    try:
        steps = _steps_to(program)
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: what no path can hold
        raise TrustError(f"The program cannot be started: {error}.") from error
    if not any(steps[0].is_relative_to(folder) for folder in folders):
        named = " or ".join(str(folder) for folder in folders)
        raise TrustError(f"{program} is not below {named}.")
    for step in steps:
        for part in (step, *step.parents):
            status = os.lstat(part)
            if status.st_uid not in owners or _others_may_change(status.st_mode):
                raise TrustError(f"{part} can be changed by others than root.")
    real = steps[-1]
    if not stat.S_ISREG(os.lstat(real).st_mode) or not os.access(real, os.X_OK):
        raise TrustError(f"{program} is no program.")


def _steps_to(program: Path) -> list[Path]:
    """Return where a program lies, and each place to which a link leads from there, the last one.

    No folder on the way to them is a link. Raise OSError, RuntimeError, ValueError.
    """
    steps = [program.parent.resolve(strict=True) / program.name]
    while steps[-1].is_symlink():
        if len(steps) > LINKS_MAX:
            raise RuntimeError("too many links")
        target = steps[-1].parent / steps[-1].readlink()
        steps.append(target.parent.resolve(strict=True) / target.name)
    steps[-1].lstat()
    return steps


def _others_may_change(mode: int) -> bool:
    """Tell whether others may put something else in the place of what lies here.

    In a folder with the sticky bit nobody can do so with what is another's. A link has no mode.
    """
    is_kept = stat.S_ISLNK(mode) or (stat.S_ISDIR(mode) and mode & stat.S_ISVTX)
    return bool(mode & (stat.S_IWGRP | stat.S_IWOTH)) and not is_kept
