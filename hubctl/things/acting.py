"""An act on the Z-Wave network, from its begin to its end, with its progress on standard error.

Laws:
1. It asks for news again and again: hubd stops an act for which nobody asks any more.
2. However it ends here, by Ctrl-C, by --timeout or by an error, hubd is told to stop the act.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hubctl.answers import fail
from hubctl.client import HubClient, NoAnswer
from hubterm.ending import end_with_error
from hubterm.text import clean

OVER = ("done", "failed")
ANSWERS_MAX = 400
"""hubd answers after 4 s where there is no news, and ends an act after 600 s."""
PHASES = ("waiting", "found", "granted", "key", "working", *OVER)
SAYS = {
    "waiting": "The stick listens: press the button of the device as its manual says.",
    "found": "A device was found.",
    "granted": "It asked for its classes of security; all of S2 were granted.",
    "working": "At work.",
}


def perform(path: Path, as_json: bool, **wanted: Any) -> Mapping[str, Any]:
    """Do an act and return how it ended; end hubctl when it failed."""
    state: Mapping[str, Any] = {}
    try:
        with HubClient(path) as client:
            state = _follow(path, client, as_json, wanted)
    except NoAnswer as error:
        fail(error, as_json)
    if state.get("phase") == "failed":
        end_with_error("zwave-failed", f"It was not done: {clean(state.get('why'))}.", as_json)
    return state


def _follow(
    path: Path, client: HubClient, as_json: bool, wanted: Mapping[str, Any]
) -> Mapping[str, Any]:
    state = _state(client.call("zwave-act", **wanted))
    said = ""
    try:
        for _ in range(ANSWERS_MAX):
            if state["phase"] in OVER:
                break
            said = _show(state, said, as_json)
            asked = {"number": state["number"], "round": state["round"]}
            state = _state(client.call("zwave-wait", **asked))
    except BaseException:  # law 2
        with suppress(NoAnswer):
            _stop(path, state["number"])
        raise
    if state["phase"] not in OVER:
        raise NoAnswer(
            "protocol", "hubd says again and again that it is not over. Look, then retry"
        )
    _show(state, said, as_json)
    return state


def _stop(path: Path, number: int) -> None:
    """A connection of its own: an answer may be under way on the first."""
    with HubClient(path) as other:
        other.call("zwave-stop", number=number)


def _state(answer: Any) -> Mapping[str, Any]:
    """Raise NoAnswer."""
    match answer:
        case {"number": int(), "round": int(), "phase": str(phase)} if phase in PHASES:
            state: Mapping[str, Any] = answer
            return state
    raise NoAnswer(
        "protocol", "hubctl does not understand hubd's answer; are both of the same version?"
    )


def _show(state: Mapping[str, Any], said: str, as_json: bool) -> str:
    """Say on standard error how far it has come, once each; return what was said last."""
    phase = state.get("phase")
    if state.get("shown") is not None:
        fits = "is the one that was typed" if state.get("fits") is True else "is another one"
        sentence = f"The device shows the key -----{clean(state['shown'])}; it {fits}."
        sentence = sentence.replace("-----", "*****-")
    else:
        sentence = SAYS.get(str(phase), "")
    if sentence and sentence != said and not as_json and sys.stderr.isatty():
        print(sentence, file=sys.stderr, flush=True)
    return sentence or said
