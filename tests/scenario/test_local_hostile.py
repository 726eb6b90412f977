"""Every call of a real hub's local socket, asked with arguments that nobody means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hubsim.stage import Stage
from tests.scenario.conftest import FRONT

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.once]

HASH = f'"{"0" * 64}"'
TAKES: dict[str, dict[str, str]] = {
    "change-reader-key": {"reader": '"hall"'},
    "device": {"device": '"light"'},
    "door": {"door": '"front"'},
    "door-lockdown": {"door": '"front"'},
    "door-normal": {"door": '"front"'},
    "door-release": {"door": '"front"', "seconds": "1"},
    "door-test": {"door": '"front"'},
    "install-reader-key": {"reader": '"hall"'},
    "passback-reset": {"credential": '"3fa9c2d417b80e65"'},
    "policy-bring": {"load": "1", "round": "0"},
    "policy-why": {"credential": '"3fa9c2d4"', "door": '"front"', "at": "1800000000"},
    "rotate-key": {"key": '"uplink"'},
    "seal-export": {"first": "1", "before": HASH, "last": "1", "hash": HASH},
    "takeover": {"program": '"/opt/hubd/bin/none"'},
    "takeover-end": {"well": "true", "why": '"no"'},
    "trace": {"door": '"front"', "last": "3"},
    "zwave-act": {"act": '"zwave_ping"', "node": "2", "seconds": "5", "pin": "null", "dsk": "null"},
    "zwave-stop": {"number": "1"},
    "zwave-wait": {"number": "1", "round": "0"},
}
"""What each call takes, with a value that is none of the odd ones."""
TAKE_NOTHING = {
    "accept-state", "checks", "denials", "devices", "doors", "keys", "measured", "policy",
    "policy-offer", "radio", "readers", "status", "tail", "takeover-status", "trust-clock",
    "try-parts", "zwave",
}  # fmt: skip
VALUES = (
    "null", "true", "-1", "0", "1", "1e308", "-0.5", "9223372036854775808", "99999999999999999999",
    '""', '"front"', '"\\u0000"', '"\\ud800"', '"\\ud83d\\ude00"', '"../../../etc"', '"\\u001b[2J"',
    f'"{"f" * 64}"', f'"{"x" * 500}"',
)  # fmt: skip
SECONDS = 120.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A stage with one door and its policy in force."""
    place = tmp_path_factory.mktemp("local") / "site"
    async with Stage(place, [FRONT], person=False) as running:

        async def in_force() -> bool:
            return bool((await running.hub("status"))["policy_version"])

        await running.until(in_force, "the policy is in force")
        yield running


async def ask(stage: Stage, requests: list[bytes]) -> list[dict[str, object]]:
    """Return the answers to requests on one connection."""
    reader, writer = await asyncio.open_unix_connection(stage.site.hub / "hubd.sock")
    answers: list[dict[str, object]] = []
    try:
        for request in requests:
            writer.write(request + b"\n")
            answers.append(json.loads(await reader.readline()))
    finally:
        writer.close()
    return answers


async def names_of_calls(stage: Stage) -> list[str]:
    (answer,) = await ask(stage, [b'{"id":1,"call":"?"}'])
    error = answer["error"]
    assert isinstance(error, dict)
    return list(error["message"].partition("there are ")[2].split(", "))


async def test_no_argument_is_a_bug_of_a_call(stage: Stage) -> None:
    """Each call answers each of them, well or with a code of its own, and the hub goes on."""
    calls = set(await names_of_calls(stage))
    assert calls == set(TAKES) | TAKE_NOTHING, "each call has its arguments in TAKES"
    asked = [
        (call, name, value) for call, takes in TAKES.items() for name in takes for value in VALUES
    ]

    async def tried(part: list[tuple[str, str, str]]) -> list[str]:
        answers = await ask(stage, [_request(*one) for one in part])
        return [
            f"{one}: {answer['error']}"
            for one, answer in zip(part, answers, strict=True)
            if "internal" in str(answer.get("error"))
        ]

    async with asyncio.timeout(SECONDS):
        found = await asyncio.gather(tried(asked[::2]), tried(asked[1::2]))
    assert [*found[0], *found[1]] == []
    assert (await stage.hub("status"))["policy_version"]


def _request(call: str, odd: str, value: str) -> bytes:
    takes = {**TAKES[call], odd: value}
    args = ",".join(f'"{name}":{said}' for name, said in takes.items())
    return f'{{"id":1,"call":"{call}","args":{{{args}}}}}'.encode()
