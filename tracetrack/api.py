"""What all of the REST API shares: who may, pages of a list, and errors as problem+json."""

from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from tracetrack.errors import BUSY, Refusal, database_is_away

if TYPE_CHECKING:  # rest_framework.views imports this module
    from rest_framework.views import APIView


class CsrfFailed(exceptions.PermissionDenied):
    """The page's token is out of date: reload it. Nothing was changed."""

    default_code = "csrf_failed"


class OtherUser(exceptions.AuthenticationFailed):
    """Somebody else is signed in in this browser by now."""

    default_code = "other_user"
    default_detail = _("Somebody else has signed in on this device. Sign in again to send this.")


class SessionAuth(SessionAuthentication):
    """Django's session; an anonymous request is told 401, and a stale token has its own code."""

    def authenticate_header(self, request: Request) -> str:
        return "Session"

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        """A page may say for whom it was opened (X-User). Somebody else may have signed in since:
        what it sends is not theirs, and waits."""
        found = super().authenticate(request)
        said = request.headers.get("X-User")
        if found and said and said != str(found[0].pk):
            raise OtherUser
        return found

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied as error:
            raise CsrfFailed(error.detail) from error


class RolePermission(BasePermission):
    """The view names `permissions = {"GET": "bags.view_bag"}`. What it does not name is denied."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not request.user.is_authenticated:
            return False
        if request.method not in view.allowed_methods:
            return True  # the view answers 405 itself
        if request.method == "OPTIONS":
            return True
        method = "GET" if request.method == "HEAD" else request.method
        needed = getattr(view, "permissions", {}).get(method)
        return needed is not None and request.user.has_perm(needed)


CODES = {
    exceptions.NotAuthenticated: "auth_required",
    OtherUser: "other_user",
    exceptions.AuthenticationFailed: "auth_required",
    CsrfFailed: "csrf_failed",
    exceptions.PermissionDenied: "permission_denied",
    exceptions.ValidationError: "invalid",
    exceptions.ParseError: "parse_error",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.NotFound: "not_found",
}


def answer(code: str, message: str, status: int, **more: Any) -> Response:
    """One problem+json answer (RFC 9457)."""
    body = {"type": "about:blank", "status": status, "code": code, "detail": message} | more
    return Response(body, status=status, content_type="application/problem+json")


def problem(error: Exception, context: dict) -> Response | None:
    """DRF's exception handler: every error of the API leaves as problem+json with a stable code."""
    if isinstance(error, Refusal):
        return answer(error.code, error.message, error.status, **error.detail)
    if database_is_away(error):
        response = answer("busy", BUSY, 503)
        response["Retry-After"] = "1"
        return response
    error = _as_api_exception(error)
    if error is None:
        return None
    code = next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), "error")
    if isinstance(error, exceptions.ValidationError):
        message, more = _("Some fields are missing or wrong."), {"errors": error.detail}
    else:
        message, more = str(error.detail), {}
    response = answer(code, message, error.status_code, **more)
    if getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = error.auth_header
    if getattr(error, "wait", None):
        response["Retry-After"] = str(int(error.wait) + 1)
    return response


def _as_api_exception(error: Exception) -> exceptions.APIException | None:
    """Django's own refusals as DRF's; None for an error that nobody expected."""
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, Http404):
        return exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, SuspiciousOperation | RecursionError):  # JSON nested without end
        return exceptions.ParseError()
    return None
