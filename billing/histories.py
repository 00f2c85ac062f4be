"""Back office: what was scanned onto bills, and what came back, to look at."""

from contextlib import suppress
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from bags import codes
from bags.models import Bag
from billing.models import Bill, BillLine, BillScan, ReturnLine
from tracetrack.admin import ReadOnlyAdmin


class HistoryAdmin(ReadOnlyAdmin):
    """Found by the whole code of a parent or the whole number of a bill, each by its index."""

    list_select_related = ()  # no joins over all the rows before the page: see get_queryset
    search_fields = ["parent__qr_id"]
    search_help_text = _("The whole code of a parent, or the whole number of a bill.")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        bags = [bag.pk for bag in Bag.objects.of_code(term)[:50]]
        bills = list(Bill.objects.filter(number=codes.normalise(term)).values_list("pk", flat=True))
        return queryset.filter(parent__in=bags) | queryset.filter(bill__in=bills), False


@admin.register(BillLine)
class BillLineAdmin(HistoryAdmin):
    """The parents on bills, those that came back included."""

    list_display = ["loaded_at", "bill", "parent", "loaded_by", "returned_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).prefetch_related("bill", "parent", "loaded_by")


@admin.register(BillScan)
class BillScanAdmin(HistoryAdmin):
    """Every scan onto a bill or a ticket, refused ones included."""

    list_display = ["recorded_at", "deed", "outcome", "code", "bill", "ticket", "user"]
    list_filter = ["deed", "outcome"]
    search_help_text = _("The whole code of a parent, the whole number of a bill, or a scan id.")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).prefetch_related("bill", "ticket", "user")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        with suppress(ValueError):
            return queryset.filter(scan_id=UUID(search_term.strip())), False
        return super().get_search_results(request, queryset, search_term)


@admin.register(ReturnLine)
class ReturnLineAdmin(HistoryAdmin):
    """What came back, with what was taken for it by mistake."""

    list_display = ["returned_at", "ticket", "bill", "parent", "returned_by", "taken_back_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        found = super().get_queryset(request)
        return found.prefetch_related("ticket", "bill", "parent", "returned_by")
