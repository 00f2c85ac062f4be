"""Filters of the list of bills."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, time, timedelta

from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _

from billing.models import BillLine

# A bill's day is the one on which it was completed; until then the one on which it was made.
DAY = Coalesce("completed_at", "created_at")


def day_of(text: str) -> date | None:
    """A day as a date field sends it; None for what is no day, or one that nobody means."""
    day = None
    with suppress(ValueError):
        day = parse_date(text)
    return day if day and 1900 < day.year < 9999 else None


def midnight(day: date) -> datetime:
    """When this day begins in the warehouse."""
    return timezone.make_aware(datetime.combine(day, time.min))


class StatusFilter(admin.SimpleListFilter):
    title, parameter_name = _("status"), "status"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple]:
        return model_admin.model.Status.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        known = self.value() in queryset.model.Status.values
        return queryset.filter(status=self.value()) if known else queryset


class DayFilter(admin.ListFilter):
    """From one day to another, each of them or both; days are the warehouse's."""

    title = _("day")
    template = "admin/billing/day_filter.html"
    names = ("from", "to")

    def __init__(
        self, request: HttpRequest, params: dict, model: type, model_admin: admin.ModelAdmin
    ) -> None:
        super().__init__(request, params, model, model_admin)
        texts = [params.pop(name, [""])[-1] for name in self.names]
        self.first, self.last = map(day_of, texts)
        self.used_parameters = {n: t for n, t in zip(self.names, texts, strict=True) if t}

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str]:
        return list(self.names)

    def choices(self, changelist: ChangeList) -> Iterator[tuple[str, str]]:
        """The other filters, which the form sends along."""
        own = {*self.names, PAGE_VAR}
        yield from ((name, value) for name, value in changelist.params.items() if name not in own)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.first or self.last:
            queryset = queryset.alias(day=DAY)
        if self.first:
            queryset = queryset.filter(day__gte=midnight(self.first))
        if self.last:
            queryset = queryset.filter(day__lt=midnight(self.last + timedelta(days=1)))
        return queryset


class WeightFilter(admin.SimpleListFilter):
    """By the variance.

    A rule of the database lets no parent hold more than its capacity. So no bill is over its
    weight, which is no choice here, and one is under it where a parent on it is.
    """

    title, parameter_name = _("weight"), "weight"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple]:
        return [
            ("under", _("Under the expected weight")),
            ("exact", _("Exactly the expected weight")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """The bills are found once, as count and page would each look for them again."""
        if self.value() == "under":
            return queryset.filter(pk__in=_bills_under())
        if self.value() == "exact":
            return queryset.filter(line_count__gt=0).exclude(pk__in=_bills_under())
        return queryset


def _bills_under() -> set[int]:
    """Bills with a parent of fewer children than its capacity."""
    here = BillLine.objects.filter(
        returned_at=None,
        parent__type="parent",  # lets the index of parents serve
        parent__child_count__lt=F("parent__capacity"),
    )
    back = BillLine.objects.filter(
        returned_at__isnull=False, returned_children__lt=F("returned_capacity")
    )
    return set(here.values("bill").union(back.values("bill")).values_list("bill", flat=True))
