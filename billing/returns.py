"""The deeds on a return ticket: open, return, take back, close, cancel."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts.models import User
from audit.record import record
from bags.models import Bag
from billing import sql
from billing.models import Bill, ReturnLine, ReturnTicket
from billing.rules import patient, told
from billing.services import Answer, Deed, made_before, run, scan_values, state_of, unknown_ticket
from tracetrack.errors import Refusal, constraint_of


@patient
def open_ticket(
    *, user: User, reason: str, creation_id: UUID | None = None
) -> tuple[ReturnTicket, bool]:
    """A new ticket, and whether it was made now: the same creation id again makes no second one.

    Raises Refusal (`reason_needed`, `creation_id_reused`).
    """
    reason = reason.strip()
    with told():
        if known := made_before(ReturnTicket, creation_id, user):
            return known, False
        with connection.cursor() as cursor:
            cursor.execute(sql.NEXT_TICKET)
            number = f"RET-{cursor.fetchone()[0]:05d}"
        ticket = ReturnTicket.objects.create(
            number=number, reason=reason, created_by=user, creation_id=creation_id
        )
        return ticket, True


@patient
def return_parent(
    *, scan_id: UUID, ticket_id: int, user: User, code: str, scanned_at: datetime
) -> Answer:
    """A parent came back from a completed bill; `code` is the text as read. One round trip.

    The bill keeps what it dispatched; the parent, with its children, is free again. Raises Refusal
    for every outcome that has no effect; the scan is kept then too.
    """
    values = scan_values(scan_id, ticket_id, user, code, scanned_at)
    return run(Deed.RETURN, sql.RETURN_PARENT, values)


@patient
def take_back_return(
    *, scan_id: UUID, ticket_id: int, user: User, code: str, scanned_at: datetime
) -> Answer:
    """A return on an open ticket was a mistake: the parent is on its bill again.

    Raises Refusal as `return_parent` does, also when the parent has changed since.
    """
    values = scan_values(scan_id, ticket_id, user, code, scanned_at)
    return run(Deed.TAKE_BACK, sql.TAKE_BACK_RETURN, values)


@patient
def close_ticket(*, ticket_id: int, user: User) -> ReturnTicket:
    """All that came back is scanned. Raises Refusal (`ticket_closed`)."""
    with told():
        ticket = _locked(ticket_id)
        if ticket.status != ReturnTicket.Status.OPEN:
            raise Refusal("ticket_closed", _("The ticket is closed already."))
        ReturnTicket.objects.filter(pk=ticket.pk).update(closed_at=Now(), closed_by=user)
        record("ticket.closed", ticket, after=_totals(ticket), actor=user)
    ticket.refresh_from_db()
    return ticket


@patient
def cancel_ticket(*, ticket_id: int, user: User, reason: str) -> ReturnTicket:
    """Put all parents of a ticket back on their bills; all of them or none.

    Raises Refusal (`reason_needed`, `ticket_closed` when it was cancelled before, `bags_moved_on`
    with the `parents` that are on another bill or have changed since).
    """
    reason = reason.strip()
    if not reason:
        raise Refusal("reason_needed", _("Say why the ticket is cancelled."), 422)
    with told():
        ticket = _locked(ticket_id)
        if ticket.status == ReturnTicket.Status.CANCELLED:
            raise Refusal("ticket_closed", _("The ticket is cancelled already."))
        before = _totals(ticket)
        _put_all_back(ticket, user)
        ReturnTicket.objects.filter(pk=ticket.pk).update(
            cancelled_at=Now(), cancelled_by=user, cancel_reason=reason
        )
        record("ticket.cancelled", ticket, before=before, reason=reason, actor=user)
    ticket.refresh_from_db()
    return ticket


def ticket_state(ticket_id: int) -> dict[str, Any]:
    """How a ticket stands now, in one query. Raises Refusal (`unknown_ticket`)."""
    state = state_of(sql.TICKET_STATE, ticket_id)
    if state is None:
        raise unknown_ticket()
    return state


def _put_all_back(ticket: ReturnTicket, user: User) -> None:
    lines = list(
        ReturnLine.objects.filter(ticket=ticket, taken_back_at=None).select_related("parent")
    )
    bills = {line.bill_id for line in lines}
    parents = {line.parent_id for line in lines}
    list(Bill.objects.select_for_update(no_key=True).filter(pk__in=bills).order_by("pk"))
    list(Bag.objects.select_for_update(no_key=True).filter(pk__in=parents).order_by("pk"))
    moved_on = [line.parent.qr_id for line in lines if not _put_back(line, user)]
    if moved_on:
        text = _(
            "These parents were loaded or packed again since: %(parents)s. Nothing was changed."
        )
        raise Refusal("bags_moved_on", text % {"parents": ", ".join(moved_on)}, parents=moved_on)


def _put_back(line: ReturnLine, user: User) -> bool:
    """Whether the database let it."""
    try:
        with told():
            ReturnLine.objects.filter(pk=line.pk).update(taken_back_at=Now(), taken_back_by=user)
    except IntegrityError as error:
        if constraint_of(error) not in (
            "billing_return_on_other_bill",
            "billing_return_bag_changed",
        ):
            raise
        return False
    return True


def _locked(ticket_id: int) -> ReturnTicket:
    ticket = ReturnTicket.objects.select_for_update(no_key=True).filter(pk=ticket_id).first()
    if ticket is None:
        raise unknown_ticket()
    return ticket


def _totals(ticket: ReturnTicket) -> dict[str, Any]:
    found = ReturnTicket.objects.with_totals().get(pk=ticket.pk)
    return {"parents": found.parents, "children": found.children, "kg": str(found.kg)}
