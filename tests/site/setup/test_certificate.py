"""This server's own certificate is judged as a browser would, and what is wrong is said."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from hubsite.certificate.judging import LEFT, ends_soon, first_of, wrong_with
from hubsite.certificate.watch import CertificateWatch, problem_of
from hubsite.commands.trial import new_key
from hubsite.config import Site
from hubsite.setup import places
from tests.site.browser import at_work
from tests.site.machine import Machine
from tests.site.setup.test_setup import refused, setup

pytestmark = pytest.mark.once
BEGINS = datetime(2026, 11, 1, 12, tzinfo=UTC)
KEY = new_key()
SECONDS = 10.0
NEVER = "hidden.acme.example"


def certificate(*names: str, days: float = 90.0, begins: datetime = BEGINS) -> bytes:
    """Make a certificate for names and addresses; its subject has a name that never counts."""
    key = load_pem_private_key(KEY, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NEVER)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
    )
    if names:
        held = x509.SubjectAlternativeName([_general(name) for name in names])
        made = made.add_extension(held, critical=False)
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@pytest.mark.parametrize(
    ("names", "host", "counts"),
    [
        (("site.acme.example",), "site.acme.example", True),
        (("Site.ACME.example",), "site.acme.example.", True),
        (("other.acme.example", "site.acme.example"), "site.acme.example", True),
        (("*.acme.example",), "site.acme.example", True),
        (("*.acme.example",), "a.site.acme.example", False),
        (("*.acme.example",), "acme.example", False),
        (("*.example",), "acme.example", True),
        (("sit.acme.example",), "site.acme.example", False),
        (("192.0.2.7",), "192.0.2.7", True),
        (("192.0.2.7",), "192.0.2.8", False),
        (("*.0.2.7",), "192.0.2.7", False),
        ((), NEVER, False),
    ],
)
def test_a_name_counts_where_the_certificate_has_it(
    names: tuple[str, ...], host: str, counts: bool
) -> None:
    """judging, law 1"""
    wrong = wrong_with(first_of(certificate(*names)), [host], BEGINS)
    assert (wrong == "") is counts
    assert counts or wrong.endswith(f"not for {host}")


def test_each_host_of_the_file_has_to_be_named() -> None:
    found = first_of(certificate("one.example", "two.example"))
    assert wrong_with(found, ["two.example", "one.example"], BEGINS) == ""
    assert wrong_with(found, ["one.example", "three.example"], BEGINS).endswith("for three.example")


@given(life=st.integers(1, 400 * 24), at=st.integers(-48, 500 * 24))
def test_over_all_times_it_counts_in_its_life_and_its_end_is_told_near_it(
    life: int, at: int
) -> None:
    """judging, law 2; hours"""
    found = first_of(certificate("one.example", days=life / 24))
    now = BEGINS + timedelta(hours=at)
    wrong = wrong_with(found, ["one.example"], now)
    if at < 0:
        assert "it begins on" in wrong
    elif at >= life:
        assert "it ended on" in wrong
    else:
        assert wrong == ""
        left = life - at
        assert ends_soon(found, now) == (left < min(LEFT / timedelta(hours=1), life / 4))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """The site of the tests, with a certificate of its own."""
    config = msgspec.structs.replace(
        settings.HUBSITE.config,
        tls_key=str(tmp_path / "tls.key"),
        tls_certificate=str(tmp_path / "tls.pem"),
        hosts=("site.acme.example",),
    )
    _put(tmp_path / "tls.key", KEY)
    _put(tmp_path / "tls.pem", certificate("site.acme.example"))
    return replace(settings.HUBSITE, config=config)


def _put(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)


def test_what_is_wrong_is_a_sentence_with_both_files(site: Site, tmp_path: Path) -> None:
    """watch, law 2"""
    assert problem_of(site, BEGINS + timedelta(days=70)) == ""
    soon = problem_of(site, BEGINS + timedelta(days=80))
    assert "ends on 2027-01-30 12:00 UTC" in soon
    ended = problem_of(site, BEGINS + timedelta(days=91))
    assert "Browsers refuse" in ended
    assert "it ended on 2027-01-30 12:00 UTC" in ended
    for said in (soon, ended):
        assert str(tmp_path / "tls.pem") in said
        assert str(tmp_path / "tls.key") in said
    _put(tmp_path / "tls.pem", certificate("other.acme.example"))
    assert "for other.acme.example, and not for site" in problem_of(site, BEGINS)
    _put(tmp_path / "tls.key", new_key())
    assert "The last good certificate is used" in problem_of(site, BEGINS)
    (tmp_path / "tls.pem").unlink()
    assert str(tmp_path / "tls.pem") in problem_of(site, BEGINS)


def test_the_first_page_says_it_until_it_is_mended(site: Site, tmp_path: Path) -> None:
    """watch, law 1"""
    watch = CertificateWatch(site, 0.01, lambda: BEGINS + timedelta(days=91))
    settings.HUBSITE_RUNNING.begin_parts([watch])
    try:
        _until(lambda: "ended" in watch.problem)
        browser = at_work()
        needs = browser.get("/").page
        assert "Browsers refuse the certificate of this server" in needs.text
        _put(tmp_path / "tls.pem", certificate("site.acme.example", days=365))
        _until(lambda: not watch.problem)
        assert "Browsers refuse" not in browser.get("/").page.text
    finally:
        settings.HUBSITE_RUNNING.end_parts()


def _until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("names", "begins_ago_days", "words"),
    [
        (("other.acme.example",), 1, "it is for other.acme.example, and not for localhost"),
        (("localhost",), 91, "it ended on"),
        (("localhost",), -1, "it begins on"),
    ],
)
def test_setup_refuses_what_browsers_would_and_makes_nothing(
    tmp_path: Path, names: tuple[str, ...], begins_ago_days: int, words: str
) -> None:
    machine = Machine(tmp_path / "m")
    begins = datetime.now(UTC) - timedelta(days=begins_ago_days)
    _put(tmp_path / "one.pem", certificate(*names, begins=begins))
    _put(tmp_path / "one.key", KEY)
    said = refused(machine, "--certificate", f"{tmp_path}/one.pem", "--key", f"{tmp_path}/one.key")
    assert words in said
    assert "one.pem" in said
    assert not machine.at("etc").exists()


def test_setup_typed_again_goes_on_with_a_certificate_that_ended_since(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m")
    typed = ("--certificate", f"{tmp_path}/one.pem", "--key", f"{tmp_path}/one.key")
    ended = datetime.now(UTC) - timedelta(days=91)
    for name, data in (("one.pem", certificate("localhost", begins=ended)), ("one.key", KEY)):
        _put(tmp_path / name, data)
    for place, name in ((places.TLS_CERTIFICATE, "one.pem"), (places.TLS_KEY, "one.key")):
        machine.at(place).parent.mkdir(parents=True, exist_ok=True)
        _put(machine.at(place), (tmp_path / name).read_bytes())
    setup(machine, *typed)
