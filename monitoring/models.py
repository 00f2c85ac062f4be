"""Statistics that are exact at any time and that no scanner waits for.

Triggers append what each statement added or removed to a ledger; the view `statistics_cache` adds
it up. About one writer in a thousand folds the ledger, so it stays short.
"""

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

SLOT = timedelta(minutes=15)  # every time zone on earth is a whole number of these from UTC


class Tally(models.Model):
    """`n` more (or fewer) rows of the kind `name`; scans also say in which quarter of an hour."""

    name = models.CharField(max_length=20, db_collation="C")
    slot = models.DateTimeField(null=True)
    n = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "tallies"

    def __str__(self) -> str:
        return f"{self.name} {self.n:+}"


class Statistics(models.Model):
    """The one row of the view `statistics_cache`."""

    id = models.IntegerField(primary_key=True)
    total_bags = models.BigIntegerField()
    parent_bags = models.BigIntegerField()
    child_bags = models.BigIntegerField()
    links = models.BigIntegerField()
    total_scans = models.BigIntegerField()
    total_bills = models.BigIntegerField()
    total_users = models.BigIntegerField()
    as_of = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "statistics_cache"

    def __str__(self) -> str:
        return f"Statistics as of {self.as_of}"


def today_by_hour() -> list[tuple[datetime, int]]:
    """The warehouse's day so far: each hour's start (local time) and its scans, undone ones too."""
    now = timezone.localtime()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    hours = dict.fromkeys(_hours(midnight, now), 0)
    slots = Tally.objects.filter(name="scans", slot__gte=midnight).values_list("slot", "n")
    for slot, n in slots:
        hour = timezone.localtime(slot).replace(minute=0)
        if hour in hours:
            hours[hour] += n
    return list(hours.items())


def _hours(start: datetime, end: datetime) -> list[datetime]:
    """The hours of the clock on the wall, also on a day when the clock is changed."""
    hours, at = [], start
    while at <= end:
        hours.append(at)
        at = timezone.localtime(at + timedelta(hours=1)).replace(minute=0)
    return hours
