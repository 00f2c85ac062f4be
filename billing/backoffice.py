"""What the lists and forms of bills and tickets share in the back office."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from billing.models import Bill, ReturnTicket
from billing.templatetags.bills import state
from tracetrack.admin import BigTableAdmin
from tracetrack.errors import Refusal


class TotalsList(ChangeList):
    """A list whose page, and only that, gets its totals: one more query, whatever its length."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        page = [row.pk for row in self.result_list]
        found = self.model.objects.with_totals().filter(pk__in=page)
        self.result_list = list(found.prefetch_related("created_by").order_by("-pk"))


class DeskAdmin(BigTableAdmin):
    """A list with totals, and a form whose saving is a deed that may be refused."""

    list_display_links = ["number"]
    list_per_page = 30

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TotalsList

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """When a rule refuses, nothing is saved, and the form comes back with the sentence."""
        try:
            return super().changeform_view(request, object_id, *args, **kwargs)
        except Refusal as refusal:
            request.refusal = refusal
            return super().changeform_view(request, object_id, *args, **kwargs)

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> type[ModelForm]:
        form = super().get_form(request, obj, **kwargs)  # a class made for this request
        form.refusal = getattr(request, "refusal", None)
        return form

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Nothing here is deleted many at a time."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Under its own name, and with all the room that there is."""
        own = {"title": self.opts.verbose_name_plural.capitalize(), "is_nav_sidebar_enabled": False}
        return super().changelist_view(request, own | (extra_context or {}))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], **kwargs: Any
    ) -> TemplateResponse:
        """One way to save; what is looked at bears its number as the title."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        if obj := kwargs.get("obj"):
            context |= self.beside(obj.pk) | {"title": str(obj), "subtitle": None}
        return super().render_change_form(request, context, **kwargs)

    def beside(self, pk: int) -> dict[str, Any]:
        """What the page shows beside the form."""
        raise NotImplementedError

    @admin.display(description=_("status"))
    def standing(self, obj: Bill | ReturnTicket) -> str:
        return state(obj)

    def to_page(self, name: str, pk: int) -> HttpResponse:
        return redirect(reverse(f"admin:billing_{self.opts.model_name}_{name}", args=[pk]))
