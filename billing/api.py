"""Bills and return tickets for programs: the deeds of the loading page."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing import returns, services
from billing.models import BillLine, ReturnLine
from scanning.api import AnyTime, RawCode, valid


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


class BillStateView(APIView):
    """GET how the bill stands: one query, for pages that look every few seconds."""

    permissions = {"GET": "billing.view_bill"}

    def get(self, request: Request, bill_id: int) -> Response:
        return Response(services.bill_state(bill_id))


class LinesView(APIView):
    """GET the parents on the bill, in the order of loading, with the bill's state."""

    permissions = {"GET": "billing.view_billline"}

    def get(self, request: Request, bill_id: int) -> Response:
        state = services.bill_state(bill_id)
        lines = BillLine.objects.filter(bill=bill_id).with_contents().order_by("id")
        return Response({"state": state, "results": [_line(line) for line in lines]})


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
    """GET the parents that came back on the ticket, in the order of scanning, with its state."""

    permissions = {"GET": "billing.view_returnline"}

    def get(self, request: Request, ticket_id: int) -> Response:
        state = returns.ticket_state(ticket_id)
        lines = (
            ReturnLine.objects.filter(ticket=ticket_id, taken_back_at=None)
            .select_related("bill", "parent", "line", "returned_by")
            .order_by("id")
        )
        return Response({"state": state, "results": [_return(line) for line in lines]})


def _line(line: BillLine) -> dict[str, Any]:
    """A line as answers bear it; kilograms are texts, so that no digit is lost."""
    return {
        "parent": line.parent.qr_id,
        "children": line.children,
        "capacity": line.capacity,
        "kg": str(line.kg),
        "expected_kg": str(line.expected_kg),
        "loaded_at": line.loaded_at,
        "loaded_by": str(line.loaded_by),
        "returned_at": line.returned_at,
    }


def _return(line: ReturnLine) -> dict[str, Any]:
    return {
        "parent": line.parent.qr_id,
        "children": line.line.returned_children,
        "capacity": line.line.returned_capacity,
        "kg": str(line.line.returned_children * line.line.returned_kg_per_child),
        "bill": {"id": line.bill_id, "number": line.bill.number},
        "returned_at": line.returned_at,
        "returned_by": str(line.returned_by),
    }
