"""Rows 13, 81-87 and 88-93: frames, times and loads of a link; scripts with a clock."""

from __future__ import annotations

from hubcore.codec import cbor
from hubcore.phone.framing import Outbound
from tests.vectors import world
from tests.vectors.bench import HubFile
from tests.vectors.world import TicketPlan, make_open, make_resume

GET_EPOCH = cbor.encode([1])


def _frames(challenge: bytes, message: bytes, mtu: int = 247) -> list[bytes]:
    """Cut a message into the frames of a link's first message."""
    out = Outbound(challenge[3:7])
    out.load(message)
    frames = []
    while frame := out.pull(mtu):
        frames.append(frame)
    return frames


async def _clock() -> None:
    file = HubFile("013", "challenge-of-30-s")
    challenge = await file.info(at=1.0)
    await file.message(make_open(file.plan(challenge)), at=31.0)
    file.save("An open 30 s after its challenge", "ACCEPT")

    file = HubFile("013", "challenge-too-old")
    challenge = await file.info(at=1.0)
    await file.message(GET_EPOCH, at=20.0)
    await file.message(make_open(file.plan(challenge)), at=31.5)
    file.save("An open 30.5 s after its challenge", "EPOCH, CLEAR 5")

    file = HubFile("013", "no-live-challenge")
    old = make_open(file.plan(await file.info()))
    frame = _frames(bytes(42), old)[0]
    await file.do("connect", "b")
    await file.do("frame", "b", bytes=frame.hex())
    file.save("A frame on a link that never read INFO", "KICK")

    file = HubFile("013", "challenge-voided-by-the-next")
    first = await file.info()
    await file.info()
    await file.message(make_open(file.plan(first)))
    file.save("A second read of INFO voids the first challenge", "CLEAR 6")

    file = HubFile("086", "rsa-done-after-3-s")
    await file.message(make_open(file.plan(await file.info())), at=1.0, hold="rsa")
    await file.do("rsa done", at=4.5)
    file.save("The proof is ready 3.5 s after the last byte: no strike", "CLEAR 5")

    file = HubFile("086", "decision-after-2-s")
    await file.message(make_open(file.plan(await file.info())), at=1.0, hold="decision")
    await file.do("decide", at=3.5)
    file.save("The decision is asked for 2.5 s after the last byte: no strike", "SEALED 8")

    file = HubFile("086", "decision-after-3-s")
    await file.message(make_open(file.plan(await file.info())), at=1.0, hold="decision")
    await file.do("decide", at=4.5)
    file.save("The decision is asked for 3.5 s after the last byte: no strike", "CLEAR 5")

    file = HubFile("087", "link-lost-before-the-decision")
    await file.message(make_open(file.plan(await file.info())), hold="decision")
    await file.do("lose the link")
    await file.do("decide")
    file.save("The phone has gone before the decision: no strike", "")

    op = world.fixed("one operation", 8)
    file = HubFile("087", "link-lost-and-asked-again")
    await file.message(make_open(file.plan(await file.info(), op=op)), hold="decision")
    await file.do("lose the link")
    await file.do("decide")
    await file.message(make_open(file.plan(await file.info("b"), "/again", op=op)), "b")
    file.save(
        "Nothing was done for a phone that had gone: the same operation is decided when it "
        "comes again",
        "ACCEPT",
    )

    file = HubFile("087", "late-and-asked-again")
    await file.message(make_open(file.plan(await file.info(), op=op)), hold="decision")
    await file.do("decide", at=4.0)
    await file.message(make_open(file.plan(await file.info("b"), "/again", op=op)), "b")
    file.save(
        "A sealed BUSY says that nothing was done: the same operation may be asked again",
        "SEALED 8, ACCEPT",
    )

    file = HubFile("087", "link-lost-before-the-proof")
    await file.message(make_open(file.plan(await file.info())), hold="rsa")
    await file.do("lose the link")
    await file.do("rsa done")
    file.save("The phone has gone before its proof was opened: no strike", "")


async def _loads() -> None:
    file = HubFile("081", "third-get-epoch")
    await file.info()
    for _ in range(3):
        await file.message(GET_EPOCH)
    file.save("Certificates asked for a third time on one link", "EPOCH, EPOCH, KICK")

    file = HubFile("084", "third-failed-open")
    for tag in ("/1", "/2", "/3"):
        plan = file.plan(await file.info(), tag, ciphertext=world.with_last_bit_flipped)
        await file.message(make_open(plan))
    file.save("The third failure on one link ends it", "CLEAR 6, CLEAR 6, CLEAR 6, KICK")

    ticket = TicketPlan()
    file = HubFile("085", "rsa-queue-full", tickets=[ticket.at_hub()])
    for link in ("a", "b", "c", "d"):
        message = make_open(file.plan(await file.info(link, at=1.0), f"/{link}"))
        await file.message(message, link, at=1.0, hold="rsa")
    challenge = await file.info("e", at=1.0)
    await file.message(make_open(file.plan(challenge, "/e")), "e", at=1.0)
    await file.message(make_open(file.plan(challenge, "/e again")), "e", at=1.5)
    await file.message(make_resume(await file.info("f", at=1.5), file.label, ticket), "f", at=1.5)
    shows = (
        "Four opens wait for RSA: a fifth is turned away and has consumed its challenge, "
        "a resume is served"
    )
    file.save(shows, "CLEAR 4, CLEAR 5, ACCEPT")

    file = HubFile("085", "no-epoch-yet", epochs=[])
    await file.info()
    await file.message(GET_EPOCH)
    file.save("A hub whose epoch key is not made yet", "CLEAR 4")

    file = HubFile("093", "message-while-working")
    await file.message(make_open(file.plan(await file.info())), hold="rsa")
    await file.message(GET_EPOCH)
    await file.do("read INFO")
    await file.message(GET_EPOCH)
    await file.do("rsa done")
    file.save(
        "A message while a request is at work is dropped, the second ends the link", "DROP, KICK"
    )


async def _frame_rules() -> None:
    file = HubFile("082", "message-of-4097-bytes-announced", epochs=[])
    sid = (await file.info())[3:7]
    await file.do(
        "frame", bytes=(b"\x11" + sid + b"\x00" + (4097).to_bytes(2, "big") + b"\x82").hex()
    )
    file.save("A first frame that announces 4097 bytes", "KICK")

    async def second(row: str, name: str, shows: str, change: object) -> None:
        file = HubFile(row, name, epochs=[])
        challenge = await file.info()
        frames = _frames(challenge, make_open(file.plan(challenge)))
        await file.do("frame", bytes=frames[0].hex())
        assert callable(change)
        await file.do("frame", bytes=change(frames).hex())
        file.save(shows, "KICK")

    await second("083", "gap-in-frame-numbers", "A frame left out", lambda f: f[2])
    await second("083", "frame-repeated", "A frame sent twice", lambda f: f[0])
    shows = "A message begins inside another"
    await second("083", "first-inside-a-message", shows, lambda f: f[0][:5] + b"\x01" + f[0][6:])
    shows = "A last frame before the message is whole"
    await second("083", "ends-too-early", shows, lambda f: bytes([f[1][0] | 2]) + f[1][1:])
    await second(
        "088",
        "session-of-another-link",
        "A frame of another session",
        lambda f: f[1][:1] + bytes(4) + f[1][5:],
    )
    await second(
        "088", "framing-version-2", "A frame of framing version 2", lambda f: b"\x20" + f[1][1:]
    )
    await second("088", "frame-too-short", "A frame of five bytes", lambda f: f[1][:5])
    await second("088", "acknowledged-before-sent", "A frame acknowledged that was never sent",
                 lambda f: b"\x14" + f[1][1:5] + b"\x03")  # fmt: skip

    file = HubFile("088", "bye", epochs=[])
    challenge = await file.info()
    await file.do("frame", bytes=(b"\x18" + challenge[3:7] + b"\x00").hex())
    await file.message(make_open(file.plan(challenge)))
    file.save("After a BYE the challenge is gone", "CLEAR 5")


async def _deadlines() -> None:
    file = HubFile("089", "nothing-asked", epochs=[])
    await file.do("connect", at=0.0)
    await file.do("sweep", at=5.0)
    await file.do("sweep", at=5.5)
    file.save("A link that reads nothing in 5 s", "KICK")

    for mtu, seconds in ((247, 5.0), (23, 15.0)):
        file = HubFile("090", f"message-never-finished-mtu-{mtu}", epochs=[])
        challenge = await file.info(at=1.0)
        frame = _frames(challenge, make_open(file.plan(challenge)), mtu)[0]
        await file.do("frame", at=2.0, bytes=frame.hex(), mtu=mtu)
        await file.do("sweep", at=2.0 + seconds)
        await file.do("sweep", at=2.5 + seconds)
        file.save(f"A message not finished in {seconds:.0f} s at ATT_MTU {mtu}", "KICK")

    file = HubFile("091", "idle", epochs=[])
    await file.info(at=1.0)
    await file.do("sweep", at=31.0)
    await file.do("sweep", at=31.5)
    file.save("A link on which nothing comes for 30 s", "KICK")

    file = HubFile("092", "a-minute-old", epochs=[])
    for at in (1.0, 20.0, 40.0, 59.0):
        await file.info(at=at)
    await file.do("sweep", at=61.0)
    await file.do("sweep", at=61.5)
    file.save("A link lives for 60 s", "KICK")


async def write() -> None:
    """Write all files of these rows."""
    await _clock()
    await _loads()
    await _frame_rules()
    await _deadlines()
