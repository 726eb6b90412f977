"""The files of tests/vectors/pkoc, by the hub's reader and by the simulated phone of others."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hubcore.codec.cose import SigningKey
from hubcore.pkoc.certificate import compressed
from hubcore.pkoc.messages import proof
from hubcore.pkoc.reader import Effect, Proven, ReaderLink, ReaderPhase, ReaderSide, Say
from hubcore.pkoc.sealing import agree, open_sealed, to_sign
from hubcore.pkoc.turn import Turn
from hubcore.timing.budget import Budget
from hubsim.pkoc.channel import is_signed, key_of, point_of
from hubsim.pkoc.elements import Element, Kind, read_long
from hubsim.pkoc.habits import APPS
from hubsim.pkoc.phone import PkocPhone
from hubsim.pkoc.trust import KnownSite, UntrustedError
from tests.vectors.cases_pkoc import FOLDER, hub_cases, phone_cases

pytestmark = pytest.mark.once

Json = dict[str, Any]


def _files(reader: str) -> list[Path]:
    return sorted(FOLDER.glob(f"{reader}-*.json"))


def _key(pem: str) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _public(point: str | None) -> ec.EllipticCurvePublicKey | None:
    return None if point is None else key_of(bytes.fromhex(point))


def run_phone(case: Json) -> None:
    """Run a phone's file; raise AssertionError where it does anything else."""
    given = case["given"]
    knows = KnownSite(
        site=bytes.fromhex(given["site"]),
        locations=frozenset(map(bytes.fromhex, given["locations"])),
        issuer=_public(given["issuer"]),
        site_key=_public(given["site_key"]),
        revoked=frozenset(map(bytes.fromhex, given["revoked"])),
    )
    phone = PkocPhone(
        key=_key(given["phone_key"]),
        knows=knows,
        visit_key=_key(given["visit_key"]),
        wall=lambda: case["at"],
        habits=APPS[given["app"]],
    )
    for step in case["steps"]:
        heard = bytes.fromhex(step["hears"])
        if step.get("leaves"):
            with pytest.raises(UntrustedError):
                phone.heard(heard)
            return
        written = phone.heard(heard)
        match step.get("writes"):
            case "sealed":
                assert written is not None
                _check_sealed(given, written)
            case None:
                assert written is None
            case expected:
                assert written == bytes.fromhex(expected)
        if "answer" in step:
            assert phone.answer is not None
            assert phone.answer.name.lower() == step["answer"]


def _check_sealed(given: Json, written: bytes) -> None:
    """Open what a phone has sealed, by the reader's side, and check what it says."""
    read = APPS[given["app"]].read
    visit_point = point_of(_key(given["visit_key"]).public_key())
    shared = agree(_key(given["turn_key"]), visit_point)
    (sealed,) = read(written)
    assert sealed.kind == 0x40
    inside = {element.kind: element.value for element in read(open_sealed(shared, sealed.value))}
    assert list(inside) == given["seals"]
    own = _key(given["phone_key"]).public_key()
    assert inside[1] == point_of(own)
    assert is_signed(own, bytes.fromhex(given["signs"]), inside[3])


def run_hub(case: Json) -> None:
    """Run a reader's file; raise AssertionError where it does anything else."""
    given = case["given"]
    certificate = given["certificate"]
    side = ReaderSide(
        location=bytes.fromhex(given["location"]),
        site=bytes.fromhex(given["site"]),
        signing=SigningKey(_key(given["reader_key"])),
        certificate=None if certificate is None else bytes.fromhex(certificate),
        budget=Budget(1.0, 8.0, 1),
    )
    turn = Turn(_key(given["turn_key"]), 0.0)
    assert side.hello(turn) == bytes.fromhex(given["hello"])
    link = ReaderLink(side, turn, 0.0)
    for step in case["steps"]:
        if "decided" in step:
            effects = link.decided(step["decided"], 0.0)
        else:
            effects = link.frame(bytes.fromhex(step["writes"]), 0.0)
        _check_step(step, link, effects, side)


def _check_step(step: Json, link: ReaderLink, effects: list[Effect], side: ReaderSide) -> None:
    said = [effect.message for effect in effects if isinstance(effect, Say)]
    proven = [effect.public_key.hex() for effect in effects if isinstance(effect, Proven)]
    assert proven == ([step["proves"]] if "proves" in step else [])
    if "signs" in step:
        (message,) = said
        (signature,) = read_long(message)
        assert signature.kind == 3
        side.signing.verify_key.verify(signature.value, bytes.fromhex(step["signs"]))
    elif step.get("says") is not None:
        assert said == [bytes.fromhex(step["says"])]
    else:
        assert said == []
    if step.get("over"):
        assert link.phase is ReaderPhase.OVER


@pytest.mark.parametrize("path", _files("phone"), ids=lambda path: path.stem)
def test_the_simulated_phone_does_what_the_file_says(path: Path) -> None:
    run_phone(json.loads(path.read_text()))


@pytest.mark.parametrize("path", _files("app"), ids=lambda path: path.stem)
def test_what_the_public_apps_have_written_proves_their_keys(path: Path) -> None:
    """Recorded once from the apps' own classes on a Java VM; nothing here can write them again."""
    run_hub(json.loads(path.read_text()))


@pytest.mark.parametrize(
    ("file", "app"), [("elatec", "2.0.1"), ("elatec-site-key", "2.0.1"), ("psia", "android")]
)
def test_the_simulated_phone_writes_what_the_public_app_has_written(file: str, app: str) -> None:
    """The same elements in the same order, of the same sizes, and the same version."""
    case = json.loads((FOLDER / f"app-{file}.json").read_text())
    given = case["given"]
    turn = _key(given["turn_key"])
    by = SigningKey(_key(given["reader_key"]))
    visit_key = ec.generate_private_key(ec.SECP256R1())
    phone = PkocPhone(
        key=ec.generate_private_key(ec.SECP256R1()),
        knows=KnownSite(
            site=bytes.fromhex(given["site"]),
            locations=frozenset({bytes.fromhex(given["location"])}),
            site_key=_key(given["reader_key"]).public_key(),
        ),
        visit_key=visit_key,
        wall=time.time,
        habits=APPS[app],
    )
    first = phone.heard(bytes.fromhex(given["hello"]))
    assert first is not None
    signed = to_sign(
        bytes.fromhex(given["site"]),
        bytes.fromhex(given["location"]),
        point_of(visit_key.public_key()),
        compressed(turn.public_key()),
    )
    second = phone.heard(proof(by.sign(signed)))
    assert second is not None
    theirs = [bytes.fromhex(step["writes"]) for step in case["steps"] if "writes" in step]
    read = APPS[app].read
    assert _shape(turn, first, second, read) == _shape(turn, *theirs, read)


def _shape(
    turn: ec.EllipticCurvePrivateKey,
    first: bytes,
    second: bytes,
    read: Callable[..., list[Element]],
) -> Json:
    """Return what is the same in each visit: types, sizes, lengths' bytes, and the version."""
    said = {element.kind: element.value for element in read(first)}
    (sealed,) = read(second)
    inside = read(open_sealed(agree(turn, said[Kind.PHONE_POINT]), sealed.value))
    sizes = [[(one.kind, len(one.value)) for one in part] for part in (read(first), inside)]
    return {
        "sizes": sizes,
        "version": said.get(Kind.VERSION),
        "head": second[: -len(sealed.value)].hex(),
    }


@pytest.mark.parametrize("path", _files("hub"), ids=lambda path: path.stem)
def test_the_reader_does_what_the_file_says(path: Path) -> None:
    run_hub(json.loads(path.read_text()))


def test_every_case_has_its_file_and_is_as_true_when_it_is_written_again() -> None:
    cases = [*phone_cases(), *hub_cases()]
    assert {case["name"] for case in cases} == {
        path.stem for reader in ("phone", "hub") for path in _files(reader)
    }
    for case in cases:
        (run_phone if case["reader"] == "phone" else run_hub)(json.loads(json.dumps(case)))


def test_a_file_that_says_something_else_is_noticed() -> None:
    (case,) = [case for case in hub_cases() if case["name"] == "hub-granted"]
    case["steps"][1]["proves"] = "04" + "11" * 64
    with pytest.raises(AssertionError):
        run_hub(case)
