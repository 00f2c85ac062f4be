"""The back office: our site, and the two kinds of list that large tables need."""

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _


class AdminSite(admin.AdminSite):
    """Django's admin under our name."""

    site_header = site_title = "TraceTrack"
    index_title = _("Back office")


class AdminConfig(DjangoAdminConfig):
    """Makes our site the default one."""

    default_site = "tracetrack.admin.AdminSite"


class UncountedPaginator(Paginator):
    """Pages without COUNT(*): it looks one row past the page, and no further than `reach` rows."""

    reach = 10_000

    @cached_property
    def count(self) -> int:
        """How many rows there are, or `reach` where there are more."""
        return self.object_list.order_by().values("pk")[: self.reach].count()


class BigTableAdmin(admin.ModelAdmin):
    """A list over millions of rows: no full count, newest first, an index behind each search."""

    paginator = UncountedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # a count of all rows for each filter
    list_per_page = 50
    ordering = ("-pk",)
    sortable_by = ()  # another order would sort every row


class ReadOnlyAdmin(BigTableAdmin):
    """History: everybody who may look may only look."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
