"""Rows 10, 11, 99, 100: known answers, equal bytes."""

from __future__ import annotations

from collections.abc import Callable

from hubcore.access.words import Action
from hubcore.codec import cbor, cose
from hubcore.codec.cose import Aead
from hubcore.door.state import DoorState
from hubcore.phone import sealing
from hubcore.phone.framing import Outbound
from hubcore.phone.messages import (
    Challenge,
    NewTicket,
    Reason,
    ResumeRequest,
    State,
    Verdict,
    encode_resume_request,
    encode_state,
    encode_verdict,
)
from tests.vectors import world
from tests.vectors.bench import write as write_file
from tests.vectors.form import WALL, Json
from tests.vectors.known import ANSWERS


def _file(row: str, name: str, shows: str, answers: list[Json]) -> None:
    label = f"{row}-{name}"
    for answer in answers:
        assert ANSWERS[answer["of"]](answer) == answer["bytes"], f"{label}: {answer['of']}"
    head = {"name": label, "row": row, "shows": shows, "reader": "known", "verdict": "EQUAL"}
    write_file(label, {**head, "answers": answers})


def _kdf() -> list[Json]:
    secret = world.fixed("kdf/secret", 32)
    challenge = world.fixed("kdf/challenge", 42)
    message = world.fixed("kdf/message", 100)
    inputs: Json = {
        "secret": secret.hex(),
        "transport": "ble-gatt",
        "challenge": challenge.hex(),
        "hub": world.HUB,
    }
    answers = []
    for aead in Aead:
        keys = sealing.session_keys(secret, "ble-gatt", challenge, message, aead, world.HUB)
        p2h = sealing.resume_key(secret, "ble-gatt", challenge, aead, world.HUB)
        with_message = {**inputs, "message": message.hex(), "aead": int(aead)}
        answers += [
            {"of": "p2h", **inputs, "aead": int(aead), "bytes": p2h.hex()},
            {"of": "h2p", **with_message, "bytes": keys.to_phone.hex()},
            {"of": "ticket", **with_message, "bytes": keys.ratchet.hex()},
        ]
    return answers


def _thumbprints() -> list[Json]:
    keys = [world.signer(name).cose_key for name in ("issuer", "phone", "phone_rsa", "issuer_rsa")]
    keys += [
        cose.write_encryption_key(world.epoch_key(name).public_key())
        for name in ("epoch", "epoch_2048")
    ]
    return [
        {"of": "thumbprint", "key": cbor.encode(key).hex(), "bytes": cose.thumbprint(key).hex()}
        for key in keys
    ]


def _plaintexts() -> list[Json]:
    op = world.fixed("plaintext/op", 8)
    id_ = world.fixed("plaintext/ticket", 16)
    answers: list[Json] = []

    def add(of: str, fields: Json, make: Callable[[], bytes]) -> None:
        answers.append({"of": of, **fields, "bytes": make().hex()})

    for point in (1, 24, 256, 65536):
        fields: Json = {"op": op.hex(), "access_point": point, "action": 1}
        request = ResumeRequest(op, point, Action.OPEN)
        add("resume plaintext", fields, lambda r=request: encode_resume_request(r))  # type: ignore[misc]
    for ticket, reason in ((NewTicket(id_, WALL), Reason.OK), (None, Reason.LOCKED)):
        verdict = Verdict(op, ticket is not None, reason, DoorState.RELEASED, WALL, ticket)
        told = ticket and {"id": ticket.id.hex(), "expires": ticket.expires}
        fields = {
            "op": op.hex(),
            "allowed": verdict.allowed,
            "reason": int(reason),
            "door": 2,
            "time": WALL,
        }
        add("verdict plaintext", {**fields, "ticket": told}, lambda v=verdict: encode_verdict(v))  # type: ignore[misc]
    for seq in (1, 65535):
        state = State(seq, op, 1, DoorState.OPEN, WALL)
        fields = {"seq": seq, "op": op.hex(), "access_point": 1, "door": 3, "time": WALL}
        add("state plaintext", fields, lambda s=state: encode_state(s))  # type: ignore[misc]
    sid = world.fixed("challenge/sid", 4)
    nonce = world.fixed("challenge/nonce", 16)
    challenge = Challenge(sid, nonce, bytes(8), bytes(range(8)))
    fields = {
        "sid": sid.hex(),
        "nonce": nonce.hex(),
        "hub": challenge.hub.hex(),
        "epoch": challenge.epoch.hex(),
    }
    add("challenge", fields, challenge.encode)
    return answers


def _frames() -> list[Json]:
    answers = []
    sid = world.fixed("framing/sid", 4)
    for mtu in (23, 64, 185, 247, 517):
        message = world.fixed("framing/message", 300)
        out = Outbound(sid)
        out.load(message)
        frames = []
        while frame := out.pull(mtu):
            frames.append(frame.hex())
        answers.append(
            {
                "of": "frames",
                "sid": sid.hex(),
                "mtu": mtu,
                "message": message.hex(),
                "bytes": frames,
            }
        )
    return answers


async def write() -> None:
    """Write all files of these rows."""
    _file("010", "key-schedule", "Each key of the schedule for each AEAD", _kdf())
    _file("011", "thumbprints", "RFC 9679 thumbprints of EC and RSA keys", _thumbprints())
    _file("099", "plaintexts", "Plaintexts with their padding, and a challenge", _plaintexts())
    _file(
        "100",
        "frames",
        "One message of 300 bytes, the link's first, cut for several ATT_MTU",
        _frames(),
    )
