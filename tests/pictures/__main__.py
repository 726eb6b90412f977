"""`make pictures`: runs the simulated site, and puts what is seen there into the documents.

Law: a picture is small enough for a page (PICTURE_BYTES_MAX).
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from hubcore.errors import ConfigError, HubError
from hubsim.chromium.browser import BrowserError
from hubsim.stage import StageError
from tests.pictures.browser import photograph
from tests.pictures.documents import with_shown
from tests.pictures.drawing import draw
from tests.pictures.scene import COLUMNS, Taken, take
from tests.pictures.site import photograph_site

DOCUMENTS = ("README.md", "docs/hub.md", "docs/hubctl.md")
PICTURE_BYTES_MAX = 200_000
PAGE_WIDTH = 900
PAGE_HEIGHT = 1180


def main() -> None:
    """Take everything, in the clone that the first argument names."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    try:
        with tempfile.TemporaryDirectory() as folder:
            taken = asyncio.run(take(Path(folder) / "site"))
            site = Path(folder) / "site.png"
            asyncio.run(photograph_site(Path(folder) / "trial", site))
            _put(root / "docs" / "pictures", *_drawn(taken, Path(folder)), site)
    except (StageError, BrowserError, HubError, TimeoutError) as error:
        print(f"pictures: {error}", file=sys.stderr)
        sys.exit(1)
    for name in DOCUMENTS:
        document = root / name
        text = with_shown(document.read_text(encoding="utf-8"), taken.texts)
        document.write_text(text, encoding="utf-8")


def _drawn(taken: Taken, folder: Path) -> tuple[Path, Path]:
    """Draw the pictures of hubctl into a folder."""
    terminal = folder / "terminal.svg"
    draw(taken.screen, COLUMNS, "hubctl top", terminal)
    report = folder / "report.png"
    photograph(taken.report, report, PAGE_WIDTH, PAGE_HEIGHT)
    return terminal, report


def _put(pictures: Path, *drawn_ones: Path) -> None:
    """Put pictures in place, when all are small enough. Raise ConfigError."""
    for drawn in drawn_ones:
        size = drawn.stat().st_size
        if size > PICTURE_BYTES_MAX:
            raise ConfigError(f"{drawn.name} has {size} bytes, more than {PICTURE_BYTES_MAX}")
    for drawn in drawn_ones:
        (pictures / drawn.name).write_bytes(drawn.read_bytes())


if __name__ == "__main__":
    main()
