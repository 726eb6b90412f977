"""What holds for all tests: Ctrl-C works in what they start, even where they themselves run in the background."""

from __future__ import annotations

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
