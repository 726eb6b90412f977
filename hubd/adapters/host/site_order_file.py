"""The file of the orders that the site has given: a `DocumentFile`."""

from __future__ import annotations

from pathlib import Path

from hubcore.bridge.words import SITE_ITEM_BYTES, SITE_ITEMS_MAX
from hubd.adapters.host.signed_file import SignedFile


class SiteOrderFile(SignedFile):
    """The file at `path`; no file is the same as one without orders."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "the orders of the site", SITE_ITEMS_MAX, SITE_ITEM_BYTES)
