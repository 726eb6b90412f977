"""What holds for each answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse

from hubsite.pages.failures import no_file

FILES = "multipart/form-data"
_View = TypeVar("_View", bound=Callable[..., HttpResponse])
Answer = Callable[[HttpRequest], HttpResponse]


class NotKept:
    """Lets no browser and no proxy keep a page, unless the page says otherwise."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        response = self._answer(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class NoFiles:
    """Refuses a form with files before it is read, where the page takes none.

    It stands before what looks for a form's secret: that reads the whole form, whoever sent it.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        return self._answer(request)

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., HttpResponse], *given: Any
    ) -> HttpResponse | None:
        """Return None for what may be read."""
        del given
        if request.content_type != FILES or getattr(view_func, "takes_files", False):
            return None
        return no_file(request)


def takes_files(view: _View) -> _View:
    """Let a page have forms with files. It reads none before somebody has signed in."""
    view.takes_files = True  # type: ignore[attr-defined]
    return view
