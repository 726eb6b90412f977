"""Rows 101, 102 and 105-108: what a phone does about frames, TXR, the end of a link, and time."""

from __future__ import annotations

from typing import Any

from hubcore.codec import cbor
from hubcore.door.state import DoorState
from hubcore.phone import sealing
from hubcore.phone.framing import Flag, Outbound, control_frame
from hubcore.phone.messages import (
    EpochAnswer,
    Error,
    ErrorCode,
    NewTicket,
    Reason,
    State,
    Verdict,
    decode_challenge,
    encode_to_phone,
)
from tests.vectors import world
from tests.vectors.bench import PhoneFile
from tests.vectors.form import WALL
from tests.vectors.world import TicketPlan

NEW = NewTicket(world.fixed("new ticket", 16), WALL + 72 * 3600)
TICKET = TicketPlan()
SMALL_MTU = 23
LARGE_MTU = 247
OTHER_SID = bytes(4)


async def write() -> None:
    """Write all files of these rows."""
    _frames()
    _broken()
    _ends()
    _txr()
    _patience()
    _leaving()


class Playbook:
    """A phone on the short path, up to the last write of its resume; then the hub's frames."""

    def __init__(self, row: str, name: str, subscribed: bool = True, **given: Any) -> None:
        tickets = [TICKET.at_phone()]
        self.file = PhoneFile(
            row,
            name,
            **{
                "tickets": tickets,
                "link": {"subscribed": subscribed},
                "epoch_private_key": None,
                **given,
            },
        )
        self.file.step_seconds = 0.0
        self.challenge = self.file.info()
        self.sid = decode_challenge(self.challenge).sid
        self._out = Outbound(self.sid)

    def asks(self) -> Playbook:
        """The resume is written: the verdict is waited for."""
        sent = self.file.sent()
        self.keys = sealing.session_keys(
            TICKET.secret, sealing.BLE_GATT, self.challenge, sent, TICKET.aead, world.HUB
        )
        self.file.do("written")
        return self

    def frames(self, message: bytes, mtu: int = LARGE_MTU) -> list[bytes]:
        """Cut a message of the hub's."""
        self._out.load(message)
        frames = []
        while frame := self._out.pull(mtu):
            frames.append(frame)
        return frames

    def verdict(self, reason: Reason = Reason.OK) -> bytes:
        """Seal a verdict: yes with a ticket, or no."""
        allowed = reason is Reason.OK
        door = DoorState.RELEASED if allowed else DoorState.UNKNOWN
        verdict = Verdict(
            self.file.run.attempt.op, allowed, reason, door, WALL + 1, NEW if allowed else None
        )
        return encode_to_phone(sealing.seal_verdict(verdict, self.keys, self._iv()))

    def state(self, seq: int, door: DoorState) -> bytes:
        """Seal a state."""
        state = State(seq, self.file.run.attempt.op, 1, door, WALL + 2)
        return encode_to_phone(sealing.seal_state(state, self.keys, self._iv()))

    def hears(self, frames: list[bytes]) -> None:
        """Notify these frames, one after the other."""
        for frame in frames:
            self.file.do("notified", bytes=frame.hex())

    def reads(self, value: bytes = b"") -> None:
        """Answer the phone's read of TXR."""
        self.file.do("TXR", bytes=value.hex())

    def waits(self, seconds: float) -> None:
        """Nothing comes for so many seconds; then something is due."""
        self.file.pause(seconds)
        self.file.do("time")

    def quiet(self, seconds: float) -> None:
        """Nothing comes for so many seconds, and the phone does nothing about it."""
        self.file.pause(seconds)
        self.file.do("quiet")

    def _iv(self) -> bytes:
        return world.fixed(f"{self.file.label}/{len(self.file.steps)}/iv", 12)


def _frames() -> None:
    play = Playbook("101", "phone-frames-at-mtu-23").asks()
    play.hears(play.frames(play.verdict(), SMALL_MTU))
    play.hears(play.frames(play.state(1, DoorState.SECURED), SMALL_MTU))
    play.file.save(
        "A verdict and a state in small frames: every 4th is acknowledged, the last is not",
        "ACCEPT, STATE",
    )

    play = Playbook("101", "phone-frames-twice").asks()
    for frame in play.frames(play.verdict(), SMALL_MTU):
        play.hears([frame, frame])
    play.file.save("Each frame comes twice: the second is one that the phone has", "ACCEPT")

    play = Playbook("101", "phone-frame-lost").asks()
    frames = play.frames(play.verdict(), SMALL_MTU)
    play.hears([frames[0], *frames[2:4]])
    for frame in frames[:4]:
        play.reads(frame)
    play.reads()
    play.hears(frames[4:])
    said = (
        "A frame is missing: TXR is read at once, and on until it is empty; what the phone "
        "has is ignored"
    )
    play.file.save(said, "ACCEPT")

    play = Playbook("101", "phone-first-frame-lost").asks()
    (frame,) = play.frames(play.verdict())
    (state,) = play.frames(play.state(1, DoorState.SECURED))
    play.hears([state])
    play.reads(frame)
    play.reads(state)
    play.file.save(
        "The verdict's only frame is missing, the state shows it: both come from TXR",
        "ACCEPT, STATE",
    )

    play = Playbook("101", "phone-numbers-go-round").asks()
    frames = [frame for _ in range(2) for frame in play.frames(bytes(1785), SMALL_MTU)]
    assert len(frames) == 256
    (right,) = play.frames(play.verdict())
    play.hears([*frames[:255], right])
    play.reads(frames[255])
    play.reads(right)
    play.file.save("Frame 0 follows frame 255; it is ahead while that one is missing", "ACCEPT")


def _broken() -> None:
    play = Playbook("102", "phone-broken-frames").asks()
    (right,) = play.frames(play.verdict())
    version_2 = bytes([right[0] ^ 0x30]) + right[1:]
    other = right[:1] + OTHER_SID + right[5:]
    too_long = right[:6] + (len(right) - 9).to_bytes(2, "big") + right[8:]
    too_short = right[:6] + (len(right) - 7).to_bytes(2, "big") + right[8:]
    nothing = right[:6] + b"\0\0" + right[8:]
    middle = bytes([0x10]) + right[1:]
    wrong = [b"", right[:5], version_2, other, too_long, too_short, nothing, middle, right[:8]]
    ack = control_frame(Flag.ACK, play.sid, 0)
    with_payload = control_frame(Flag.ACK, play.sid, 0) + b"\0"
    both = bytes([0x1C]) + play.sid + b"\0"
    bye = control_frame(Flag.BYE, OTHER_SID, 0)
    play.hears([*wrong, ack, with_payload, both, bye])
    play.hears([right])
    play.file.save(
        "Broken frames, and whole ones that are not for this session, change nothing", "ACCEPT"
    )

    play = Playbook("102", "phone-first-inside-a-message").asks()
    frames = play.frames(play.verdict(), SMALL_MTU)
    again = bytes([0x11]) + play.sid + bytes([2]) + frames[0][6:]
    play.hears([*frames[:2], again, *frames[2:]])
    play.file.save("A first frame inside a message is ignored, and the message goes on", "ACCEPT")

    play = Playbook("102", "phone-messages-out-of-place").asks()
    for message in (
        b"\x80",
        cbor.encode([9]),
        encode_to_phone(EpochAnswer(b"a", b"b")),
        play.state(1, DoorState.SECURED),
    ):
        play.hears(play.frames(message))
    play.hears(play.frames(play.verdict()))
    play.hears(play.frames(encode_to_phone(Error(ErrorCode.FAILED))))
    play.hears(play.frames(play.state(1, DoorState.SECURED)))
    shows = "Messages that are none, and those that are not for the phone's state, are ignored"
    play.file.save(shows, "ACCEPT, STATE")


def _ends() -> None:
    play = Playbook("105", "phone-bye-before-the-verdict").asks()
    play.hears([control_frame(Flag.BYE, play.sid, 0)])
    play.file.save("The hub says goodbye before it has answered: the result is unknown", "UNKNOWN")

    play = Playbook("105", "phone-verdict-after-the-end").asks()
    (verdict,) = play.frames(play.verdict())
    play.hears([control_frame(Flag.BYE, play.sid, 0), verdict])
    play.file.do("lost")
    play.file.save(
        "After its end an attempt hears nothing: a verdict that comes late counts for nothing",
        "UNKNOWN",
    )

    play = Playbook("105", "phone-bye-before-a-request", tickets=[])
    play.file.do("written")
    play.hears([control_frame(Flag.BYE, play.sid, 0)])
    play.file.save("The hub says goodbye before a request was sent", "ABORT")

    play = Playbook("105", "phone-link-lost-before-the-verdict").asks()
    play.file.do("lost")
    play.file.save("The link is lost before the verdict: the result is unknown", "UNKNOWN")

    play = Playbook("105", "phone-link-lost-in-a-write")
    play.file.do("lost")
    play.file.save(
        "The link is lost while the request is written: the result is unknown", "UNKNOWN"
    )

    play = Playbook("105", "phone-link-lost-before-a-request", tickets=[])
    play.file.do("lost")
    play.file.save("The link is lost while get-epoch is written: nothing was asked", "ABORT")

    play = Playbook("105", "phone-link-lost-after-the-verdict").asks()
    play.hears(play.frames(play.verdict()))
    play.file.do("lost")
    play.file.save("The link is lost after the verdict: that stands", "ACCEPT")


def _txr() -> None:
    play = Playbook("106", "phone-reads-txr-after-1-s").asks()
    play.quiet(0.9)
    play.waits(0.1)
    play.reads()
    play.quiet(0.9)
    play.waits(0.1)
    frames = play.frames(play.verdict(), SMALL_MTU)
    for frame in frames:
        play.reads(frame)
    play.file.save(
        "No notification for 1 s: TXR is read, on at once after a frame, 1 s after an empty read",
        "ACCEPT",
    )

    play = Playbook("106", "phone-without-a-subscription", subscribed=False).asks()
    for _ in range(2):
        play.reads()
        play.quiet(0.02)
        play.waits(0.01)
    for frame in play.frames(play.verdict(), SMALL_MTU):
        play.reads(frame)
    play.file.pause(0.94)  # a read that took so long: the first second is over
    play.reads()
    play.quiet(0.09)
    play.waits(0.01)
    (state,) = play.frames(play.state(1, DoorState.SECURED))
    play.reads(state)
    shows = (
        "A phone that does not subscribe reads TXR at once, on at once after a frame, 30 ms after "
        "an empty read in the first second, then 100 ms after one"
    )
    play.file.save(shows, "ACCEPT, STATE")

    play = Playbook("106", "phone-txr-beside-notifications").asks()
    frames = play.frames(play.verdict(), SMALL_MTU)
    play.hears(frames[:1])
    play.waits(1.0)
    play.reads(frames[0])
    play.hears(frames[1:2])
    play.reads(frames[1])
    play.reads(frames[2])
    play.reads()
    play.hears(frames[2:])
    play.file.save("The same frames come both ways, in every order: each counts once", "ACCEPT")


def _patience() -> None:
    play = Playbook("107", "phone-verdict-of-6-s").asks()
    for _ in range(3):
        play.waits(1.0)
        play.reads()
    play.file.pause(0.5)
    play.hears(
        [*play.frames(b"\x80"), b"noise", *play.frames(encode_to_phone(EpochAnswer(b"a", b"b")))]
    )
    for _ in range(2):
        play.waits(1.0)
        play.reads()
    play.quiet(0.4)
    play.waits(0.1)
    shows = (
        "No verdict within 6 s of the last write, whatever else comes: a hint; INFO is "
        "read again at once"
    )
    play.file.save(shows, "")

    play = Playbook("107", "phone-certificates-of-8-s", tickets=[])
    play.file.pause(3.0)
    play.file.do("written")
    for _ in range(7):
        play.waits(1.0)
        play.reads()
    play.quiet(0.9)
    play.waits(0.1)
    play.file.save("No certificates within 8 s of the last write, which itself took 3 s", "ABORT")


def _leaving() -> None:
    for name, reason, door in (
        ("yes", Reason.OK, DoorState.SECURED),
        ("yes-released", Reason.OK, DoorState.RELEASED),
        ("yes-open", Reason.OK, DoorState.OPEN),
        ("no", Reason.SCHEDULE, DoorState.UNKNOWN),
    ):
        said = "ACCEPT" if reason is Reason.OK else f"SEALED {int(reason)}"
        play = Playbook("108", f"phone-leaves-after-a-{name}").asks()
        play.hears(play.frames(play.verdict(reason)))
        for _ in range(5):
            play.waits(1.0)
            play.reads()
        play.file.pause(0.1)
        play.hears(play.frames(play.state(1, door)))
        play.quiet(30.0)
        play.file.save("The phone leaves after the first state, whatever it says", f"{said}, STATE")

    for name, reason in (("yes", Reason.OK), ("no", Reason.SCHEDULE)):
        said = "ACCEPT" if reason is Reason.OK else f"SEALED {int(reason)}"
        play = Playbook("108", f"phone-stays-30-s-after-a-{name}", subscribed=False).asks()
        (frame,) = play.frames(play.verdict(reason))
        play.reads(frame)
        play.reads()
        play.file.pause(29.9)
        play.file.do("time")
        play.reads()
        play.waits(0.1)
        play.file.save("No state comes: the phone leaves 30 s after the verdict", said)

        play = Playbook("108", f"phone-leaves-at-once-after-a-query-{name}", action=4).asks()
        play.hears(play.frames(play.verdict(reason)))
        play.file.save("A question is followed by no state: the phone leaves at once", said)
