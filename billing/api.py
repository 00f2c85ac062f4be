"""Bills and return tickets for programs: the same deeds as the back office's."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.pagination import CursorPagination
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bags import codes
from billing import printing, returns, services
from billing.models import MOST_PARENTS, Bill, BillLine, ReturnLine, ReturnTicket
from scanning.api import AnyTime, RawCode, valid


class Pages(CursorPagination):
    """Newest first; a page costs the same at any depth. `limit` is 1 to 200 rows."""

    ordering = "-id"
    page_size, max_page_size = 50, 200
    page_size_query_param = "limit"


class HeaderForm(serializers.Serializer):
    """What an edit changes; `version` is the one that was seen."""

    version = serializers.IntegerField(min_value=1)
    number = serializers.CharField(max_length=64, required=False)
    description = serializers.CharField(max_length=255, allow_blank=True, required=False)
    customer = serializers.CharField(max_length=255, allow_blank=True, required=False)
    destination = serializers.CharField(max_length=255, allow_blank=True, required=False)
    vehicle = serializers.CharField(max_length=64, allow_blank=True, required=False)
    capacity = serializers.IntegerField(min_value=1, max_value=MOST_PARENTS, required=False)


class NewBillForm(HeaderForm):
    """Without a number the system gives one."""

    version = None
    creation_id = serializers.UUIDField(default=None)
    number = serializers.CharField(max_length=64, allow_blank=True, default="")
    capacity = serializers.IntegerField(min_value=1, max_value=MOST_PARENTS)


class BillsForm(serializers.Serializer):
    """Which bills the list shows: all that is given must fit."""

    status = serializers.ChoiceField(choices=Bill.Status.values, default=None)
    number = serializers.CharField(max_length=64, default=None)
    q = serializers.CharField(max_length=255, default=None)
    bag = RawCode(default=None)


class CompleteForm(serializers.Serializer):
    confirmed = serializers.BooleanField(default=False)
    seen = serializers.CharField(max_length=64, default=None)


class ReasonForm(serializers.Serializer):
    reason = serializers.CharField(max_length=255, allow_blank=True)


class NewTicketForm(ReasonForm):
    creation_id = serializers.UUIDField(default=None)


class BillsView(APIView):
    """GET bills, newest first; POST a new one."""

    permissions = {"GET": "billing.view_bill", "POST": "billing.add_bill"}

    def get(self, request: Request) -> Response:
        found = _chosen(valid(BillsForm, request.query_params))
        pages = Pages()
        page = pages.paginate_queryset(found, request, self)
        return pages.get_paginated_response([_bill(bill) for bill in page])

    def post(self, request: Request) -> Response:
        bill, made = services.create_bill(user=request.user, **valid(NewBillForm, request.data))
        return Response(_found(bill.pk), status=201 if made else 200)


class BillView(APIView):
    """GET one bill; PATCH its header; DELETE it while it is new and empty."""

    permissions = {
        "GET": "billing.view_bill",
        "PATCH": "billing.change_bill",
        "DELETE": "billing.delete_bill",
    }

    def get(self, request: Request, bill_id: int) -> Response:
        return Response(_found(bill_id))

    def patch(self, request: Request, bill_id: int) -> Response:
        form = valid(HeaderForm, request.data)
        services.update_bill(bill_id=bill_id, user=request.user, **form)
        return Response(_found(bill_id))

    def delete(self, request: Request, bill_id: int) -> Response:
        services.delete_bill(bill_id=bill_id, user=request.user)
        return Response(status=204)


class CompleteView(APIView):
    """POST: the truck leaves."""

    permissions = {"POST": "billing.complete_bill"}

    def post(self, request: Request, bill_id: int) -> Response:
        form = valid(CompleteForm, request.data)
        services.complete_bill(bill_id=bill_id, user=request.user, **form)
        return Response(_found(bill_id))


class ReopenView(APIView):
    """POST why a completed bill is opened again."""

    permissions = {"POST": "billing.reopen_bill"}

    def post(self, request: Request, bill_id: int) -> Response:
        form = valid(ReasonForm, request.data)
        services.reopen_bill(bill_id=bill_id, user=request.user, **form)
        return Response(_found(bill_id))


class BillScanForm(serializers.Serializer):
    scan_id = serializers.UUIDField()
    code = RawCode()
    scanned_at = AnyTime()


class LoadForm(BillScanForm):
    accept_empty = serializers.BooleanField(default=False)


class LoadView(APIView):
    """POST one parent that was scanned onto the bill."""

    permissions = {"POST": "billing.load_bill"}

    def post(self, request: Request, bill_id: int) -> Response:
        scan = valid(LoadForm, request.data)
        answer = services.load_parent(bill_id=bill_id, user=request.user, **scan)
        return Response(answer.body(), status=answer.status)


class UnloadView(APIView):
    """POST one parent that is taken off the bill."""

    permissions = {"POST": "billing.load_bill"}

    def post(self, request: Request, bill_id: int) -> Response:
        scan = valid(BillScanForm, request.data)
        answer = services.unload_parent(bill_id=bill_id, user=request.user, **scan)
        return Response(answer.body(), status=answer.status)


class BillPdfView(APIView):
    """GET the bill as a PDF, whatever the client says that it accepts."""

    permissions = {"GET": "billing.view_bill"}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple:
        return JSONRenderer(), "application/json"  # for refusals

    def get(self, request: Request, bill_id: int) -> HttpResponse:
        return printing.one_bill_pdf(bill_id)


class BillStateView(APIView):
    """GET how the bill stands: one query, for pages that look every few seconds."""

    permissions = {"GET": "billing.view_bill"}

    def get(self, request: Request, bill_id: int) -> Response:
        return Response(services.bill_state(bill_id))


class LinesView(APIView):
    """GET the parents on the bill, in the order of loading, with the bill's state.

    `after` is the id of a line: only what was loaded since.
    """

    permissions = {"GET": "billing.view_billline"}

    def get(self, request: Request, bill_id: int) -> Response:
        state = services.bill_state(bill_id)
        lines = BillLine.objects.filter(bill=bill_id, id__gt=_after(request)).with_contents()
        lines = lines.order_by("id")
        return Response({"state": state, "results": [_line(line) for line in lines]})


class TicketsView(APIView):
    """GET return tickets, newest first; POST a new one."""

    permissions = {"GET": "billing.view_returnticket", "POST": "billing.add_returnticket"}

    def get(self, request: Request) -> Response:
        found = ReturnTicket.objects.with_totals().select_related("created_by")
        pages = Pages()
        page = pages.paginate_queryset(found, request, self)
        return pages.get_paginated_response([_ticket(ticket) for ticket in page])

    def post(self, request: Request) -> Response:
        form = valid(NewTicketForm, request.data)
        ticket, made = returns.open_ticket(user=request.user, **form)
        return Response(returns.ticket_state(ticket.pk), status=201 if made else 200)


class CloseView(APIView):
    """POST: all that came back is scanned."""

    permissions = {"POST": "billing.change_returnticket"}

    def post(self, request: Request, ticket_id: int) -> Response:
        returns.close_ticket(ticket_id=ticket_id, user=request.user)
        return Response(returns.ticket_state(ticket_id))


class CancelView(APIView):
    """POST why all of a ticket goes back on its bills."""

    permissions = {"POST": "billing.change_returnticket"}

    def post(self, request: Request, ticket_id: int) -> Response:
        form = valid(ReasonForm, request.data)
        returns.cancel_ticket(ticket_id=ticket_id, user=request.user, **form)
        return Response(returns.ticket_state(ticket_id))


class ReturnView(APIView):
    """POST one parent that came back."""

    permissions = {"POST": "billing.change_returnticket"}

    def post(self, request: Request, ticket_id: int) -> Response:
        scan = valid(BillScanForm, request.data)
        answer = returns.return_parent(ticket_id=ticket_id, user=request.user, **scan)
        return Response(answer.body(), status=answer.status)


class TakeBackView(APIView):
    """POST one parent whose return was a mistake."""

    permissions = {"POST": "billing.change_returnticket"}

    def post(self, request: Request, ticket_id: int) -> Response:
        scan = valid(BillScanForm, request.data)
        answer = returns.take_back_return(ticket_id=ticket_id, user=request.user, **scan)
        return Response(answer.body(), status=answer.status)


class TicketStateView(APIView):
    """GET how the ticket stands: one query."""

    permissions = {"GET": "billing.view_returnticket"}

    def get(self, request: Request, ticket_id: int) -> Response:
        return Response(returns.ticket_state(ticket_id))


class ReturnLinesView(APIView):
    """GET the parents that came back on the ticket, in the order of scanning, with its state.

    `after` is the id of a line: only what came back since.
    """

    permissions = {"GET": "billing.view_returnline"}

    def get(self, request: Request, ticket_id: int) -> Response:
        state = returns.ticket_state(ticket_id)
        lines = (
            ReturnLine.objects.filter(ticket=ticket_id, taken_back_at=None, id__gt=_after(request))
            .select_related("bill", "parent", "line", "returned_by")
            .order_by("id")
        )
        return Response({"state": state, "results": [_return(line) for line in lines]})


def _chosen(form: dict[str, Any]) -> QuerySet:
    found = Bill.objects.with_totals().select_related("created_by", "completed_by")
    if form["status"]:
        found = found.filter(status=form["status"])
    if form["number"]:
        found = found.filter(number=codes.normalise(form["number"]))
    if form["q"]:
        part = form["q"].strip()
        found = found.filter(
            Q(number__icontains=part) | Q(customer__icontains=part) | Q(vehicle__icontains=part)
        )
    if form["bag"]:
        found = found.of_bag(form["bag"])
    return found


def _found(bill_id: int) -> dict[str, Any]:
    """One bill with its totals. Raises Refusal (`unknown_bill`)."""
    bill = Bill.objects.with_totals().select_related("created_by", "completed_by")
    found = bill.filter(pk=bill_id).first()
    if found is None:
        raise services.unknown_bill()
    return _bill(found)


def _bill(bill: Bill) -> dict[str, Any]:
    return {
        "id": bill.pk,
        **{name: getattr(bill, name) for name in services.HEADER},
        "status": bill.status,
        "version": bill.version,
        **services.totals_of(bill),
        "returned": bill.returned,
        "created_at": bill.created_at,
        "created_by": str(bill.created_by),
        "completed_at": bill.completed_at,
        "completed_by": str(bill.completed_by) if bill.completed_by else None,
        "reopened_at": bill.reopened_at,
        "reopen_reason": bill.reopen_reason,
    }


def _ticket(ticket: ReturnTicket) -> dict[str, Any]:
    return {
        "id": ticket.pk,
        "number": ticket.number,
        "reason": ticket.reason,
        "status": ticket.status,
        "parents": ticket.parents,
        "children": ticket.children,
        "kg": str(ticket.kg),
        "created_at": ticket.created_at,
        "created_by": str(ticket.created_by),
    }


class AfterForm(serializers.Serializer):
    after = serializers.IntegerField(default=0, min_value=0, max_value=2**63 - 1)


def _after(request: Request) -> int:
    return valid(AfterForm, request.query_params)["after"]


def _line(line: BillLine) -> dict[str, Any]:
    """A line as answers bear it; kilograms are texts, so that no digit is lost."""
    return {
        "id": line.pk,
        "parent": line.parent.qr_id,
        "children": line.children,
        "capacity": line.capacity,
        "kg": str(line.kg),
        "expected_kg": str(line.expected_kg),
        "loaded_at": line.loaded_at,
        "loaded_by": str(line.loaded_by),
        "loaded_by_id": line.loaded_by_id,
        "returned_at": line.returned_at,
    }


def _return(line: ReturnLine) -> dict[str, Any]:
    return {
        "id": line.pk,
        "parent": line.parent.qr_id,
        "children": line.line.returned_children,
        "capacity": line.line.returned_capacity,
        "kg": str(line.line.returned_children * line.line.returned_kg_per_child),
        "bill": {"id": line.bill_id, "number": line.bill.number},
        "returned_at": line.returned_at,
        "returned_by": str(line.returned_by),
        "returned_by_id": line.returned_by_id,
    }
