"""The issuer's key is elsewhere: this server asks, and what signs judges (`hubissuer serve`)."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

from hubcore.access import revocations
from hubcore.access.cards import public_key_digest
from hubcore.access.grant import read_grant
from hubcore.codec import cbor
from hubcore.codec.tls import TlsRole
from hubcore.errors import ConfigError
from hubcore.issuing.limits import EACH
from hubcore.issuing.messages import Ask
from hubcore.issuing.words import RefusedError
from hubcore.policy import document
from hubcore.policy.policy import ALL_RIGHTS, Operator, OperatorRight
from hubgateway.issuer.signing.signer import Signer
from hubsite import config
from hubsite.hubs import beginning
from hubsite.hubs.office import Office
from hubsite.orders.giving.making import keep_orders
from hubsite.phones.atreaders import keys
from hubsite.phones.atreaders.adding import Holding, add_typed
from hubsite.register import changes, models
from tests.site.browser import Operator as Account
from tests.site.browser import at_work
from tests.site.policies.test_office import _site
from tests.site.server import make_folder
from tests.unit.issuer import test_signing_tls as tls
from tests.unit.issuer.issuingdesk import ISSUER, LIMITS, brought, policy
from tests.unit.issuer.signingplace import CARD_KEY, WAIT_SECONDS, make_signer, served
from tests.unit.issuer.test_signing_service import lines

pytestmark = pytest.mark.once

KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
PKOC = models.CredentialKind.PKOC
LIMITS_HERE = replace(LIMITS, operators={EACH: Operator(ALL_RIGHTS)})


def now() -> int:
    """The signer takes no other moment of issue."""
    return int(time.time())


class Behind:
    """A signer that serves in a thread of its own, as another process would."""

    def __init__(self, signer: Signer, serving: AbstractAsyncContextManager[object]) -> None:
        self.signer = signer
        self._serving = serving
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        async with self._serving as self.place:
            self._is_ready.set()
            await self._stopped.wait()

    def __enter__(self) -> Behind:
        self._thread.start()
        assert self._is_ready.wait(WAIT_SECONDS)
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sig"))  # a socket's path has 107 bytes at most
    yield made
    shutil.rmtree(made)


@pytest.fixture
def behind(folder: Path) -> Iterator[Behind]:
    signer = make_signer(folder, limits=LIMITS_HERE, wall=time.time)
    with Behind(signer, served(folder, signer)) as made:
        yield made


def office_by(section: str, tmp_path: Path) -> Office:
    """The office of a server whose file names the signer."""
    file = make_folder(tmp_path / "s")
    (file.parent / "issuer.cbor").write_bytes(cbor.encode(ISSUER.cose_key))
    text = file.read_text()
    file.write_text(f'{text}[signing]\nissuer = "issuer.cbor"\n{section}\n')
    signer = beginning._signer(config.load(file))
    assert signer is not None
    made = Office("acme", signer)
    settings.HUBSITE_RUNNING.begin(made, None)
    return made


def newest_list() -> bytes:
    newest = models.SignedPolicy.objects.order_by("-version").first()
    assert newest is not None
    return bytes(newest.revocations)


def test_the_server_asks_and_holds_no_key(behind: Behind, folder: Path, tmp_path: Path) -> None:
    office = office_by(f'socket = "{folder}/s"', tmp_path)
    _, _, phone = _site()
    assert office.renew_policy(now()) is not None
    signed = office.grant("olga", phone, now())
    grant = read_grant(bytes(signed.document), ISSUER.verify_key, "acme")
    assert grant.credential == phone.pk
    changes.revoke_credential("olga", phone, 1)
    newest = office.renew_policy(now() + 1)
    office.renew_list(now() + 1)
    assert newest is not None
    said = document.read(bytes(newest.document), ISSUER.verify_key, "acme")
    assert said.revoked_credentials == {phone.pk}
    assert [word for word, _ in lines(folder)] == ["policy", "grant", "policy", "revocations"]
    listed = revocations.read(newest_list(), ISSUER.verify_key, "acme")
    assert (listed.version, listed.credentials) == (newest.version, (phone.pk,))


def test_phones_of_others_are_known_by_what_the_signer_makes(
    behind: Behind, folder: Path, tmp_path: Path
) -> None:
    office = office_by(f'socket = "{folder}/s"', tmp_path)
    anna, _, _ = _site()
    phone = add_typed("olga", office, Holding(anna, PKOC, "phone"), keys.typed_of(KEY))
    assert phone.digest == public_key_digest(CARD_KEY, keys.point_of(KEY)).hex()
    newest = office.renew_policy(now())
    said = document.read(bytes(newest.document), ISSUER.verify_key, "acme")
    assert [card.credential for card in said.cards.values()] == [phone.pk]


@pytest.mark.parametrize(("most", "why"), [(0, "allow no card"), (1, "allow 1")])
def test_the_signers_limits_say_how_many_phones_of_others_there_are(
    folder: Path, tmp_path: Path, most: int, why: str
) -> None:
    signer = make_signer(folder, limits=replace(LIMITS_HERE, cards=most), wall=time.time)
    with Behind(signer, served(folder, signer)):
        office_by(f'socket = "{folder}/s"', tmp_path)
        anna, _, _ = _site()
        for number in range(most):
            digest = bytes([number]).hex() * 16
            anna.credentials.create(kind="pkoc", label="P", key=b"", digest=digest)
        browser = at_work()
        browser.get(f"/person/{anna.pk}/pkoc")
        text = browser.submit(label="phone", typed=keys.point_of(KEY).hex()).text
        assert why in text
        assert anna.credentials.filter(kind="pkoc").count() == most


def test_a_version_whose_answer_was_lost_is_not_used_again(
    behind: Behind, folder: Path, tmp_path: Path
) -> None:
    office = office_by(f'socket = "{folder}/s"', tmp_path)
    _site()
    lost = brought(policy(1, issued_at=now()))
    behind.signer.sign(Ask(1, lost.kind, lost.claims, lost.along), "x")
    made = office.renew_policy(now())
    assert made is not None
    assert made.version == 2
    assert document.read(bytes(made.document), ISSUER.verify_key, "acme").version == 2


@pytest.mark.parametrize(
    ("point", "why"), [(1, ""), (3, "access point more"), (9, "access point more")]
)
def test_operators_may_what_the_file_asks_for_and_the_signer_allows(
    folder: Path, tmp_path: Path, point: int, why: str
) -> None:
    most = Operator(OperatorRight.RELEASE, frozenset({1, 2}))
    signer = make_signer(folder, limits=replace(LIMITS, operators={EACH: most}), wall=time.time)
    wanted = f'[operators]\nrights = ["release"]\naccess_points = [{point}]'
    with Behind(signer, served(folder, signer)):
        office_by(f'socket = "{folder}/s"\n{wanted}', tmp_path)
        beginning.begin_hubs(config.load(tmp_path / "s" / "hubsite.toml"), keep_orders)
        office = settings.HUBSITE_RUNNING.office
        Account.made("olga")
        if why:
            with pytest.raises(RefusedError, match=why):
                office.renew_policy(now())
            return
        newest = office.renew_policy(now())
    said = document.read(bytes(newest.document), ISSUER.verify_key, "acme")
    assert said.operators == {"olga": Operator(OperatorRight.RELEASE, frozenset({point}))}


def test_what_the_signer_refuses_is_not_kept(folder: Path, tmp_path: Path) -> None:
    signer = make_signer(folder, limits=replace(LIMITS_HERE, grant_seconds=60), wall=time.time)
    with Behind(signer, served(folder, signer)):
        office = office_by(f'socket = "{folder}/s"', tmp_path)
        _, _, phone = _site()
        with pytest.raises(RefusedError, match="ends later"):
            office.grant("olga", phone, now())
        assert not models.SignedGrant.objects.exists()


def test_the_signer_may_be_on_another_machine(folder: Path, tmp_path: Path) -> None:
    signer = make_signer(folder, limits=LIMITS_HERE, wall=time.time)
    tls.identity(folder, TlsRole.SITE, "site-1")
    files = tls.files_of(folder, TlsRole.SITE, "site-1")
    with Behind(signer, tls.served(folder, signer=signer)) as behind:
        port, _ = behind.place
        office = office_by(
            f'host = "127.0.0.1"\nport = {port}\nsigner = "issuer-1"\nserver = "site-1"\n'
            f'tls_key = "{files.key}"\ntls_certificate = "{files.certificate}"\n'
            f'tls_authority = "{files.authority}"',
            tmp_path,
        )
        _site()
        assert office.renew_policy(now()) is not None
    assert lines(folder) == [("policy", "spiffe://acme/site/site-1")]


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ('issuer = "i"', "it has socket; or host"),
        ('issuer = "i"\nsocket = "s"\nhost = "h"', "it has socket; or host"),
        ('issuer = "i"\nhost = "h"\nsigner = "issuer-1"', "it has socket; or host"),
        ('socket = "s"', "issuer"),
    ],
)
def test_a_section_that_is_not_whole_refuses_the_start(
    tmp_path: Path, section: str, why: str
) -> None:
    file = make_folder(tmp_path / "s")
    text = file.read_text()
    file.write_text(f"{text}[signing]\n{section}\n")
    with pytest.raises(ConfigError, match=why):
        config.load(file)
    whole = '[signing]\nissuer = "i"\nsocket = "s"\n'
    file.write_text(f'issuer_key = "k"\n{text}{whole}')
    with pytest.raises(ConfigError, match="one of both signs"):
        config.load(file)
