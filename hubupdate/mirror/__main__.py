"""hubupdate-mirror: one look at the server, for a site's cache of updates; a timer calls it again.

Exit status (sysexits.h): 78 the configuration is refused, 75 nothing could be fetched or kept this
time, and the folder gives out what it had.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from hubcore.errors import ConfigError, HubError
from hubcore.update.belief import Belief
from hubcore.version import BUILD_TIME, __version__
from hubupdate.config import carriers_of, roots_of
from hubupdate.disk import alone_in
from hubupdate.fetcher import CarrierFetcher
from hubupdate.mirror.board import CacheBoard
from hubupdate.mirror.config import MirrorConfig, load
from hubupdate.mirror.mirror import Mirror, Mirrored
from hubupdate.trust import Trust
from hubupdate.turns import InTurn

EX_CONFIG = 78
EX_TEMPFAIL = 75


def main() -> None:
    """Look once."""
    parser = argparse.ArgumentParser(
        "hubupdate-mirror", description="Keeps a site's cache of updates."
    )
    parser.add_argument("--config", type=Path, default=Path("/etc/hubupdate/mirror.toml"))
    parser.add_argument("--check-config", action="store_true", help="judge the file, and end")
    parser.add_argument("--version", action="version", version=f"hubupdate-mirror {__version__}")
    options = parser.parse_args()
    try:
        config = load(options.config)
        if options.check_config:
            carriers_of(config, options.config)
            roots_of(config, options.config)
            _tell(f"{options.config}: right")
            return
        mirrored = look(config, options.config)
        _tell(
            f"{config.folder}: {mirrored.plans} plans, {mirrored.images} images, "
            f"{mirrored.fetched_bytes} bytes fetched"
        )
    except ConfigError as error:
        _end(error, EX_CONFIG)
    except HubError as error:
        _end(error, EX_TEMPFAIL)


def look(config: MirrorConfig, config_file: Path) -> Mirrored:
    """Bring the folder up to date. Raise HubError."""
    carriers = InTurn(carriers_of(config, config_file))
    fetcher = CarrierFetcher(carriers, time.monotonic)
    lists = Path(config.lists)
    trust = Trust(lists, roots_of(config, config_file), fetcher)
    with alone_in(lists):
        mirror = Mirror(Path(config.folder), trust, fetcher, config.bytes_max)
        board = CacheBoard(Path(config.board))
        belief = Belief.GOOD if time.time() >= BUILD_TIME else Belief.NOT_TRUSTED
        try:
            mirrored = mirror.look(belief)
        except HubError as error:
            board.failed(error, time.time())
            raise
        board.fresh(mirrored, trust.lists_end, time.time())
        return mirrored


def _end(error: HubError, status: int) -> None:
    _tell(str(error))
    sys.exit(status)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
