"""The one expected "no", and what a person sees when a page can't be served."""

import sys
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


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


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: 503 with Retry-After while the database is away, else 500."""
    busy = database_is_away(sys.exc_info()[1])
    response = render(request, "503.html" if busy else "500.html", status=503 if busy else 500)
    if busy:
        response["Retry-After"] = "1"
    return response
