"""Back office: return tickets."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from billing import desk, loading, overview, returns
from billing.backoffice import DeskAdmin
from billing.filters import StatusFilter
from billing.forms import TicketForm
from billing.models import ReturnTicket
from billing.templatetags.bills import kg


@admin.register(ReturnTicket)
class ReturnTicketAdmin(DeskAdmin):
    """Return tickets, newest first. What is on one is scanned, closed or cancelled on pages."""

    form = TicketForm
    change_form_template = "admin/billing/returnticket/change_form.html"
    add_form_template = "admin/billing/returnticket/add_form.html"
    list_display = [
        *("number", "reason", "standing", "parents", "children", "kilograms"),
        *("created_by", "created_at"),
    ]
    list_filter = [StatusFilter]
    search_fields = ["number"]
    search_help_text = _("A ticket's number or reason, or a part of one.")
    fields = ["reason"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("summary/", view(overview.returns), name="billing_returnticket_summary"),
            path(
                "<int:ticket_id>/scan/",
                view(loading.scan_ticket),
                name="billing_returnticket_scan",
            ),
            path(
                "<int:ticket_id>/close/",
                view(desk.close_ticket),
                name="billing_returnticket_close",
            ),
            path(
                "<int:ticket_id>/cancel/",
                view(desk.cancel_ticket),
                name="billing_returnticket_cancel",
            ),
        ]
        return [*own, *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        part = search_term.strip()
        return queryset.filter(Q(number__icontains=part) | Q(reason__icontains=part)), False

    @admin.display(description=_("parents"))
    def parents(self, ticket: ReturnTicket) -> int:
        return ticket.parents

    @admin.display(description=_("children"))
    def children(self, ticket: ReturnTicket) -> int:
        return ticket.children

    @admin.display(description=_("weight"))
    def kilograms(self, ticket: ReturnTicket) -> str:
        return kg(ticket.kg)

    def has_change_permission(self, request: HttpRequest, obj: ReturnTicket | None = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: ReturnTicket | None = None) -> bool:
        return False

    def beside(self, pk: int) -> dict[str, Any]:
        return desk.of_ticket(pk)

    def save_model(
        self, request: HttpRequest, obj: ReturnTicket, form: ModelForm, change: bool
    ) -> None:
        values = form.cleaned_data
        ticket, _made = returns.open_ticket(
            user=request.user, reason=values["reason"], creation_id=values["creation"]
        )
        obj.pk, obj.number = ticket.pk, ticket.number

    def response_add(
        self, request: HttpRequest, obj: ReturnTicket, post_url_continue: str | None = None
    ) -> HttpResponse:
        """A new ticket is there to be scanned for."""
        return self.to_page("scan", obj.pk)
