"""The one expected "no", and what a person sees when a page can't be served."""

import sys
from typing import Any

from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.defaults import page_not_found

BUSY = _("The database is busy or away. Please send it again.")


class Refusal(Exception):
    """A rule said no: nothing was changed. Doors translate it, nobody else catches it.

    `code` is stable and for programs, `message` is a sentence for people, `status` the HTTP
    status, `detail` whatever else the answer should bear.
    """

    def __init__(self, code: str, message: str, status: int = 409, **detail: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.detail = detail


def database_is_away(error: BaseException | None) -> bool:
    """True where trying again in a moment may help: no connection, no lock, no time."""
    return isinstance(error, OperationalError | InterfaceError)


def constraint_of(error: IntegrityError) -> str:
    """The name of the rule that was broken, "" where the database names none."""
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""


def problem_json(code: str, message: str, status: int) -> JsonResponse:
    """One problem+json answer (RFC 9457), where DRF is not at work."""
    body = {"type": "about:blank", "status": status, "code": code, "detail": message}
    return JsonResponse(body, status=status, content_type="application/problem+json")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404: programs get JSON."""
    if request.path.startswith("/api/"):
        return problem_json("not_found", _("There is nothing at this address."), 404)
    return page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: 503 with Retry-After while the database is away, else 500."""
    busy = database_is_away(sys.exc_info()[1])
    status = 503 if busy else 500
    if not request.path.startswith("/api/"):
        response = render(request, f"{status}.html", status=status)
    elif busy:
        response = problem_json("busy", BUSY, status)
    else:
        response = problem_json("server_error", _("Something went wrong on the server."), status)
    if busy:
        response["Retry-After"] = "1"
    return response
