"""The page that is a phone: its files, as they lie in `hubsite/webphone/static`.

Laws:
1. Only files that lay there at the start are served.
2. A browser asks again for each file; one that is the same comes not again.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.views.decorators.http import require_safe

from hubsite.pages.assets import Asset, read_asset

_FOLDER = Path(__file__).parents[1] / "webphone" / "static"
FIRST = "index.html"


@lru_cache(1)
def files() -> dict[str, Asset]:
    """Return the files, by their paths below the folder."""
    found = {}
    for path in sorted(_FOLDER.rglob("*")):
        asset = read_asset(path) if path.is_file() else None
        if asset is not None:
            found[path.relative_to(_FOLDER).as_posix()] = asset
    return found


@login_not_required
@require_safe
def webpage(request: HttpRequest, name: str = FIRST) -> HttpResponse:
    """Serve a file of the page."""
    found = files().get(name)
    if found is None:
        raise Http404
    tag = f'"{found.digest}"'
    if request.headers.get("If-None-Match") == tag:
        response: HttpResponse = HttpResponseNotModified()
    else:
        response = HttpResponse(found.data, content_type=found.kind)
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "no-cache"
    return response
