"""Back office: bills, what was scanned onto them, and what came back."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern

from billing import printing
from billing.models import Bill, BillLine, BillScan, ReturnLine, ReturnTicket
from tracetrack.admin import BigTableAdmin, ReadOnlyAdmin


@admin.register(Bill)
class BillAdmin(BigTableAdmin):
    """Bills, newest first."""

    list_display = ["number", "customer", "destination", "vehicle", "status", "created_by"]
    actions = printing.ACTIONS

    def get_urls(self) -> list[URLPattern]:
        return [*printing.urls(self.admin_site.admin_view), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).prefetch_related("created_by")


@admin.register(ReturnTicket)
class ReturnTicketAdmin(BigTableAdmin):
    """Return tickets, newest first."""

    list_display = ["number", "reason", "status", "created_by", "created_at"]

    def get_urls(self) -> list[URLPattern]:
        return [*super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).prefetch_related("created_by")


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
