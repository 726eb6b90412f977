"""Where vector files are written: a run led by hand, each step written down with what came of it.

Law: the author declares the verdict; a file whose run says otherwise is not written.
"""

from __future__ import annotations

import json
from typing import Any

from hubcore.codec import cose
from hubcore.codec.cbor import encode
from tests.vectors import world
from tests.vectors.form import FOLDER, Chance, Json
from tests.vectors.hub_run import HubRun, verdicts
from tests.vectors.phone_run import PhoneRun

STEP_SECONDS = 0.5
"""From one step of a phone's file to the next, unless a pause says otherwise."""


def hub_given(**changes: Any) -> Json:
    """Return a hub's state; `changes` replace its members."""
    given: Json = {
        "transport": "ble-gatt",
        "site": world.SITE,
        "hub": world.HUB,
        "issuer": encode(world.signer("issuer").cose_key).hex(),
        "hub_certificate": world.hub_certificate().hex(),
        "epochs": [
            {"certificate": world.epoch_certificate().hex(), "private_key": world.key_text("epoch")}
        ],
        "tickets": [],
        "access_points": {
            "1": {"door": "front", "fresh": False},
            "2": {"door": "side", "fresh": False},
            "3": {"door": "side", "fresh": False},
            "4": {"door": "lab", "fresh": True},
        },
        "policy": policy(),
        "time_zone": "Europe/Berlin",
        "grant_seconds_max": 90 * world.DAY,
        "clock": "trusted",
        "rsa_budget": {"a_second": 5, "burst": 10, "at_once": 4},
    }
    return {**given, **changes}


def policy(**changes: Any) -> Json:
    """Return a policy that revokes nothing and has schedule 7, weekdays 8 to 18 h."""
    empty: Json = {
        "revoked_credentials": [],
        "revoked_grants": [],
        "schedules": {"7": [[31, 480, 1080]]},
        "modes": {},
    }
    return {**empty, **changes}


def phone_given(**changes: Any) -> Json:
    """Return a phone's state."""
    given: Json = {
        "transport": "ble-gatt",
        "site": world.SITE,
        "issuer": encode(world.signer("issuer").cose_key).hex(),
        "key": world.key_text("phone"),
        "grant": world.grant().hex(),
        "access_point": 1,
        "action": 1,
        "aeads": [3, 2, 1],
        "rsa_bytes": [384, 512],
        "revoked_hubs": [],
        "epochs": [],
        "tickets": [],
        "epoch_private_key": world.key_text("epoch"),
    }
    return {**given, **changes}


class File:
    """A file being written."""

    def __init__(self, row: str, name: str, reader: str, given: Json) -> None:
        self.label = f"{row}-{name}"
        self.given = given
        self.steps = list[Json]()
        self.reader = reader
        self.chance = Chance(None, self.label)

    def save(self, shows: str, verdict: str, **more: Any) -> None:
        """Write the file; `verdict` is what the run must have said."""
        said = verdicts(self.steps)
        assert said == verdict, f"{self.label}: the run says {said}, declared is {verdict}"
        head: Json = {
            "name": self.label,
            "row": self.label.split("-")[0],
            "shows": shows,
            "reader": self.reader,
        }
        body: Json = {
            "verdict": verdict,
            **more,
            "given": self.given,
            "random": self.chance.drawn,
            "steps": self.steps,
        }
        write(self.label, {**head, **body})


def write(label: str, value: Json) -> None:
    """Write one file."""
    (FOLDER / f"{label}.json").write_text(json.dumps(value, indent=0) + "\n")


class HubFile(File):
    """A file for the hub's reader.

    Steps come at `at` seconds, half a second after the last unless told.
    """

    def __init__(self, row: str, name: str, **given: Any) -> None:
        super().__init__(row, name, "hub", json.loads(json.dumps(hub_given(**given))))
        self.run = HubRun(self.given, self.chance)
        self.at = 0.0

    async def do(
        self, what: str, link: str = "a", at: float | None = None, **more: Any
    ) -> list[Json]:
        """Do one step and write it down."""
        self.at = self.at + 0.5 if at is None else at
        where = {} if what == "policy" else {"link": link}
        step: Json = {"at": self.at, "do": what, **where, **more}
        gives, causes = await self.run.step(step)
        step["gives"] = gives
        if causes:
            step["inside"] = [
                {"class": type(cause).__name__, "words": str(cause)} for cause in causes
            ]
        self.steps.append(step)
        return gives

    async def info(self, link: str = "a", at: float | None = None) -> bytes:
        """Connect if that was not done, and read INFO."""
        if link not in self.run.peers:
            await self.do("connect", link, at)
        gives = await self.do("read INFO", link, at)
        return bytes.fromhex(gives[0]["info"])

    async def message(
        self, message: bytes, link: str = "a", at: float | None = None, **more: Any
    ) -> list[Json]:
        """Send one whole message."""
        return await self.do("message", link, at, **more, bytes=message.hex())

    def plan(self, challenge: bytes, tag: str = "", **changes: Any) -> world.Plan:
        """Return a plan for an open under `challenge`."""
        return world.Plan(challenge, self.label + tag, **changes)

    def save(self, shows: str, verdict: str, **more: Any) -> None:
        """Write the file with the strikes that the run drove."""
        super().save(shows, verdict, strikes=self.run.strikes.driven, **more)


class PhoneFile(File):
    """A file for the phone's reader."""

    def __init__(self, row: str, name: str, **given: Any) -> None:
        super().__init__(row, name, "phone", json.loads(json.dumps(phone_given(**given))))
        self.run = PhoneRun(self.given, self.chance)
        self.at = 0.0
        self.step_seconds = STEP_SECONDS

    def do(self, what: str, **more: Any) -> list[Json]:
        """Do one step and write it down."""
        self.at = round(self.at + self.step_seconds, 3)
        step: Json = {"at": self.at, "do": what, **more}
        step["gives"] = self.run.step(step)
        self.steps.append(step)
        return list(step["gives"])

    def info(
        self, tag: str = "", epoch: str = "epoch", version: int = 1, hub: str = "hub"
    ) -> bytes:
        """Give the phone a challenge; return it."""
        kid = cose.write_encryption_key(world.epoch_key(epoch).public_key())[2]
        sid = world.fixed(f"{self.label}{tag}/sid", 4)
        nonce = world.fixed(f"{self.label}{tag}/nonce", 16)
        value = encode([version, sid, nonce, world.signer(hub).verify_key.kid, kid])
        self.do("info", bytes=value.hex())
        return value

    def message(self, message: bytes) -> list[Json]:
        """Give the phone a message."""
        return self.do("message", bytes=message.hex())

    def sent(self) -> bytes:
        """Return the last message that the phone sent and a file can know."""
        sends = [out["sends"] for step in self.steps for out in step["gives"] if "sends" in out]
        return bytes.fromhex(sends[-1])

    def pause(self, seconds: float) -> None:
        """Let the next step come so many seconds after the last one."""
        self.at += seconds - self.step_seconds

    def save(self, shows: str, verdict: str, **more: Any) -> None:
        """Write the file with what the wallet holds afterwards."""
        super().save(shows, verdict, after=self.run.after(), **more)
