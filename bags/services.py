"""Deeds on bags that are no scan."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

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
            raise Refusal("unknown_parent", _("There is no such parent."), 404)
        if parent.dispatched_at is not None:
            text = _("%(parent)s has left on a bill. It can't change.")
            raise Refusal("parent_dispatched", text % {"parent": parent.qr_id})
        if parent.child_count == 0:
            text = _("%(parent)s is empty. There is nothing to finish.")
            raise Refusal("empty_parent", text % {"parent": parent.qr_id})
        if parent.completed_at is None:
            Bag.objects.filter(pk=parent.pk).update(completed_at=timezone.now())
            count = f"{parent.child_count} of {parent.capacity}"
            record("parent.finished", parent, after={"children": count, "station": station})
        parent.refresh_from_db()
        return parent
