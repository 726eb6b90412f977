"""The file where long runs leave their figures: JSON, named by HUBD_LAB_KEEP, a part for each run.

Without HUBD_LAB_KEEP nothing is written.

Law: a part stays until another of its name is written. A new run begins with an empty file
(`make lab-soak` does).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path


def write_figures(part: str, facts: Mapping[str, object]) -> None:
    """Write the figures of one part in place of those that it left before."""
    name = os.environ.get("HUBD_LAB_KEEP")
    if not name:
        return
    path = Path(name)
    parts = json.loads(path.read_text()) if path.exists() else {}
    parts[part] = facts
    in_order = dict(sorted(parts.items()))
    text = json.dumps(in_order, indent=1, ensure_ascii=False)
    new = path.with_suffix(".new")
    new.write_text(text + "\n")
    new.replace(path)
