"""`hubctl policy load`: brings a policy that lies on a stick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

import click

from hubcore.codec import cbor
from hubcore.policy.onstick import HANDFUL
from hubctl.answers import fail, print_json
from hubctl.client import HubClient, NoAnswer
from hubctl.commands.act.stick import NoPolicy, Source, open_source
from hubctl.options import JSON, SOCKET
from hubterm.progress import Progress, Show
from hubterm.text import clean


@click.command()
@click.argument("where", metavar="PATH", type=click.Path(path_type=Path))
@JSON
@SOCKET
@click.pass_obj
def load(path: Path, where: Path, as_json: bool) -> None:
    """Load the policy that lies in PATH, a folder or a file. This is recorded.

    The hub proves it as any other, and takes it only if it is newer than the one in force. The same
    command again goes on where it stopped.
    """
    try:
        with HubClient(path) as client, Progress("pieces brought", as_json=as_json) as shown:
            loaded = _load_from(client, where, shown.show)
    except NoAnswer as error:
        fail(error, as_json)
    if as_json:
        print_json(
            {"version": loaded.version, "already": loaded.already, "pieces": loaded.pieces},
        )
    elif loaded.already:
        print(f"The hub has this policy already: version {loaded.version}.")
    else:
        print(f"Policy {loaded.version} is in force; pieces brought: {loaded.pieces}.")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of a load. `already`: the policy was in force before."""

    version: int
    already: bool
    pieces: int


def _load_from(client: HubClient, where: Path, show: Show) -> Loaded:
    """Bring the policy of a path. Raise NoAnswer."""
    shown = clean(str(where))
    try:
        with open_source(where) as source:
            held = client.call("policy")
            if isinstance(held, dict) and held.get("digest") == source.digest.hex():
                return Loaded(_whole(held.get("version")), True, 0)
            return _Bringing(client, source, shown, show).run()
    except NoPolicy as error:
        raise NoAnswer("no-policy", f"{shown} holds no policy: {error}.") from error
    except OSError as error:
        raise NoAnswer(
            "unreadable",
            f"{shown} cannot be read: {error.strerror or error}. If the stick was pulled out, put "
            "it in and give the same command again: it goes on where it stopped.",
        ) from error


class _Bringing:
    """One load, from the offer to its end."""

    def __init__(self, client: HubClient, source: Source, where: str, show: Show) -> None:
        self._client = client
        self._source = source
        self._where = where
        self._show = show
        self._brought = 0
        self._load = 0

    def run(self) -> Loaded:
        """Bring what the hub wants until the policy is in force. Raise NoAnswer, OSError.

        What it wanted before this offer, of the same policy, it asks for again.
        """
        state = self._state(self._client.call_with("policy-offer", self._source.root))
        self._load = _whole(state.get("load"))
        done = _whole(state.get("round"))
        while True:
            match self._bring((), done):
                case {"phase": "in_force", "version": int(version)}:
                    return Loaded(version, False, self._brought)
                case {"phase": "refused", "why": str(why)}:
                    raise NoAnswer("policy-refused", f"the hub refused the policy: {why}")
                case {"phase": "wanted", "round": int(round_), "wanted": list(wanted)}:
                    if round_ > done:
                        self._answer(wanted, round_)
                        done = round_
                case {"phase": "working"}:
                    pass
                case _:
                    _not_understood()

    def _answer(self, wanted: Sequence[object], round_: int) -> None:
        """Bring what is wanted, as far as it is there."""
        pieces: list[bytes] = []
        for name in wanted:
            piece = self._source.piece(_name(name))
            if piece is not None:
                pieces.append(piece)
        for start in range(0, len(pieces), HANDFUL):
            handful = pieces[start : start + HANDFUL]
            self._bring(handful, round_)
            self._brought += len(handful)
            self._show(self._brought, self._source.count)
        missing = len(wanted) - len(pieces)
        if missing:
            raise NoAnswer(
                "pieces-missing",
                f"{missing} pieces that the hub wants are not in {self._where}, or are damaged: "
                "write the policy to the stick again, then give the same command again. What came "
                "until now is kept.",
            )

    def _bring(self, pieces: Sequence[bytes], round_: int) -> dict[str, Any]:
        body = b"".join(cbor.encode(piece) for piece in pieces)
        answer = self._client.call_with("policy-bring", body, load=self._load, round=round_)
        return self._state(answer)

    def _state(self, answer: Any) -> dict[str, Any]:
        if not isinstance(answer, dict):
            _not_understood()
        return answer


def _name(name: object) -> bytes:
    try:
        return bytes.fromhex(str(name))
    except ValueError:
        _not_understood()


def _whole(value: object) -> int:
    if not isinstance(value, int):
        _not_understood()
    return value


def _not_understood() -> Never:
    raise NoAnswer(
        "protocol", "hubctl does not understand hubd's answer; are both of the same version?"
    )
