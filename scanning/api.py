"""The station's doors for programs: scan, undo, move, finish, and a station's last scans."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bags.services import finish_parent
from scanning import exceptions, services
from scanning.models import STATION_NAME, Scan, ScanException

LONGEST = 4096  # characters; more never comes out of a scanner


class StationField(serializers.RegexField):
    """A station's name, in any case."""

    def __init__(self, **more: Any) -> None:
        super().__init__(rf"^{STATION_NAME}\Z", max_length=32, **more)

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(data.upper() if isinstance(data, str) else data)


class RawCode(serializers.Field):
    """Text as the scanner read it, whatever it is: the domain refuses it, not the form."""

    default_error_messages = {"invalid": _lazy("This must be text of at most 4,096 characters.")}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or len(data) > LONGEST:
            self.fail("invalid")
        return data


class AnyTime(serializers.DateTimeField):
    """A station's clock may be wrong by decades, and its scan counts all the same."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return super().to_internal_value(value)
        except OverflowError:
            self.fail("overflow")


class ScanForm(serializers.Serializer):
    scan_id = serializers.UUIDField()
    station = StationField()
    parent = RawCode(allow_null=True, default=None)
    code = RawCode()
    scanned_at = AnyTime()


class MoveForm(ScanForm):
    parent = RawCode()


# `from` is a word of Python, so this field can't be written in the class.
MoveForm._declared_fields["from"] = RawCode(source="holder")


class UndoForm(serializers.Serializer):
    undo_id = serializers.UUIDField()
    station = StationField()
    scan_id = serializers.UUIDField(allow_null=True, default=None)


class StationForm(serializers.Serializer):
    station = StationField()


class FinishForm(serializers.Serializer):
    parent = RawCode()
    station = StationField()


def valid(form: type[serializers.Serializer], data: Any) -> dict[str, Any]:
    checked = form(data=data)
    checked.is_valid(raise_exception=True)
    return checked.validated_data


class ExceptionsForm(serializers.Serializer):
    station = StationField(default=None)
    mine = serializers.BooleanField(default=False)


class ResolveForm(serializers.Serializer):
    resolution = serializers.ChoiceField(choices=ScanException.Resolution.values)
    reason = serializers.CharField(
        allow_blank=True, default="", max_length=exceptions.LONGEST_REASON
    )
    item_id = serializers.UUIDField(default=uuid4)


class ScanView(APIView):
    """POST one scan; GET a station's last 20."""

    permissions = {"POST": "scanning.add_scan", "GET": "scanning.view_scan"}

    def post(self, request: Request) -> Response:
        scan = valid(ScanForm, request.data)
        if scan["parent"] is None:
            del scan["parent"]
            answer = services.open_parent(user=request.user, **scan)
        else:
            answer = services.link_child(user=request.user, **scan)
        return Response(answer.body(), status=answer.status)

    def get(self, request: Request) -> Response:
        station = valid(StationForm, request.query_params)["station"]
        scans = Scan.objects.of_station(station).with_stands().newest(20)
        return Response({"results": [_listed(scan) for scan in scans]})


class MoveView(APIView):
    permissions = {"POST": "scanning.move_child"}

    def post(self, request: Request) -> Response:
        answer = services.move_child(user=request.user, **valid(MoveForm, request.data))
        return Response(answer.body(), status=answer.status)


class UndoView(APIView):
    permissions = {"POST": "scanning.undo_scan"}

    def post(self, request: Request) -> Response:
        return Response(services.undo_link(user=request.user, **valid(UndoForm, request.data)))


class FinishView(APIView):
    permissions = {"POST": "scanning.add_scan"}

    def post(self, request: Request) -> Response:
        return Response(finished(**valid(FinishForm, request.data)))


def finished(*, parent: str, station: str) -> dict[str, Any]:
    """Finish a parent, and what to answer."""
    bag = finish_parent(qr_id=parent, station=station)
    words = {"parent": bag.qr_id, "count": bag.child_count, "capacity": bag.capacity}
    detail = _("%(parent)s is finished with %(count)s of %(capacity)s.") % words
    return {"outcome": "finished", "detail": detail, "parent": services.parent_state(bag)}


class ExceptionsView(APIView):
    """GET the open exceptions that this person may see, oldest first."""

    permissions = {"GET": "scanning.view_scanexception"}
    most = 200

    def get(self, request: Request) -> Response:
        form = valid(ExceptionsForm, request.query_params)
        found = ScanException.objects.open().seen_by(request.user)
        if form["station"]:
            found = found.filter(station__name=form["station"])
        if form["mine"]:
            found = found.of_user(request.user)
        listed = found.with_story().order_by("id")[: self.most]
        results = [exceptions.shown(exception, request.user) for exception in listed]
        return Response({"results": results, "open": found.count()})


class ResolveView(APIView):
    """POST what becomes of an exception."""

    permissions = {"POST": "scanning.view_scanexception"}  # the deed asks whose it is

    def post(self, request: Request, exception_id: int) -> Response:
        form = valid(ResolveForm, request.data)
        done = exceptions.resolve_exception(exception_id=exception_id, user=request.user, **form)
        return Response({"id": done.pk, "resolution": done.resolution, "reason": done.reason})


def _listed(scan: Scan) -> dict[str, Any]:
    answer = services.answer_of(scan, replayed=True)
    return {
        "scan_id": scan.scan_id,
        "code": scan.code or scan.raw,
        "raw": scan.raw,
        "outcome": scan.outcome,
        "detail": answer.detail,
        "parent": answer.parent["qr_id"] if answer.parent else None,
        "child": answer.child,
        "child_count": scan.child_count,
        "capacity": scan.capacity,
        "held_by": scan.held_by,
        "by": str(scan.user),
        "at": scan.recorded_at,
        "undone": scan.undone,
        "stands": scan.stands,
    }
