"""Back office: what was scanned onto bills, and what came back, to look at."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from billing.models import BillLine, BillScan, ReturnLine
from tracetrack.admin import ReadOnlyAdmin


@admin.register(BillLine)
class BillLineAdmin(ReadOnlyAdmin):
    """The parents on bills, those that came back included."""

    list_display = ["loaded_at", "bill", "parent", "loaded_by", "returned_at"]
    list_select_related = ()  # no joins over all the rows before the page: see get_queryset

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).prefetch_related("bill", "parent", "loaded_by")


@admin.register(BillScan)
class BillScanAdmin(ReadOnlyAdmin):
    """Every scan onto a bill or a ticket, refused ones included."""

    list_display = ["recorded_at", "deed", "outcome", "code", "bill", "ticket", "user"]
    list_filter = ["deed", "outcome"]
    list_select_related = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).prefetch_related("bill", "ticket", "user")


@admin.register(ReturnLine)
class ReturnLineAdmin(ReadOnlyAdmin):
    """What came back, with what was taken for it by mistake."""

    list_display = ["returned_at", "ticket", "bill", "parent", "returned_by", "taken_back_at"]
    list_select_related = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        found = super().get_queryset(request)
        return found.prefetch_related("ticket", "bill", "parent", "returned_by")
