"""Writes vector files: `python -m tests.vectors.generate [PART...]`; without a part, all of them.

Law: signatures and RSA-OAEP are random, so a file written again has other bytes and the same
meaning; the committed bytes are what readers are held to.
"""

from __future__ import annotations

import asyncio
import sys

from tests.vectors import (
    cases_backendway,
    cases_bridge,
    cases_decide,
    cases_encoding,
    cases_known,
    cases_link,
    cases_open,
    cases_phone,
    cases_phone_link,
    cases_pkoc,
    cases_resume,
    cases_wire,
)
from tests.vectors.form import FOLDER
from tests.vectors.world import make_keys

PARTS = {
    "open": cases_open,
    "encoding": cases_encoding,
    "decide": cases_decide,
    "resume": cases_resume,
    "link": cases_link,
    "phone": cases_phone,
    "phone_link": cases_phone_link,
    "known": cases_known,
    "wire": cases_wire,
    "bridge": cases_bridge,
    "backendway": cases_backendway,
    "pkoc": cases_pkoc,
}


async def main(names: list[str]) -> None:
    """Write the parts named."""
    FOLDER.mkdir(exist_ok=True)
    make_keys()
    for name in names or PARTS:
        await PARTS[name].write()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
