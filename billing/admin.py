"""Back office: bills."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.db.models import Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from bags import codes
from billing import (
    desk,
    histories,  # noqa: F401  registers its lists
    loading,
    overview,
    printing,
    services,
    tickets,  # noqa: F401  registers its list
)
from billing.backoffice import DeskAdmin
from billing.filters import DayFilter, StatusFilter, WeightFilter
from billing.forms import BillForm, NewBillForm
from billing.models import Bill
from billing.templatetags.bills import kg, signed_kg
from tracetrack.errors import Refusal


@admin.register(Bill)
class BillAdmin(DeskAdmin):
    """Bills, newest first. A completed one is only looked at."""

    change_form_template = "admin/billing/bill/change_form.html"
    add_form_template = "admin/billing/bill/add_form.html"
    list_display = [
        *("number", "recipient", "vehicle", "standing", "parents"),
        *("kilograms", "variance", "came_back", "created_by", "day"),
    ]
    list_filter = [
        StatusFilter,
        WeightFilter,
        DayFilter,
        ("created_by", admin.RelatedOnlyFieldListFilter),
    ]
    search_fields = ["number"]
    search_help_text = _(
        "A bill's number, customer or vehicle, or a part of one; or the code or label of a bag."
    )
    actions = printing.ACTIONS
    fields = [
        ("number", "customer"),
        ("destination", "vehicle"),
        ("description", "capacity"),
    ]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("overview/", view(overview.bills), name="billing_bill_overview"),
            path("<int:bill_id>/load/", view(loading.load_bill), name="billing_bill_load"),
            path("<int:bill_id>/live/", view(desk.bill_live), name="billing_bill_live"),
            path(
                "<int:bill_id>/lines/<int:line_id>/",
                view(desk.line_children),
                name="billing_bill_children",
            ),
            path("<int:bill_id>/complete/", view(desk.complete_bill), name="billing_bill_complete"),
            path("<int:bill_id>/reopen/", view(desk.reopen_bill), name="billing_bill_reopen"),
        ]
        return [*own, *printing.urls(view), *super().get_urls()]

    # --- The list -------------------------------------------------------------------------------

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """By the index over parts, or by the bag that was scanned into the field."""
        part = codes.normalise(search_term)
        if not part:
            return queryset, False
        holders = list(Bill.objects.of_bag(search_term).order_by().values_list("pk", flat=True))
        named = Q(number__icontains=part) | Q(customer__icontains=part)
        return queryset.filter(named | Q(vehicle__icontains=part) | Q(pk__in=holders)), False

    @admin.display(description=_("customer, destination"))
    def recipient(self, bill: Bill) -> str:
        return format_html("{}<br>{}", bill.customer or "-", bill.destination)

    @admin.display(description=_("parents"))
    def parents(self, bill: Bill) -> str:
        words = {"count": bill.line_count, "capacity": bill.capacity}
        return _("%(count)s of %(capacity)s") % words

    @admin.display(description=_("weight"))
    def kilograms(self, bill: Bill) -> str:
        return kg(bill.actual_kg)

    @admin.display(description=_("variance"))
    def variance(self, bill: Bill) -> str:
        return signed_kg(bill.variance_kg)

    @admin.display(description=_("came back"), empty_value="")
    def came_back(self, bill: Bill) -> int | None:
        return bill.returned or None

    @admin.display(description=_("day"))
    def day(self, bill: Bill) -> str:
        """Completed then, or made then."""
        return date_format(localtime(bill.completed_at or bill.created_at), "j M Y")

    # --- The form -------------------------------------------------------------------------------

    def has_change_permission(self, request: HttpRequest, obj: Bill | None = None) -> bool:
        open_ = obj is None or obj.completed_at is None
        return open_ and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Bill | None = None) -> bool:
        new = obj is None or obj.status == Bill.Status.NEW
        return new and super().has_delete_permission(request, obj)

    def get_form(self, request: HttpRequest, obj: Bill | None = None, **kwargs: Any) -> type:
        kwargs["form"] = NewBillForm if obj is None else BillForm
        return super().get_form(request, obj, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Trucks are alike: the capacity of this person's newest bill."""
        mine = Bill.objects.filter(created_by=request.user).order_by("-id")
        return {"capacity": mine.values_list("capacity", flat=True).first()}

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Who saves a bill that was completed meanwhile sees it as it is, and why."""
        bill = None
        if request.method == "POST" and object_id is not None:
            bill = self.get_object(request, unquote(object_id))
        if bill is None or bill.completed_at is None:
            return super().changeform_view(request, object_id, *args, **kwargs)
        self.message_user(request, _("The bill is completed. It can't change."), messages.ERROR)
        request.method = "GET"
        response = super().changeform_view(request, object_id, *args, **kwargs)
        response.status_code = 403
        return response

    def beside(self, pk: int) -> dict[str, Any]:
        return desk.of_bill(pk)

    def save_model(self, request: HttpRequest, obj: Bill, form: ModelForm, change: bool) -> None:
        """A new bill and an edit are deeds."""
        values = form.cleaned_data
        header = {name: values[name] for name in services.HEADER}
        if change:
            seen = values["seen"]
            services.update_bill(bill_id=obj.pk, user=request.user, version=seen, **header)
            return
        bill, made = services.create_bill(
            user=request.user, creation_id=values["creation"], **header
        )
        if not made and any(value and getattr(bill, n) != value for n, value in header.items()):
            text = _("This page has made bill %(number)s before. What you typed now is not saved.")
            self.message_user(request, text % {"number": bill.number}, messages.WARNING)
        obj.pk, obj.number = bill.pk, bill.number

    def response_add(
        self, request: HttpRequest, obj: Bill, post_url_continue: str | None = None
    ) -> HttpResponse:
        """A new bill is there to be loaded."""
        return self.to_page("load", obj.pk)

    def response_change(self, request: HttpRequest, obj: Bill) -> HttpResponse:
        self.message_user(request, _("Saved."), messages.SUCCESS)
        return self.to_page("change", obj.pk)

    def delete_model(self, request: HttpRequest, obj: Bill) -> None:
        services.delete_bill(bill_id=obj.pk, user=request.user)

    def delete_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        try:
            with transaction.atomic():
                return super().delete_view(request, object_id, *args, **kwargs)
        except Refusal as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
            return self.to_page("change", int(unquote(object_id)))
