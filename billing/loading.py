"""The pages on which parents are scanned onto a bill, or onto a return ticket."""

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie

from bags.models import Product
from billing import returns, services
from billing.models import Bill, ReturnTicket
from tracetrack.errors import Refusal


@never_cache
@ensure_csrf_cookie
@permission_required("billing.load_bill", raise_exception=True)
def load_bill(request: HttpRequest, bill_id: int) -> HttpResponse:
    """Scan parents onto a bill."""
    bill = Bill.objects.select_related("completed_by").filter(pk=bill_id).first()
    if bill is None:
        raise Http404
    context = {
        "kind": "bill",
        "bill": bill,
        "head": [text for text in (bill.customer, bill.destination, bill.vehicle) if text],
        "state": _state(services.bill_state, bill_id),
        "back": reverse("admin:billing_bill_change", args=[bill_id]),
        "put": reverse("api_load", args=[bill_id]),
        "off": reverse("api_unload", args=[bill_id]),
        "look": reverse("api_bill_state", args=[bill_id]),
        "lines": reverse("api_lines", args=[bill_id]),
    }
    if request.user.has_perm("billing.complete_bill"):
        context["finish"] = reverse("admin:billing_bill_complete", args=[bill_id])
    return _page(request, "billing/loading.html", context)


@never_cache
@ensure_csrf_cookie
@permission_required("billing.change_returnticket", raise_exception=True)
def scan_ticket(request: HttpRequest, ticket_id: int) -> HttpResponse:
    """Scan parents that came back."""
    people = ReturnTicket.objects.select_related("closed_by", "cancelled_by")
    ticket = people.filter(pk=ticket_id).first()
    if ticket is None:
        raise Http404
    context = {
        "kind": "ticket",
        "ticket": ticket,
        "head": [ticket.reason],
        "state": _state(returns.ticket_state, ticket_id),
        "back": reverse("admin:billing_returnticket_change", args=[ticket_id]),
        "put": reverse("api_return", args=[ticket_id]),
        "off": reverse("api_take_back", args=[ticket_id]),
        "look": reverse("api_ticket_state", args=[ticket_id]),
        "lines": reverse("api_returns", args=[ticket_id]),
        "finish": reverse("admin:billing_returnticket_close", args=[ticket_id]),
    }
    return _page(request, "billing/returning.html", context)


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    shared = {
        "masks": list(Product.objects.active().values("pattern", "capacity")),
        "bill_page": reverse("admin:billing_bill_change", args=[0]),
    }
    return render(request, template, context | shared)


def _state(read: Any, on_id: int) -> dict[str, Any]:
    """404 for one that was deleted a moment ago."""
    try:
        return read(on_id)
    except Refusal as error:
        raise Http404 from error
