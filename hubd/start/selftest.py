"""`hubd --selftest`: tries this version on copies of a hub's databases, beside the hub that runs.

An update asks it before the other slot may take over (docs/updates.md).

Laws:
1. Nothing of the hub is changed, driven or taken: databases are copied, and the copies are removed.
2. All of hubd is imported. A module that only a kind of device needs may be missing, unless the
   configuration asks for that kind.
3. The configuration and the keys are judged as a start judges them. What a start would live with,
   such as a radio that is unplugged, fails no test: the version that runs lives with it, too.
4. The copies are opened as a start opens them, which brings them to the newest schema. Then one
   record is written.
5. What could not be tried fails nothing: it says so, and ends with TRY_AGAIN.

Exit status (sysexits.h): 0 the version passes; 70 it lacks something of its own; 73 it cannot open
the databases; 75 there was no room for the copies; 78 the configuration or a key is refused.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import pkgutil
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from hubcore.codec.cose import SigningKey
from hubcore.errors import ConfigError, HubError, StoreError
from hubcore.evidence.records import RecordKind
from hubcore.policy import document as policies
from hubcore.version import __version__
from hubd.adapters.host.clock import SystemClock
from hubd.adapters.keys.keyfiles import load_keys
from hubd.adapters.sqlite.database import AUDIT, POLICY
from hubd.config.file import Config, load
from hubd.recording import record_now
from hubd.start.checkconfig import inside
from hubd.start.checkconfig.page import EX_CONFIG, EX_UNAVAILABLE, status, text
from hubd.stores import make_retention, open_stores
from hubd.wiring.look.finding import FindingKind
from hubd.wiring.look.world import World

OK = 0
SOFTWARE = 70
CANNOT_OPEN = 73
TRY_AGAIN = 75
FOLDER = "selftest"
SPARE_BYTES = 64 << 20
"""What must be left beside the copies, for the hub that runs."""
WRITE_SECONDS = 60.0
OURS = ("hubcore", "hubd", "drivers")
NEEDED = frozenset(
    {"cbor2", "cryptography", "zmq", "structlog", "msgspec", "gpiod", "dbus_fast", "tzdata"}
)
"""Libraries without which no hub starts."""
_SMALL = ("revocations.cbor", "site-orders.cbor", "mandates.cbor", "ends.cbor")
_DATABASES = (("audit.db", AUDIT), ("policy.db", POLICY))

Free = Callable[[Path], int]
"""How many bytes are free at a path."""


class NoRoomError(HubError):
    """The disk has no room for the copies."""


def run(config_file: Path, free: Free | None = None) -> int:
    """Try this version; say what was found, and return the exit status."""
    try:
        missing = sorted(lacking())
        if missing:
            return _say(SOFTWARE, f"this version is not whole: {missing[0]}")
        config = load(config_file)
        found = list(inside.findings(config, World(os.geteuid())))
        if status(found) == EX_CONFIG:
            wrong = [one for one in found if one.kind is FindingKind.WRONG]
            return _say(EX_CONFIG, text(wrong))
        with _copies(config.hub.state_directory, free or _free) as folder:
            asyncio.run(_try_stores(config, folder))
    except ConfigError as error:
        return _say(EX_CONFIG, str(error))
    except NoRoomError as error:
        return _say(TRY_AGAIN, str(error))
    except (StoreError, TimeoutError) as error:
        return _say(CANNOT_OPEN, str(error) or "the disk took no record in its time")
    note = "" if status(found) != EX_UNAVAILABLE else "; not all is right with this hub"
    return _say(OK, f"{__version__} passes its test{note}")


def lacking() -> Iterator[str]:
    """Import all of hubd; yield what is missing of it (law 2)."""
    for top in OURS:
        package = importlib.import_module(top)
        for module in pkgutil.walk_packages(package.__path__, f"{top}."):
            if module.name.endswith("__main__"):
                continue
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                missing = (error.name or "").partition(".")[0]
                if missing in NEEDED or missing in OURS:
                    yield f"{module.name}: {error}"
            except ImportError as error:
                yield f"{module.name}: {error}"


async def _try_stores(config: Config, folder: Path) -> None:
    """Open the copies as a start does, and write a record. Raise ConfigError, StoreError."""
    keys = load_keys(config)
    site = config.hub.site
    retention = make_retention(
        budget_bytes=config.hub.records_mib << 20,
        hub=config.hub.id,
        site=site,
        key=SigningKey(keys.identity),
    )
    prove = partial(policies.prove, issuer=keys.issuer_key, site=site)
    async with AsyncExitStack() as stack:
        stores = await open_stores(folder, site, prove, stack, retention)
        record = record_now(SystemClock(lambda: 0.0), RecordKind.STOPPED, {})
        async with asyncio.timeout(WRITE_SECONDS):
            await stores.audit.append(record)


@contextmanager
def _copies(state: Path, free: Free) -> Iterator[Path]:
    """Copy the databases into a folder that goes with the block. Raise StoreError, NoRoomError."""
    folder = state / FOLDER
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)  # as a start does
        shutil.rmtree(folder, ignore_errors=True)
        _check_room(state, free)
        folder.mkdir(mode=0o700)
        for name, kind in _DATABASES:
            if (state / name).exists():
                kind.copy(state / name, folder / name)
        for name in _SMALL:
            if (state / name).is_file():
                shutil.copyfile(state / name, folder / name)
        yield folder
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_room(state: Path, free: Free) -> None:
    needed = SPARE_BYTES
    for name, _ in _DATABASES:
        for path in (state / name, state / f"{name}-wal"):
            with suppress(FileNotFoundError):
                needed += path.stat().st_size
    if free(state) < needed:
        raise NoRoomError(f"{state} has no room for copies: {needed >> 20} MiB are needed")


def _free(path: Path) -> int:
    about = os.statvfs(path)
    return about.f_bavail * about.f_frsize


def _say(code: int, sentence: str) -> int:
    print(f"hubd: {sentence}", file=sys.stderr, flush=True)  # noqa: T201
    return code
