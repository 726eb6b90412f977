"""Who may know whom, and a few habits: kept over the syntax trees of every file, and shown to notice each violation.

The rules are those of docs/start-here.md, "The house". A new file at the top of `hubd` is a use case until ROOMS says
otherwise, so that the strict rule is the default.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ANY = frozenset({"*"})
IMPURE = frozenset({"asyncio", "time", "os", "random", "secrets", "socket", "sqlite3", "logging", "threading"})
WORLDLY = frozenset({"socket", "sqlite3", "subprocess", "ssl"})
CLOCK_CALLS = frozenset({"now", "utcnow", "today"})
CHANCE_CALLS = frozenset({"generate_private_key", "generate_key", "generate_parameters"})
VALUES_OF_HUBD = frozenset({"__version__", "BUILD_TIME"})
"""What anybody may take from the package `hubd` itself."""


@dataclass(frozen=True)
class Room:
    """What the modules of one room may import: project modules by prefix, libraries by name, and which stdlib not."""

    project: frozenset[str]
    libraries: frozenset[str] = ANY
    not_stdlib: frozenset[str] = field(default=frozenset())


def _room(project: str, libraries: str = "*", not_stdlib: frozenset[str] = frozenset()) -> Room:
    return Room(frozenset(project.split()), frozenset(libraries.split()), not_stdlib)


USE_CASES = (
    "hubd.unlock hubd.sync hubd.doorwatch hubd.health hubd.links hubd.epochkeys hubd.refusals hubd.notinglog "
    "hubd.provenpolicy hubd.clockcare hubd.pacedlog hubd.diskwatch"
)
VOCABULARY = "hubd.core hubd.ports hubd.errors hubd.aside"
USE_CASE = _room(VOCABULARY, "cryptography structlog", WORLDLY)

ROOMS: dict[str, Room] = {
    "hubd.core": _room("hubd.core hubd.errors", "cbor2 cryptography", IMPURE | WORLDLY),
    "hubd.errors": _room("", "", IMPURE | WORLDLY),
    "hubd.aside": _room("hubd.errors", "", WORLDLY),
    "hubd.ports": _room("hubd.core hubd.errors", "", IMPURE | WORLDLY),
    "hubd.config": _room("hubd.config_errors hubd.core hubd.errors", "msgspec", WORLDLY),
    "hubd.config_errors": _room("hubd.errors", "msgspec", IMPURE | WORLDLY),
    "hubd.adapters": _room(f"{VOCABULARY} hubd.adapters hubd.config"),
    "hubd.cli": _room("hubd.cli hubd.core hubd.errors hubd.output", "click rich msgspec"),
    "hubd.output": _room("", "", WORLDLY),
    "hubd.clockcare": _room(f"{VOCABULARY} hubd.notinglog hubd.health", "", WORLDLY),
    "hubd.newpolicy": _room(f"{VOCABULARY} {USE_CASES}", "", WORLDLY),
    "hubd.provenpolicy": _room(f"{VOCABULARY} hubd.health", "", WORLDLY),
    "hubd.diskwatch": _room(f"{VOCABULARY} hubd.health", "", WORLDLY),
    "hubd.pacedlog": _room(f"{VOCABULARY} hubd.refusals", "", WORLDLY),
    "hubd.vigil": _room(f"{VOCABULARY} {USE_CASES}", "", WORLDLY),
    "hubd.status": _room(f"{VOCABULARY} {USE_CASES} hubd.config", "", IMPURE | WORLDLY),
    "hubd.parts": _room(f"{VOCABULARY} hubd.config", "", WORLDLY),
    "hubd.hardware": _room(f"{VOCABULARY} hubd.config hubd.parts hubd.adapters drivers"),
    "hubd.app": _room(
        f"{VOCABULARY} {USE_CASES} hubd.newpolicy hubd.vigil hubd.config hubd.status hubd.parts hubd.hardware "
        "hubd.adapters drivers"
    ),
    "hubd.checkconfig": _room(
        "hubd.checkconfig hubd.config hubd.core.certdays hubd.core.moment hubd.errors hubd.adapters drivers"
    ),
    "hubd.__main__": _room(
        "hubd.app hubd.checkconfig hubd.config hubd.errors hubd.parts hubd.hardware hubd.output hubd.adapters.log "
        "hubd.adapters.systemd",
        "",
    ),
    "hubd.secure": _room("hubd.errors hubd.output drivers", "msgspec"),
    "hubd.__init__": _room("", "", IMPURE | WORLDLY),
    "drivers": _room("drivers hubd.ports hubd.errors"),
    "hubsim": _room(
        f"hubsim {VOCABULARY} {USE_CASES} hubd.vigil hubd.config hubd.status hubd.parts hubd.app hubd.__main__ "
        "hubd.adapters drivers"
    ),
}


def _within(module: str, prefixes: frozenset[str]) -> bool:
    return any(module == prefix or module.startswith(prefix + ".") for prefix in prefixes)


def _room_of(module: str) -> Room:
    names = [name for name in ROOMS if _within(module, frozenset({name}))]
    return ROOMS[max(names, key=len)] if names else USE_CASE


def _imports(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Yield (line, module) of every import, also of relative ones and of `import_module("...")`."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = ".".join(package.split(".")[: len(package.split(".")) - level + 1]) if level else ""
                whole = ".".join(part for part in (base, module) if part)
                for alias in names:
                    yield node.lineno, f"{whole}.{alias.name}" if _is_package(whole, alias.name) else whole
            case ast.Call(func=ast.Name(id="import_module" | "__import__"), args=[ast.Constant(value=str(name)), *_]):
                yield node.lineno, name
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_]):
                yield node.lineno, name


def _is_package(module: str, name: str) -> bool:
    """Whether `from module import name` names a module of this project rather than a value."""
    return module in ("hubd", "drivers", "hubsim") and name not in VALUES_OF_HUBD


def _import_violations(tree: ast.AST, module: str, package: str) -> Iterator[str]:
    room = _room_of(module)
    for line, name in _imports(tree, package):
        top = name.split(".")[0]
        if name in ("hubd", "__future__"):
            continue
        if top in ("hubd", "drivers", "hubsim"):
            if not _within(name, room.project):
                yield f"{line}: {module} must not know {name}"
        elif top in sys.stdlib_module_names:
            if top in room.not_stdlib:
                yield f"{line}: {module} must not import {top}"
        elif room.libraries != ANY and top not in room.libraries:
            yield f"{line}: {module} must not import the library {top}"


def _purity_violations(tree: ast.AST, module: str) -> Iterator[str]:
    """The core asks no clock and no chance, also not through libraries that it may import."""
    if not _within(module, frozenset({"hubd.core"})):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in CLOCK_CALLS:
                yield f"{node.lineno}: {module} reads a clock: {node.func.attr}()"
            if node.func.attr in CHANCE_CALLS:
                yield f"{node.lineno}: {module} uses chance: {node.func.attr}()"


def _last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _groups(tree: ast.AST) -> set[str]:
    """The names that hold a TaskGroup: bound by `with TaskGroup() as name`, or annotated as one."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.withitem(context_expr=ast.Call(func=called), optional_vars=ast.expr() as bound):
                if _last_name(called) == "TaskGroup":
                    found.add(_last_name(bound))
            case ast.AnnAssign(target=target, annotation=annotation) if "TaskGroup" in ast.unparse(annotation):
                found.add(_last_name(target))
            case ast.arg(arg=name, annotation=ast.expr() as annotation) if "TaskGroup" in ast.unparse(annotation):
                found.add(name)
    return found


def _task_violations(tree: ast.AST) -> Iterator[str]:
    groups = _groups(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr="ensure_future") | ast.Name(id="ensure_future" | "create_task"):
                yield f"{node.lineno}: a task outside a TaskGroup"
            case ast.alias(name="create_task" | "ensure_future"):
                yield f"{node.lineno}: a task outside a TaskGroup"
            case ast.Attribute(attr="create_task", value=holder) if _last_name(holder) not in groups:
                yield f"{node.lineno}: a task outside a TaskGroup: {ast.unparse(node)}"


def mock_violations(tree: ast.AST) -> Iterator[str]:
    """Fakes are whole: nothing is patched into place."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr="patch", value=holder) if _last_name(holder) in ("mock", "mocker"):
                yield f"{node.lineno}: mock.patch"
            case ast.ImportFrom(module="unittest.mock" | "mock", names=names) if any(n.name == "patch" for n in names):
                yield f"{node.lineno}: mock.patch"
            case ast.arg(arg="mocker"):
                yield f"{node.lineno}: mock.patch by the fixture mocker"


def _docstring_violations(tree: ast.Module) -> Iterator[str]:
    first = (ast.get_docstring(tree) or "").split("\n")[0].strip()
    if len(first.split()) < 4:
        yield "1: a module opens with a line that says what it is"
    elif first[-1] not in ".:;!?,":
        words = (ast.get_docstring(tree) or "").split("\n")
        if len(words) < 2 or not words[1].strip():
            yield "1: the first line of the docstring is no sentence"


def violations(module: str, source: str, is_package: bool = False) -> list[str]:
    """Return what is wrong with one file of the product, `LINE: sentence` each."""
    tree = ast.parse(source)
    package = module.removesuffix(".__init__") if is_package else module.rpartition(".")[0]
    found = [*_import_violations(tree, module, package), *_purity_violations(tree, module), *_task_violations(tree)]
    return [*found, *mock_violations(tree), *_docstring_violations(tree)]


def _files() -> list[tuple[str, Path]]:
    """Every file of the product as (module, path)."""
    found = []
    for base, top in ((ROOT, "hubd"), (ROOT, "drivers"), (ROOT / "hardware-sim", "hubsim")):
        for path in sorted((base / top).rglob("*.py")):
            found.append((".".join(path.relative_to(base).with_suffix("").parts), path))
    return found


def test_every_file_keeps_the_rules() -> None:
    files = _files()
    assert {"hubd.core.cbor", "hubd.cli.main", "drivers.strike", "hubsim.main"} <= {module for module, _ in files}
    wrong = [
        f"{path.relative_to(ROOT)}:{found}"
        for module, path in files
        for found in violations(module, path.read_text(encoding="utf-8"), path.name == "__init__.py")
    ]
    assert wrong == []


def test_no_test_patches_anything_into_place() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{found}"
        for folder in ("tests", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for found in mock_violations(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert wrong == []


def test_the_table_names_modules_that_exist() -> None:
    modules = {module for module, _ in _files()}
    packages = {module.rpartition(".")[0] for module in modules} | modules
    for name in [*ROOMS, *USE_CASES.split()]:
        assert name in packages, f"{name} is in the table of rooms, but there is no such module"


DOC = '"""A module that stands here to be judged."""\n'


@pytest.mark.parametrize(
    ("module", "code", "part"),
    [
        *[("hubd.core.x", f"import {name}", f"must not import {name}") for name in sorted(IMPURE)],
        ("hubd.core.x", "from os import path", "must not import os"),
        ("hubd.core.x", "def f():\n    import asyncio.events", "must not import asyncio"),
        ("hubd.core.x", "import zmq", "must not import the library zmq"),
        ("hubd.core.x", "from hubd.ports import Clock", "must not know hubd.ports"),
        ("hubd.core.x", "from hubd import adapters", "must not know hubd.adapters"),
        ("hubd.core.x", "from ..adapters import log", "must not know hubd.adapters"),
        ("hubd.core.x", "from .. import unlock", "must not know hubd.unlock"),
        ("hubd.core.x", "from datetime import datetime\nat = datetime.now()", "reads a clock"),
        ("hubd.core.x", "from cryptography.x import ec\nk = ec.generate_private_key(1)", "uses chance"),
        ("hubd.ports", "from hubd.unlock import Unlock", "must not know hubd.unlock"),
        ("hubd.errors", "from hubd.core import cbor", "must not know hubd.core"),
        ("hubd.unlock", "from hubd.adapters.sqlite import X", "must not know hubd.adapters.sqlite"),
        ("hubd.unlock", "from hubd.sync import Sync", "must not know hubd.sync"),
        ("hubd.unlock", "import drivers.strike", "must not know drivers.strike"),
        ("hubd.unlock", "import sqlite3", "must not import sqlite3"),
        ("hubd.sync", "import zmq.asyncio", "must not import the library zmq"),
        ("hubd.brandnew", "from hubd.config import Config", "must not know hubd.config"),
        ("hubd.status", "from hubd.adapters import log", "must not know hubd.adapters"),
        ("hubd.hardware", "from hubd.unlock import Unlock", "must not know hubd.unlock"),
        ("hubd.adapters.x", "from hubd.unlock import Unlock", "must not know hubd.unlock"),
        ("hubd.adapters.x", "from hubd import app", "must not know hubd.app"),
        ("hubd.adapters.x", "from drivers import strike", "must not know drivers.strike"),
        ("hubd.cli.x", "from hubd.config import Config", "must not know hubd.config"),
        ("hubd.cli.x", "from hubd.adapters.local_api import Call", "must not know hubd.adapters.local_api"),
        ("hubd.cli.x", "import zmq", "must not import the library zmq"),
        ("hubd.cli.x", "import importlib\nimportlib.import_module('hubd.app')", "must not know hubd.app"),
        ("hubd.app", "import hubsim.phone", "must not know hubsim.phone"),
        ("hubd.app", "if True:\n    from hubsim import radio", "must not know hubsim.radio"),
        ("hubd.app", "__import__('hubsim')", "must not know hubsim"),
        ("hubd.__main__", "from hubd.unlock import Unlock", "must not know hubd.unlock"),
        ("drivers.x", "from hubd.core.door import Door", "must not know hubd.core.door"),
        ("drivers.x", "from hubd import config", "must not know hubd.config"),
        ("drivers.x", "from hubsim import door", "must not know hubsim.door"),
        ("hubsim.x", "from hubd.cli.main import hubctl", "must not know hubd.cli.main"),
        ("hubd.app", "import asyncio\nasyncio.create_task(f())", "a task outside a TaskGroup"),
        ("hubd.app", "import asyncio\nasyncio.ensure_future(f())", "a task outside a TaskGroup"),
        ("hubd.app", "from asyncio import create_task", "a task outside a TaskGroup"),
        ("hubd.app", "from asyncio import create_task as spawn", "a task outside a TaskGroup"),
        ("hubd.app", "import asyncio\nmake = asyncio.create_task", "a task outside a TaskGroup"),
        ("hubsim.x", "import asyncio\nasyncio.get_running_loop().create_task(f())", "a task outside a TaskGroup"),
        ("drivers.x", "def f(loop: object) -> None:\n    loop.create_task(g())", "a task outside a TaskGroup"),
        ("hubsim.x", "from unittest import mock\nmock.patch('x')", "mock.patch"),
        ("hubsim.x", "import unittest.mock\nunittest.mock.patch.object(a, 'x')", "mock.patch"),
        ("hubsim.x", "from unittest.mock import patch", "mock.patch"),
        ("hubsim.x", "def test_x(mocker): ...", "mock.patch"),
    ],
)  # fmt: skip
def test_a_violation_is_noticed(module: str, code: str, part: str) -> None:
    found = violations(module, DOC + code)
    assert len(found) == 1, found
    assert part in found[0]


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("hubd.core.x", "import hashlib\nimport cbor2\nfrom cryptography.hazmat import primitives\nfrom . import cose"),
        ("hubd.core.x", "from hubd.core import cose\nfrom hubd.errors import PeerError\nfrom datetime import datetime"),
        ("hubd.unlock", "import asyncio\nfrom hubd.core.access import decide\nfrom hubd.ports import Clock"),
        (
            "hubd.adapters.x",
            "import socket\nimport zmq\nfrom hubd import BUILD_TIME\nfrom hubd.adapters.log import set_up",
        ),
        ("hubd.adapters.x", "from .log import set_up\nfrom . import log"),
        ("hubd.cli.x", "import sqlite3\nimport click\nfrom rich.table import Table\nfrom hubd import __version__"),
        ("hubd.app", "from hubd.unlock import Unlock\nfrom hubd.adapters.log import set_up\nimport drivers.strike"),
        ("drivers.x", "import asyncio\nimport gpiod\nfrom drivers.lines import X\nfrom hubd.ports import Input"),
        ("hubd.app", "async def f():\n    async with asyncio.TaskGroup() as tasks:\n        tasks.create_task(g())"),
        (
            "hubd.app",
            "async def f():\n    async with a(), TaskGroup() as self._tasks:\n        self._tasks.create_task(g())",
        ),
        ("hubd.app", "def f(tasks: asyncio.TaskGroup):\n    tasks.create_task(g())"),
    ],
)
def test_what_is_allowed_is_not_held_up(module: str, code: str) -> None:
    assert violations(module, DOC + code) == []


@pytest.mark.parametrize("source", ["", "x = 1", '"""core"""', '"""\n"""', '"""hubd.unlock module code"""'])
def test_a_module_that_does_not_say_what_it_is_is_noticed(source: str) -> None:
    assert len(violations("hubd.unlock", source)) == 1
