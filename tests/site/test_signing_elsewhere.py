"""The issuer's key is elsewhere: this server asks, and what signs judges (`hubissuer serve`)."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from hubcore.access.grant import read_grant
from hubcore.codec import cbor
from hubcore.errors import ConfigError
from hubcore.issuing.limits import EACH
from hubcore.issuing.messages import Ask
from hubcore.issuing.words import RefusedError
from hubcore.policy import document
from hubcore.policy.policy import ALL_RIGHTS, Operator
from hubgateway.issuer.signing.signer import Signer
from hubsite import config
from hubsite.hubs import beginning
from hubsite.hubs.office import Office
from hubsite.register import changes, models
from tests.site.server import make_folder
from tests.site.test_office import _site
from tests.unit.issuer.issuingdesk import ISSUER, LIMITS, brought, policy
from tests.unit.issuer.signingplace import WAIT_SECONDS, make_signer, served
from tests.unit.issuer.test_signing_service import lines

pytestmark = pytest.mark.once

OPERATORS = {EACH: Operator(ALL_RIGHTS)}
NOW = int(time.time())


class Behind:
    """A signer that serves in a thread of its own, as another process would."""

    def __init__(self, folder: Path, signer: Signer) -> None:
        self.signer = signer
        self._folder = folder
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        async with served(self._folder, self.signer):
            self._is_ready.set()
            await self._stopped.wait()

    def start(self) -> None:
        self._thread.start()
        assert self._is_ready.wait(WAIT_SECONDS)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sig"))  # a socket's path has 107 bytes at most
    yield made
    shutil.rmtree(made)


@pytest.fixture
def behind(folder: Path) -> Iterator[Behind]:
    limits = replace(LIMITS, operators=OPERATORS)
    made = Behind(folder, make_signer(folder, limits=limits, wall=time.time))
    made.start()
    yield made
    made.stop()


def office_by(folder: Path, tmp_path: Path) -> Office:
    """The office of a server whose file names the signer."""
    file = make_folder(tmp_path / "s")
    (file.parent / "issuer.cbor").write_bytes(cbor.encode(ISSUER.cose_key))
    section = f'[signing]\nissuer = "issuer.cbor"\nsocket = "{folder}/s"\n'
    file.write_text(file.read_text() + section)
    signer = beginning._signer(config.load(file))
    assert signer is not None
    made = Office("acme", signer)
    settings.HUBSITE_RUNNING.begin(made, None)
    return made


def test_the_server_asks_and_holds_no_key(behind: Behind, folder: Path, tmp_path: Path) -> None:
    office = office_by(folder, tmp_path)
    _, _, phone = _site()
    assert office.renew_policy(NOW) is not None
    signed = office.grant("olga", phone, NOW)
    grant = read_grant(bytes(signed.document), ISSUER.verify_key, "acme")
    assert grant.credential == phone.pk
    changes.revoke_credential("olga", phone, 1)
    newest = office.renew_policy(NOW + 1)
    assert newest is not None
    said = document.read(bytes(newest.document), ISSUER.verify_key, "acme")
    assert said.revoked_credentials == {phone.pk}
    assert [word for word, _ in lines(folder)] == ["policy", "grant", "policy"]


def test_a_version_whose_answer_was_lost_is_not_used_again(
    behind: Behind, folder: Path, tmp_path: Path
) -> None:
    office = office_by(folder, tmp_path)
    _site()
    lost = brought(policy(1, issued_at=NOW))
    behind.signer.sign(Ask(1, lost.kind, lost.claims, lost.along), "x")
    made = office.renew_policy(NOW)
    assert made is not None
    assert made.version == 2
    assert document.read(bytes(made.document), ISSUER.verify_key, "acme").version == 2


def test_what_the_signer_refuses_is_not_kept(folder: Path, tmp_path: Path) -> None:
    limits = replace(LIMITS, operators=OPERATORS, grant_seconds=60)
    behind = Behind(folder, make_signer(folder, limits=limits, wall=time.time))
    behind.start()
    try:
        office = office_by(folder, tmp_path)
        _, _, phone = _site()
        with pytest.raises(RefusedError, match="ends later"):
            office.grant("olga", phone, NOW)
        assert not models.SignedGrant.objects.exists()
    finally:
        behind.stop()


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
