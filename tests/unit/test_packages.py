"""No command that this project names can fetch somebody else's package under its names: pip itself
is asked.

How it is asked: pip resolves in a copy of the tree, and the only index that it knows is one on
loopback that has a project for every name. What it fetches there must be a library that setup.cfg
asks for. Each command is tried as it stands, with one path alone, with a forgotten `.` or `./`, and
with a forgotten `-e` or `-r`.
"""

from __future__ import annotations

import configparser
import itertools
import re
import shlex
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from hubcore.version import __version__
from hubctl.watch import DISTRIBUTION
from hubsim.cli.sentences import INSTALLED_BY, sentence

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
NO_COMMANDS = (Path(__file__), ROOT / "tests/unit/test_install.py")
"""What speaks of pip's commands, and gives none: the second has a pip of its own that fetches
nothing.
"""
NAMES = ("hubd-access-hub", "hubd-access-hub-sim")
PIP_SECONDS = 120
BUILD_PARTS = (
    "setup.cfg",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "hubcore",
    "drivers",
    "hubd",
    "hubctl",
    "hubbridge",
    "hubgateway",
    "hublocal",
    "hubsite",
    "hubterm",
    "hubtls",
    "hubupdate",
    "hardware-sim",
)
PLACES = {
    "$work/hubd": ["."],
    "$work/hubd${extras:+[$extras]}": [".", ".[zwave,osdp]"],
    "$work/tree[site,engine${extras:+,$extras}]": [".[site,engine]", ".[site,engine,postgresql]"],
    "{file}": ["hardware-sim/laptop-phone.txt", "hardware-sim/laptop-hub.txt"],
}
"""What stands for a path in a script, and the path."""
TAKES_VALUE = ("-w", "-d", "--wheel-dir", "--dest", "--python", "--only-binary", "--find-links")
COMMAND = re.compile(r"(?:\bpip3?|\.ci/pip)(?=[ \"'])[^`\n]*?\s(install|download|wheel)\s([^`\n]*)")
NO_MATTER = ("-q", "--quiet", "--no-compile", "-U", "--upgrade")
STOPS = ("&&", "||", ";", "|", ">", "\\")


@dataclass(frozen=True)
class Command:
    """One call of pip: `install`, `download` or `wheel`, and what follows it."""

    verb: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"pip {self.verb} {shlex.join(self.words)}"


def _files() -> Iterator[Path]:
    """Every text file of the project that may give a command."""
    skipped = {
        "__pycache__",
        "desk",
        "desk-demo",
        "desk-trial",
        "build",
        "dist",
        "wheels",
        "vectors",
    }
    for top in sorted(ROOT.iterdir()):
        if (
            top.name in skipped
            or top.name in (".git", ".hypothesis")
            or top.name.startswith(".venv")
        ):
            continue
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            hidden = skipped & set(path.parts) or any(
                part.endswith(("_cache", ".egg-info")) for part in path.parts
            )
            if path.is_file() and not hidden and path not in NO_COMMANDS:
                yield path


def commands(text: str) -> list[Command]:
    """Find the calls of pip in a text."""
    found = []
    for match in COMMAND.finditer(text.replace("\\\n", " ")):
        words = []
        for word in shlex.split(match[2], comments=True):
            if word in STOPS:
                break
            if word not in NO_MATTER:
                words.append(word)
        found += [Command(match[1], tuple(chosen)) for chosen in _placed(words)]
    return found


def _placed(words: list[str]) -> list[list[str]]:
    """Put paths where a script has a variable; one list of words for each choice."""
    choices: list[list[str]] = [[]]
    for word in words:
        choices = [[*before, place] for before in choices for place in PLACES.get(word, [word])]
    return choices


def slips(command: Command) -> Iterator[Command]:
    """Yield the command as it stands and with one thing forgotten."""
    yield command
    words = command.words
    for at, word in enumerate(words):
        before = words[:at]
        after = words[at + 1 :]
        if at and words[at - 1] in TAKES_VALUE:
            continue
        if word in ("-e", "-r"):
            yield Command(command.verb, before + after)
        elif not word.startswith("-"):
            for start in (".", "./"):
                if word.startswith(start):
                    yield Command(command.verb, (*before, word.removeprefix(start), *after))
            flag = before[-1:] if before[-1:] in (("-e",), ("-r",)) else ()
            yield Command(command.verb, (*flag, word))


def _declared() -> dict[str, set[str]]:
    """Return the libraries that setup.cfg asks for: name → a version for each of the
    requirements.
    """
    known: dict[str, set[str]] = {}
    for file in (ROOT / "setup.cfg", ROOT / "hardware-sim/setup.cfg"):
        config = configparser.ConfigParser()
        config.read(file)
        lists = [config["options"]["install_requires"], *config["options.extras_require"].values()]
        for line in "\n".join(lists).split("\n"):
            if not line.strip() or line.startswith("#"):
                continue
            asked = Requirement(line)
            (least,) = [part.version for part in asked.specifier if part.operator in (">=", "==")]
            known.setdefault(canonicalize_name(asked.name), set()).add(least)
    return {name: versions for name, versions in known.items() if name not in NAMES}


def _wheel(name: str, version: str) -> bytes:
    stem = f"{name.replace('-', '_')}-{version}"
    held = BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(
            f"{stem}.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        )
        archive.writestr(
            f"{stem}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return held.getvalue()


class Index:
    """A package index on loopback that has every project that is asked for; a stranger's have all
    likely versions.
    """

    STRANGERS = ("0.1", "0.1.0", "0.1.0.post1", "1!99.0")

    def __init__(self) -> None:
        self.libraries = _declared()
        self._fetched: dict[str, set[str]] = {}
        self._numbers = itertools.count()
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = index.answer(self.path)
                self.send_response(200)
                self.send_header(
                    "Content-Type", "text/html" if self.path.endswith("/") else "application/zip"
                )
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def caller(self) -> tuple[str, set[str]]:
        """Return an address of its own for one caller, and the projects of which it fetches a
        package there.
        """
        name = str(next(self._numbers))
        fetched = self._fetched[name] = set()
        return f"http://127.0.0.1:{self._server.server_port}/{name}/", fetched

    def answer(self, path: str) -> bytes:
        """Return a project's page, or one of its wheels."""
        _, caller, project, file = path.split("/", 3)
        if file:
            self._fetched[caller].add(project)
            return _wheel(project, file.split("-")[1])
        versions = self.libraries.get(project, self.STRANGERS)
        stem = project.replace("-", "_")
        names = [f"{stem}-{version}-py3-none-any.whl" for version in versions]
        return "".join(f'<a href="{name}">{name}</a>\n' for name in names).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass(frozen=True)
class Asked:
    """What became of a command: pip's exit status and words, and the strangers whose package it
    took.
    """

    status: int
    said: str
    strangers: frozenset[str]


def ask(index: Index, tree: Path, command: Command) -> Asked:
    """Have pip resolve a command in a tree."""
    url, fetched = index.caller()
    argv = [
        sys.executable,
        "-m",
        "pip",
        "--isolated",
        command.verb,
        *command.words,
        "--index-url",
        url,
    ]
    argv += [
        "--no-build-isolation",
        "--no-cache-dir",
        "--retries",
        "0",
        "--disable-pip-version-check",
    ]
    if command.verb == "install":
        argv += ["--dry-run", "--ignore-installed"]
    done = subprocess.run(
        argv, cwd=tree, capture_output=True, text=True, timeout=PIP_SECONDS, check=False
    )
    return Asked(
        done.returncode, done.stdout + done.stderr, frozenset(fetched - set(index.libraries))
    )


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    made = Index()
    yield made
    made.close()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what pip builds from."""
    return _copy(tmp_path / "tree")


def _copy(folder: Path) -> Path:
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    folder.mkdir()
    for part in BUILD_PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=leave)
        else:
            shutil.copy(ROOT / part, folder / part)
    return folder


def _found() -> dict[Command, set[str]]:
    """Every call of pip in the project's files, with the files that hold it."""
    found: dict[Command, set[str]] = {}
    for path in _files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for command in commands(text):
            found.setdefault(command, set()).add(str(path.relative_to(ROOT)))
    return found


def test_the_commands_are_found_where_they_are_known_to_stand() -> None:
    places = {place for places in _found().values() for place in places}
    known = {
        "Makefile",
        "systemd/install.sh",
        "hardware-sim/laptop-phone.txt",
        "hardware-sim/hubsim/cli/sentences.py",
    }
    assert known <= places


@pytest.mark.long
@pytest.mark.timeout(900)  # some eighty calls of pip
def test_no_command_can_fetch_a_strangers_package(index: Index, tmp_path: Path) -> None:
    as_written = list(_found())
    tried = list(dict.fromkeys(slip for command in as_written for slip in slips(command)))
    with ThreadPoolExecutor(2) as pool:
        # one each: builds write into it
        trees = (_copy(tmp_path / str(number)) for number in range(len(tried)))
        told = dict(
            zip(
                tried,
                pool.map(lambda tree, command: ask(index, tree, command), trees, tried),
                strict=True,
            )
        )
    assert {
        str(command): asked.strangers for command, asked in told.items() if asked.strangers
    } == {}
    failed = {
        str(command): told[command].said
        for command in as_written
        if told[command].status and "--require-hashes" not in str(command)  # no stranger has that
    }
    assert failed == {}


@pytest.mark.parametrize(
    "path", ["./hardware-sim", "./hardware-sim[bleak]", "./hardware-sim[bleak,bless]"]
)
@pytest.mark.parametrize("flags", [(), ("-e",)])
def test_the_simulator_alone_is_refused(
    index: Index, tree: Path, path: str, flags: tuple[str, ...]
) -> None:
    asked = ask(index, tree, Command("install", (*flags, path)))
    assert asked.strangers == frozenset()
    assert asked.status != 0
    assert "No matching distribution found for hubd-access-hub==" in asked.said


def test_both_ask_for_the_very_version_that_no_index_can_hold() -> None:
    hubd = configparser.ConfigParser()
    hubsim = configparser.ConfigParser()
    hubd.read(ROOT / "setup.cfg")
    hubsim.read(ROOT / "hardware-sim/setup.cfg")
    assert (hubd["metadata"]["name"], hubsim["metadata"]["name"]) == NAMES
    (asked,) = [
        line
        for line in hubsim["options"]["install_requires"].split("\n")
        if line.startswith(NAMES[0])
    ]
    assert asked == f"{NAMES[0]} =={__version__}"
    assert hubsim["metadata"]["version"] == __version__
    assert NAMES[0] == DISTRIBUTION
    assert Version(__version__).local, "without a local label an index can hold this version"


@pytest.mark.parametrize("words", ["./sim", "sim[bleak]", "hubd", "-r sim.txt", "-r list.txt"])
def test_a_stranger_is_noticed(index: Index, tmp_path: Path, words: str) -> None:
    for folder, name, needs in (
        (".", "hubd", ""),
        ("sim", "hubsim", "install_requires = hubd ==0.1.0"),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        metadata = f"[metadata]\nname = {name}\nversion = 0.1.0\n[options]\npy_modules =\n{needs}\n"
        (tmp_path / folder / "setup.cfg").write_text(metadata)
        (tmp_path / folder / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["setuptools"]\n'
        )
    (tmp_path / "list.txt").write_text("sim[bleak]\n")
    command = Command("install", tuple(words.split()))
    assert any(ask(index, tmp_path, slip).strangers for slip in slips(command))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("type `pip install './sim[bleak]'`, which", ["./sim[bleak]"]),
        ("\t$(BIN)/python -m pip install -q -e '.[dev]' # both\n", ["-e", ".[dev]"]),
        ('"$python" -m pip --python "$x" install -q \\\n    "$work/hubd" && echo', ["."]),
        ("\t.ci/pip $(PYTHON) wheel -w wheels . setuptools", ["-w", "wheels", ".", "setuptools"]),
        ("python3 -m pip3 download a | tee log", ["a"]),
    ],
)
def test_a_command_is_read_as_it_is_typed(text: str, words: list[str]) -> None:
    assert [list(command.words) for command in commands(text)] == [words]


def test_make_clean_leaves_the_site_with_its_issuers_key(tmp_path: Path) -> None:
    kept = {"desk/issuer.key", "desk/site.json", "Makefile"}
    gone = {
        "desk-demo/issuer.key",
        "desk-trial/issuer.key",
        ".venv/ready",
        ".venv-oracle/ready",
        "build/x",
        "hubd_access_hub.egg-info/x",
    }
    for name in kept | gone:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    shutil.copy(ROOT / "Makefile", tmp_path / "Makefile")
    subprocess.run(["make", "-s", "clean"], cwd=tmp_path, check=True, timeout=60)
    assert {
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()
    } == kept


def test_a_library_that_is_missing_is_named_with_a_file_that_installs_it() -> None:
    for library, file in INSTALLED_BY.items():
        needed = (ROOT / "hardware-sim" / file).read_text()
        assert library == "bumble" or f"[{library}]" in needed
        assert f"-r hardware-sim/{file}" in str(sentence(ModuleNotFoundError("no", name=library)))
