"""What happened in the hall and was refused later, when nobody looked: opened, then decided."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from audit.record import record
from bags.models import Link
from scanning import services
from scanning.models import Outcome, Scan, ScanException, Station
from tracetrack.errors import Refusal

# Refusals of an undo after which the child is still in. Where it is out already, no harm is done.
STILL_IN = ("parent_dispatched", "undo_too_late")
# Refusals of what was no child, or of no place to put it.
NOTHING_TO_MOVE = (Outcome.IS_PARENT, Outcome.IS_CHILD, Outcome.BAD_CODE)
LONGEST_REASON = 500  # characters


def undo_refused(
    *, undo_id: UUID, station: str, user: User, verdict: dict[str, Any], happened_at: datetime
) -> int | None:
    """The exception of an undo that was refused when nobody looked: opened now, or before.

    None where the link is gone anyway. `verdict` may be one that was given in time and got lost.
    """
    if verdict["outcome"] not in STILL_IN:
        return None
    values = {
        "kind": ScanException.Kind.UNDO,
        "scan": Scan.objects.get(scan_id=verdict["scan_id"]),
        "outcome": verdict["outcome"],
        "station": Station.objects.get(name=station),
        "user": user,
        "happened_at": happened_at,
    }
    return ScanException.objects.get_or_create(item_id=undo_id, defaults=values)[0].pk


def resolve_exception(
    *, exception_id: int, user: User, resolution: str, reason: str, item_id: UUID
) -> ScanException:
    """Decide what becomes of it, once. `item_id` is the id of the scan or undo of `moved`.

    `dismissed` needs a reason; `kept`: what the database says stays; `moved`: it is done after all.
    Raises Refusal (`not_found`, `permission_denied`, `already_resolved`, `reason_needed`,
    `nothing_to_move`); where the move itself is refused, with its code, and the exception stays
    open.
    """
    reason = reason.strip()
    if resolution == ScanException.Resolution.DISMISSED and not reason:
        raise Refusal("reason_needed", _("Say why, in a few words."), 422)
    refused = None
    with transaction.atomic():
        exception = _open_one(exception_id, user)
        if resolution == ScanException.Resolution.MOVED:
            try:
                _do_after_all(exception, user, item_id)
            except Refusal as no:
                refused = no  # the refused scan is kept, as every scan is
        if refused is None:
            _resolve(exception, user, resolution, reason)
    if refused:
        raise refused
    return exception


def may_resolve(exception: ScanException, user: User) -> bool:
    """Supervisors all of them, others those of their own scans."""
    return exception.user_id == user.pk or user.has_perm("scanning.resolve_exception")


def may_move(exception: ScanException) -> bool:
    """Whether there is something to do after all, as far as is known without trying."""
    scan = exception.scan
    if scan is None:
        return False
    if exception.kind == ScanException.Kind.UNDO:
        return True
    placed = bool(scan.code and scan.parent_code)
    return placed and exception.outcome not in NOTHING_TO_MOVE


def told(exception: ScanException) -> str:
    """What was refused, in words for people."""
    if exception.kind != ScanException.Kind.UNDO:
        return services.answer_of(exception.scan, replayed=True).detail
    words = {"code": exception.scan.code, "parent": exception.scan.parent_code}
    if exception.outcome == "undo_too_late":
        return _("%(code)s was to be taken out of %(parent)s, but too late.") % words
    return _("%(code)s was to be taken out of %(parent)s, which has left on a bill.") % words


def shown(exception: ScanException, user: User) -> dict[str, Any]:
    """An exception as lists bear it; it comes from `.with_story()`."""
    scan = exception.scan
    return {
        "id": exception.pk,
        "kind": exception.kind,
        "outcome": exception.outcome,
        "detail": told(exception),
        "code": scan.code or scan.raw,
        "parent": scan.parent_code or None,
        "station": exception.station.name,
        "by": str(exception.user),
        "happened_at": exception.happened_at,
        "opened_at": exception.opened_at,
        "held_by": exception.held_by,
        "may_move": may_move(exception),
        "may_resolve": may_resolve(exception, user),
    }


def _open_one(exception_id: int, user: User) -> ScanException:
    """The exception, locked: two who decide at once wait for each other, and one wins."""
    found = ScanException.objects.select_for_update(of=["self"]).filter(pk=exception_id)
    exception = found.select_related("scan", "station", "resolved_by").first()
    if exception is None:
        raise Refusal("not_found", _("There is no such exception."), 404)
    if not may_resolve(exception, user):
        raise Refusal("permission_denied", _("Only a supervisor may decide this."), 403)
    if exception.resolved_at is not None:
        text = _("%(person)s has decided this already.") % {"person": exception.resolved_by}
        raise Refusal(
            "already_resolved",
            text,
            resolution=exception.resolution,
            resolved_by=str(exception.resolved_by),
            resolved_at=exception.resolved_at,
        )
    return exception


def _do_after_all(exception: ScanException, user: User, item_id: UUID) -> None:
    """Take the link out, or put the child where it was scanned, wherever it is by now."""
    if not may_move(exception):
        raise Refusal("nothing_to_move", _("There is nothing that could be moved."), 422)
    scan, station = exception.scan, exception.station.name
    if exception.kind == ScanException.Kind.UNDO:
        services.undo_link(
            undo_id=item_id, station=station, user=user, scan_id=scan.scan_id, any_age=True
        )
        return
    link = Link.objects.filter(child__qr_id=scan.code).select_related("parent").first()
    services.move_child(
        scan_id=item_id,
        station=station,
        user=user,
        parent=scan.parent_code,
        code=scan.raw,
        holder=link.parent.qr_id if link else "",
        scanned_at=timezone.now(),
    )


def _resolve(exception: ScanException, user: User, resolution: str, reason: str) -> None:
    exception.resolved_at = timezone.now()
    exception.resolved_by = user
    exception.resolution = resolution
    exception.reason = reason
    exception.save(update_fields=["resolved_at", "resolved_by", "resolution", "reason"])
    record(
        "exception.resolved",
        exception,
        before={"outcome": exception.outcome},
        after={"resolution": resolution},
        reason=reason,
    )
