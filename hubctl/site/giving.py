"""Gives orders at the bridge, and waits until the hubs that are there have answered.

Laws:
1. What was ordered stands, whatever becomes of hubctl.
2. The exit status says whether the doors are as they were asked to be: OK when each hub that was
   meant has taken it, NO when one refused or failed, TRY_AGAIN when one has not answered, also one
   that is away.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from hubctl.answers import fail, print_json
from hubctl.client import HubClient, NoAnswer
from hubctl.site.asking import ask_on, client_of
from hubctl.site.pages.orders import given_page
from hubterm.exits import NO, OK, TRY_AGAIN
from hubterm.shapes import mappings

ANSWER_SECONDS = 10.0
STEP_SECONDS = 5
"""One question for answers waits so long at the most."""

Document = dict[str, Any]
Keep = Callable[[Document], None]


def give_and_end(
    path: Path,
    call: str,
    orders: Iterable[dict[str, Any]],
    as_json: bool,
    keep: Keep = lambda _given: None,
) -> NoReturn:
    """Give these orders, show what the hubs answer, and end by it.

    `keep` is called with what the bridge has answered to each, before hubs have; it may raise
    OSError.
    """
    given: list[Document] = []
    try:
        with client_of(path) as client:
            given += [ask_on(client, call, **order) for order in orders]
            for one in given:
                keep(one)
            ends = time.monotonic() + ANSWER_SECONDS
            answers = [_answered(client, one, ends) for one in given]
    except OSError as error:
        fail(_with_what_stands(_not_kept(error), given), as_json)
    except NoAnswer as error:
        fail(_with_what_stands(error, given), as_json)
    if as_json:
        print_json({"orders": answers})
    else:
        given_page(answers).show()
    sys.exit(judge(answers))


def judge(answers: Iterable[Document]) -> int:
    """Return the exit status of what the hubs have answered (law 2)."""
    found = [hub.get("answer") for answer in answers for hub in mappings(answer.get("hubs"))]
    if any(answer not in ("taken", None) for answer in found):
        return NO
    return TRY_AGAIN if None in found or not found else OK


def _answered(client: HubClient, given: Document, ends: float) -> Document:
    """Wait until each hub that is there has answered, or until `ends`."""
    answer = given
    while not answer.get("complete") and time.monotonic() < ends:
        left = max(0, min(STEP_SECONDS, int(ends - time.monotonic())))
        answer = ask_on(
            client,
            "site-answers",
            order=given.get("order"),
            known=answer.get("answered"),
            seconds=left,
        )
    return {**given, **answer}


def _not_kept(error: OSError) -> NoAnswer:
    return NoAnswer("file", f"{error.filename} cannot be written: {error.strerror or error}.")


def _with_what_stands(error: NoAnswer, given: list[Document]) -> NoAnswer:
    """Return the error, with a word about what was ordered before it."""
    if not given:
        return error
    return NoAnswer(
        error.code,
        f"{error} What was ordered before that stands ({len(given)}): hubctl --site orders",
    )
