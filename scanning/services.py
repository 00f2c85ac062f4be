"""The deeds of a station: open a parent, link a child, take back, move.

Every deed names its scan id (made by the page) and its station; the server keeps no open parent.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from audit.record import record
from bags import codes
from bags.models import Bag, Link
from scanning import sql
from scanning.models import LINKING, Outcome, Scan, Station, Undo, Verdict
from tracetrack.errors import Refusal

UNDO_WITHIN = timedelta(hours=1)

STATUS = {
    Outcome.PARENT_CREATED: 201,
    Outcome.LINKED: 201,
    Outcome.COMPLETED: 201,
    Outcome.PARENT_OPENED: 200,
    Outcome.ALREADY_LINKED: 200,
    Outcome.UNKNOWN_PARENT: 404,
    Outcome.LINKED_ELSEWHERE: 409,
    Outcome.PARENT_FULL: 409,
    Outcome.PARENT_DISPATCHED: 409,
    Outcome.IS_PARENT: 422,
    Outcome.IS_CHILD: 422,
    Outcome.BAD_CODE: 422,
}

# What came of a scan, in words for people.
SENTENCES = {
    Outcome.PARENT_CREATED: gettext_lazy("%(code)s is new. Scan its children."),
    Outcome.PARENT_OPENED: gettext_lazy("%(code)s has %(count)s of %(capacity)s."),
    Outcome.LINKED: gettext_lazy("%(code)s is in %(parent)s: %(count)s of %(capacity)s."),
    Outcome.COMPLETED: gettext_lazy(
        "%(parent)s is full: %(count)s of %(capacity)s. Scan the next parent."
    ),
    Outcome.ALREADY_LINKED: gettext_lazy("%(code)s is in %(parent)s already."),
    Outcome.LINKED_ELSEWHERE: gettext_lazy("%(code)s is in %(holder)s."),
    Outcome.PARENT_FULL: gettext_lazy("%(parent)s is full: %(count)s of %(capacity)s."),
    Outcome.PARENT_DISPATCHED: gettext_lazy("%(parent)s has left on a bill. It can't change."),
    Outcome.IS_PARENT: gettext_lazy("%(code)s is a parent."),
    Outcome.IS_CHILD: gettext_lazy("%(code)s is a child. Scan a parent first."),
    Outcome.BAD_CODE: gettext_lazy("This is not a code."),
    Outcome.UNKNOWN_PARENT: gettext_lazy("There is no parent %(parent)s."),
}
NO_PARENT = gettext_lazy("There is no such parent.")
HOLDER_LEFT = gettext_lazy("%(holder)s has left on a bill. %(code)s stays in it.")


@dataclass(frozen=True, slots=True)
class Sent:
    """What a device says beside an item (`seq` is the item's number there) or without one."""

    device: UUID
    seq: int | None = None
    late: bool = False
    issued: int = 0
    waiting: int = 0
    parent: str = ""
    station: str | None = None

    def __str__(self) -> str:
        """As the functions in SQL read it."""
        return json.dumps(asdict(self) | {"device": str(self.device)})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a scan. `parent` has qr_id, child_count, capacity and status.

    `exception` is the key of the exception that was opened, because nobody looked.
    """

    scan_id: UUID
    outcome: str
    replayed: bool
    detail: str
    parent: dict[str, Any] | None
    child: str | None
    held_by: dict[str, Any] | None
    exception: int | None = None

    @property
    def status(self) -> int:
        """The HTTP status: 201 for an effect, 200 for none needed, 4xx for a refusal."""
        status = STATUS[Outcome(self.outcome)]
        return 200 if self.replayed and status == 201 else status

    def body(self) -> dict[str, Any]:
        return asdict(self)


def sentence(scan: dict[str, Any]) -> str:
    """What came of a scan, in words for people. `scan` has a Scan's columns by name."""
    held = scan["held_by"] or {}
    text = SENTENCES[Outcome(scan["outcome"])]
    if scan["outcome"] == Outcome.UNKNOWN_PARENT and not scan["parent_code"]:
        text = NO_PARENT
    if scan["outcome"] == Outcome.PARENT_DISPATCHED and held:
        text = HOLDER_LEFT
    return text % {
        "code": scan["code"],
        "parent": scan["parent_code"],
        "holder": held.get("qr_id"),
        "count": scan["child_count"],
        "capacity": scan["capacity"],
    }


def open_parent(
    *,
    scan_id: UUID,
    station: str,
    user: User,
    code: str,
    scanned_at: datetime,
    sent: Sent | None = None,
) -> Answer:
    """A parent was scanned: open it, or make it when its code is new and fits a product.

    `code` is the text as read. Raises Refusal (`is_child`, `bad_code`); the scan is kept then too.
    """
    read = codes.read(code)
    values = {
        "scan_id": scan_id,
        "station": station,
        "user_id": user.pk,
        "raw": storable(code),
        "code": read.qr_id,
        "form": read.form,
        "scanned_at": scanned_at,
        "sent": str(sent) if sent else None,
    }
    return _answered(_run(sql.OPEN_PARENT, values), values["raw"], parent="")


def link_child(*, switch: bool = False, **scan: Any) -> Answer:
    """A child was scanned into `parent`: make it when it is new, and link it.

    Takes scan_id, station, user, parent, code, scanned_at, and `sent` from a device. `parent` and
    `code` are texts as read. With `switch`, a code that is a parent's is opened in place of the
    named one. Raises Refusal for every outcome that has no effect; the scan is kept then too.
    """
    values = _child_values(**scan) | {"switch": switch}
    return _answered(_run(sql.LINK_CHILD, values), values["raw"], values["parent"], switch)


def move_child(*, holder: str, **scan: Any) -> Answer:
    """Take a child out of `holder`, the parent that the person saw, into `parent`, in one step.

    A child that is in no parent by now is linked. Takes what `link_child` takes, and raises
    Refusal where the child is elsewhere by now, or either parent can't change.
    """
    values = _child_values(**scan) | {"holder": _parent_code(holder)}
    with transaction.atomic():
        row = _run(sql.LINK_CHILD, values)
        if row["moved"]:
            child = Bag(pk=row["child_id"], qr_id=row["code"])
            places = {"parent": values["holder"]}, {"parent": values["parent"]}
            record("child.moved", child, before=places[0], after=places[1])
    return _answered(row, values["raw"], values["parent"])


def undo_link(
    *, undo_id: UUID, station: str, user: User, scan_id: UUID | None = None, any_age: bool = False
) -> dict[str, Any]:
    """Take back a link of this station, at most an hour old. The scan stays, marked.

    `scan_id` names the scan whose link it is; without it, it is the newest. Returns undo_id,
    outcome, replayed, detail, scan_id, parent, child. Raises Refusal (`nothing_to_undo`,
    `undo_too_late`, `parent_dispatched`). The same undo id again changes nothing.
    """
    while (answer := _try_undo(undo_id, station, user, scan_id, any_age)) is None:
        pass  # the link was moved away meanwhile: look again
    return answer


def once(
    *, kind: str, item_id: UUID, user: User, sent: Sent, deed: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Judge an item that is no scan, exactly once: the same item again gets the first verdict.

    Returns what `deed` does, with `status`; a Refusal is a verdict too. All or nothing.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            values = {"item_id": item_id, "user_id": user.pk, "sent": str(sent)}
            cursor.execute(sql.BEGIN_ITEM, values)
            sender, known_kind, body = cursor.fetchone()
        if sender is None:
            raise _other_user()
        if body is None:
            body = _verdict(deed)
            Verdict.objects.create(item_id=item_id, kind=kind, body=body)
        else:
            body = json.loads(body) | {"replayed": True}
        hear(user=user, sent=sent)
    if known_kind not in (None, kind):
        raise _reused()
    return body


def hear(*, user: User, sent: Sent) -> None:
    """Keep what a device says. Raises Refusal (`other_user`) when it is somebody else's."""
    with connection.cursor() as cursor:
        cursor.execute(sql.HEAR, {"sent": str(sent), "user_id": user.pk})
        if not cursor.fetchone()[0]:
            raise _other_user()


def storable(raw: str) -> str:
    """Text as read, with what PostgreSQL can't keep (NUL, half characters) made visible."""
    return raw.replace("\0", "\u2400").encode("utf-8", "replace").decode("utf-8")


def _child_values(
    *,
    scan_id: UUID,
    station: str,
    user: User,
    parent: str,
    code: str,
    scanned_at: datetime,
    sent: Sent | None = None,
) -> dict[str, Any]:
    read = codes.read(code)
    return {
        "scan_id": scan_id,
        "station": station,
        "user_id": user.pk,
        "raw": storable(code),
        "parent": _parent_code(parent),
        "code": read.qr_id,
        "form": read.form,
        "label_no": read.label_no,
        "lot_no": read.lot_no,
        "tested_on": read.tested_on,
        "scanned_at": scanned_at,
        "switch": False,
        "holder": None,
        "sent": str(sent) if sent else None,
    }


def _parent_code(raw: str) -> str:
    """A parent's code; empty for what no parent's code can be."""
    code = codes.normalise(raw)
    return code if len(code) <= codes.MAX_LENGTH else ""


def _run(statement: str, values: dict[str, Any]) -> dict[str, Any]:
    """Run the one statement: the scan's columns, `replayed`, `moved`, `exception_id`."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        names = [column.name for column in cursor.description]
        row = dict(zip(names, cursor.fetchone(), strict=True))
    if row["id"] is None:
        raise _other_user()
    if isinstance(row["held_by"], str):
        row["held_by"] = json.loads(row["held_by"])
    return row


def _answered(row: dict[str, Any], raw: str, parent: str, switch: bool = False) -> Answer:
    """The answer to a scan, or the refusal that it is.

    A scan id belongs to one text and one parent. A switch has opened another one on purpose.
    """
    switched = switch and row["parent_code"] == ""
    same = row["raw"] == raw and (switched or row["parent_code"] == parent)
    if row["replayed"] and not same:
        raise _reused()
    return _effect(_worded(row))


def _reused() -> Refusal:
    return Refusal("scan_id_reused", _("This scan id belongs to another scan."), 422)


def _other_user() -> Refusal:
    return Refusal("other_user", _("This device's scans are somebody else's."), 401)


def _verdict(deed: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"status": 200} | deed()
    except Refusal as no:
        return {"status": no.status, "outcome": no.code, "detail": no.message} | no.detail


def _effect(answer: Answer) -> Answer:
    """The answer, or the refusal that it is."""
    if answer.status >= 400:
        rest = {name: value for name, value in answer.body().items() if name != "detail"}
        raise Refusal(answer.outcome, answer.detail, answer.status, **rest)
    return answer


def _worded(row: dict[str, Any]) -> Answer:
    """A Scan's columns -> the answer. The codes in the row are those of its bags."""
    opened = row["parent_id"] is not None and not row["parent_code"]
    parent = None
    if row["parent_id"] is not None:
        parent = {
            "qr_id": row["code"] if opened else row["parent_code"],
            "child_count": row["child_count"],
            "capacity": row["capacity"],
            "status": row["parent_status"],
        }
    return Answer(
        scan_id=row["scan_id"],
        outcome=row["outcome"],
        replayed=row["replayed"],
        detail=sentence(row),
        parent=parent,
        child=row["code"] if row["child_id"] is not None else None,
        held_by=row["held_by"],
        exception=row.get("exception_id"),
    )


def answer_of(scan: Scan, *, replayed: bool) -> Answer:
    """What was answered to a recorded scan."""
    row = {field.attname: getattr(scan, field.attname) for field in Scan._meta.concrete_fields}
    return _worded(row | {"replayed": replayed})


def parent_state(bag: Bag) -> dict[str, Any]:
    """A parent as answers bear it."""
    return {
        "qr_id": bag.qr_id,
        "child_count": bag.child_count,
        "capacity": bag.capacity,
        "status": bag.status,
    }


@transaction.atomic
def _try_undo(
    undo_id: UUID, station: str, user: User, scan_id: UUID | None, any_age: bool
) -> dict[str, Any] | None:
    """One try, in a transaction of its own: it never holds one parent while it waits for another.

    None when the link was gone once its parent was locked. Links come and go under that lock only.
    """
    # One undo at a time for each station. Scans go on meanwhile.
    at = Station.objects.select_for_update(no_key=True).filter(name=station).first()
    done = Undo.objects.filter(undo_id=undo_id).select_related("scan").first()
    if done:
        return _undone(done, replayed=True)
    scan = _link_to_undo(at, scan_id, any_age)
    parent = Bag.objects.select_for_update(no_key=True).get(pk=scan.parent_id)
    link = Link.objects.filter(pk=scan.link_id).first()
    if link is None:
        transaction.set_rollback(True)  # unlocks, also inside another transaction
        return None
    if parent.dispatched_at is not None:
        text = SENTENCES[Outcome.PARENT_DISPATCHED] % {"parent": parent.qr_id}
        detail = {"parent": parent_state(parent), "scan_id": str(scan.scan_id)}
        raise Refusal("parent_dispatched", text, **detail)
    link.delete()
    undo = Undo.objects.create(undo_id=undo_id, scan=scan, station=at, undone_by=user)
    return _undone(undo, replayed=False)


def _link_to_undo(station: Station | None, scan_id: UUID | None, any_age: bool) -> Scan:
    """The scan of this id, or the station's newest (station index), whose link still stands."""
    scans = Scan.objects.filter(
        Exists(Link.objects.filter(pk=OuterRef("link_id"))), station=station, outcome__in=LINKING
    )
    since = timezone.now() - UNDO_WITHIN
    if scan_id is not None:
        scan = scans.filter(scan_id=scan_id).first()
        if scan and scan.recorded_at < since and not any_age:
            text = _("%(code)s was packed over an hour ago. Ask a supervisor to take it out.")
            detail = {"scan_id": str(scan.scan_id)}
            raise Refusal("undo_too_late", text % {"code": scan.code}, **detail)
    else:
        scan = scans.filter(recorded_at__gte=since).order_by("-id").first()
    if scan is None:
        text = _("There is no link of the last hour to take back here.")
        raise Refusal("nothing_to_undo", text)
    return scan


def _undone(undo: Undo, *, replayed: bool) -> dict[str, Any]:
    scan = undo.scan
    words = {"code": scan.code, "parent": scan.parent_code}
    return {
        "undo_id": str(undo.undo_id),
        "outcome": "undone",
        "replayed": replayed,
        "detail": _("%(code)s is out of %(parent)s again.") % words,
        "scan_id": str(scan.scan_id),
        "parent": parent_state(Bag.objects.get(pk=scan.parent_id)),
        "child": scan.code,
    }
