"""The oracles need libraries that want cbor2 < 6: elsewhere these files are not even collected."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = (
    [] if find_spec("pycose") and find_spec("cwt") else ["test_pycose.py", "test_python_cwt.py"]
)
