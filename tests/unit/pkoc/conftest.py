"""A desk whose hub meets PKOC phones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from hubsim import site as sites
from hubsim.main import main


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose hub meets PKOC phones at access point 1."""
    path = tmp_path_factory.mktemp("pkoc") / "site"
    ran = CliRunner().invoke(main, ["site", "--at", str(path), "init"])
    assert ran.exit_code == 0, ran.output
    ran = CliRunner().invoke(main, ["site", "--at", str(path), "pkoc"])
    assert ran.exit_code == 0, ran.output
    return path


@pytest.fixture
def desk(made: Path, tmp_path: Path) -> sites.Site:
    """A copy of it."""
    shutil.copytree(made, tmp_path / "site", symlinks=True)
    return sites.Site(tmp_path / "site")
