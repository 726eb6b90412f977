"""Pages for what cannot be done: readable, in the site's style, and each says what to do."""

from __future__ import annotations

import pytest
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import path

from hubsite.pages import urls
from hubsite.pages.middleware import FILES
from tests.site.browser import Browser, FormClient, at_work
from tests.site.page import Page
from tests.site.server import HOST

pytestmark = pytest.mark.once


def _judged(response, status: int) -> Page:  # type: ignore[no-untyped-def]
    assert response.status_code == status
    assert response.headers["Cache-Control"] == "no-store"
    page = Page(response.content.decode())
    assert page.wrong == []
    assert "hubsite" in page.source
    assert "stylesheet" in page.source
    assert "To the overview" in page.text
    return page


@pytest.mark.parametrize("browser", [Browser, at_work])
def test_a_page_that_there_is_not_says_where_to_look(browser) -> None:  # type: ignore[no-untyped-def]
    answer = browser().client.get("/nowhere/at/all", secure=True, SERVER_NAME=HOST)
    page = _judged(answer, 404)
    assert "Look for it by the menu" in page.text
    assert ("nav" in page.tags) == (browser is at_work)


def test_who_may_not_is_told_whom_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.exceptions import PermissionDenied

    assert "ask who runs this server" in _failing(monkeypatch, PermissionDenied(), 403).text


def test_a_server_that_has_failed_says_so_without_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = _failing(monkeypatch, ZeroDivisionError("secret of the server"), 500)
    assert "Nothing that you did was kept, if it is not shown. Try again." in page.text
    assert "secret of the server" not in page.source


def _failing(monkeypatch: pytest.MonkeyPatch, error: Exception, status: int) -> Page:
    from django.contrib.auth.decorators import login_not_required
    from django.urls import clear_url_caches

    @login_not_required
    def fails(request):  # type: ignore[no-untyped-def]
        raise error

    monkeypatch.setattr(urls, "urlpatterns", [path("fails", fails), *urls.urlpatterns])
    clear_url_caches()
    client = FormClient(raise_request_exception=False)
    try:
        return _judged(client.get("/fails", secure=True, SERVER_NAME=HOST), status)
    finally:
        clear_url_caches()


def test_a_host_that_is_not_ours_is_told_to_type_the_address_again() -> None:
    response = FormClient().get("/", secure=True, SERVER_NAME="evil.example")
    page = Page(response.content.decode())
    assert (response.status_code, page.wrong) == (400, [])
    assert "Type its address again" in page.text


def test_a_form_with_a_file_is_not_read_where_no_page_takes_one() -> None:
    """settings, law 6: neither before somebody has signed in, nor after it"""
    read: list[int] = []

    data = encode_multipart(BOUNDARY, {"name": "olga", "password": "x", "code": "0"})
    for browser, where in ((Browser(), "/sign-in"), (at_work(), "/group/add")):
        stream = _Counting(data, read)
        response = browser.client.generic(
            "POST",
            where,
            data,
            content_type=MULTIPART_CONTENT,
            secure=True,
            SERVER_NAME=HOST,
            **{"wsgi.input": stream},
        )
        page = Page(response.content.decode())
        assert (response.status_code, page.wrong) == (415, [])
        assert "takes no files" in page.text
    assert read == []


def test_the_page_that_takes_a_file_reads_none_before_somebody_has_signed_in() -> None:
    read: list[int] = []
    data = encode_multipart(BOUNDARY, {"text": "name,id"})
    response = Browser().client.generic(
        "POST",
        "/person/import",
        data,
        content_type=MULTIPART_CONTENT,
        secure=True,
        SERVER_NAME=HOST,
        **{"wsgi.input": _Counting(data, read)},
    )
    assert response.status_code == 302
    assert "/sign-in" in response.headers["Location"]
    assert read == []


class _Counting:
    """What a request is read from; `read` hears of each look into it."""

    def __init__(self, data: bytes, read: list[int]) -> None:
        self._data = data
        self._read = read

    def read(self, size: int = -1) -> bytes:
        self._read.append(size)
        return b""

    readline = read

    def close(self) -> None:
        pass


def test_a_form_with_parts_says_so_by_its_type() -> None:
    assert MULTIPART_CONTENT.startswith(FILES)
