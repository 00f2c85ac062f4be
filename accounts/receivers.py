"""Signing in, signing out and failing to are entries."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from accounts.models import User, axes_username
from audit.record import record


def connect() -> None:
    user_logged_in.connect(_signed_in)
    user_logged_out.connect(_signed_out)
    user_login_failed.connect(_failed)


def _signed_in(sender: Any, user: User, **kwargs: Any) -> None:
    record("user.signed_in", user, actor=user)


def _signed_out(sender: Any, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        record("user.signed_out", user, actor=user)


def _failed(
    sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    """A name that nobody has is not kept: it may well be a password in the wrong field."""
    name = axes_username(request, credentials)
    locked = getattr(request, "axes_locked_out", False)
    record(
        "user.sign_in_failed",
        User.objects.filter(username=name).first(),
        reason="Sign-in for this name is locked." if locked else "",
    )
