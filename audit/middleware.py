"""Each request gets an id and a context."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from audit.context import Context, from_trusted_proxy, new_id, use

GOOD_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def request_context(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Let entries and log lines know their request; answer with its id. Costs no query."""

    def middleware(request: HttpRequest) -> HttpResponse:
        context = Context(
            request_id=_request_id(request), channel=_channel(request.path), request=request
        )
        with use(context):
            response = get_response(request)
        response["X-Request-ID"] = context.request_id
        return response

    return middleware


def _request_id(request: HttpRequest) -> str:
    """What our own proxy called this request, if it reads as an id; else a new one."""
    given = request.headers.get("X-Request-ID", "")
    if GOOD_ID.fullmatch(given) and from_trusted_proxy(request):
        return given
    return new_id()


def _channel(path: str) -> str:
    for channel in ("admin", "api"):
        if path.startswith(f"/{channel}/"):
            return channel
    return "web"
