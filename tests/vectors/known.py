"""Reads the files of known answers: what our code makes of each answer's inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
from tests.vectors.form import Json


def _p2h(a: Json) -> str:
    secret = bytes.fromhex(a["secret"])
    challenge = bytes.fromhex(a["challenge"])
    return sealing.resume_key(secret, a["transport"], challenge, Aead(a["aead"]), a["hub"]).hex()


def _session(a: Json) -> sealing.SessionKeys:
    secret, challenge, message = (
        bytes.fromhex(a[name]) for name in ("secret", "challenge", "message")
    )
    return sealing.session_keys(
        secret, a["transport"], challenge, message, Aead(a["aead"]), a["hub"]
    )


def _resume(a: Json) -> str:
    request = ResumeRequest(bytes.fromhex(a["op"]), a["access_point"], Action(a["action"]))
    return encode_resume_request(request).hex()


def _verdict(a: Json) -> str:
    ticket = a["ticket"] and NewTicket(bytes.fromhex(a["ticket"]["id"]), a["ticket"]["expires"])
    reason = Reason(a["reason"])
    door = DoorState(a["door"])
    return encode_verdict(
        Verdict(bytes.fromhex(a["op"]), a["allowed"], reason, door, a["time"], ticket)
    ).hex()


def _state(a: Json) -> str:
    state = State(
        a["seq"], bytes.fromhex(a["op"]), a["access_point"], DoorState(a["door"]), a["time"]
    )
    return encode_state(state).hex()


def _challenge(a: Json) -> str:
    return (
        Challenge(*(bytes.fromhex(a[name]) for name in ("sid", "nonce", "hub", "epoch")))
        .encode()
        .hex()
    )


def _frames(a: Json) -> list[str]:
    out = Outbound(bytes.fromhex(a["sid"]))
    frames = []
    out.load(bytes.fromhex(a["message"]))
    while frame := out.pull(a["mtu"]):
        frames.append(frame.hex())
    return frames


ANSWERS: Mapping[str, Callable[[Json], str | list[str]]] = {
    "p2h": _p2h,
    "h2p": lambda a: _session(a).to_phone.hex(),
    "ticket": lambda a: _session(a).ratchet.hex(),
    "thumbprint": lambda a: cose.thumbprint(cbor.decode(bytes.fromhex(a["key"]))).hex(),
    "resume plaintext": _resume,
    "verdict plaintext": _verdict,
    "state plaintext": _state,
    "challenge": _challenge,
    "frames": _frames,
}
