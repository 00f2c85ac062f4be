"""Everything needs a signed-in person, unless a view says that it does not."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse


class Sessions(SessionMiddleware):
    """Django's, but an old key takes no cookie away: of two requests that were under way while
    somebody signed in again, the answer to the older may come last, and would sign them out."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response = super().process_response(request, response)
        if not request.session.modified:  # signing out flushes it, and so modifies it
            response.cookies.pop(settings.SESSION_COOKIE_NAME, None)
        return response


class LoginRequired(LoginRequiredMiddleware):
    """Django's, but a view that is open to all costs no look at who asks, and so no query."""

    def process_view(
        self, request: HttpRequest, view_func: Callable, view_args: tuple, view_kwargs: dict
    ) -> HttpResponse | None:
        if not getattr(view_func, "login_required", True):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)
