"""What is said of the libraries' vulnerabilities: known ones fail, and what nobody asked about is
never called well.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
WELL = {"name": "cbor2", "version": "6.3.0", "vulns": []}
ILL = {
    "name": "rich",
    "version": "1.0",
    "vulns": [
        {"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"], "aliases": [], "description": "x"},
        {"id": "PYSEC-2", "fix_versions": [], "aliases": [], "description": "y"},
    ],
}
SKIPPED = {"name": "pyzmq", "skip_reason": "not found (27.3.0)"}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("packaging_audit", ROOT / "packaging/audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _of(*rows: object) -> dict[str, object]:
    return {"dependencies": list(rows), "fixes": []}


def test_all_were_asked_and_are_well(audit: ModuleType) -> None:
    judged = audit.verdict([_of(WELL), _of(WELL, {**WELL, "name": "click"})])
    assert judged.status == 0
    assert judged.lines == ("2 libraries have no known vulnerability",)


def test_a_known_vulnerability_counts_more_than_what_nobody_asked_about(audit: ModuleType) -> None:
    judged = audit.verdict([_of(WELL, SKIPPED), _of(ILL)])
    assert judged.status == 1
    assert judged.lines == (
        "rich 1.0: PYSEC-1, mended in 1.1, 2.0",
        "rich 1.0: PYSEC-2, not mended yet",
        "pyzmq: not asked: not found (27.3.0)",
    )


@pytest.mark.parametrize(
    "found",
    [
        [],
        [None],
        [_of()],
        [_of(WELL), None],
        [_of(WELL, SKIPPED)],
        [_of({"name": "x", "skip_reason": ""})],
        [_of({"name": "x"})],
        [_of(WELL, "nonsense")],
        ["nonsense"],
        [{"dependencies": {"name": "x"}}],
    ],
)
def test_what_was_not_asked_is_not_well(audit: ModuleType, found: list[object]) -> None:
    judged = audit.verdict(found)
    assert judged.status == 75
    assert judged.lines
