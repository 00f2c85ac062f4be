"""The deeds on a bill: create, edit, load, unload, complete, reopen, delete.

Whoever locks a bill and its parents locks the bill first and the parents in the order of their
keys, as the functions and triggers in the database do.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from audit.record import record
from bags import codes
from bags.models import Bag
from billing import sql
from billing.mails import tell
from billing.models import Bill, BillScan
from billing.rules import SENTENCES as RULES
from billing.rules import patient, told
from scanning.services import storable
from tracetrack.errors import Refusal

Deed, Outcome = BillScan.Deed, BillScan.Outcome

LARGEST_KEY = models.BigIntegerField.MAX_BIGINT
HEADER = ("number", "description", "customer", "destination", "vehicle", "capacity")

STATUS = {
    Outcome.LOADED: 201,
    Outcome.RETURNED: 201,
    Outcome.UNLOADED: 200,
    Outcome.TAKEN_BACK: 200,
    Outcome.ALREADY_ON_BILL: 200,
    Outcome.ALREADY_RETURNED: 200,
    Outcome.UNKNOWN_PARENT: 404,
    Outcome.IS_CHILD: 422,
    Outcome.BAD_CODE: 422,
}  # all others: 409

# What came of a scan, in words for people.
SENTENCES = {
    Outcome.LOADED: gettext_lazy("%(code)s is on the bill: %(count)s of %(capacity)s children."),
    Outcome.UNLOADED: gettext_lazy("%(code)s is off the bill."),
    Outcome.ALREADY_ON_BILL: gettext_lazy("%(code)s is on this bill already."),
    Outcome.ON_OTHER_BILL: gettext_lazy("%(code)s is on bill %(other)s."),
    Outcome.BILL_FULL: gettext_lazy("The bill is full. %(code)s is not on it."),
    Outcome.BILL_COMPLETED: gettext_lazy("The bill is completed. It can't change."),
    Outcome.EMPTY_PARENT: gettext_lazy("%(code)s is empty. Load it all the same?"),
    Outcome.NOT_ON_BILL: gettext_lazy("%(code)s is not on this bill."),
    Outcome.RETURNED: gettext_lazy("%(code)s came back from bill %(other)s. It is free again."),
    Outcome.TAKEN_BACK: gettext_lazy("%(code)s is on bill %(other)s again."),
    Outcome.ALREADY_RETURNED: gettext_lazy("%(code)s is on this ticket already."),
    Outcome.NOT_DISPATCHED: gettext_lazy("%(code)s is not on a completed bill."),
    Outcome.NOT_RETURNED: gettext_lazy("%(code)s is not on this ticket."),
    Outcome.BAG_CHANGED: gettext_lazy("%(code)s has changed since it came back. It stays free."),
    Outcome.TICKET_CLOSED: gettext_lazy("The ticket is closed."),
    Outcome.UNKNOWN_PARENT: gettext_lazy("There is no parent %(code)s."),
    Outcome.IS_CHILD: gettext_lazy("%(code)s is a child. Scan its parent."),
    Outcome.BAD_CODE: gettext_lazy("This is not a code."),
}
HALF_FULL = gettext_lazy("%(code)s is on the bill, but it has only %(count)s of %(capacity)s.")
EMPTY = gettext_lazy("%(code)s is on the bill, but it is empty.")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a scan onto a bill or a ticket.

    `parent` has qr_id, child_count, capacity. `warning` is "empty" or "half_full" where a parent
    was loaded that is not full. `held_by` names another bill: number, bill (its key), status, at,
    by. `state` is how the bill or the ticket stands now; kilograms are texts in it.
    """

    scan_id: UUID
    outcome: str
    replayed: bool
    detail: str
    warning: str | None
    parent: dict[str, Any] | None
    held_by: dict[str, Any] | None
    state: dict[str, Any]

    @property
    def status(self) -> int:
        """The HTTP status: 201 for an effect, 200 for none needed, 4xx for a refusal."""
        status = STATUS.get(Outcome(self.outcome), 409)
        return 200 if self.replayed and status == 201 else status

    def body(self) -> dict[str, Any]:
        return asdict(self)


# --- The bill itself ----------------------------------------------------------------------------


@patient
def create_bill(
    *, user: User, creation_id: UUID | None = None, number: str = "", **header: Any
) -> tuple[Bill, bool]:
    """A new bill, and whether it was made now: the same creation id again makes no second one.

    `header` is description, customer, destination, vehicle, capacity (parents). Without a number
    the system gives one. Raises Refusal (`number_taken`, `bad_number`, `bad_capacity`,
    `creation_id_reused`).
    """
    header["number"] = _read_number(number)
    with told():
        if known := made_before(Bill, creation_id, user):
            return known, False
        header["number"] = header["number"] or _next_number()
        bill = Bill.objects.create(created_by=user, creation_id=creation_id, **header)
        tell("bill_created", bill, by=user, at=bill.created_at, capacity=bill.capacity)
        return bill, True


@patient
def update_bill(*, bill_id: int, user: User, version: int, **header: Any) -> Bill:
    """Change number, description, customer, destination, vehicle or capacity of an open bill.

    `version` is the one that the person saw. Raises Refusal (`edited_meanwhile` with the `bill` as
    it is now, `bill_completed`, `below_loaded`, `number_taken`, `bad_number`, `bad_capacity`).
    """
    if "number" in header:
        header["number"] = _read_number(header["number"])
    with told():
        bill = locked(bill_id)
        changed = [name for name, value in header.items() if getattr(bill, name) != value]
        if not changed:
            return bill
        if bill.completed_at is not None:
            raise Refusal("bill_completed", _("The bill is completed. It can't change."))
        if bill.version != version:
            now = {name: getattr(bill, name) for name in HEADER} | {"version": bill.version}
            text = _("Somebody else changed this bill meanwhile. Look at it and save again.")
            raise Refusal("edited_meanwhile", text, bill=now)
        for name in changed:
            setattr(bill, name, header[name])
        bill.save(update_fields=changed)
    bill.refresh_from_db()
    return bill


@patient
def complete_bill(
    *, bill_id: int, user: User, confirmed: bool = False, seen: str | None = None
) -> Bill:
    """The truck leaves: the bill, its parents and their children don't change any more.

    `seen` is the `mark` of the state that the person saw. Raises Refusal: `bill_completed`,
    `bill_empty`, `changed_meanwhile`, and `needs_confirmation` (with `parents`, `capacity`,
    `empty`, `half_full`) when it is below its capacity or has a parent that is not full, unless
    `confirmed`.
    """
    with told():
        bill = locked(bill_id)
        if bill.completed_at is not None:
            raise Refusal("bill_completed", _("The bill is completed already."))
        on_it = Bag.objects.filter(bill_lines__bill=bill)
        parents = list(on_it.select_for_update(no_key=True, of=("self",)).order_by("pk"))
        if seen is not None and seen != bill_mark(bill.pk):
            text = _("Something on the bill has changed meanwhile. Look at it again.")
            raise Refusal("changed_meanwhile", text)
        if not confirmed:
            _ask(bill, parents)
        Bill.objects.filter(pk=bill.pk).update(completed_at=Now(), completed_by=user)
        bill = Bill.objects.with_totals().get(pk=bill.pk)
        totals = totals_of(bill)
        record("bill.completed", bill, after=totals, actor=user)
        tell("bill_completed", bill, by=user, at=bill.completed_at, **totals)
    return bill


@patient
def reopen_bill(*, bill_id: int, user: User, reason: str) -> Bill:
    """A completed bill was not complete: it and its parents can change again.

    Raises Refusal (`reason_needed`, `bill_open`, `bill_has_returns`).
    """
    reason = reason.strip()
    if not reason:
        raise Refusal("reason_needed", _("Say why the bill is opened again."), 422)
    with told():
        bill = locked(bill_id)
        if bill.completed_at is None:
            raise Refusal("bill_open", _("The bill is open already."))
        before = totals_of(Bill.objects.with_totals().get(pk=bill.pk))
        Bill.objects.filter(pk=bill.pk).update(
            completed_at=None,
            completed_by=None,
            reopened_at=Now(),
            reopened_by=user,
            reopen_reason=reason,
        )
        record("bill.reopened", bill, before=before, reason=reason, actor=user)
        bill.refresh_from_db()
    return bill


@patient
def delete_bill(*, bill_id: int, user: User) -> None:
    """An empty new bill was a mistake. Raises Refusal (`bill_not_new`, `bill_has_history`)."""
    with told():
        locked(bill_id).delete()


def totals_of(bill: Bill) -> dict[str, Any]:
    """The totals of a bill `with_totals`, as entries and mails bear them; kilograms are texts."""
    return {
        "parents": bill.line_count,
        "capacity": bill.capacity,
        "children": bill.children,
        "actual_kg": str(bill.actual_kg),
        "expected_kg": str(bill.expected_kg),
        "variance_kg": str(bill.variance_kg),
    }


def locked(bill_id: int) -> Bill:
    """The bill, locked. Raises Refusal (`unknown_bill`)."""
    bill = Bill.objects.select_for_update(no_key=True).filter(pk=bill_id).first()
    if bill is None:
        raise unknown_bill()
    return bill


# --- What is on it ------------------------------------------------------------------------------


@patient
def load_parent(
    *,
    scan_id: UUID,
    bill_id: int,
    user: User,
    code: str,
    scanned_at: datetime,
    accept_empty: bool = False,
) -> Answer:
    """A parent was scanned onto a bill; `code` is the text as read. One round trip.

    The same scan id again changes nothing and gets the first outcome. Raises Refusal for every
    outcome that has no effect, with the rest of the answer; the scan is kept then too.
    """
    values = scan_values(scan_id, bill_id, user, code, scanned_at)
    return run(Deed.LOAD, sql.LOAD_PARENT, values | {"accept_empty": accept_empty})


@patient
def unload_parent(
    *, scan_id: UUID, bill_id: int, user: User, code: str, scanned_at: datetime
) -> Answer:
    """A parent is taken off an open bill. Its scans stay. Raises Refusal as `load_parent` does."""
    values = scan_values(scan_id, bill_id, user, code, scanned_at)
    return run(Deed.UNLOAD, sql.UNLOAD_PARENT, values)


def bill_state(bill_id: int) -> dict[str, Any]:
    """How a bill stands now, in one query. Raises Refusal (`unknown_bill`)."""
    state = state_of(sql.BILL_STATE, bill_id)
    if state is None:
        raise unknown_bill()
    return state


def bill_mark(bill_id: int) -> str:
    """Another one as soon as anything on the bill is. "" where there is no such bill."""
    return (state_of(sql.BILL_STATE, bill_id) or {"mark": ""})["mark"]


# --- Shared with returns ------------------------------------------------------------------------


def made_before(
    model: type[models.Model], creation_id: UUID | None, user: User
) -> models.Model | None:
    """What this person made with this creation id. A twin that is under way is waited for.

    Raises Refusal (`creation_id_reused`) when it is somebody else's.
    """
    if creation_id is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(sql.ONE_AT_A_TIME, {"creation_id": str(creation_id)})
    made = model.objects.filter(creation_id=creation_id).first()
    if made and made.created_by_id != user.pk:
        text = _("This creation id belongs to somebody else.")
        raise Refusal("creation_id_reused", text, 422)
    return made


def scan_values(
    scan_id: UUID, on_id: int, user: User, code: str, scanned_at: datetime
) -> dict[str, Any]:
    """What the functions of the loading page take; `on_id` is the bill's or the ticket's key."""
    read = codes.read(code)
    return {
        "scan_id": scan_id,
        "on_id": min(on_id, LARGEST_KEY),  # there is none so large
        "user_id": user.pk,
        "raw": storable(code),
        "code": read.qr_id,
        "form": read.form,
        "scanned_at": scanned_at,
    }


def run(deed: BillScan.Deed, statement: str, values: dict[str, Any]) -> Answer:
    """Run the one statement; the answer, or the Refusal that it is."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        names = [column.name for column in cursor.description]
        row = dict(zip(names, cursor.fetchone(), strict=True))
    on = "bill_id" if deed in (Deed.LOAD, Deed.UNLOAD) else "ticket_id"
    if row["id"] is None:
        raise unknown_bill() if on == "bill_id" else unknown_ticket()
    sent = (deed, values["raw"], values["on_id"], values["user_id"])
    if (row["deed"], row["raw"], row[on], row["user_id"]) != sent:
        raise Refusal("scan_id_reused", _("This scan id belongs to another scan."), 422)
    answer = _worded(row)
    if answer.status >= 400:
        rest = {name: value for name, value in answer.body().items() if name != "detail"}
        raise Refusal(answer.outcome, answer.detail, answer.status, **rest)
    return answer


def state_of(statement: str, on_id: int) -> dict[str, Any] | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"on_id": min(on_id, LARGEST_KEY)})
        return _read(cursor.fetchone()[0])


def _worded(row: dict[str, Any]) -> Answer:
    held_by = _read(row["held_by"])
    warning = None
    if row["outcome"] == Outcome.LOADED and row["child_count"] < row["capacity"]:
        warning = "half_full" if row["child_count"] else "empty"
    text = {"half_full": HALF_FULL, "empty": EMPTY}.get(warning, SENTENCES[row["outcome"]])
    words = {"code": row["code"], "count": row["child_count"], "capacity": row["capacity"]}
    parent = None
    if row["parent_id"] is not None:
        parent = {
            "qr_id": row["code"],
            "child_count": row["child_count"],
            "capacity": row["capacity"],
        }
    return Answer(
        scan_id=row["scan_id"],
        outcome=row["outcome"],
        replayed=row["replayed"],
        detail=text % (words | {"other": (held_by or {}).get("number")}),
        warning=warning,
        parent=parent,
        held_by=held_by,
        state=_read(row["state"]),
    )


def _read(value: Any) -> Any:
    """JSON from a bare cursor, which Django leaves as text."""
    return json.loads(value) if isinstance(value, str) else value


def _read_number(text: str) -> str:
    """A number as typed or scanned, in its one spelling; that may be longer than what was typed."""
    number = codes.normalise(text)
    if len(number) > Bill._meta.get_field("number").max_length:
        code, sentence, status = RULES["billing_bill_number_form"]
        raise Refusal(code, sentence, status)
    return number


def _next_number() -> str:
    """The next number of the system that nobody has typed yet."""
    while True:
        with connection.cursor() as cursor:
            cursor.execute(sql.NEXT_BILL)
            number = f"BILL-{cursor.fetchone()[0]:05d}"
        if not Bill.objects.filter(number=number).exists():
            return number


def _ask(bill: Bill, parents: list[Bag]) -> None:
    """Refuse with `needs_confirmation` where a person should look first."""
    empty = [bag.qr_id for bag in parents if bag.child_count == 0]
    half_full = [bag.qr_id for bag in parents if 0 < bag.child_count < bag.capacity]
    if parents and (len(parents) < bill.capacity or empty or half_full):
        text = _("The bill has %(count)s of %(capacity)s parents. Complete it all the same?")
        if len(parents) == bill.capacity:
            text = _("Not all parents are full. Complete the bill all the same?")
        words = {"count": len(parents), "capacity": bill.capacity}
        detail = words | {"empty": empty, "half_full": half_full, "parents": len(parents)}
        raise Refusal("needs_confirmation", text % words, **detail)


def unknown_bill() -> Refusal:
    return Refusal("unknown_bill", _("There is no such bill."), 404)


def unknown_ticket() -> Refusal:
    return Refusal("unknown_ticket", _("There is no such ticket."), 404)
