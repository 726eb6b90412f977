"""`[pkoc]`: the section, its keys, what --check-config says, and what a desk makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from hubcore.checks import CheckId
from hubcore.errors import ConfigError
from hubcore.pkoc.certificate import CERTIFICATE_BYTES, uncompressed
from hubd.adapters.keys.keyfiles import load_keys
from hubd.config.file import load
from hubd.start.checkconfig import inside
from hubd.wiring.look.finding import Finding
from hubsim import site as sites
from hubsim.main import main
from hubsim.pkoc.place import PkocSite
from hubsim.site.building import hub_doors
from hubsim.site.hubfiles import PKOC_SECTION

pytestmark = pytest.mark.once


def _file(desk: sites.Site) -> Path:
    return desk.hub_folder(desk.first_hub) / "hub.toml"


def _change(desk: sites.Site, old: str, new: str) -> Path:
    file = _file(desk)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return file


def test_a_desks_section_is_accepted_and_its_keys_belong_together(desk: sites.Site) -> None:
    config = load(_file(desk))
    keys = load_keys(config)
    assert config.pkoc is not None
    assert keys.pkoc is not None
    assert keys.pkoc.certified is not None
    assert keys.pkoc.certified.location == config.pkoc.location.bytes
    assert config.keys.beacon is None


def test_without_the_section_there_is_no_pkoc(desk: sites.Site) -> None:
    folder = desk.hub_folder(desk.first_hub)
    (folder / PKOC_SECTION).unlink()
    file = sites.write_config(desk, desk.endpoint, hub_doors(desk, desk.first_hub))
    config = load(file)
    assert config.pkoc is None
    assert load_keys(config).pkoc is None
    assert config.keys.beacon is not None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("access_point = 1\nsite", "access_point = 9\nsite", "an access point of [[doors]]: 1"),
        ('card_key = "card.key"', "", "because [pkoc] is there"),
        ('pkoc_key = "pkoc.key"', "", "because [pkoc] is there"),
        ('pkoc_certificate = "pkoc.cert"', "", 'signs_as = "reader" of [pkoc]'),
        ("[pkoc]", "[protocol]\nlinks_max = 1\n\n[pkoc]", "at least 2, because [pkoc] is there"),
        ("[keys]", '[keys]\nbeacon = "beacon.key"', "no room for both"),
        ("[pkoc]", '[pkoc]\nsigns_as = "site"', "keys.pkoc_certificate is there"),
        ("[pkoc]", '[pkoc]\nsigns_as = "phone"', '"reader" or "site"'),
        ('site = "', 'site = "no-', "a UUID"),
    ],
)
def test_what_does_not_go_together_says_why(
    desk: sites.Site, old: str, new: str, says: str
) -> None:
    if old == 'site = "':
        old = '\n[pkoc]\naccess_point = 1\nsite = "'
        new = '\n[pkoc]\naccess_point = 1\nsite = "no-'
    with pytest.raises(ConfigError) as caught:
        load(_change(desk, old, new))
    assert says in str(caught.value)


def test_a_reader_on_a_wire_may_not_have_its_name(desk: sites.Site) -> None:
    reader = """
[[readers]]
id = "pkoc"
access_point = 1
device = "line"
address = 1
key = "card.key"

[pkoc]
"""
    with pytest.raises(ConfigError, match="another id than"):
        load(_change(desk, "\n[pkoc]\n", reader))


def _other_key(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "pkoc.key").write_bytes(pem)


def _short(folder: Path) -> None:
    (folder / "pkoc.cert").write_bytes(bytes(CERTIFICATE_BYTES - 1))


def _rsa(folder: Path) -> None:
    (folder / "pkoc.key").write_bytes(b"no key")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_other_key, "for another private key"),
        (_short, f"a certificate of {CERTIFICATE_BYTES - 1} bytes"),
        (_rsa, "expected the key of the PKOC reader"),
    ],
)
def test_keys_that_do_not_belong_together_refuse_the_start(
    desk: sites.Site, spoil: Callable[[Path], None], says: str
) -> None:
    spoil(desk.hub_folder(desk.first_hub))
    with pytest.raises(ConfigError, match=says):
        load_keys(load(_file(desk)))


def test_a_certificate_for_another_place_refuses_the_start(desk: sites.Site) -> None:
    config = load(_file(desk))
    assert config.pkoc is not None
    other = str(config.pkoc.location)[::-1].replace("-", "")
    file = _change(desk, str(config.pkoc.location), f"{other[:8]}-" + str(config.pkoc.location)[9:])
    with pytest.raises(ConfigError, match="another site or location"):
        load_keys(load(file))


def _found(desk: sites.Site, ahead_seconds: float) -> list[Finding]:
    config = load(_file(desk))
    keys = load_keys(config)
    assert keys.pkoc is not None
    assert keys.pkoc.certified is not None
    assert keys.pkoc.certified.not_after is not None
    now = keys.pkoc.certified.not_after + ahead_seconds
    return list(inside._pkoc(config, keys, now))


def test_check_config_says_where_it_is_on_and_that_a_certificate_has_ended(
    desk: sites.Site,
) -> None:
    (on,) = _found(desk, -1)
    assert "on at access point 1" in on.text
    (_, ended) = _found(desk, 1)
    assert ended.check is CheckId.PKOC_CERTIFICATE
    assert "not valid now" in ended.text


def test_the_sites_key_signs_where_the_file_says_so(desk: sites.Site) -> None:
    _change(desk, 'pkoc_certificate = "pkoc.cert"', "")
    config = load(_change(desk, "[pkoc]", '[pkoc]\nsigns_as = "site"'))
    keys = load_keys(config)
    assert keys.pkoc is not None
    assert keys.pkoc.certificate is None
    (on,) = inside._pkoc(config, keys, 0)
    assert "by the site's own key" in on.text


def test_a_phones_whole_key_goes_into_the_policy_and_is_there_once(desk: sites.Site) -> None:
    at = str(desk.path)
    runner = CliRunner()
    ran = runner.invoke(main, ["pkoc", "--at", at, "new", "anna"])
    assert ran.exit_code == 0, ran.output
    again = runner.invoke(main, ["pkoc", "--at", at, "new", "anna"])
    assert "choose another name" in again.output
    own = PkocSite(desk).phone_key("anna").public_key()
    point = uncompressed(own)
    twice = runner.invoke(main, ["pkoc", "--at", at, "new", "bert", "--key", point.hex()])
    assert "has that key already" in twice.output
    for wrong in ("04", point.hex()[:-2], "zz", "04" + "11" * 64):
        ran = runner.invoke(main, ["pkoc", "--at", at, "new", "carl", "--key", wrong])
        assert ran.exit_code != 0
    (row,) = desk.policy().cards.values()
    assert row.access[0].access_point == 1
    unknown = runner.invoke(main, ["pkoc", "--at", at, "unlock", "nobody"])
    assert "there is no PKOC phone nobody" in unknown.output


def test_a_hub_does_not_meet_them_where_it_has_no_door(desk: sites.Site) -> None:
    with pytest.raises(ValueError, match="does not serve access point 7"):
        PkocSite(desk).add_reader(desk.first_hub, 7)


def test_an_export_has_the_section_and_no_beacon(desk: sites.Site, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sites.export(desk, desk.first_hub, out, None, "Europe/Berlin")
    assert (out / "hubd.pkoc_key").exists()
    assert (out / "hubd.pkoc_certificate").exists()
    assert not (out / "hubd.beacon").exists()
    text = (out / "config.toml").read_text()
    assert "[pkoc]" in text
    assert "beacon" not in text


def test_the_unit_hands_its_keys_over() -> None:
    unit = Path(__file__).parents[3] / "systemd" / "hubd.service"
    lines = unit.read_text().splitlines()
    for name in ("pkoc_key", "pkoc_certificate"):
        assert f"LoadCredential={name}:hubd.{name}" in lines
