"""Bills that leave on paper and in spreadsheets: of one bill, and of a selection.

Each is read in one snapshot, and the audit log says who took what, and how much of it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from audit.record import record
from billing.documents import bill_pdf
from billing.exports import SHEETS
from billing.models import Bill
from billing.packing import packing_list_pdf
from billing.services import unknown_bill
from tracetrack.errors import Refusal
from tracetrack.sheets import FORMATS, csv_response, safe_name, xlsx_response

MOST_BILLS, MOST_PARENTS = 500, 20_000  # in one PDF: six seconds
MOST_CHILDREN = 100_000  # in one packing list: about 800 pages
MOST_XLSX_ROWS = 100_000  # take a quarter of a minute; CSV has no end

ONE_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"


# --- Pages --------------------------------------------------------------------------------------


@require_GET
@permission_required("billing.view_bill", raise_exception=True)
def pdf(request: HttpRequest, bill_id: int) -> HttpResponse:
    return _told(request, bill_id, one_bill_pdf, bill_id)


@require_GET
@permission_required("billing.view_bill", raise_exception=True)
def packing_list(request: HttpRequest, bill_id: int) -> HttpResponse:
    return _told(request, bill_id, one_packing_list, bill_id)


@require_GET
@permission_required("billing.view_bill", raise_exception=True)
def sheet(request: HttpRequest, bill_id: int, what: str, format: str) -> HttpResponse:
    """The parents or the children of one bill."""
    if what not in ("parents", "children") or format not in FORMATS:
        raise Http404
    bills = Bill.objects.filter(pk=bill_id)
    return _told(request, bill_id, bills_sheet, bills, what, format)


def urls(wrap: Callable) -> list[URLPattern]:
    """For the back office; `wrap` is its `admin_view`."""
    return [
        path("<int:bill_id>/pdf/", wrap(pdf), name="billing_bill_pdf"),
        path("<int:bill_id>/packing-list/", wrap(packing_list), name="billing_bill_packing_list"),
        path("<int:bill_id>/<str:what>.<str:format>", wrap(sheet), name="billing_bill_sheet"),
    ]


def _told(
    request: HttpRequest, bill_id: int, make: Callable[..., HttpResponse], *values: Any
) -> HttpResponse:
    """What `make` gives; a refusal is told on the bill's page."""
    try:
        return make(*values)
    except Refusal as no:
        if no.status == 404:
            raise Http404 from no
        messages.error(request, no.message)
        return redirect("admin:billing_bill_change", bill_id)


# --- Papers -------------------------------------------------------------------------------------


def one_bill_pdf(bill_id: int) -> HttpResponse:
    """One bill, to look at. Raises Refusal (`unknown_bill`)."""
    return _print(Bill.objects.filter(pk=bill_id), inline=True)


def bills_pdf(bills: QuerySet[Bill]) -> HttpResponse:
    """A selection in one document. Raises Refusal (`unknown_bill`, `too_many`)."""
    return _print(bills, inline=False)


def one_packing_list(bill_id: int) -> HttpResponse:
    """Raises Refusal (`unknown_bill`, `too_many`)."""
    with _one_snapshot():
        (bill,) = _chosen(Bill.objects.filter(pk=bill_id))
        children = Bill.objects.with_totals().get(pk=bill_id).children
        if children > MOST_CHILDREN:
            text = _("The bill has %(count)s children. Export them as CSV or XLSX instead.")
            raise Refusal("too_many", text % {"count": children}, 422)
        body = packing_list_pdf(bill)
    _taken("bill.printed", [bill], what="packing_list", format="pdf", rows=children)
    return _document(body, f"{safe_name(bill.number)}-packing-list", inline=True)


def _print(bills: QuerySet[Bill], *, inline: bool) -> HttpResponse:
    with _one_snapshot():
        found = _chosen(bills)
        parents = sum(bill.line_count for bill in found)
        if len(found) > MOST_BILLS or parents > MOST_PARENTS:
            raise _too_many_to_print(len(found), parents)
        body = bill_pdf(found)
    _taken("bill.printed", found, what="bills", format="pdf", rows=parents)
    return _document(body, _file_name(found, "bills"), inline=inline)


def _too_many_to_print(bills: int, parents: int) -> Refusal:
    text = _(
        "These are %(bills)s bills with %(parents)s parents. At most %(most_bills)s bills with"
        " %(most_parents)s parents can be printed at once."
    )
    most = {"most_bills": MOST_BILLS, "most_parents": MOST_PARENTS}
    return Refusal("too_many", text % ({"bills": bills, "parents": parents} | most), 422)


def _document(body: bytes, name: str, *, inline: bool) -> HttpResponse:
    response = HttpResponse(body, content_type="application/pdf")
    response["Content-Disposition"] = content_disposition_header(not inline, f"{name}.pdf")
    response["Cache-Control"] = "no-store"
    response["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    return response


# --- Sheets -------------------------------------------------------------------------------------


def bills_sheet(bills: QuerySet[Bill], what: str, format: str) -> FileResponse:
    """The bills, or their `parents` or `children`; each row names its bill.

    Raises Refusal (`unknown_bill`, `too_many`).
    """
    sheet = SHEETS[what]
    with _one_snapshot():
        found = _chosen(bills)
        if format == "xlsx" and (count := sheet.count(found)) > MOST_XLSX_ROWS:
            text = _("That would be %(count)s rows. Export them as CSV instead.")
            raise Refusal("too_many", text % {"count": count}, 422)
        name, rows = _file_name(found, what), sheet.rows(found)
        if format == "csv":
            response = csv_response(name, sheet.header(), rows)
        else:
            response = xlsx_response(name, str(sheet.title), sheet.header(), rows)
    _taken("bill.exported", found, what=what, format=format, rows=response.row_count)
    return response


# --- What all share -----------------------------------------------------------------------------


@contextmanager
def _one_snapshot() -> Iterator[None]:
    """All that is read inside was so at the same moment, whoever loads meanwhile."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute(ONE_SNAPSHOT)
        yield


def _chosen(bills: QuerySet[Bill]) -> list[Bill]:
    """Newest first, as in the list. Raises Refusal when there is none."""
    keys = list(bills.order_by().values_list("pk", flat=True))
    found = list(Bill.objects.filter(pk__in=keys).order_by("-pk"))
    if not found:
        raise unknown_bill()
    return found


def _file_name(bills: list[Bill], what: str) -> str:
    if len(bills) > 1:
        return f"{what}-{timezone.localdate():%Y-%m-%d}"
    number = safe_name(bills[0].number)
    return number if what == "bills" else f"{number}-{what}"


def _taken(action: str, bills: list[Bill], **after: Any) -> None:
    """One entry: of one bill in its own history, of a selection with all their numbers."""
    if len(bills) == 1:
        record(action, bills[0], after=after)
    else:
        record(action, after=after | {"bills": [bill.number for bill in bills]})


# --- The actions of the list --------------------------------------------------------------------


def _action(name: str, description: Any, make: Callable[[QuerySet], HttpResponse]) -> Callable:
    @admin.action(description=description, permissions=["view"])
    def act(site: admin.ModelAdmin, request: HttpRequest, bills: QuerySet) -> HttpResponse | None:
        try:
            return make(bills)
        except Refusal as no:
            site.message_user(request, no.message, messages.ERROR)
            return None

    act.__name__ = name
    return act


def _export(what: str, format: str, description: Any) -> Callable:
    return _action(
        f"export_{what}_{format}", description, lambda bills: bills_sheet(bills, what, format)
    )


ACTIONS = [
    _action("print_bills", gettext_lazy("Print as PDF"), bills_pdf),
    _export("bills", "xlsx", gettext_lazy("Export bills as XLSX")),
    _export("bills", "csv", gettext_lazy("Export bills as CSV")),
    _export("parents", "xlsx", gettext_lazy("Export parents as XLSX")),
    _export("parents", "csv", gettext_lazy("Export parents as CSV")),
    _export("children", "xlsx", gettext_lazy("Export children as XLSX")),
    _export("children", "csv", gettext_lazy("Export children as CSV")),
]
