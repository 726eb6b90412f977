"""Asks the bridge's local socket, and ends hubctl with a sentence when there is no answer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hubcore.localapi import BRIDGE_SOCKET
from hubctl.answers import fail
from hubctl.client import HUBBRIDGE, HubClient, NoAnswer

SOCKET_VARIABLE = "HUBBRIDGE_SOCKET"


def default_socket(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the bridge's socket is, as long as nobody names another one."""
    return Path(environment.get(SOCKET_VARIABLE) or BRIDGE_SOCKET)


def client_of(path: Path) -> HubClient:
    """Return a connection to the bridge. Raise NoAnswer."""
    return HubClient(path, daemon=HUBBRIDGE)


def ask(path: Path, call: str, **arguments: Any) -> dict[str, Any]:
    """Return the document of one call. Raise NoAnswer."""
    with client_of(path) as client:
        return ask_on(client, call, **arguments)


def ask_on(client: HubClient, call: str, **arguments: Any) -> dict[str, Any]:
    """Return the document of one call on a connection. Raise NoAnswer."""
    given = {name: value for name, value in arguments.items() if value is not None}
    answer = client.call(call, **given)
    if not isinstance(answer, dict):
        raise NoAnswer(
            "protocol",
            "hubctl does not understand hubbridge's answer; are both of the same version?",
        )
    return answer


def ask_or_end(path: Path, call: str, as_json: bool, **arguments: Any) -> dict[str, Any]:
    """Return the document of one call, or end with the sentence of why there is none."""
    try:
        return ask(path, call, **arguments)
    except NoAnswer as error:
        fail(error, as_json)
