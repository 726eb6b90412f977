"""structlog, loaded without `rich`.

Law: import this before anything else imports structlog. structlog loads `rich` when it can, which
costs the daemon 35 ms and 3.7 MB that it never uses.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Make `import module` fail inside, unless it is loaded already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


with _without("rich"):
    import structlog

__all__ = ["structlog"]
