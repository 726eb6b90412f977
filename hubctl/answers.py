"""Asks the daemon, judges its answer, and ends hubctl with a sentence when there is none.

Law: the exit status is one of `hubterm.exits`. No answer is never taken for a good one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from hubcore.version import __version__
from hubctl.client import HubClient, NoAnswer
from hubterm.ending import end_with_error
from hubterm.exits import NO, OK
from hubterm.text import document

if TYPE_CHECKING:
    from pathlib import Path

NOT_THERE = "unknown-call"
"""The code of a hubd of before, which has no such call."""


def ask(path: Path | str, call: str, **arguments: Any) -> dict[str, Any]:
    """Return the document of one call. Raise NoAnswer."""
    with HubClient(path) as client:
        return ask_on(client, call, **arguments)


def ask_on(client: HubClient, call: str, **arguments: Any) -> dict[str, Any]:
    """Return the document of one call on a connection. Raise NoAnswer."""
    return _document(call, client.call(call, **arguments))


def ask_or_end(path: Path | str, call: str, as_json: bool, **arguments: Any) -> dict[str, Any]:
    """Return the document of one call, or end with the sentence of why there is none."""
    try:
        return ask(path, call, **arguments)
    except NoAnswer as error:
        fail(error, as_json)


def ask_if_known(
    path: Path | str, call: str, as_json: bool, **arguments: Any
) -> dict[str, Any] | None:
    """Return the document of one call, None where hubd has no such call, or end as `fail` does."""
    try:
        return ask(path, call, **arguments)
    except NoAnswer as error:
        if error.code == NOT_THERE:
            return None
        fail(error, as_json)


def _document(call: str, answer: Any) -> dict[str, Any]:
    """Return an answer as a document; a list under the name of its call.

    Raise NoAnswer for another answer.
    """
    match call, answer:
        case "status", dict():
            return {**answer, "installed_version": __version__}
        case "denials", {"denials": list(), "zone": str()}:
            return dict(answer)
        case "measured", {"decisions": list(), "strike_asked": dict()}:
            return dict(answer)
        case "radio", {"links": list()}:
            return dict(answer)
        case "trace", {"unlocks": list()}:
            return dict(answer)
        case "policy", {"version": int()}:
            return dict(answer)
        case "trust-clock", {"state": str()}:
            return dict(answer)
        case "accept-state", {"was": str() | None, "policy_version": int()}:
            return dict(answer)
        case "install-reader-key" | "change-reader-key", {"reader": str()}:
            return dict(answer)
        case "keys", {"keys": list()}:
            return dict(answer)
        case "rotate-key", {"key": str(), "before": str() | None}:
            return dict(answer)
        case "seal-export", {"seal": str(), "certificate": str()}:
            return dict(answer)
        case "passback-reset", {"credential": str() | None, "forgotten": int()}:
            return dict(answer)
        case "zwave", {"zwave": dict() | None, "openzwave": dict() | None}:
            return dict(answer)
        case "device", {"id": str()}:
            return dict(answer)
        case "door", {"id": str(), "access_points": list(), "decisions": list()}:
            return dict(answer)
        case "door-test", {"door": str(), "would": str(), "movers": list()}:
            return dict(answer)
        case "door-release", {"door": str(), "released": True}:
            return dict(answer)
        case "door-lockdown" | "door-normal", {"door": str(), "changed": bool(), "mode": str()}:
            return dict(answer)
        case "policy-why", {"zone": str(), "known": bool(), "points": list()}:
            return dict(answer)
        case "doors" | "devices" | "checks" | "readers" | "try-parts", list() if all(
            isinstance(item, dict) for item in answer
        ):
            return {call: answer}
    raise NoAnswer(
        "protocol", "hubctl does not understand hubd's answer; are both of the same version?"
    )


def judge(status: dict[str, Any]) -> int:
    """Return the exit status of a status: whether a problem of severity error stands."""
    problems = status.get("problems")
    if not isinstance(problems, list):
        return OK
    for problem in problems:
        if isinstance(problem, dict) and problem.get("severity") == "error":
            return NO
    return OK


def print_json(facts: dict[str, Any]) -> None:
    """Print one document for machines."""
    print(document(**facts), flush=True)


def error_document(error: NoAnswer) -> dict[str, Any]:
    """Return the document that says why there is no answer."""
    return {"error": {"code": error.code, "message": str(error)}}


def fail(error: NoAnswer, as_json: bool) -> NoReturn:
    """End hubctl with the sentence of why there is no answer."""
    end_with_error(error.code, str(error), as_json)
