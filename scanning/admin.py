"""Back office: stations, and the history of scans."""

from contextlib import suppress
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from bags.models import Bag
from scanning.models import Device, Scan, ScanException, Station, Undo
from tracetrack.admin import ReadOnlyAdmin


@admin.register(Station)
class StationAdmin(admin.ModelAdmin):
    list_display = ["name", "is_active", "created_at"]
    list_filter = ["is_active"]
    search_fields = ["name"]


class UndoInline(admin.TabularInline):
    model = Undo
    extra = 0
    can_delete = False
    fields = ["undone_by", "undone_at", "station"]
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Scan | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Scan | None = None) -> bool:
        return False


@admin.register(Scan)
class ScanAdmin(ReadOnlyAdmin):
    """Every scan, refused ones included."""

    list_display = ["recorded_at", "station", "user", "code", "outcome", "parent_code", "undone"]
    list_filter = ["outcome", "station"]
    list_select_related = ()  # no joins over all the rows before the page: see get_queryset
    search_fields = ["code"]
    search_help_text = _("The whole code of a bag, or a scan id.")
    inlines = [UndoInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).with_undone().prefetch_related("station", "user")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """By a bag's index or by the scan id, never by a scan over all rows."""
        term = search_term.strip()
        if not term:
            return queryset, False
        with suppress(ValueError):
            return queryset.filter(scan_id=UUID(term)), False
        bags = [bag.pk for bag in Bag.objects.of_code(term)[:50]]
        return queryset.filter(child__in=bags) | queryset.filter(parent__in=bags), False

    @admin.display(boolean=True)
    def undone(self, scan: Scan) -> bool:
        return scan.undone


@admin.register(ScanException)
class ScanExceptionAdmin(ReadOnlyAdmin):
    """What was refused when nobody looked. It is decided on its own page, not here."""

    list_display = ["opened_at", "station", "user", "kind", "outcome", "resolution", "resolved_by"]
    list_filter = ["resolution"]
    list_select_related = ["station", "user", "resolved_by"]


@admin.register(Device)
class DeviceAdmin(ReadOnlyAdmin):
    """Each person's queue in each browser, and what was lost on it."""

    list_display = ["device_id", "user", "station", "heard_at", "waiting", "issued", "lost"]
    list_select_related = ["user", "station"]
    readonly_fields = ["lost"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).with_gaps()

    @admin.display(description=_("numbers that never came"))
    def lost(self, device: Device) -> str:
        gaps = [(gap.lower, gap.upper - 1) for gap in device.gaps]
        return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in gaps)
