"""Signing in and out; my account."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from accounts.forms import AccountForm, SignInForm
from accounts.models import User
from tracetrack.errors import problem_json

LOCKED = _(
    "Sign-in for this user name is locked for a quarter of an hour, because a wrong password was "
    "given too often. Please try again later."
)


class SignIn(LoginView):
    """`?next=` leads back to a page of this site, never to another."""

    template_name = "accounts/login.html"
    authentication_form = SignInForm

    def form_valid(self, form: SignInForm) -> HttpResponse:
        with transaction.atomic():  # the session, the time of sign-in and its entry, in one commit
            return super().form_valid(form)


class SignOut(LogoutView):
    """By POST only. The browser forgets pages it kept, but not scans that wait to be sent."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().dispatch(request, *args, **kwargs)
        response["Clear-Site-Data"] = '"cache"'
        return response


@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """My name, role and address, and which e-mails I get. Everybody sees and changes their own."""
    # Not the person of the request: what was typed wrong would stand in the header.
    mine = User.objects.get(pk=request.user.pk)
    form = AccountForm(request.POST or None, instance=mine)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():  # the row and its entry
            mine.save(update_fields=form.changed_data)
        messages.success(request, _("Saved."))
        return redirect("account")
    return render(request, "accounts/account.html", {"form": form, "person": request.user})


@login_not_required
@never_cache
def back_office_sign_in(request: HttpRequest) -> HttpResponse:
    """The back office has no sign-in of its own. Whom it doesn't let in is told so: 403."""
    if request.user.is_authenticated and not request.user.is_staff:
        raise PermissionDenied
    return redirect(f"{reverse('login')}?{request.META['QUERY_STRING']}")


def locked_out(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """What axes answers while a name is locked: 429, the same for each try."""
    if _wants_json(request):
        response = problem_json("locked_out", LOCKED, 429)
    else:
        response = render(request, "accounts/locked.html", {"message": LOCKED}, status=429)
    response["Cache-Control"] = "no-store"
    response["Retry-After"] = str(int(settings.AXES_COOLOFF_TIME * 60 * 60))  # at the latest
    return response


def _wants_json(request: HttpRequest) -> bool:
    wanted = request.get_preferred_type(["text/html", "application/json"])
    return request.path.startswith("/api/") or wanted == "application/json"
