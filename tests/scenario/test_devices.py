"""A command of the backend goes to a relay board on a serial line, and comes back confirmed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from hubcore.device.command import Verb
from hubcore.policy.policy import Operator, OperatorRight
from hubsim.main import main as hubsim
from hubsim.relays.boards import SimModbus
from hubsim.site import FIRST_OPERATOR
from hubsim.stage import Stage

pytestmark = pytest.mark.asyncio

HALL = 3
ID = "00112233445566778899aabbccddeeff"


def config(board: SimModbus) -> str:
    """A board with two lights."""
    return f"""
[[relay_boards]]
kind = "modbus"
id = "hall"
port = "{board.path}"
relays = 4

[[devices]]
kind = "relay"
id = "light"
name = "Light in the hall"
board = "hall"
relay = 2

[[devices]]
kind = "relay"
id = "fan"
name = "Fan"
board = "hall"
relay = 4
"""


async def allow(stage: Stage) -> None:
    """Sign a policy in which the operator may command devices, with a group of both."""
    old = stage.site.policy()
    new = replace(
        old,
        version=old.version + 1,
        operators={FIRST_OPERATOR: Operator(OperatorRight.COMMAND)},
        groups={HALL: ("light", "fan", "light-of-another-hub")},
    )
    stage.site.publish(new)
    await stage.backend("policy", path=str(stage.site.path / "policy.cbor"))

    async def in_force() -> bool:
        status = await stage.hub("status")
        return bool(status["policy_version"] == new.version)

    await stage.until(in_force, "the policy is in force")


async def test_the_backend_switches_a_relay_and_the_record_says_so(tmp_path: Path) -> None:
    board = SimModbus(4)
    try:
        async with Stage(tmp_path / "site", person=False, extra_config=config(board)) as stage:
            refused = await stage.backend(
                "act", hub="hub-1", target="light", verb="on", by="nobody"
            )
            assert refused["outcomes"] == {"light": "refused"}
            assert "names no such operator" in refused["detail"]
            assert not board.on[2]

            await allow(stage)
            first = await stage.backend("act", hub="hub-1", target="light", verb="on", id=ID)
            assert first["outcomes"] == {"light": "confirmed"}
            assert board.on[2]
            heard = len([data for data in board.heard if data[1] == 5])
            again = await stage.backend("act", hub="hub-1", target="light", verb="on", id=ID)
            assert again == first
            assert len([data for data in board.heard if data[1] == 5]) == heard

            group = await stage.backend("act", hub="hub-1", target=HALL, verb="off")
            assert group["outcomes"] == {"light": "confirmed", "fan": "confirmed"}
            assert not any(board.on.values())

            (light, fan) = await stage.hub("devices")
            assert (light["id"], light["position"], light["faults"]) == ("light", "off", [])
            assert fan["kind"] == "relay"

            await recorded(stage)
            await measured(stage)
            await restarted(stage, board)
    finally:
        board.end()


async def recorded(stage: Stage) -> None:
    """Every command and its outcome is a record at the backend."""

    async def there() -> bool:
        said = [record for record in await stage.records() if record["kind"] == "command"]
        outcomes = [record["detail"].get("outcomes") for record in said]
        return "light=confirmed" in outcomes and "light=confirmed fan=confirmed" in outcomes

    await stage.until(there, "the records are at the backend")
    said = [record["detail"] for record in await stage.records() if record["kind"] == "command"]
    assert said[0]["why"] == "no-right"
    asked = next(detail for detail in said if detail.get("op") == ID)
    assert (asked["asker"], asked["target"], asked["verb"]) == (FIRST_OPERATOR, "light", Verb.ON)
    assert asked["allowed"] is True


async def measured(stage: Stage) -> None:
    """Telemetry goes up when the records are there."""

    async def there() -> bool:
        answer = await stage.backend("telemetry", hub="hub-1")
        return bool(answer["devices"].get("light") == {"position": "off"})

    await stage.until(there, "the backend knows how the light stands", 30.0)


async def restarted(stage: Stage, board: SimModbus) -> None:
    """After a restart the known id is answered from the records, and nothing is sent."""
    await stage.kill("hub")
    await stage.kill("radio")
    port = stage.transport.rpartition(":")[2]
    await stage.start("radio", "radio", "--listen", f"127.0.0.1:{port}")
    await stage.start_hub()
    sent = len([data for data in board.heard if data[1] == 5])
    again = await stage.backend("act", hub="hub-1", target="light", verb="on", id=ID)
    assert again["outcomes"] == {"light": "confirmed"}
    assert len([data for data in board.heard if data[1] == 5]) == sent
    await from_the_command_line(stage)


async def from_the_command_line(stage: Stage) -> None:
    """`hubsim backend act` and `devices` show what became of it."""
    run = CliRunner()
    at = ["--at", str(stage.path)]
    done = await asyncio.to_thread(
        run.invoke, hubsim, ["backend", "act", *at, "hub-1", "fan", "on"]
    )
    assert (done.exit_code, done.output) == (0, "fan: confirmed\n")
    done = await asyncio.to_thread(
        run.invoke, hubsim, ["backend", "act", *at, "hub-1", "fan", "open"]
    )
    assert done.exit_code == 1
    assert done.output == "fan: refused\nno device that it names can do this\n"
    done = await asyncio.to_thread(run.invoke, hubsim, ["backend", "devices", *at, "hub-1"])
    assert done.output.startswith(("fan: position ", "light: position "))
    status = await stage.hub("status")
    assert json.dumps(status["devices"])
