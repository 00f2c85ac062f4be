"""Deeds on bags that are no scan."""

from django.db import transaction
from django.utils import timezone

from audit.record import record
from bags import codes
from bags.models import Bag
from tracetrack.errors import Refusal


def finish_parent(*, qr_id: str, station: str) -> Bag:
    """End a parent that is not full. Packing it again later opens it again.

    Returns the parent. Raises Refusal (`unknown_parent`, `empty_parent`, `parent_dispatched`).
    """
    with transaction.atomic():
        parents = Bag.objects.parents().select_for_update(no_key=True)
        parent = parents.filter(qr_id=codes.normalise(qr_id)).first()
        if parent is None:
            raise Refusal("unknown_parent", "There is no such parent.", 404)
        if parent.dispatched_at is not None:
            raise Refusal("parent_dispatched", f"{parent.qr_id} has left on a bill.")
        if parent.child_count == 0:
            raise Refusal("empty_parent", f"{parent.qr_id} is empty. There is nothing to finish.")
        if parent.completed_at is None:
            Bag.objects.filter(pk=parent.pk).update(completed_at=timezone.now())
            count = f"{parent.child_count} of {parent.capacity}"
            record("parent.finished", parent, after={"children": count, "station": station})
        parent.refresh_from_db()
        return parent
