"""How a program ends that has met an error: one sentence or one document, and the status it means.

Law: it needs no library, so that a command that is typed often starts fast.
"""

from __future__ import annotations

import sys
from typing import NoReturn

from hubterm.exits import status_of
from hubterm.output import complain
from hubterm.text import clean, error_document


def end_with_error(code: str, message: str, as_json: bool) -> NoReturn:
    """End the program with what went wrong, by the status that its code means."""
    end(status_of(code), code, message, as_json)


def end(status: int, code: str, message: str, as_json: bool) -> NoReturn:
    """End the program; what went wrong is on standard error."""
    if as_json:
        print(error_document(code, message), file=sys.stderr, flush=True)  # noqa: T201
    else:
        complain(clean(message))
    sys.exit(status)
