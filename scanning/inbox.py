"""The inbox of exceptions: what was refused when nobody looked, and what a person decides."""

from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from scanning import exceptions
from scanning.models import Outcome, ScanException, Station
from tracetrack.errors import Refusal

PAGE = 25
MANY = 99  # open ones; more are not counted


class Chosen(forms.Form):
    """Which exceptions the page shows. What makes no sense is left out."""

    state = forms.ChoiceField(choices=[("open", ""), ("resolved", "")], required=False)
    station = forms.CharField(max_length=32, required=False)
    after = forms.IntegerField(min_value=0, required=False)

    @classmethod
    def by(cls, query: QueryDict) -> dict[str, Any]:
        form = cls(query)
        form.is_valid()
        return {name: value for name, value in form.cleaned_data.items() if value}


class Decision(forms.Form):
    """`place` is where in the list it stood: the next one will stand there."""

    resolution = forms.ChoiceField(choices=ScanException.Resolution.choices)
    reason = forms.CharField(max_length=exceptions.LONGEST_REASON, required=False)
    item_id = forms.UUIDField()
    place = forms.IntegerField(min_value=1, max_value=PAGE, required=False)


@never_cache
@permission_required("scanning.view_scanexception", raise_exception=True)
def inbox(request: HttpRequest) -> HttpResponse:
    """Open ones, the oldest first, or resolved ones, the newest first; never counted to the end."""
    chosen = Chosen.by(request.GET)
    resolved = chosen.get("state") == "resolved"
    seen = ScanException.objects.seen_by(request.user)
    found = seen.resolved().order_by("-pk") if resolved else seen.open().order_by("pk")
    if "station" in chosen:
        found = found.filter(station__name=chosen["station"])
    if "after" in chosen:
        found = found.filter(**{"pk__lt" if resolved else "pk__gt": chosen["after"]})
    page = list(found.with_story().select_related("resolved_by")[: PAGE + 1])
    context = {
        "stories": [story(exception, request) for exception in page[:PAGE]],
        "open_exceptions": seen.open().up_to(MANY + 1),
        "resolved": resolved,
        "chosen": chosen,
        "query": _query(chosen),
        "stations": Station.objects.order_by("name").values_list("name", flat=True),
        "more": _query(chosen | {"after": page[PAGE - 1].pk}) if len(page) > PAGE else "",
        "first": _query({k: v for k, v in chosen.items() if k != "after"}),
        "others": _query({k: v for k, v in chosen.items() if k == "station"}),
        "longest": exceptions.LONGEST_REASON,
    }
    return render(request, "scanning/exceptions.html", context)


@permission_required("scanning.view_scanexception", raise_exception=True)
def resolve(request: HttpRequest, exception_id: int) -> HttpResponse:
    """Decide one, and go on where it stood. Who had to sign in first comes back with a GET."""
    decision = Decision(request.POST)
    valid = decision.is_valid()
    if request.method != "POST":
        return _back(request, decision)
    if not valid:
        messages.error(request, " ".join(sum(decision.errors.values(), [])))
        return _back(request, decision)
    values = dict(decision.cleaned_data)
    values.pop("place")
    try:
        done = exceptions.resolve_exception(exception_id=exception_id, user=request.user, **values)
    except Refusal as no:
        if no.status == 403:
            raise PermissionDenied from no
        if no.code == "not_found":
            raise Http404 from no
        messages.error(request, no.message)
    else:
        messages.success(request, done_in_words(done))
    return _back(request, decision)


def _back(request: HttpRequest, decision: Decision) -> HttpResponse:
    place = decision.cleaned_data.get("place")
    fragment = f"#item-{place}" if place else ""
    return redirect(reverse("exceptions") + _query(Chosen.by(request.GET)) + fragment)


def _query(values: dict[str, Any]) -> str:
    return f"?{urlencode(values)}" if values else ""


# --- In words -------------------------------------------------------------------------------------


def story(exception: ScanException, request: HttpRequest) -> dict[str, Any]:
    """All that the page says of one exception."""
    held = exception.held_by
    if held:
        held["at"] = parse_datetime(held["at"])
    shown = exceptions.shown(exception, request.user)
    there = bool(held) and held["qr_id"] == shown["parent"] and shown["kind"] != "undo"
    return shown | {
        "exception": exception,
        "scan": exception.scan,
        "word": word(exception),
        "held_by": held,
        "may_move": shown["may_move"] and not there,
        "item_id": uuid4(),
        "is_child": bool(exception.scan and exception.scan.child_id),
    }


def word(exception: ScanException) -> str:
    """Why it was refused, in a word or two."""
    if exception.outcome in Outcome.values:
        return Outcome(exception.outcome).label
    return {"undo_too_late": _("Too late to take back")}.get(exception.outcome, _("Refused"))


def done_in_words(exception: ScanException) -> str:
    scan = exception.scan
    values = {"code": scan.code or scan.raw[:60], "parent": scan.parent_code}
    if exception.resolution == ScanException.Resolution.KEPT:
        return _("%(code)s stays as it is.") % values
    if exception.resolution == ScanException.Resolution.DISMISSED:
        return _("%(code)s is dismissed.") % values
    if exception.kind == ScanException.Kind.UNDO:
        return _("%(code)s is out of %(parent)s now.") % values
    return _("%(code)s is in %(parent)s now.") % values
