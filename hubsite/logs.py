"""What goes to the journal.

Law: a line has no link that connects a phone: who reads the journal connects none.
"""

from __future__ import annotations

import logging
import re

_LINK = re.compile(r"/join/[^\s'\"?]+")


class WithoutLinks(logging.Filter):
    """Cuts the token of a link out of each line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let each line through (law)."""
        record.msg = _LINK.sub("/join/…", record.getMessage())
        record.args = None
        return True
