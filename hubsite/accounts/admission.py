"""Who may see which page: operators all, others what says that it is for everybody.

Law: a page that says nothing is for operators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse


class OperatorsOnly(LoginRequiredMiddleware):
    """As the framework's own, but a session of a person is none of an operator."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponse],
        view_args: Any,
        view_kwargs: Any,
    ) -> HttpResponse | None:
        """Return None for who may, and the way to the sign-in for who may not."""
        del view_args, view_kwargs
        is_for_all = not getattr(view_func, "login_required", True)
        if is_for_all or getattr(request.user, "is_operator", False):
            return None
        return self.handle_no_permission(request, view_func)
