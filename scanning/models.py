"""History: each trigger pull of a scanner and what came of it. Rows are added, never changed.

Scans are written by the functions in `migrations/0002_functions.py`, one call for each scan.
"""

from datetime import timedelta

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q, Subquery
from django.db.models.functions import Now, Upper
from django.utils import timezone

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
                rf"^{STATION_NAME}\Z", "1 to 32 capital letters, digits, - or _, like PACK-1."
            )
        ],
    )
    is_active = models.BooleanField(
        "active", db_default=True, default=True, help_text="Offered on the station page."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = StationQuerySet.as_manager()

    class Meta:
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

    PARENT_CREATED = "parent_created", "Parent created"
    PARENT_OPENED = "parent_opened", "Parent opened"
    LINKED = "linked", "Linked"
    COMPLETED = "completed", "Completed"
    ALREADY_LINKED = "already_linked", "Already in this parent"
    LINKED_ELSEWHERE = "linked_elsewhere", "In another parent"
    PARENT_FULL = "parent_full", "Parent is full"
    PARENT_DISPATCHED = "parent_dispatched", "Parent is dispatched"
    IS_PARENT = "is_parent", "Is a parent"
    IS_CHILD = "is_child", "Is a child"
    BAD_CODE = "bad_code", "Not a code"
    UNKNOWN_PARENT = "unknown_parent", "Unknown parent"


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


class Scan(models.Model):
    """One trigger pull, refused ones included. The counts are those of its own moment."""

    scan_id = models.UUIDField(help_text="Made by the page; the same one again changes nothing.")
    outcome = models.CharField(max_length=17, choices=Outcome)
    raw = models.TextField(help_text="What the scanner read.")
    code = models.CharField(max_length=255, help_text="The same, normalised; empty if not a code.")
    parent_code = models.CharField(max_length=255, help_text="The parent that the page named.")
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
    scanned_at = models.DateTimeField(help_text="The station's clock.")
    recorded_at = models.DateTimeField(db_default=Now(), help_text="The server's clock.")

    objects = ScanQuerySet.as_manager()

    class Meta:
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
