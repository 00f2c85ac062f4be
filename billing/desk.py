"""The biller's desk: what the back office's pages of bills and tickets show beside their form."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from bags.models import Link
from billing import returns, services
from billing.forms import ReasonForm
from billing.models import Bill, BillLine, ReturnedChild, ReturnLine, ReturnTicket
from tracetrack.errors import Refusal

CHILDREN = 500  # on the page; an old parent may hold more


# --- A bill -------------------------------------------------------------------------------------


def of_bill(bill_id: int) -> dict[str, Any]:
    """A bill with its totals, its lines in the order of loading, and what is not full."""
    mark = services.bill_mark(bill_id)  # first: what changes after it is seen, and asked again
    people = ("created_by", "completed_by", "reopened_by")
    bill = get_object_or_404(Bill.objects.with_totals().prefetch_related(*people), pk=bill_id)
    lines = list(BillLine.objects.filter(bill=bill).with_contents().order_by("id"))
    empty = [line for line in lines if line.children == 0]
    half_full = [line for line in lines if 0 < line.children < line.capacity]
    missing = bill.capacity - bill.line_count
    return {
        "bill": bill,
        "mark": mark,
        "lines": lines,
        "empty": empty,
        "half_full": half_full,
        "missing": missing,
        "all_full": not (empty or half_full or missing),
    }


@never_cache
@permission_required("billing.view_bill", raise_exception=True)
def bill_live(request: HttpRequest, bill_id: int) -> HttpResponse:
    """What of a bill's page is fetched again when something has changed."""
    return render(request, "admin/billing/bill/_live.html", of_bill(bill_id))


@never_cache
@permission_required("billing.view_billline", raise_exception=True)
def line_children(request: HttpRequest, bill_id: int, line_id: int) -> HttpResponse:
    """The children of one line: those in the parent now, or those that came back with it."""
    line = get_object_or_404(BillLine.objects.with_contents(), pk=line_id, bill=bill_id)
    if line.returned_at is None:
        held = Link.objects.filter(parent=line.parent)
    else:
        back = ReturnLine.objects.filter(line=line.pk, taken_back_at=None)
        held = ReturnedChild.objects.filter(return_line__in=back)
    children = held.select_related("child", "linked_by").order_by("id")[:CHILDREN]
    context = {"line": line, "children": children}
    return render(request, "admin/billing/bill/_children.html", context)


@never_cache
@permission_required("billing.complete_bill", raise_exception=True)
def complete_bill(request: HttpRequest, bill_id: int) -> HttpResponse:
    """Show what is about to leave, and what of it is not full; the button is the confirmation."""
    refusal = None
    if request.method == "POST":
        try:
            done = services.complete_bill(
                bill_id=bill_id,
                user=request.user,
                confirmed=True,
                seen=request.POST.get("seen", ""),
            )
        except Refusal as refused:
            refusal = refused
        else:
            messages.success(request, _("Bill %(number)s is completed.") % {"number": done.number})
            return redirect("admin:billing_bill_change", bill_id)
    context = of_bill(bill_id)
    if context["bill"].completed_at is not None:
        messages.warning(request, _("The bill is completed already."))
        return redirect("admin:billing_bill_change", bill_id)
    return _page(request, "bill/complete.html", _("Complete the bill"), refusal, **context)


@never_cache
@permission_required("billing.reopen_bill", raise_exception=True)
def reopen_bill(request: HttpRequest, bill_id: int) -> HttpResponse:
    """Ask why a completed bill is opened again."""
    bill = get_object_or_404(Bill.objects.with_totals(), pk=bill_id)
    if bill.completed_at is None:
        messages.warning(request, _("The bill is open already."))
        return redirect("admin:billing_bill_change", bill_id)
    return _with_reason(
        request,
        "bill/reopen.html",
        _("Open the bill again"),
        bill=bill,
        deed=lambda reason: services.reopen_bill(bill_id=bill_id, user=request.user, reason=reason),
        done=_("Bill %(number)s is open again."),
    )


# --- A return ticket ----------------------------------------------------------------------------


def of_ticket(ticket_id: int) -> dict[str, Any]:
    """A ticket with its totals and all its lines, those that were taken back too."""
    people = ("created_by", "closed_by", "cancelled_by")
    found = ReturnTicket.objects.with_totals().prefetch_related(*people)
    ticket = get_object_or_404(found, pk=ticket_id)
    lines = ReturnLine.objects.filter(ticket=ticket).prefetch_related(
        "bill", "parent", "line", "returned_by", "taken_back_by"
    )
    return {"ticket": ticket, "lines": list(lines.order_by("id"))}


@never_cache
@permission_required("billing.change_returnticket", raise_exception=True)
def close_ticket(request: HttpRequest, ticket_id: int) -> HttpResponse:
    """All that came back is scanned."""
    context, refusal = of_ticket(ticket_id), None
    if request.method == "POST":
        try:
            ticket = returns.close_ticket(ticket_id=ticket_id, user=request.user)
        except Refusal as refused:
            refusal = refused
        else:
            text = _("Ticket %(number)s is closed.") % {"number": ticket.number}
            messages.success(request, text)
            return redirect("admin:billing_returnticket_change", ticket_id)
    return _page(request, "returnticket/close.html", _("Close the ticket"), refusal, **context)


@never_cache
@permission_required("billing.change_returnticket", raise_exception=True)
def cancel_ticket(request: HttpRequest, ticket_id: int) -> HttpResponse:
    """Ask why; then all parents of the ticket are on their bills again, or none."""
    ticket = of_ticket(ticket_id)["ticket"]
    return _with_reason(
        request,
        "returnticket/cancel.html",
        _("Cancel the ticket"),
        ticket=ticket,
        deed=lambda reason: returns.cancel_ticket(
            ticket_id=ticket_id, user=request.user, reason=reason
        ),
        done=_("Ticket %(number)s is cancelled. Its parents are on their bills again."),
    )


# --- Shared -------------------------------------------------------------------------------------


def _with_reason(
    request: HttpRequest,
    template: str,
    title: str,
    deed: Callable[[str], Model],
    done: str,
    **context: Any,
) -> HttpResponse:
    """A page that asks for a reason, does the deed, and goes to the thing's own page."""
    form, refusal = ReasonForm(request.POST or None), None
    if form.is_valid():
        try:
            thing = deed(form.cleaned_data["reason"])
        except Refusal as refused:
            refusal = refused
        else:
            messages.success(request, done % {"number": thing.number})
            return redirect(f"admin:billing_{thing._meta.model_name}_change", thing.pk)
    return _page(request, template, title, refusal, form=form, **context)


def _page(
    request: HttpRequest, template: str, title: str, refusal: Refusal | None, **context: Any
) -> HttpResponse:
    context |= admin.site.each_context(request) | {"title": title, "refusal": refusal}
    status = refusal.status if refusal else 200
    return render(request, f"admin/billing/{template}", context, status=status)
