"""hubupdate: argv, configuration, go on; nothing else.

Exit status (sysexits.h): 0 a version was found well, and the program starts again from its slot;
78 the configuration is refused, 75 another update is at work or the disk is away.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hubcore.errors import ConfigError, HubError
from hubcore.version import __version__
from hubupdate.config import carriers_of, load, roots_of
from hubupdate.running.app import SLOTS, make_folders, run, tell
from hubupdate.running.first import begin_slots

EX_CONFIG = 78
EX_TEMPFAIL = 75


def main() -> None:
    """Update this hub as the file says."""
    parser = argparse.ArgumentParser("hubupdate", description="Updates an access hub.")
    parser.add_argument("--config", type=Path, default=Path("/etc/hubupdate/hubupdate.toml"))
    parser.add_argument("--version", action="version", version=f"hubupdate {__version__}")
    parser.add_argument("--check-config", action="store_true", help="say whether all is right")
    parser.add_argument(
        "--first",
        type=Path,
        metavar="IMAGE",
        help="make slot A of an image's file, once, and end",
    )
    parser.add_argument("--first-version", default="", metavar="VERSION", help="of that image")
    parser.add_argument("--state", type=Path, default=Path("/var/lib/hubupdate"))
    options = parser.parse_args()
    try:
        if options.first is not None:
            slots = begin_slots(options.state / SLOTS, options.first, options.first_version)
            tell(f"slot {slots.well} holds {slots.running.name}")
            return
        config = load(options.config)
        carriers_of(config, options.config)
        roots_of(config, options.config)
        if options.check_config:
            tell(f"{options.config} is right: {config.hub}, channel {config.channel}")
            return
        make_folders(config)
        run(config, options.config)
    except ConfigError as error:
        _end(error, EX_CONFIG)
    except HubError as error:
        _end(error, EX_TEMPFAIL)


def _end(error: HubError, status: int) -> None:
    tell(str(error))
    sys.exit(status)


if __name__ == "__main__":
    main()
