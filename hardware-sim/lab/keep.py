"""Where long runs leave their figures: one JSON file, named by HUBD_LAB_KEEP, a part for each;
unset, none is kept.

Law: a part stays until one of its name is kept; who begins a new run begins with an empty file
(`make lab-soak` does).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path


def keep(part: str, facts: Mapping[str, object]) -> None:
    """Put the figures of one part in place of those it left before."""
    name = os.environ.get("HUBD_LAB_KEEP")
    if not name:
        return
    path = Path(name)
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept[part] = facts
    new = path.with_suffix(".new")
    new.write_text(json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False) + "\n")
    new.replace(path)
