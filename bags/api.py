"""GET /api/bag/<qr_id>: one bag, with all that a client needs to show it."""

from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bags import codes
from bags.models import Bag
from tracetrack.errors import Refusal


class BagView(APIView):
    """A bag by its code, its label's whole text, or a label number that only one bag bears."""

    permissions = {"GET": "bags.view_bag"}

    def get(self, request: Request, qr_id: str) -> Response:
        found = list(Bag.objects.of_code(qr_id).select_related("product")[:20])
        if not found:
            raise Http404
        named = [bag for bag in found if bag.qr_id == codes.read(qr_id).qr_id] or found
        if len(named) > 1:
            bags = [bag.qr_id for bag in found]
            raise Refusal("several_bags", _("Several bags bear this label number."), bags=bags)
        return Response(describe(named[0]))


def describe(bag: Bag) -> dict[str, Any]:
    """A bag as JSON. A parent's children are their codes, in the order of packing."""
    link = bag.link_to_parent if bag.type == Bag.Type.CHILD else None
    children = bag.links_to_children.order_by("id").values_list("child__qr_id", flat=True)
    return {
        "qr_id": bag.qr_id,
        "type": bag.type,
        "status": bag.status,
        "product": bag.product.name if bag.product else None,
        "child_count": bag.child_count,
        "capacity": bag.capacity,
        "parent": link.parent.qr_id if link else None,
        "children": list(children) if bag.type == Bag.Type.PARENT else [],
        "label_no": bag.label_no or None,
        "lot_no": bag.lot_no or None,
        "tested_on": bag.tested_on,
        "created_at": bag.created_at,
    }
