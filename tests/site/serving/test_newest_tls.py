"""The context of TLS is made once, and again when its files have changed."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest
from django.conf import settings
from gunicorn.config import Config

from hubsite.commands.serve import options_of
from hubsite.commands.trial import trial_certificate
from hubsite.serving import newest
from hubsite.serving.newest import NewestTls

pytestmark = pytest.mark.once
LOG = logging.getLogger("test")
ALL_SETTLED = -3600.0


def _renew(path: Path, data: bytes) -> None:
    """Put a file in place of another one, as those who renew certificates do."""
    new = path.with_suffix(".new")
    new.write_bytes(data)
    new.chmod(0o600)
    os.replace(new, path)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Config]:
    site = settings.HUBSITE
    config = Config()
    for key, value in options_of(site).items():
        config.set(key, value)
    kept = [site.place(site.config.tls_certificate), site.place(site.config.tls_key)]
    before = [path.read_bytes() for path in kept]
    yield *kept, config  # type: ignore[misc]
    for path, data in zip(kept, before, strict=True):
        _renew(path, data)


Files = tuple[Path, Path, Config]


def test_files_that_are_the_same_are_read_once(files: Files) -> None:
    tls = NewestTls(files[2], LOG, ALL_SETTLED)
    assert tls.context() is tls.context()


def test_a_renewed_certificate_counts_for_the_next_connection(files: Files) -> None:
    """newest, law 1"""
    certificate, key, config = files
    tls = NewestTls(config, LOG, ALL_SETTLED)
    old = tls.context()
    new_key, new_certificate = trial_certificate("localhost", int(time.time()))
    _renew(certificate, new_certificate)
    assert tls.context() is old, "half of a pair is none"
    _renew(key, new_key)
    assert tls.context() is not old


def test_a_key_that_everybody_may_read_is_refused_though_its_bytes_are_the_same(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    """newest, law 2"""
    tls = NewestTls(files[2], LOG, ALL_SETTLED)
    old = tls.context()
    files[1].chmod(0o644)
    assert tls.context() is old
    assert tls.context() is old
    assert len(caplog.records) == 1
    files[1].chmod(0o600)
    assert tls.context() is not old


def test_a_certificate_that_has_gone_leaves_the_last_good_one(files: Files) -> None:
    """newest, law 2"""
    tls = NewestTls(files[2], LOG, ALL_SETTLED)
    old = tls.context()
    files[0].unlink()
    assert tls.context() is old
    with pytest.raises(OSError, match="no certificate"):
        NewestTls(files[2], LOG).context()


def test_files_that_changed_a_moment_ago_are_read_each_time(files: Files) -> None:
    """newest, law 3"""
    tls = NewestTls(files[2], LOG, settled_seconds=3600.0)
    assert tls.context() is not tls.context()


def test_one_context_is_for_so_many_connections(files: Files) -> None:
    """newest, law 4"""
    tls = NewestTls(files[2], LOG, ALL_SETTLED)
    first = tls.context()
    for _ in range(newest.CONNECTIONS_A_CONTEXT - 1):
        assert tls.context() is first
    assert tls.context() is not first
