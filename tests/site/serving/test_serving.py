"""The real server, a process of its own: what it begins with, what it refuses, TLS, its end."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from tests.site.served import SECONDS, context_of
from tests.site.server import HOST, make_folder

pytestmark = pytest.mark.once


def _hubsite(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "hubsite", "--config", str(file), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_it_answers_by_tls_1_2_and_1_3(serving: tuple[Path, int], version: str) -> None:
    file, port = serving
    context = context_of(file)
    context.minimum_version = ssl.TLSVersion[version]
    context.maximum_version = ssl.TLSVersion[version]
    connection = HTTPSConnection(HOST, port, context=context, timeout=SECONDS)
    connection.request("GET", "/")
    response = connection.getresponse()
    assert (response.status, response.headers["Location"]) == (302, "/sign-in?next=/")
    assert response.headers["Strict-Transport-Security"] == "max-age=31536000"
    response.read()
    connection.request("GET", "/sign-in")
    page = connection.getresponse().read().decode()
    style = page.split('rel="stylesheet" href="')[1].split('"')[0]
    connection.request("GET", style)
    response = connection.getresponse()
    assert response.headers["Content-Type"] == "text/css; charset=utf-8"
    assert b":focus-visible" in response.read()
    connection.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_older_tls_is_refused(serving: tuple[Path, int]) -> None:
    file, port = serving
    context = context_of(file)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", port), SECONDS) as plain,
        pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"),
    ):
        context.wrap_socket(plain, server_hostname=HOST)


def test_another_host_name_is_refused(serving: tuple[Path, int]) -> None:
    file, port = serving
    connection = HTTPSConnection(HOST, port, context=context_of(file), timeout=SECONDS)
    connection.request("GET", "/sign-in", headers={"Host": "evil.example"})
    assert connection.getresponse().status == 400
    connection.close()


def test_operators_and_their_acts_are_made_beside_a_server_that_runs(
    serving: tuple[Path, int],
) -> None:
    file, _ = serving
    made = _hubsite(file, "operator", "add", "olga")
    assert made.returncode == 0, made.stderr
    assert "otpauth://totp/acme%3Aolga?secret=" in made.stdout
    with_key = _hubsite(file, "operator", "add", "otto", "--webauthn")
    assert "otpauth:" not in with_key.stdout
    assert re.search(r"^ticket: +\S{20}$", with_key.stdout, re.MULTILINE)
    assert "Make a key at https://localhost/first-key within 24 hours." in with_key.stdout
    holds = _hubsite(file, "acts", "verify")
    assert holds.stdout.startswith("the chain holds, up to act 2; its head is 2:")
    wrong = _hubsite(file, "acts", "verify", "--head", f"1:{'0' * 64}")
    assert wrong.returncode == 1
    assert "is not the one that was known" in wrong.stderr


def test_no_first_operator_is_made_where_there_is_one_and_it_says_who(tmp_path: Path) -> None:
    file = make_folder(tmp_path / "s")
    assert "password:" in _hubsite(file, "operator", "add", "--first", "olga").stdout
    other = _hubsite(file, "operator", "add", "--first", "bob")
    assert other.returncode == 0
    assert other.stdout.startswith("there is olga already; none is made\n")
    assert other.stdout.endswith(" hubsite operator renew olga\n")
    assert "password:" not in other.stdout
    _hubsite(file, "operator", "add", "bob")
    again = _hubsite(file, "operator", "add", "--first", "olga").stdout
    assert again.startswith("there are bob, olga already; none is made\n")
    assert again.endswith(" hubsite operator renew olga\n")


def test_check_says_that_all_is_right_or_what_is_not(tmp_path: Path) -> None:
    file = make_folder(tmp_path / "s")
    said = f"{file} is right: https://localhost:8443/ at 127.0.0.1:8443\n"
    assert _hubsite(file, "check").stdout == said
    (file.parent / "tls.key").write_text("no key")
    wrong = _hubsite(file, "serve")
    assert wrong.returncode == 78
    assert "are no pair in PEM" in wrong.stderr
    os.chmod(file.parent / "tls.key", 0o644)
    assert f"chmod o= {file.parent / 'tls.key'}" in _hubsite(file, "check").stderr


_WALKED = """
import gc, sys
from pathlib import Path
from hubsite import config
from hubsite.commands.check import look
from hubsite.commands.serve import options_of
from hubsite.starting import make_tables

site = config.load(Path(sys.argv[1]))
look(site)
make_tables(site)
options = options_of(site)
options["post_worker_init"](None)
print(gc.get_freeze_count(), len(gc.get_objects()), "hubsite.pages.register.views" in sys.modules)
options["worker_exit"](None, None)
"""


def test_what_is_loaded_before_the_first_request_is_never_walked(tmp_path: Path) -> None:
    """serve, law 5."""
    file = make_folder(tmp_path / "s")
    argv = [sys.executable, "-c", _WALKED, str(file)]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=True)
    kept, walked, has_pages = said.stdout.split()
    assert has_pages == "True"
    assert int(kept) > 50_000
    assert int(walked) < int(kept) / 20


_LOADED = """
import gc, sys
from pathlib import Path
from gunicorn.app.base import BaseApplication
from hubsite import config
from hubsite.commands.check import look
from hubsite.commands.serve import run

def forks(_application):
    print(gc.get_freeze_count(), "hubsite.pages.register.views" in sys.modules)

BaseApplication.run = forks
site = config.load(Path(sys.argv[1]))
look(site)
run(site)
"""


def test_each_page_is_loaded_before_the_process_that_serves_is_forked(tmp_path: Path) -> None:
    """serve, law 6."""
    file = make_folder(tmp_path / "s")
    argv = [sys.executable, "-c", _LOADED, str(file)]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=True)
    kept, has_pages = said.stdout.split()
    assert has_pages == "True"
    assert int(kept) > 50_000
