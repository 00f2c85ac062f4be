"""What happened in the hall and was refused later, when nobody looked: opened, then decided."""

from datetime import datetime
from typing import Any
from uuid import UUID

from accounts.models import User
from scanning import services
from scanning.models import Scan, ScanException, Station
from tracetrack.errors import Refusal

# Refusals of an undo after which the child is still in. Where it is out already, no harm is done.
STILL_IN = ("parent_dispatched", "undo_too_late")


def undo_late(
    *, undo_id: UUID, station: str, user: User, scan_id: UUID | None, happened_at: datetime
) -> dict[str, Any]:
    """Take a link back as `undo_link` does; a refusal becomes an exception: nobody sees it."""
    try:
        return services.undo_link(undo_id=undo_id, station=station, user=user, scan_id=scan_id)
    except Refusal as no:
        if no.code in STILL_IN:
            opened = ScanException.objects.create(
                item_id=undo_id,
                kind=ScanException.Kind.UNDO,
                scan=Scan.objects.filter(scan_id=no.detail["scan_id"]).first(),
                outcome=no.code,
                station=Station.objects.get(name=station),
                user=user,
                happened_at=happened_at,
            )
            no.detail["exception"] = opened.pk
        raise
