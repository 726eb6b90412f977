"""What the commands need, they install or name; what CI did not run has failed; pip's failures are
one sentence.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
SECONDS = 120

SKIPS = """
import pytest

def test_a_tool_is_missing():
    pytest.skip("needs dbus-daemon: apt-get install dbus-daemon")

@pytest.mark.skipif(True, reason="only root can do this")
def test_that_another_user_runs():
    pass

@pytest.mark.xfail(reason="known")
def test_that_is_known_to_fail():
    assert False
"""


def _pytest(folder: Path, ci: str, text: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "tests/conftest.py", folder / "conftest.py")
    (folder / "test_skips.py").write_text(text)
    argv = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", str(folder)]
    environment = {**os.environ, "CI": ci}
    return subprocess.run(
        argv,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_a_case_skipped_for_a_missing_tool_fails_in_ci_alone(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = _pytest(tmp_path, "true", SKIPS)
    assert done.returncode == 1
    assert "1 failed, 1 skipped, 1 xfailed" in done.stdout
    assert "skipped in CI, where nothing may be missing: needs dbus-daemon" in done.stdout
    assert "2 skipped, 1 xfailed" in _pytest(tmp_path, "", SKIPS).stdout


def test_a_file_skipped_for_a_missing_library_fails_in_ci(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    text = 'import pytest\npytest.importorskip("no_such_library_at_all")\ndef test_it(): pass\n'
    done = _pytest(tmp_path, "true", text)
    assert done.returncode not in (0, 5), done.stdout
    assert "nothing may be missing: could not import" in done.stdout


def _prerequisites(
    tmp_path: Path, *tools: str, apt: str, user: int
) -> subprocess.CompletedProcess[str]:
    """Run .ci/prerequisites with its own PATH: an apt-get that does what is given, an `id` that
    says who runs it.
    """
    commands = tmp_path / "bin"
    commands.mkdir(exist_ok=True)
    (commands / "apt-get").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/apt\n{apt}\n')
    (commands / "id").write_text(f"#!/bin/sh\necho {user}\n")
    for name in ("apt-get", "id"):
        (commands / name).chmod(0o755)
    path = f"{commands}:/usr/bin:/bin"
    argv = [ROOT / ".ci/prerequisites", sys.executable, *tools]
    return subprocess.run(
        argv, env={"PATH": path}, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def test_a_tool_that_is_missing_is_installed_by_root(tmp_path: Path) -> None:
    there = tmp_path / "bin/no-such-tool"
    done = _prerequisites(
        tmp_path,
        "no-such-tool",
        apt=f'[ "$1" = update ] || {{ : >{there}; chmod 755 {there}; }}',
        user=0,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "apt").read_text().splitlines() == [
        "update -qq",
        "install -y -qq --no-install-recommends no-such-tool",
    ]
    (tmp_path / "apt").unlink()
    assert _prerequisites(tmp_path, "no-such-tool", apt="exit 1", user=0).returncode == 0
    assert not (tmp_path / "apt").exists(), "what is there is not installed again"


@pytest.mark.parametrize("user", [0, 1000])
def test_a_tool_that_cannot_be_installed_is_named(tmp_path: Path, user: int) -> None:
    done = _prerequisites(tmp_path, "no-such-tool", "neither-this", apt="exit 1", user=user)
    assert done.returncode == 1
    assert done.stderr == (
        "Missing: no-such-tool neither-this. Type: sudo apt-get install no-such-tool neither-this\n"
    )
    assert (tmp_path / "apt").exists() is (user == 0)


def test_make_test_asks_for_each_tool_that_a_case_is_skipped_without() -> None:
    files = [
        path
        for path in (ROOT / "tests").rglob("*.py")
        if path != Path(__file__) and "lab" not in path.parts
    ]
    needed = {
        tool for path in files for tool in re.findall(r'"needs ([\w-]+): apt-get', path.read_text())
    }
    makefile = (ROOT / "Makefile").read_text()
    (line,) = re.findall(r"^tools:\n\t\.ci/prerequisites \$\(PYTHON\) (.+)", makefile, re.M)
    assert set(line.split()) == needed == {"dbus-daemon", "softhsm2-util", "zstd"}


def test_make_test_asks_for_the_tools_before_it_builds_anything(tmp_path: Path) -> None:
    argv = ["make", "-n", "test", f"VENV={tmp_path}/new", "PYTHON=python3"]
    clean = {
        key: value
        for key, value in os.environ.items()
        if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    done = subprocess.run(
        argv, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=SECONDS, check=True
    )
    first, *rest = [line for line in done.stdout.splitlines() if not line.startswith("make[")]
    assert first == ".ci/prerequisites python3 dbus-daemon softhsm2-util zstd"
    assert f"python3 -m venv {tmp_path}/new" in rest
    assert f"python3 -m venv {tmp_path}/new-oracle" in rest


def _pip(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    argv = [ROOT / ".ci/pip", sys.executable, "--isolated", *words]
    return subprocess.run(
        argv,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def _said(done: subprocess.CompletedProcess[str]) -> str:
    """Return the sentence; pip's own words are in the file that the second line names."""
    assert done.returncode != 0
    assert done.stdout == ""
    sentence, where = done.stderr.splitlines()
    log = Path(where.removeprefix("hubd: what pip said: "))
    assert log.read_text()
    log.unlink()
    return sentence


def test_without_internet_pip_ends_in_one_sentence() -> None:
    index = "http://127.0.0.1:9/simple"  # nobody listens there
    said = _said(_pip("--retries", "1", "download", "-i", index, "cbor2"))
    assert said.startswith("hubd: the Python packages that hubd is built on cannot be fetched")
    assert '"Without internet"' in said
    assert "\n## Without internet\n" in (ROOT / "docs/hub.md").read_text()


def test_a_certificate_that_is_not_believed_is_told_apart(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = x509.CertificateBuilder()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    begins = datetime.now(UTC) - timedelta(days=2)
    made = (
        certificate.subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "pem").write_bytes(plain + made.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        # a name: some versions of pip take no address
        index = f"https://localhost:{server.server_port}/simple"
        said = _said(_pip("--retries", "1", "download", "-i", index, "cbor2"))
        server.shutdown()
        thread.join()
    assert "certificate that is not believed" in said
    assert "clock right (date)?" in said


def test_a_package_without_a_wheel_for_this_machine_is_named(tmp_path: Path) -> None:
    (tmp_path / "cbor2-5.6.0.tar.gz").write_bytes(b"")
    (tmp_path / "cbor2-5.6.0-cp311-cp311-manylinux_2_31_sparc.whl").write_bytes(b"")
    said = _said(_pip("download", "--no-index", "--find-links", str(tmp_path), "cbor2"))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert said.startswith(f"hubd: there is no ready-made cbor2 for Python {version} on ")
    assert "amd64 or arm64" in said


def test_any_other_failure_says_pips_first_error() -> None:
    said = _said(_pip("install", "/no/such/place"))
    assert said.startswith("hubd: pip failed: ")
    assert "/no/such/place" in said


def _promise(tree: Path, *versions: str) -> None:
    """Make a tree that promises Pythons, with a make that tells how it was called and fails on
    3.98.
    """
    (tree / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci/pythons", tree / ".ci/pythons")
    lines = "".join(f"    Programming Language :: Python :: {version}\n" for version in versions)
    (tree / "setup.cfg").write_text(
        f"[metadata]\nclassifiers =\n    Programming Language :: Python :: 3\n{lines}"
    )
    commands = {"make": 'echo "ran $*"; case "$*" in *3.98*) exit 2 ;; esac'}
    commands |= {f"python{version}": f"echo {version}" for version in versions if version != "3.99"}
    (tree / "bin").mkdir()
    for name, text in commands.items():
        (tree / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tree / "bin" / name).chmod(0o755)


def _pythons(tree: Path, own: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{tree / 'bin'}:/usr/bin:/bin", "HOME": str(tree), **more}
    argv = [tree / ".ci/pythons", own]
    return subprocess.run(
        argv, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def test_each_promised_python_runs_the_tests_and_one_that_is_not_here_is_named(
    tmp_path: Path,
) -> None:
    _promise(tmp_path, "3.96", "3.97", "3.99")
    done = _pythons(tmp_path, "python3.96")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "== tests on Python 3.96",
        "ran -s test TESTS= VENV=.venv PYTHON=python3.96",
        "== tests on Python 3.97",
        "ran -s test-own HUBD_FUZZ=0.1 TESTS=-m 'not once' VENV=.venv-3.97 PYTHON=python3.97",
    ]
    assert done.stderr == "tests on Python 3.99: not run, this machine has no python3.99\n"


@pytest.mark.parametrize("versions", [("3.97", "3.98"), ("3.99",)])
def test_one_python_that_fails_or_none_at_all_is_a_failure(
    tmp_path: Path, versions: tuple[str, ...]
) -> None:
    _promise(tmp_path, *versions)
    done = _pythons(tmp_path, "python3.97")
    assert done.returncode == 1
    assert "they failed on Python 3.98" in done.stdout or "none of the Pythons" in done.stderr


@pytest.mark.parametrize(
    ("own", "run"),
    [("3.94", ["3.94", "3.97"]), ("3.97", ["3.97", "3.94"]), ("3.95", ["3.95", "3.94", "3.97"])],
)
def test_in_ci_the_oldest_the_newest_and_that_of_venv_stand_for_the_rest(
    tmp_path: Path, own: str, run: list[str]
) -> None:
    _promise(tmp_path, "3.94", "3.95", "3.96", "3.97")
    done = _pythons(tmp_path, f"python{own}", CI="true")
    said = [line for line in done.stdout.splitlines() if line.startswith("==")]
    assert said == [f"== tests on Python {version}" for version in run]
    assert f"ran -s test TESTS=-m 'not long' VENV=.venv PYTHON=python{own}" in done.stdout


def test_in_ci_what_failed_beside_others_has_to_pass_once_more(tmp_path: Path) -> None:
    _promise(tmp_path, "3.97", "3.98")
    again = _pythons(tmp_path, "python3.97", CI="true")
    assert again.returncode == 1
    own = "VENV=.venv-3.98 PYTHON=python3.98"
    few = "tests/unit tests/ports tests/scenario/test_desk.py"
    fewer = f"HUBD_FUZZ=0.1 TESTS=-m 'not once and not long and not hypothesis' {few}"
    assert again.stdout.splitlines()[2:] == [
        "== tests on Python 3.98",
        f"ran -s test-own {fewer} {own}",
        "== those that failed on Python 3.98, once more",
        f"ran -s test-again {fewer} {own}",
        "== they failed on Python 3.98",
    ]
    make = tmp_path / "bin" / "make"
    make.write_text(make.read_text().replace("*3.98*", "*-own*3.98*"))
    assert _pythons(tmp_path, "python3.97", CI="true").returncode == 0
    assert _pythons(tmp_path, "python3.97").returncode == 1
    make.write_text(make.read_text().replace("*-own*3.98*", '*"-s test TESTS"*'))
    done = _pythons(tmp_path, "python3.97", CI="true")
    assert done.returncode == 0
    assert "ran -s test-again test-zwave test-oracle TESTS=-m 'not long' VENV=.venv" in done.stdout


def test_ci_runs_the_tests_on_more_than_one_python() -> None:
    assert "\nmake test-pythons\n" in (ROOT / ".ci/run").read_text()
    assert ".ci/pythons $(PYTHON)" in (ROOT / "Makefile").read_text()
