"""`make pictures`: runs the simulated site, and puts what hubctl shows there into the documents.

Law: a picture is small enough for a page (PICTURE_BYTES_MAX).
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from hubcore.errors import ConfigError
from hubsim.stage import StageError
from tests.pictures.browser import photograph
from tests.pictures.documents import with_shown
from tests.pictures.drawing import draw
from tests.pictures.scene import COLUMNS, Taken, take

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
            _draw(taken, root / "docs" / "pictures", Path(folder))
    except (StageError, ConfigError, TimeoutError) as error:
        print(f"pictures: {error}", file=sys.stderr)
        sys.exit(1)
    for name in DOCUMENTS:
        document = root / name
        text = with_shown(document.read_text(encoding="utf-8"), taken.texts)
        document.write_text(text, encoding="utf-8")


def _draw(taken: Taken, pictures: Path, folder: Path) -> None:
    """Draw both pictures, and put them in place when they are small enough."""
    terminal = folder / "terminal.svg"
    draw(taken.screen, COLUMNS, "hubctl top", terminal)
    report = folder / "report.png"
    photograph(taken.report, report, PAGE_WIDTH, PAGE_HEIGHT)
    for drawn in (terminal, report):
        size = drawn.stat().st_size
        if size > PICTURE_BYTES_MAX:
            raise ConfigError(f"{drawn.name} has {size} bytes, more than {PICTURE_BYTES_MAX}")
        (pictures / drawn.name).write_bytes(drawn.read_bytes())


if __name__ == "__main__":
    main()
