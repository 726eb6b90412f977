"""hubd: argv, configuration, serve; nothing else.

Exit status (sysexits.h): 0 stopped, 78 the configuration is refused, 73 the state directory is,
69 a strike may be driven and no guard can end it. Output that nobody reads changes no exit status,
see `hubterm.output`. `--check-config` starts nothing, see `hubd.start.checkconfig`; nor does
`--selftest`, see `hubd.start.selftest`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from functools import partial
from pathlib import Path

from hubcore.errors import ConfigError, StoreError, UnguardedError
from hubcore.version import __version__
from hubd.adapters.host.linepace import LinePace
from hubd.adapters.host.log import set_up
from hubd.adapters.host.systemd import Notifier
from hubd.config.file import load
from hubd.serve import Handing, serve
from hubd.start import checkconfig, selftest, showconfig
from hubd.wiring.hardware import real_parts
from hubd.wiring.parts import MakeParts
from hubterm.output import as_tool, complain, prepare

EX_CONFIG = 78
EX_CANTCREAT = 73
EX_UNAVAILABLE = 69


def main() -> None:
    """Start the daemon on this hub's real parts."""
    prepare()
    options = as_tool("hubd", _parser().parse_args)
    if options.check_config:
        check = partial(checkconfig.run, options.config, options.json)
        sys.exit(as_tool("hubd", check))
    if options.selftest:
        sys.exit(as_tool("hubd", partial(selftest.run, options.config)))
    if options.show_config:
        sys.exit(as_tool("hubd", partial(_show_config, options.config)))
    sys.exit(run(options.config, real_parts, Handing(options.config, options.take_over)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "hubd",
        description="The access hub daemon.",
        epilog=f"Exit status: 0 stopped, {EX_CONFIG} the configuration is refused, "
        f"{EX_CANTCREAT} the state directory is, {EX_UNAVAILABLE} a strike may be driven and no "
        "guard can end it.",
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("/etc/hubd/hubd.toml"),
        help="default: %(default)s",
    )
    parser.add_argument("--version", action="version", version=f"hubd {__version__}")
    parser.add_argument(
        "--check-config",
        action="store_true",
        help="say whether all is right, and end",
    )
    parser.add_argument(
        "--show-config",
        action="store_true",
        help="print the settings that a start would use, as JSON, and end",
    )
    parser.add_argument(
        "--selftest",
        action="store_true",
        help="try this version on copies of the databases, beside a hub that runs, and end",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="with --check-config: what was found as JSON",
    )
    # of the hubd that this one takes over from; by nobody's hand
    parser.add_argument("--take-over", type=int, help=argparse.SUPPRESS)
    return parser


def _show_config(config_file: Path) -> int:
    try:
        sys.stdout.write(showconfig.show(config_file) + "\n")
    except ConfigError as error:
        complain(f"hubd: {error}")
        return EX_CONFIG
    return 0


def run(config_file: Path, make_parts: MakeParts, handing: Handing | None = None) -> int:
    """Run a hub of these parts; return the exit status. `handing`: how it may change hands.

    What refuses the start is one sentence on standard error. systemd gets it too, and `systemctl
    status` shows it until the next start; the journal's end is full of restarts by then.
    """
    notifier = Notifier()
    pace = LinePace()
    try:
        config = load(config_file)
        set_up(config.log.level, sys.stderr, pace=pace)
        asyncio.run(serve(config, make_parts, notifier, handing))
    except ConfigError as error:
        return _refused(notifier, error, EX_CONFIG)
    except StoreError as error:
        return _refused(notifier, error, EX_CANTCREAT)
    except UnguardedError as error:
        return _refused(notifier, error, EX_UNAVAILABLE)
    except Exception as error:
        kind = type(error).__name__
        notifier.status(f"ended by a fault of its own, {kind}: journalctl -u hubd says where")
        raise
    return 0


def _refused(notifier: Notifier, error: Exception, status: int) -> int:
    complain(f"hubd: {error}")
    notifier.status(str(error))
    return status


if __name__ == "__main__":
    main()
