"""Writes `pkoc/`: visits at a PKOC reader, for the reader and for phones of others.

Law: a file holds all keys. What is signed anew each time is checked by its key, all else by bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.codec.cose import SigningKey
from hubcore.pkoc import messages
from hubcore.pkoc.certificate import ReaderCertificate, compressed, uncompressed
from hubcore.pkoc.messages import Response
from hubcore.pkoc.sealing import to_sign
from hubsim.pkoc.channel import seal, shared_key, sign
from hubsim.pkoc.elements import write_long
from hubsim.pkoc.habits import ANDROID, APPS, IPHONE, Habits
from hubsim.pkoc.phone import PkocPhone
from hubsim.pkoc.trust import KnownSite
from tests.vectors.form import WALL, Json, pem

FOLDER = Path(__file__).parent / "pkoc"
SITE = bytes(range(16))
LOCATION = bytes(range(16, 32))
OTHER = bytes(range(32, 48))
DENIED = messages.response(Response.DENIED).hex()
GRANTED = messages.response(Response.GRANTED).hex()


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class World:
    """All keys of one file."""

    issuer: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    reader: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    turn: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    phone: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    visit: ec.EllipticCurvePrivateKey = field(default_factory=_key)

    def certificate(self, **changed: Any) -> bytes:
        said = {
            "location": LOCATION,
            "site": SITE,
            "not_before": WALL - 100,
            "not_after": WALL + 100,
            "key": compressed(self.reader.public_key()),
        }
        issuer = changed.pop("issuer", self.issuer)
        return ReaderCertificate(**(said | changed)).encode(SigningKey(issuer))

    def hello(
        self, certificate: bytes | None, site: bytes = SITE, location: bytes = LOCATION
    ) -> bytes:
        return messages.hello(compressed(self.turn.public_key()), location, site, certificate)

    @property
    def point(self) -> bytes:
        return uncompressed(self.visit.public_key())

    @property
    def signed(self) -> bytes:
        return to_sign(SITE, LOCATION, self.point, compressed(self.turn.public_key()))

    def proof(self, by: ec.EllipticCurvePrivateKey | None = None) -> bytes:
        return messages.proof(SigningKey(by or self.reader).sign(self.signed))

    def first(self) -> bytes:
        return write_long(0x07, self.point) + write_long(0x0C, messages.READER_VERSION)

    def sealed(self, inside: bytes, counter: int = 1) -> bytes:
        shared = shared_key(self.visit, self.turn.public_key())
        return write_long(0x40, seal(shared, counter, inside))

    def of_1x(self, habits: Habits) -> tuple[bytes, bytes]:
        """Return both writes of an app of 1.x, at a reader that signs by the site's key."""
        by_site = self.reader.public_key()
        knows = KnownSite(SITE, frozenset({LOCATION}), site_key=by_site)
        phone = PkocPhone(self.phone, knows, self.visit, lambda: WALL, habits)
        first = phone.heard(self.hello(None))
        second = phone.heard(self.proof())
        if first is None or second is None:
            raise ValueError("the phone has not gone through")
        return first, second

    def inside(self, by: ec.EllipticCurvePrivateKey | None = None) -> bytes:
        own = by or self.phone
        signature = sign(own, self.signed)
        said = write_long(1, uncompressed(own.public_key())) + write_long(3, signature)
        return said + write_long(9, bytes(4))


def phone_cases() -> Iterator[Json]:
    """Yield the stories of a phone."""
    world = World()
    good = world.hello(world.certificate())
    meets = {"hears": good.hex(), "writes": world.first().hex()}
    proves = {"hears": world.proof().hex(), "writes": "sealed"}

    def story(name: str, shows: str, steps: list[Json], **knows: Any) -> Json:
        return {
            "name": f"phone-{name}",
            "reader": "phone",
            "shows": shows,
            "at": WALL,
            "given": {
                "phone_key": pem(SigningKey(world.phone)),
                "visit_key": pem(SigningKey(world.visit)),
                "turn_key": pem(SigningKey(world.turn)),
                "signs": world.signed.hex(),
                "site": SITE.hex(),
                "locations": [LOCATION.hex()],
                "issuer": uncompressed(world.issuer.public_key()).hex(),
                "site_key": None,
                "revoked": [],
                "app": "2.0.1",
                "seals": [1, 3, 9, 12],
                **knows,
            },
            "steps": steps,
        }

    def leaves(hello: bytes) -> list[Json]:
        return [{"hears": hello.hex(), "leaves": True}]

    for name, answer in (("granted", GRANTED), ("denied", DENIED)):
        steps = [meets, proves, {"hears": answer, "answer": name}]
        yield story(name, f"a whole visit: {name}", steps)
    by_site = {"issuer": None, "site_key": uncompressed(world.reader.public_key()).hex()}
    plain = {"hears": world.hello(None).hex(), "writes": world.first().hex()}
    granted = {"hears": GRANTED, "answer": "granted"}
    yield story("site-key", "the site's key proves the reader", [plain, proves, granted], **by_site)
    wrong = {"hears": world.proof(_key()).hex(), "writes": None}
    shows = "a signature of another key, a second hello and an early answer are passed over"
    passed = [{"hears": one, "writes": None} for one in (good.hex(), GRANTED)]
    yield story("passed-over", shows, [meets, wrong, *passed, proves, granted])
    yield story("no-site", "a site that it does not know", leaves(world.hello(None, site=OTHER)))
    unknown = world.hello(world.certificate(location=OTHER), location=OTHER)
    yield story("no-location", "a location that it does not know", leaves(unknown))
    yield story("no-certificate", "no certificate where it has the issuer", leaves(plain_of(world)))
    for name, changed in {
        "other-issuer": {"issuer": _key()},
        "other-location": {"location": OTHER},
        "other-site": {"site": OTHER},
        "ended": {"not_after": WALL - 1},
        "not-yet": {"not_before": WALL + 1},
    }.items():
        hello = world.hello(world.certificate(**changed))
        yield story(name, f"the certificate: {name.replace('-', ' ')}", leaves(hello))
    revoked = [LOCATION.hex()]
    yield story("revoked", "the location is revoked", leaves(good), revoked=revoked)
    cut = [{"hears": good[:182].hex(), "writes": None}]
    yield story("cut", "a hello that an ATT_MTU of 185 has cut: the phone waits", cut)
    yield from _of_1x(world, story, by_site)


def _of_1x(world: World, story: Callable[..., Json], by_site: Json) -> Iterator[Json]:
    """Yield the stories of both apps of 1.x."""
    proof = world.proof().hex()
    other = world.proof(_key()).hex()
    granted = {"hears": GRANTED, "answer": "granted"}
    for name, habits in APPS.items():
        if habits.certificates:
            continue
        given = {
            "app": name,
            "seals": [1, 3, 9, 12] if habits.says_version else [1, 3, 9],
            **by_site,
        }
        meets = {"hears": world.hello(None).hex(), "writes": world.of_1x(habits)[0].hex()}
        steps = [meets, {"hears": proof, "writes": "sealed"}, granted]
        yield story(name, f"{name}, 1.x: a whole visit by the site's key", steps, **given)
        wrong: Json = {"hears": other}
        wrong |= {"writes": None} if habits.patient else {"leaves": True}
        shows = f"{name}, 1.x: a signature of another key"
        yield story(f"{name}-signature", shows, [meets, wrong], **given)
        early: Json = {"hears": GRANTED}
        early |= {"writes": None} if habits.patient else {"leaves": True}
        shows = f"{name}, 1.x: an answer before its key was shown"
        yield story(f"{name}-early", shows, [meets, early], **given)
    met = [{"hears": world.hello(world.certificate()).hex(), "writes": None}]
    shows = "Android, 1.x: a certificate ends what it reads, so that it waits for ever"
    yield story("android-certificate", shows, met, app="android", **by_site)


def plain_of(world: World) -> bytes:
    """Return a hello without a certificate."""
    return world.hello(None)


def hub_cases() -> Iterator[Json]:
    """Yield the stories of a reader."""
    world = World()

    def story(name: str, shows: str, steps: list[Json], certificate: bool = True) -> Json:
        shown = world.certificate() if certificate else None
        return {
            "name": f"hub-{name}",
            "reader": "hub",
            "shows": shows,
            "given": {
                "reader_key": pem(SigningKey(world.reader)),
                "turn_key": pem(SigningKey(world.turn)),
                "site": SITE.hex(),
                "location": LOCATION.hex(),
                "certificate": None if shown is None else shown.hex(),
                "hello": world.hello(shown).hex(),
            },
            "steps": steps,
        }

    point = uncompressed(world.phone.public_key()).hex()
    met = {"writes": world.first().hex(), "signs": world.signed.hex()}
    proves = {"writes": world.sealed(world.inside()).hex(), "proves": point}

    def failing(message: bytes) -> Json:
        return {"writes": message.hex(), "says": DENIED, "over": True}

    def refused(message: bytes) -> Json:
        return {"writes": message.hex(), "says": None, "over": True}

    granted = {"decided": True, "says": GRANTED}
    yield story("granted", "a whole visit", [met, proves, granted])
    yield story("denied", "proven, and denied", [met, proves, {"decided": False, "says": DENIED}])
    yield story("site-key", "without a certificate", [met, proves, granted], certificate=False)
    for name, habits in (("android", ANDROID), ("iphone", IPHONE)):
        first, second = world.of_1x(habits)
        of_1x = [
            {"writes": first.hex(), "signs": world.signed.hex()},
            {"writes": second.hex(), "proves": point},
            granted,
        ]
        yield story(name, f"{name}, 1.x, by the site's key", of_1x, certificate=False)
    spoiled = bytearray(world.sealed(world.inside()))
    spoiled[-1] ^= 1
    yield story("spoiled", "one bit of the seal", [met, failing(bytes(spoiled))])
    counted = world.sealed(world.inside(), counter=2)
    yield story("counter", "sealed under the second nonce", [met, failing(counted)])
    other = World(turn=world.turn, visit=world.visit, reader=world.reader)
    stranger = write_long(1, bytes.fromhex(point)) + write_long(3, sign(_key(), other.signed))
    yield story("stranger", "signed by another key", [met, failing(world.sealed(stranger))])
    reflected = world.sealed(world.inside(world.reader))
    yield story("reflected", "the reader's own key as a phone's", [met, failing(reflected)])
    own = write_long(0x07, uncompressed(world.turn.public_key()))
    yield story("turn-back", "the reader's key of the turn sent back", [refused(own)])
    off = write_long(0x07, b"\x04" + bytes([1]) * 64)
    yield story("off-curve", "a key that is no point of the curve", [refused(off)])
    clear = write_long(1, bytes.fromhex(point)) + write_long(3, bytes(64))
    yield story("clear", "the phone's key in the clear", [refused(clear)])
    no_ccm = write_long(0x07, world.point) + write_long(0x0C, bytes([1, 0, 0, 0, 2]))
    yield story("no-ccm", "a phone without AES-CCM", [refused(no_ccm)])
    early = world.sealed(world.inside())
    yield story("early", "the proof before the key", [refused(early)])
    again = world.first()
    yield story("again", "the key twice", [met, refused(again)])
    yield story("nothing", "no TLV", [refused(b"\x07")])


async def write() -> None:
    """Write all files."""
    FOLDER.mkdir(exist_ok=True)
    for case in (*phone_cases(), *hub_cases()):
        path = FOLDER / f"{case['name']}.json"
        path.write_text(json.dumps(case, indent=1) + "\n")
