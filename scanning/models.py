"""History: each trigger pull of a scanner and what came of it. Rows are added, never changed.

Scans are written by the functions in `migrations/0004_queue_functions.py`, one call for each scan.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.core.validators import RegexValidator
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    Case,
    Exists,
    ExpressionWrapper,
    F,
    Func,
    OuterRef,
    Q,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Greatest, JSONObject, Now, Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from psycopg.types.multirange import Int8Multirange, Multirange

from accounts.models import User
from bags.models import Bag, Link

AT_WORK = timedelta(minutes=10)
STATION_NAME = r"[A-Z0-9][A-Z0-9_-]{0,31}"


class StationQuerySet(models.QuerySet):
    def active(self) -> "StationQuerySet":
        return self.filter(is_active=True)

    def at_work(self) -> list["Station"]:
        """Stations with a scan in the last ten minutes, as `last_scan`; the newest first."""
        newest = Scan.objects.filter(station=OuterRef("pk")).order_by("-id").values("pk")[:1]
        ids = self.annotate(newest=Subquery(newest)).values_list("newest", flat=True)
        since = timezone.now() - AT_WORK
        scans = Scan.objects.filter(pk__in=[pk for pk in ids if pk], recorded_at__gte=since)
        working = []
        for scan in scans.select_related("station", "user", "parent").order_by("-id"):
            scan.station.last_scan = scan
            working.append(scan.station)
        return working


class Station(models.Model):
    """A place with a scanner. One that nobody has named yet is registered by its first scan."""

    name = models.CharField(
        max_length=32,
        db_collation="C",
        validators=[
            RegexValidator(
                rf"^{STATION_NAME}\Z", _("1 to 32 capital letters, digits, - or _, like PACK-1.")
            )
        ],
    )
    is_active = models.BooleanField(
        _("active"), db_default=True, default=True, help_text=_("Offered on the station page.")
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = StationQuerySet.as_manager()

    class Meta:
        verbose_name = _("station")
        verbose_name_plural = _("stations")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["name"], name="scanning_station_name_unique"),
            models.CheckConstraint(
                condition=Q(name=Upper("name")) & ~Q(name=""), name="scanning_station_name_upper"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Outcome(models.TextChoices):
    """What came of a scan. Stable words of the API."""

    PARENT_CREATED = "parent_created", _("Parent created")
    PARENT_OPENED = "parent_opened", _("Parent opened")
    LINKED = "linked", _("Linked")
    COMPLETED = "completed", _("Completed")
    ALREADY_LINKED = "already_linked", _("Already in this parent")
    LINKED_ELSEWHERE = "linked_elsewhere", _("In another parent")
    PARENT_FULL = "parent_full", _("Parent is full")
    PARENT_DISPATCHED = "parent_dispatched", _("Parent is dispatched")
    IS_PARENT = "is_parent", _("Is a parent")
    IS_CHILD = "is_child", _("Is a child")
    BAD_CODE = "bad_code", _("Not a code")
    UNKNOWN_PARENT = "unknown_parent", _("Unknown parent")


LINKING = (Outcome.LINKED, Outcome.COMPLETED)


class ScanQuerySet(models.QuerySet):
    def newest(self, limit: int) -> "ScanQuerySet":
        """The last scans with all that a list shows of them, in one query (primary key)."""
        return (
            self.with_undone()
            .select_related("station", "user", "parent", "child")
            .order_by("-id")[:limit]
        )

    def with_undone(self) -> "ScanQuerySet":
        """Each scan with `undone`: whether its link was taken back."""
        return self.annotate(undone=Exists(Undo.objects.filter(scan=OuterRef("pk"))))

    def with_stands(self) -> "ScanQuerySet":
        """Each scan with `stands`: whether the link that it made is still there."""
        return self.annotate(stands=Exists(Link.objects.filter(pk=OuterRef("link_id"))))

    def of_station(self, name: str) -> "ScanQuerySet":
        return self.filter(station__name=name)

    def of_bag(self, bag: Bag) -> "ScanQuerySet":
        """Scans that read this bag or put something into it (child and parent index)."""
        return self.filter(Q(child=bag) if bag.type == Bag.Type.CHILD else Q(parent=bag))


class NumbersField(models.Field):
    """A set of whole numbers, as PostgreSQL keeps it: an int8multirange."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "int8multirange"

    def get_prep_value(self, value: Any) -> Any:
        return Int8Multirange(value) if isinstance(value, Multirange) else value


NUMBER = models.BigIntegerField()


class DeviceQuerySet(models.QuerySet):
    def heard_since(self, moment: Any) -> "DeviceQuerySet":
        """Devices that have said something since then, the last one first."""
        return self.filter(heard_at__gte=moment).order_by("-heard_at")

    def with_gaps(self) -> "DeviceQuerySet":
        """Each device with `gaps`: the numbers that it gave out and that never came.

        What still waits there comes last, so only numbers below the highest heard one can be
        missing; where nothing waits, all that were given out must have come.
        """
        heard_to = Coalesce(Func(F("heard"), function="upper"), 1, output_field=NUMBER)
        given_out = Case(
            When(waiting=0, then=Greatest(heard_to, F("issued") + 1)), default=heard_to
        )
        all_of_them = Func(
            Func(Value(1), given_out, function="int8range"), function="int8multirange"
        )
        gaps = Func(all_of_them, F("heard"), template="(%(expressions)s)", arg_joiner=" - ")
        return self.annotate(gaps=ExpressionWrapper(gaps, NumbersField()))

    def with_open_parent(self) -> "DeviceQuerySet":
        """Each device with its user and `open_parent`: how full the parent is that is open."""
        parent = Bag.objects.parents().filter(qr_id=OuterRef("parent_code"))
        filled = parent.values(filled=JSONObject(child_count="child_count", capacity="capacity"))
        return self.select_related("user").annotate(open_parent=Subquery(filled))


class Device(models.Model):
    """One person's queue of scans in one browser, as it was when it was last heard.

    It numbers what it stores: 1, 2, 3, … A number that got no verdict while later ones did is a
    gap: something was lost on the device.
    """

    device_id = models.UUIDField(help_text=_("Made by the page."))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False
    )
    station = models.ForeignKey(
        Station, models.PROTECT, null=True, related_name="+", db_index=False
    )
    heard = NumbersField(db_default="{}", help_text=_("The numbers that got a verdict."))
    issued = models.BigIntegerField(db_default=0, help_text=_("The highest number given out."))
    waiting = models.PositiveIntegerField(db_default=0, help_text=_("How many it still holds."))
    parent_code = models.CharField(
        max_length=255, db_default="", help_text=_("The parent that is open there.")
    )
    heard_at = models.DateTimeField(db_default=Now())

    objects = DeviceQuerySet.as_manager()

    class Meta:
        verbose_name = _("device")
        verbose_name_plural = _("devices")
        # No index on what each scan changes: its row is then updated in place (HOT). There are
        # some hundred devices, and the board reads them all.
        constraints = [
            # Reader: each scan.
            models.UniqueConstraint(fields=["device_id"], name="scanning_device_id_unique"),
        ]

    def __str__(self) -> str:
        return str(self.device_id)


class Scan(models.Model):
    """One trigger pull, refused ones included. The counts are those of its own moment."""

    scan_id = models.UUIDField(help_text=_("Made by the page; the same one again changes nothing."))
    outcome = models.CharField(max_length=17, choices=Outcome)
    raw = models.TextField(help_text=_("What the scanner read."))
    code = models.CharField(
        max_length=255, help_text=_("The same, normalised; empty if not a code.")
    )
    parent_code = models.CharField(max_length=255, help_text=_("The parent that the page named."))
    station = models.ForeignKey(Station, models.PROTECT, related_name="+", db_index=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False
    )
    parent = models.ForeignKey(Bag, models.PROTECT, null=True, related_name="+", db_index=False)
    child = models.ForeignKey(Bag, models.PROTECT, null=True, related_name="+", db_index=False)
    # The link that this scan made, which may be gone: undo looks for it.
    link_id = models.BigIntegerField(null=True)
    child_count = models.PositiveIntegerField(null=True)
    capacity = models.PositiveIntegerField(null=True)
    parent_status = models.CharField(max_length=11, null=True, choices=Bag.Status)  # noqa: DJ001  a scan without a parent has none
    held_by = models.JSONField(null=True)
    scanned_at = models.DateTimeField(help_text=_("The station's clock."))
    recorded_at = models.DateTimeField(db_default=Now(), help_text=_("The server's clock."))
    # Scans of programs have neither.
    device = models.ForeignKey(Device, models.PROTECT, null=True, related_name="+", db_index=False)
    seq = models.BigIntegerField(null=True, help_text=_("Its number on that device."))
    late = models.BooleanField(
        db_default=False, default=False, help_text=_("Judged when nobody looked any more.")
    )

    objects = ScanQuerySet.as_manager()

    class Meta:
        verbose_name = _("scan")
        verbose_name_plural = _("scans")
        constraints = [
            # Reader: the same scan sent again.
            models.UniqueConstraint(fields=["scan_id"], name="scanning_scan_scan_id_unique"),
        ]
        indexes = [
            # Reader: a station's last scans, undo, stations at work.
            models.Index(fields=["station", "-id"], name="scanning_scan_station"),
            # Readers: a bag's history, and who holds a child.
            models.Index(
                fields=["child", "id"], name="scanning_scan_child", condition=Q(child__isnull=False)
            ),
            models.Index(
                fields=["parent", "id"],
                name="scanning_scan_parent",
                condition=Q(parent__isnull=False),
            ),
            # Reader: the back office's filter by outcome. `linked` is everywhere: no need of it.
            models.Index(
                fields=["outcome", "id"],
                name="scanning_scan_outcome",
                condition=~Q(outcome="linked"),
            ),
            # Reader: a day's scans. Rows lie in the order of their time, so this index is tiny.
            BrinIndex(fields=["recorded_at"], name="scanning_scan_day", autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.code or self.raw[:40]}: {self.outcome}"


class Undo(models.Model):
    """The mark on a scan whose link was taken back: by whom, when, where."""

    undo_id = models.UUIDField(unique=True)
    scan = models.OneToOneField(Scan, models.PROTECT, related_name="undo")
    station = models.ForeignKey(Station, models.PROTECT, related_name="+", db_index=False)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False
    )
    undone_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"Undo of {self.scan}"


class Verdict(models.Model):
    """What was answered to an item that is no scan (undo, finish): the same again changes nothing.

    A scan is its own verdict.
    """

    item_id = models.UUIDField()
    kind = models.CharField(max_length=6)
    body = models.JSONField()
    given_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # Reader: the same item sent again.
            models.UniqueConstraint(fields=["item_id"], name="scanning_verdict_item_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.item_id}"


class ScanExceptionQuerySet(models.QuerySet):
    def with_story(self) -> "ScanExceptionQuerySet":
        """With all that a list shows, in one query, and `held_by`: who holds the child now."""
        link = Link.objects.filter(child__qr_id=OuterRef("scan__code")).values("pk")
        held_by = Func(Subquery(link), function="scanning_holder", output_field=models.JSONField())
        return self.select_related("scan", "station", "user").annotate(held_by=held_by)

    def open(self) -> "ScanExceptionQuerySet":
        """Those that nobody has decided yet."""
        return self.filter(resolved_at=None)

    def resolved(self) -> "ScanExceptionQuerySet":
        return self.filter(resolved_at__isnull=False)

    def of_user(self, user: User) -> "ScanExceptionQuerySet":
        """Those of this person's own scans."""
        return self.filter(user=user)

    def seen_by(self, user: User) -> "ScanExceptionQuerySet":
        """All for those who may decide them all, else their own."""
        return self if user.has_perm("scanning.resolve_exception") else self.of_user(user)

    def up_to(self, limit: int) -> int:
        """How many there are, and no further than `limit`."""
        return self.order_by().values("pk")[:limit].count()


class ScanException(models.Model):
    """Something that happened in the hall and was refused later, when nobody looked any more.

    It waits for a person's decision, and changes once: from open to resolved.
    """

    class Kind(models.TextChoices):
        SCAN = "scan", _("Scan")
        MOVE = "move", _("Move")
        UNDO = "undo", _("Undo")

    class Resolution(models.TextChoices):
        DISMISSED = "dismissed", _("Dismissed")
        MOVED = "moved", _("Done after all")
        KEPT = "kept", _("Left as it is")

    item_id = models.UUIDField(help_text=_("The scan's or undo's own id."))
    kind = models.CharField(max_length=4, choices=Kind)
    # The refused scan; for an undo the one whose link it was to take back.
    scan = models.ForeignKey(Scan, models.PROTECT, null=True, related_name="+", db_index=False)
    outcome = models.CharField(max_length=17)
    station = models.ForeignKey(Station, models.PROTECT, related_name="+", db_index=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False
    )
    happened_at = models.DateTimeField(help_text=_("The station's clock."))
    opened_at = models.DateTimeField(db_default=Now(), help_text=_("The server's clock."))
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    resolution = models.CharField(max_length=9, choices=Resolution, db_default="", default="")
    reason = models.TextField(db_default="", default="")

    objects = ScanExceptionQuerySet.as_manager()

    class Meta:
        verbose_name = _("exception")
        verbose_name_plural = _("exceptions")
        constraints = [
            # Reader: an undo sent again; the scan path writes through it.
            models.UniqueConstraint(fields=["item_id"], name="scanning_exception_item_unique"),
            models.CheckConstraint(
                condition=Q(resolved_at=None, resolved_by=None, resolution="", reason="")
                | Q(
                    resolved_at__isnull=False,
                    resolved_by__isnull=False,
                    resolution__in=["moved", "kept"],
                )
                | Q(resolved_at__isnull=False, resolved_by__isnull=False, resolution="dismissed")
                & ~Q(reason=""),
                name="scanning_exception_resolved",
            ),
        ]
        indexes = [
            # Readers: the inbox, and how many wait. Open ones are few, whatever the years bring.
            models.Index(
                fields=["id"], name="scanning_exception_open", condition=Q(resolved_at=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.item_id}: {self.outcome}"
