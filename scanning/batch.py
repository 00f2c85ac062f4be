"""The door of a station's queue: up to 100 items in one request, each with a verdict of its own.

A verdict is final: the page removes the item. What has none is sent again: it was not tried, or the
database was away.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from bags import codes
from scanning import exceptions, services
from scanning.api import AnyTime, RawCode, StationField, finished, valid
from scanning.models import Outcome
from scanning.services import Sent
from tracetrack.api import OtherUser
from tracetrack.errors import BUSY, Refusal, database_is_away

MOST_ITEMS = 100
SECONDS = 3  # then the rest is not tried: the page waits 5 seconds for its answer
HIGHEST = 2**62

log = logging.getLogger(__name__)


class AnyItem(serializers.Field):
    """An item as it came: each is judged by itself, and a wrong one does not stop the others."""

    def to_internal_value(self, data: Any) -> Any:
        return data


class BatchForm(serializers.Serializer):
    device = serializers.UUIDField()
    station = StationField(allow_null=True, default=None)
    parent = RawCode(allow_null=True, default=None)
    waiting = serializers.IntegerField(min_value=0, max_value=10**9, default=0)
    issued = serializers.IntegerField(min_value=0, max_value=HIGHEST, default=0)
    items = serializers.ListField(child=AnyItem(allow_null=True), max_length=MOST_ITEMS)


class ItemForm(serializers.Serializer):
    id = serializers.UUIDField()
    seq = serializers.IntegerField(min_value=1, max_value=HIGHEST)
    station = StationField()
    late = serializers.BooleanField(default=False)
    at = AnyTime()


class ScanItem(ItemForm):
    parent = RawCode(allow_null=True, default=None)
    code = RawCode()
    switch = serializers.BooleanField(default=False)


class MoveItem(ItemForm):
    parent = RawCode()
    code = RawCode()


# `from` is a word of Python, so this field can't be written in the class.
MoveItem._declared_fields["from"] = RawCode(source="holder")


class UndoItem(ItemForm):
    scan_id = serializers.UUIDField(allow_null=True, default=None)


class FinishItem(ItemForm):
    parent = RawCode()


class BatchView(APIView):
    """POST what a device holds, oldest first; nothing at all is a sign of life."""

    permission_classes = [IsAuthenticated]  # each item asks for its own

    def post(self, request: Request) -> Response:
        batch = valid(BatchForm, request.data)
        try:
            results = judge(batch, request.user)
        except Refusal as no:
            raise OtherUser from no
        now = timezone.now()
        return Response({"device": batch["device"], "now": now, "results": results})


def judge(batch: dict[str, Any], user: User) -> list[dict[str, Any]]:
    """A result for each item, in their order, each in a transaction of its own.

    It stops after an item that decides what the later ones mean or that has no verdict (the page
    sends the others without what depends on it), and when the time is over. Raises
    Refusal (`other_user`), and the database's own error when not even the first item was judged.
    """
    items = batch["items"]
    until = time.monotonic() + SECONDS
    results: list[dict[str, Any]] = []
    for number, raw in enumerate(items):
        sent = _sent(batch, raw, waiting=batch["waiting"] + len(items) - number - 1)
        try:
            result = _result(raw, user, sent)
        except Exception as error:
            if not database_is_away(error):
                raise
            if not results:
                raise
            result = _said(raw, 503, "busy", BUSY)
        results.append(result)
        if result["status"] in (500, 503) or _decides(raw, result) or time.monotonic() > until:
            break
    if not items:
        services.hear(user=user, sent=_sent(batch, None, waiting=batch["waiting"]))
    text = _("Not tried yet.")
    return results + [_said(raw, 425, "not_tried", text) for raw in items[len(results) :]]


def _sent(batch: dict[str, Any], raw: Any, waiting: int) -> Sent:
    """What the device says beside this item. A number counts as heard also in a wrong item."""
    item = raw if isinstance(raw, dict) else {}
    seq = item.get("seq")
    parent = services.storable(codes.normalise(batch["parent"] or ""))
    return Sent(
        device=batch["device"],
        seq=seq if type(seq) is int and 1 <= seq <= HIGHEST else None,
        late=item.get("late") is True,
        issued=batch["issued"],
        waiting=waiting,
        parent=parent[: codes.MAX_LENGTH],
        station=batch["station"],
    )


def _result(raw: Any, user: User, sent: Sent) -> dict[str, Any]:
    """The verdict on one item; status 500 where there is none, because we made a mistake."""
    try:
        kind = KINDS[raw["kind"]]
    except (KeyError, TypeError):
        return _unjudged(raw, user, sent, {"kind": [_("There is no such kind of item.")]})
    form = kind[0](data=raw)
    if not form.is_valid():
        return _unjudged(raw, user, sent, form.errors)
    _form, permission, deed = kind
    if not user.has_perm(permission):
        services.hear(user=user, sent=sent)
        return _said(raw, 403, "permission_denied", _("Your role may not do this."))
    item = form.validated_data
    try:
        return _said(raw) | deed(item.pop("id"), item, user, sent)
    except Refusal as no:
        if no.code == "other_user":
            raise
        return _said(raw, no.status, no.code, no.message) | _kept(no.detail)
    except Exception as error:
        if database_is_away(error):
            raise
        log.exception("An item of a batch could not be judged")
        return _said(raw, 500, "server_error", _("Something went wrong on the server."))


def _unjudged(raw: Any, user: User, sent: Sent, errors: Any) -> dict[str, Any]:
    services.hear(user=user, sent=sent)
    said = _said(raw, 400, "invalid", _("Some fields are missing or wrong."))
    return said | {"errors": errors}


def _said(raw: Any, status: int = 0, outcome: str = "", detail: str = "") -> dict[str, Any]:
    return {
        "id": raw.get("id") if isinstance(raw, dict) else None,
        "status": status,
        "outcome": outcome,
        "detail": detail,
        "replayed": False,
        "parent": None,
        "child": None,
        "held_by": None,
        "exception": None,
    }


def _kept(body: dict[str, Any]) -> dict[str, Any]:
    """A scan's answer without its id, which is the item's own."""
    return {name: value for name, value in body.items() if name != "scan_id"}


def _decides(raw: Any, result: dict[str, Any]) -> bool:
    """Whether the page took the parent of what follows for another one than it turned out to be.

    Either a code that it took for a child was a parent, or the scan that was to open one did not.
    """
    if not isinstance(raw, dict) or raw.get("kind") != "scan":
        return False
    named = raw.get("parent")
    if named is None:
        return result["status"] >= 400
    opened = result["outcome"] in (Outcome.PARENT_OPENED, Outcome.PARENT_CREATED)
    other = opened and result["parent"]["qr_id"] != codes.normalise(named)
    return other or result["outcome"] == Outcome.IS_PARENT


# --- What each kind of item does ----------------------------------------------------------------


def _scan(scan_id: UUID, item: dict[str, Any], user: User, sent: Sent) -> dict[str, Any]:
    values = {"scan_id": scan_id, "user": user, "sent": sent, "scanned_at": item["at"]}
    values |= {"station": item["station"], "code": item["code"]}
    if item["parent"] is None:
        answer = services.open_parent(**values)
    else:
        answer = services.link_child(parent=item["parent"], switch=item["switch"], **values)
    return _kept(answer.body()) | {"status": answer.status}


def _move(scan_id: UUID, item: dict[str, Any], user: User, sent: Sent) -> dict[str, Any]:
    answer = services.move_child(
        scan_id=scan_id,
        station=item["station"],
        user=user,
        parent=item["parent"],
        code=item["code"],
        holder=item["holder"],
        scanned_at=item["at"],
        sent=sent,
    )
    return _kept(answer.body()) | {"status": answer.status}


def _undo(undo_id: UUID, item: dict[str, Any], user: User, sent: Sent) -> dict[str, Any]:
    values = {"undo_id": undo_id, "user": user, "station": item["station"]}
    deed = partial(services.undo_link, scan_id=item["scan_id"], **values)
    with transaction.atomic():
        verdict = services.once(kind="undo", item_id=undo_id, user=user, sent=sent, deed=deed)
        if sent.late:
            opened = exceptions.undo_refused(verdict=verdict, happened_at=item["at"], **values)
            verdict["exception"] = opened
    return verdict


def _finish(item_id: UUID, item: dict[str, Any], user: User, sent: Sent) -> dict[str, Any]:
    deed = partial(finished, parent=item["parent"], station=item["station"])
    return services.once(kind="finish", item_id=item_id, user=user, sent=sent, deed=deed)


Deed = Callable[[UUID, dict[str, Any], User, Sent], dict[str, Any]]

KINDS: dict[str, tuple[type[ItemForm], str, Deed]] = {
    "scan": (ScanItem, "scanning.add_scan", _scan),
    "move": (MoveItem, "scanning.move_child", _move),
    "undo": (UndoItem, "scanning.undo_scan", _undo),
    "finish": (FinishItem, "scanning.add_scan", _finish),
}
