"""The deeds of a station: open a parent, link a child, take back, move.

Every deed names its scan id (made by the page) and its station; the server keeps no open parent.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.models import User
from audit.record import record
from bags import codes
from bags.models import Bag, Link
from scanning import sql
from scanning.models import LINKING, Outcome, Scan, Station, Undo
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


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a scan. `parent` has qr_id, child_count, capacity and status."""

    scan_id: UUID
    outcome: str
    replayed: bool
    detail: str
    parent: dict[str, Any] | None
    child: str | None
    held_by: dict[str, Any] | None

    @property
    def status(self) -> int:
        """The HTTP status: 201 for an effect, 200 for none needed, 4xx for a refusal."""
        status = STATUS[Outcome(self.outcome)]
        return 200 if self.replayed and status == 201 else status

    def body(self) -> dict[str, Any]:
        return asdict(self)


def sentence(scan: dict[str, Any]) -> str:
    """What came of a scan, in words for people. `scan` has a Scan's columns by name."""
    code, parent, held = scan["code"], scan["parent_code"], scan["held_by"] or {}
    count = f"{scan['child_count']} of {scan['capacity']}"
    return {
        Outcome.PARENT_CREATED: f"{code} is new. Scan its children.",
        Outcome.PARENT_OPENED: f"{code} has {count}.",
        Outcome.LINKED: f"{code} is in {parent}: {count}.",
        Outcome.COMPLETED: f"{parent} is full: {count}. Scan the next parent.",
        Outcome.ALREADY_LINKED: f"{code} is in {parent} already.",
        Outcome.LINKED_ELSEWHERE: f"{code} is in {held.get('qr_id')}.",
        Outcome.PARENT_FULL: f"{parent} is full: {count}.",
        Outcome.PARENT_DISPATCHED: f"{parent} has left on a bill. It can't change.",
        Outcome.IS_PARENT: f"{code} is a parent.",
        Outcome.IS_CHILD: f"{code} is a child. Scan a parent first.",
        Outcome.BAD_CODE: "This is not a code.",
        Outcome.UNKNOWN_PARENT: f"There is no parent {parent}."
        if parent
        else "There is no such parent.",
    }[Outcome(scan["outcome"])]


def open_parent(
    *, scan_id: UUID, station: str, user: User, code: str, scanned_at: datetime
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
    }
    return _scan(sql.OPEN_PARENT, values, parent="")


def link_child(
    *, scan_id: UUID, station: str, user: User, parent: str, code: str, scanned_at: datetime
) -> Answer:
    """A child was scanned into `parent`: make it when it is new, and link it.

    `parent` and `code` are texts as read. Raises Refusal for every outcome that is none of
    `linked`, `completed`, `already_linked`; the scan is kept then too.
    """
    read = codes.read(code)
    parent = codes.normalise(parent)
    if len(parent) > codes.MAX_LENGTH:
        parent = ""  # no parent has such a code
    values = {
        "scan_id": scan_id,
        "station": station,
        "user_id": user.pk,
        "raw": storable(code),
        "parent": parent,
        "code": read.qr_id,
        "form": read.form,
        "label_no": read.label_no,
        "lot_no": read.lot_no,
        "tested_on": read.tested_on,
        "scanned_at": scanned_at,
    }
    return _scan(sql.LINK_CHILD, values, parent=parent)


def undo_newest(
    *, undo_id: UUID, station: str, user: User, scan_id: UUID | None = None
) -> dict[str, Any]:
    """Take back the newest link of this station, at most an hour old. The scan stays, marked.

    `scan_id` names the scan that the person saw as the newest: where it no longer is, nothing
    happens. Returns undo_id, outcome, replayed, detail, scan_id, parent, child. Raises Refusal
    (`nothing_to_undo`, `not_newest`, `parent_dispatched`). The same undo id again changes nothing.
    """
    while (answer := _try_undo(undo_id, station, user, scan_id)) is None:
        pass  # the link was moved away meanwhile: take the next newest
    return answer


def move_child(
    *,
    scan_id: UUID,
    station: str,
    user: User,
    parent: str,
    code: str,
    holder: str,
    scanned_at: datetime,
) -> Answer:
    """Take a child out of `holder`, the parent that the person saw, into `parent`, in one step.

    Raises Refusal where the child is elsewhere by now, or either parent can't change.
    """
    read, parent, holder = codes.read(code), codes.normalise(parent), codes.normalise(holder)
    with transaction.atomic():
        done = Scan.objects.raw(sql.RECORDED, {"scan_id": scan_id})[0]
        if done.pk:
            _refuse_reused(done.raw, done.parent_code, storable(code), parent)
            return _effect(answer_of(done, replayed=True))
        found = Bag.objects.parents().filter(qr_id__in=[parent, holder])
        # In the order of their keys, as everywhere.
        bags = {bag.qr_id: bag for bag in found.select_for_update(no_key=True).order_by("pk")}
        if parent not in bags:
            raise Refusal("unknown_parent", f"There is no parent {parent}.", 404)
        target = bags[parent]
        link = Link.objects.filter(child__qr_id=read.qr_id).select_related("child").first()
        if link is None or holder not in bags or link.parent_id != bags[holder].pk:
            _refuse_other_holder(read.qr_id, link)
        if link.parent_id == target.pk:
            raise Refusal("invalid", "It is in this parent already.", 400)
        _refuse_dispatched(target)
        _refuse_dispatched(bags[holder])
        if target.child_count >= target.capacity:
            count = f"{target.child_count} of {target.capacity}"
            raise Refusal("parent_full", f"{parent} is full: {count}.", parent=parent_state(target))
        child = link.child
        link.delete()
        moved = Link.objects.create(child=child, parent=target, linked_by=user)
        target.refresh_from_db()
        scan = Scan.objects.create(
            scan_id=scan_id,
            outcome=Outcome.COMPLETED if target.child_count == target.capacity else Outcome.LINKED,
            raw=storable(code),
            code=child.qr_id,
            parent_code=parent,
            station=_station(station),
            user=user,
            parent=target,
            child=child,
            link_id=moved.pk,
            child_count=target.child_count,
            capacity=target.capacity,
            parent_status=target.status,
            scanned_at=scanned_at,
        )
        record("child.moved", child, before={"parent": holder}, after={"parent": parent})
        return answer_of(scan, replayed=False)


def storable(raw: str) -> str:
    """Text as read, with what PostgreSQL can't keep (NUL, half characters) made visible."""
    return raw.replace("\0", "\u2400").encode("utf-8", "replace").decode("utf-8")


def _scan(statement: str, values: dict[str, Any], parent: str) -> Answer:
    """Run the one statement, and word its outcome."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        names = [column.name for column in cursor.description]
        row = dict(zip(names, cursor.fetchone(), strict=True))
    if isinstance(row["held_by"], str):
        row["held_by"] = json.loads(row["held_by"])
    if row["replayed"]:
        _refuse_reused(row["raw"], row["parent_code"], values["raw"], parent)
    return _effect(_worded(row))


def _refuse_reused(raw: str, parent: str, raw_now: str, parent_now: str) -> None:
    """A scan id belongs to one text and one parent. Another scan needs an id of its own."""
    if (raw, parent) != (raw_now, parent_now):
        raise Refusal("scan_id_reused", "This scan id belongs to another scan.", 422)


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


def _refuse_dispatched(bag: Bag) -> None:
    if bag.dispatched_at is not None:
        raise Refusal(
            "parent_dispatched",
            f"{bag.qr_id} has left on a bill. It can't change.",
            parent=parent_state(bag),
        )


def _refuse_other_holder(code: str, link: Link | None) -> None:
    """The child is not where the person saw it: say where it is now."""
    held = _holder(link) if link else None
    if held is None:
        raise Refusal("nothing_to_move", f"{code} is in no parent now. Scan it again.")
    raise Refusal("linked_elsewhere", f"{code} is in {held['qr_id']} now.", held_by=held)


def _holder(link: Link) -> dict[str, Any] | None:
    """Who holds the child of this link, or None when it has just been taken out."""
    with connection.cursor() as cursor:
        cursor.execute(sql.HOLDER, {"link_id": link.pk})
        held = cursor.fetchone()[0]
    return json.loads(held) if held else None


def _station(name: str) -> Station:
    return Station.objects.get_or_create(name=name)[0]


@transaction.atomic
def _try_undo(
    undo_id: UUID, station: str, user: User, scan_id: UUID | None
) -> dict[str, Any] | None:
    """One try, in a transaction of its own: it never holds one parent while it waits for another.

    None when the link was gone once its parent was locked. Links come and go under that lock only.
    """
    # One undo at a time for each station. Scans go on meanwhile.
    at = Station.objects.select_for_update(no_key=True).filter(name=station).first()
    done = Undo.objects.filter(undo_id=undo_id).select_related("scan").first()
    if done:
        return _undone(done, replayed=True)
    scan = _newest_link(at)
    if scan is None:
        raise Refusal("nothing_to_undo", "There is no link of the last hour to take back here.")
    if scan_id not in (None, scan.scan_id):
        raise Refusal("not_newest", "Something newer was packed here. Look at the list again.")
    parent = Bag.objects.select_for_update(no_key=True).get(pk=scan.parent_id)
    link = Link.objects.filter(pk=scan.link_id).first()
    if link is None:
        return None
    _refuse_dispatched(parent)
    link.delete()
    undo = Undo.objects.create(undo_id=undo_id, scan=scan, station=at, undone_by=user)
    return _undone(undo, replayed=False)


def _newest_link(station: Station | None) -> Scan | None:
    """The station's newest scan whose link still stands, at most an hour old (station index)."""
    return (
        Scan.objects.filter(
            Exists(Link.objects.filter(pk=OuterRef("link_id"))),
            station=station,
            outcome__in=LINKING,
            recorded_at__gte=timezone.now() - UNDO_WITHIN,
        )
        .order_by("-id")
        .first()
    )


def _undone(undo: Undo, *, replayed: bool) -> dict[str, Any]:
    scan = undo.scan
    parent = Bag.objects.get(pk=scan.parent_id)
    return {
        "undo_id": undo.undo_id,
        "outcome": "undone",
        "replayed": replayed,
        "detail": f"{scan.code} is out of {scan.parent_code} again.",
        "scan_id": scan.scan_id,
        "parent": parent_state(parent),
        "child": scan.code,
    }
