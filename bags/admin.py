"""Back office: products, bags, links."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import IntegrityError
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from bags.models import Bag, Link, Product
from tracetrack.admin import BigTableAdmin, ReadOnlyAdmin
from tracetrack.errors import constraint_of

HAS_LEFT = _("This bag has left on a bill. It can't change.")
# What may have come while a form was open: the name of the rule -> what the database says with it.
MEANWHILE = {
    "billing_parent_dispatched": HAS_LEFT,
    "bags_bag_shape": _("The parent holds more children than that by now."),
}


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ["name", "pattern", "capacity", "kg_per_child", "is_active"]
    search_fields = ["name", "pattern"]


class StatusFilter(admin.SimpleListFilter):
    """Only parents have a status: naming them lets the index of parents serve."""

    title, parameter_name = _("status"), "status"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple]:
        return Bag.Status.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        known = self.value() in Bag.Status.values
        return queryset.parents().filter(status=self.value()) if known else queryset


class ProductFilter(admin.SimpleListFilter):
    """Likewise, only parents have a product."""

    title, parameter_name = _("product"), "product"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple]:
        return list(Product.objects.values_list("pk", "name"))

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value() or ""
        return queryset.parents().filter(product=value) if value.isdecimal() else queryset


@admin.register(Bag)
class BagAdmin(BigTableAdmin):
    """Bags by code, label number or part of one. Role, code and counts can't be edited.

    One that is linked or was ever scanned can't be deleted: history names it. One that has left
    is only looked at.
    """

    list_display = ["qr_id", "type", "status", "child_count", "capacity", "lot_no", "created_at"]
    list_filter = ["type", StatusFilter, ProductFilter]
    search_fields = ["qr_id"]
    search_help_text = _("A code, a label number, or at least 3 characters of a code.")
    list_select_related = ["product"]
    autocomplete_fields = ["product"]
    of_parent = ["product", "capacity", "kg_per_child"]
    of_child = ["label_no", "lot_no", "tested_on"]
    kept = ["status", "child_count", "in_parent", "created_at", "completed_at", "dispatched_at"]

    def get_fields(self, request: HttpRequest, obj: Bag | None = None) -> list[str]:
        if obj is None:
            return ["qr_id", "type", *self.of_parent, *self.of_child]
        if obj.type == Bag.Type.CHILD:
            return ["qr_id", "type", *self.of_child, "in_parent", "created_at"]
        kept = [name for name in self.kept if name != "in_parent"]
        return ["qr_id", "type", *self.of_parent, *kept]

    def get_readonly_fields(self, request: HttpRequest, obj: Bag | None = None) -> list[str]:
        return ["qr_id", "type", *self.kept] if obj else []

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """By the look-up's own rules and indexes, never by a scan over all bags."""
        if not search_term.strip():
            return queryset, False
        found = Bag.objects.search(search_term, limit=1000)
        return queryset.filter(pk__in=[bag.pk for bag in found]), False

    def has_change_permission(self, request: HttpRequest, obj: Bag | None = None) -> bool:
        here = obj is None or not obj.has_left
        return here and super().has_change_permission(request, obj)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Who saves what left meanwhile, or breaks another rule, sees the bag as it is and why."""
        bag = None
        if request.method == "POST" and object_id is not None:
            bag = self.get_object(request, unquote(object_id))
        refused = HAS_LEFT if bag and bag.has_left else None
        try:
            if refused is None:
                return super().changeform_view(request, object_id, *args, **kwargs)
        except IntegrityError as error:
            refused = MEANWHILE.get(constraint_of(error))
            if refused is None:
                raise
        self.message_user(request, refused, messages.ERROR)
        request.method = "GET"
        response = super().changeform_view(request, object_id, *args, **kwargs)
        response.status_code = 409
        return response

    def save_model(self, request: HttpRequest, obj: Bag, form: ModelForm, change: bool) -> None:
        """Only what was edited is written: scans go on while a form is open."""
        obj.save(update_fields=form.changed_data if change else None)

    @admin.display(description=_("in parent"))
    def in_parent(self, bag: Bag) -> str:
        link = bag.link_to_parent if bag.type == Bag.Type.CHILD else None
        return str(link.parent) if link else "-"


@admin.register(Link)
class LinkAdmin(ReadOnlyAdmin):
    """Which child is in which parent. An admin may take a link out; the scans stay."""

    list_display = ["child", "parent", "linked_at", "linked_by"]
    list_select_related = ()  # no joins over all the rows before the page: see get_queryset
    search_fields = ["child__qr_id"]
    search_help_text = _("The whole code of a child or of a parent.")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).prefetch_related("child", "parent", "linked_by")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        bags = [bag.pk for bag in Bag.objects.of_code(search_term)[:50]]
        if not search_term.strip():
            return queryset, False
        return queryset.filter(child__in=bags) | queryset.filter(parent__in=bags), False

    def has_delete_permission(self, request: HttpRequest, obj: Link | None = None) -> bool:
        left = obj is not None and obj.parent.dispatched_at is not None
        return not left and request.user.has_perm("bags.delete_link")
