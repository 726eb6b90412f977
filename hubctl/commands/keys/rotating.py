"""`hubctl keys rotate`: has the hub change a key, and ends when it has happened.

Laws:
1. It ends with 0 when the new key is in use and, for the uplink, when the backend has let the old
   one go.
2. When the time is over it says what the change waits for, and ends with 75. The hub goes on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hubctl.answers import ask, ask_or_end, fail, print_json
from hubctl.client import NoAnswer
from hubctl.commands.keys.showing import WAITS, trouble_of, waits_for
from hubctl.options import JSON, SOCKET
from hubterm.deadline import TimedOut
from hubterm.progress import Progress
from hubterm.shapes import mappings
from hubterm.speaking import end_with_error
from hubterm.text import clean

KEYS = ("uplink", "epoch")
WAIT_SECONDS = 90.0
"""Without --timeout. A small board takes up to a minute for an epoch key."""
LOOK_SECONDS = 0.5
NOTHING = "nothing"


@click.command()
@click.argument("key", type=click.Choice(KEYS))
@JSON
@SOCKET
@click.pass_obj
def rotate(path: Path, key: str, as_json: bool) -> None:
    """Change KEY, `uplink` or `epoch`, and wait until it has happened. This is recorded.

    The uplink's key takes a new pair, the backend's word that it knows it, and its word that the
    old one has gone: at most once an hour. An epoch key is made within seconds to a minute; what is
    sealed to the one before still opens. The other keys come by enrolment or from the site.
    """
    before = ask_or_end(path, "rotate-key", as_json, key=key).get("before")
    last: Mapping[str, Any] = {}
    until = time.monotonic() + WAIT_SECONDS
    try:
        with Progress("seconds waited", as_json=as_json) as shown:
            while True:
                last = _look(path, key)
                if _has_happened(last, before):
                    break
                left = until - time.monotonic()
                if left <= 0:
                    raise TimedOut(WAIT_SECONDS)
                shown.show(int(WAIT_SECONDS - left), int(WAIT_SECONDS))
                time.sleep(LOOK_SECONDS)
    except NoAnswer as error:
        fail(error, as_json)
    except TimedOut as over:
        waiting = waits_for(last) or "the key is being made"
        end_with_error("timeout", f"{over}. Until now: {waiting}", as_json)
    if last.get("id") == before:
        why = trouble_of(last) or "the key is as it was; hubctl uplink says more"
        end_with_error("not-rotated", why, as_json)
    if as_json:
        print_json({"key": key, "before": before, "id": last.get("id")})
    else:
        print(f"Recorded, and changed: the {key} key is {clean(last.get('id'))} now.")


def _look(path: Path, key: str) -> Mapping[str, Any]:
    """Return how a key is now. Raise NoAnswer."""
    for found in mappings(ask(path, "keys").get("keys")):
        if found.get("role") == key and found.get("in_use") is not False:
            waits = found.get("waits_for")
            if waits is None or waits == NOTHING or waits in WAITS:
                return found
    raise NoAnswer(
        "protocol", "hubctl does not understand hubd's answer; are both of the same version?"
    )


def _has_happened(found: Mapping[str, Any], before: object) -> bool:
    """Tell whether the change has come to its end, well or not."""
    waits = found.get("waits_for")
    if waits is None:  # an epoch key: one step
        return bool(found.get("id") != before)
    return bool(waits == NOTHING)
