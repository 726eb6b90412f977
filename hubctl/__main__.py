"""hubctl, the program: by the quick way where that is enough, else by `hubctl.main`."""

from __future__ import annotations

import os
import sys

from hubctl.shell import quick
from hubterm.exits import INTERRUPTED
from hubterm.output import as_tool, prepare


def main() -> None:
    """Run hubctl, in any locale."""
    look = quick.understood(sys.argv[1:], os.environ)
    if look is None:
        from hubctl.main import main as by_click

        by_click()
        return
    prepare()
    try:
        as_tool("hubctl", lambda: quick.run(look))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
