"""What somebody at the machine does by mistake, refused before anything is changed.

Laws:
1. Where the server's secret is a user's, root gives none of the server's commands: what root makes
   the server could not write, and what root reads the server may not.
2. A database of SQLite that a process has open is not replaced: that process would go on with the
   old one, and what it is told would be lost. SQLite holds a lock on it as long as it has it open
   (sqlite.org/fileformat2.html, sqlite.org/lockingv3.html).
"""

from __future__ import annotations

import fcntl
import os
import pwd
from pathlib import Path

from hubcore.errors import ConfigError, StoreError
from hubsite import config
from hubsite.config.secrets import place_of

_SHARED_FIRST = 0x4000_0002
_SHARED_BYTES = 510
"""Where SQLite locks whoever reads."""


def load(file: Path, user: int | None = None) -> config.Site:
    """Read the configuration for a command of the server; `user` gives it, None for who runs this.

    Raise ConfigError (law 1).
    """
    site = config.load(file)
    owner = place_of(site.config.secret, site.file).stat().st_uid
    if owner != 0 and (os.geteuid() if user is None else user) == 0:
        raise ConfigError(
            f"this command is for the user {_name_of(owner)}, and not for root: type "
            f"runuser -u {_name_of(owner)} -- before it"
        )
    return site


def check_unused(database: Path) -> None:
    """Raise StoreError if a process has this database of SQLite open (law 2)."""
    try:
        with database.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_BYTES, _SHARED_FIRST)
    except FileNotFoundError:
        return
    except BlockingIOError as error:
        raise StoreError(
            f"{database} is in use, and nothing was changed: end the server first (systemctl stop "
            "hubsite), and start it afterwards"
        ) from error
    except OSError as error:
        raise StoreError(f"{database}: {error.strerror}") from error


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
