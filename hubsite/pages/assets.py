"""The few files beside the pages: read once, named by what they hold, kept by browsers for long.

Law: a file whose bytes change has another address. So no browser shows a page with an old style.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_FOREVER = "public, max-age=31536000, immutable"
_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages use."""

    data: bytes
    kind: str
    digest: str


@lru_cache(1)
def assets() -> dict[str, Asset]:
    """Return all of them, by name."""
    read = ((path.name, read_asset(path)) for path in sorted(_FOLDER.iterdir()))
    return {name: asset for name, asset in read if asset is not None}


def read_asset(path: Path) -> Asset | None:
    """Read a file, None for one of a kind that no page uses."""
    kind = _TYPES.get(path.suffix)
    if kind is None:
        return None
    data = path.read_bytes()
    return Asset(data, kind, sha256(data).hexdigest()[:_DIGITS])


def address_of(name: str) -> str:
    """Return where a page finds a file."""
    return reverse("asset", args=[assets()[name].digest, name])


@lru_cache(1)
def scripts() -> dict[str, str]:
    """Return where a page finds its scripts, by their names without `.js`."""
    return {Path(name).stem: address_of(name) for name in assets() if name.endswith(".js")}


@login_not_required
@require_safe
def asset(_request: HttpRequest, digest: str, name: str) -> HttpResponse:
    """Serve a file."""
    found = assets().get(name)
    if found is None or found.digest != digest:
        raise Http404
    response = HttpResponse(found.data, content_type=found.kind)
    response.headers["Cache-Control"] = _FOREVER
    return response
