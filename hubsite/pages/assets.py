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
_TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
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
    found = {}
    for path in sorted(_FOLDER.iterdir()):
        if path.suffix in _TYPES:
            data = path.read_bytes()
            digest = sha256(data).hexdigest()[:_DIGITS]
            found[path.name] = Asset(data, _TYPES[path.suffix], digest)
    return found


def address_of(name: str) -> str:
    """Return where a page finds a file."""
    return reverse("asset", args=[assets()[name].digest, name])


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
