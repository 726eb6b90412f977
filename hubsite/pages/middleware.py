"""What holds for each answer."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

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
