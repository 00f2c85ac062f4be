"""What left and what came back, by day: the overview for billers and the summary of returns."""

from collections.abc import Iterable
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.db import connection
from django.db.models import Count, F, Sum
from django.db.models.functions import TruncDate
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from audit.record import record
from billing.filters import day_of, midnight
from billing.models import KG, Bill, ReturnLine
from tracetrack.sheets import csv_response

DAYS = 30
MOST_DAYS = 366
# The chart's own units. The browser scales the whole.
COLUMN, GAP, HEIGHT = 24, 6, 120

# Each bill's totals first, as its lines would count it more than once; then days and people.
BY_DAY_AND_BILLER = """
WITH held AS (
    SELECT bill.id, bill.status, bill.line_count, bill.created_by_id,
        (coalesce(bill.completed_at, bill.created_at) AT TIME ZONE %(zone)s)::date AS day,
        coalesce(sum(inside.children), 0) AS children,
        coalesce(sum(inside.children * inside.kg_per_child), 0) AS kg,
        coalesce(sum((inside.children - inside.capacity) * inside.kg_per_child), 0) AS variance
    FROM billing_bill bill
    LEFT JOIN billing_billline line ON line.bill_id = bill.id
    LEFT JOIN bags_bag parent ON parent.id = line.parent_id
    LEFT JOIN LATERAL (SELECT
        coalesce(line.returned_children, parent.child_count) AS children,
        coalesce(line.returned_capacity, parent.capacity) AS capacity,
        coalesce(line.returned_kg_per_child, parent.kg_per_child) AS kg_per_child
    ) inside ON true
    WHERE coalesce(bill.completed_at, bill.created_at) >= %(start)s
        AND coalesce(bill.completed_at, bill.created_at) < %(end)s
    GROUP BY bill.id
)
SELECT held.day, coalesce(nullif(person.full_name, ''), person.username) AS biller,
    count(*) FILTER (WHERE held.status = 'new') AS new,
    count(*) FILTER (WHERE held.status = 'processing') AS processing,
    count(*) FILTER (WHERE held.status = 'completed') AS completed,
    sum(held.line_count) AS parents, sum(held.children) AS children,
    sum(held.kg) AS kg, sum(held.variance) AS variance,
    coalesce(sum(held.kg) FILTER (WHERE held.status = 'completed'), 0) AS dispatched_kg
FROM held
JOIN accounts_user person ON person.id = held.created_by_id
GROUP BY held.day, person.id
ORDER BY held.day DESC, biller, person.id
"""
RETURNED = ("parents", "children", "kg")
SUMS = ("new", "processing", "completed", "parents", "children", "kg", "variance", "dispatched_kg")


@never_cache
@permission_required("billing.view_bill", raise_exception=True)
def bills(request: HttpRequest) -> HttpResponse:
    """Per day and biller: bills, parents, children, kilograms; and a chart of 30 days."""
    span = _span(request)
    rows = by_day_and_biller(span["first"], span["last"])
    today = timezone.localdate()
    newest = (today - timedelta(days=DAYS - 1), today)
    of_chart = rows if (span["first"], span["last"]) == newest else by_day_and_biller(*newest)
    context = span | {
        "title": _("Overview of bills"),
        "opts": Bill._meta,
        "days": [
            {"day": day, "rows": of_day, "total": _total(of_day)}
            for day, of_day in _by_day(rows).items()
        ],
        "total": _total(rows),
        "chart": _chart(newest[0], of_chart),
    }
    context |= admin.site.each_context(request)
    return render(request, "admin/billing/bill/overview.html", context)


@never_cache
@permission_required("billing.view_returnline", raise_exception=True)
def returns(request: HttpRequest) -> HttpResponse | FileResponse:
    """What came back and stands, by day and by bill; as a page or as CSV."""
    span = _span(request)
    back = ReturnLine.objects.filter(
        taken_back_at=None,
        returned_at__gte=midnight(span["first"]),
        returned_at__lt=midnight(span["last"] + timedelta(days=1)),
    )
    by_day = _with_sums(back.annotate(day=TruncDate("returned_at")).values("day")).order_by("-day")
    by_bill = _with_sums(back.values("bill", "bill__number", "bill__customer")).order_by("-bill")
    if request.GET.get("format") == "csv":
        return _csv(back, span["first"], span["last"])
    context = span | {"title": _("Summary of returns"), "opts": ReturnLine._meta}
    context |= {"by_day": list(by_day), "by_bill": list(by_bill)}
    context["total"] = {name: sum(row[name] for row in context["by_day"]) for name in RETURNED}
    context |= admin.site.each_context(request)
    return render(request, "admin/billing/returnticket/summary.html", context)


# --- Reading ------------------------------------------------------------------------------------


def by_day_and_biller(first: date, last: date) -> list[dict[str, Any]]:
    """One row for each day and person with bills, newest day first. One query."""
    values = {
        "zone": timezone.get_current_timezone_name(),
        "start": midnight(first),
        "end": midnight(last + timedelta(days=1)),
    }
    with connection.cursor() as cursor:
        cursor.execute(BY_DAY_AND_BILLER, values)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _with_sums(lines: Any) -> Any:
    children = F("line__returned_children")
    return lines.annotate(
        parents=Count("pk"),
        children=Sum(children),
        kg=Sum(children * F("line__returned_kg_per_child"), output_field=KG),
    )


def _csv(back: Any, first: date, last: date) -> FileResponse:
    """One row for each day and bill; the audit log knows who took it."""
    rows = _with_sums(
        back.annotate(day=TruncDate("returned_at")).values("day", "bill", "bill__number")
    ).order_by("day", "bill")
    header = [_("Day"), _("Bill"), _("Parents"), _("Children"), _("Weight, kg")]
    cells = ((row["day"], row["bill__number"], *(row[n] for n in RETURNED)) for row in rows)
    response = csv_response("returns", header, cells)
    record("returns.exported", after={"from": first, "to": last, "rows": response.row_count})
    return response


# --- Parts of the pages -------------------------------------------------------------------------


def _span(request: HttpRequest) -> dict[str, Any]:
    """`first` and `last` day of what is shown: the last 30 days, unless others are asked for."""
    today = timezone.localdate()
    last = day_of(request.GET.get("to", "")) or today
    first = day_of(request.GET.get("from", "")) or last - timedelta(days=DAYS - 1)
    earliest = last - timedelta(days=MOST_DAYS - 1)
    return {"first": max(min(first, last), earliest), "last": last, "cut": first < earliest}


def _by_day(rows: list[dict[str, Any]]) -> dict[date, list[dict[str, Any]]]:
    return {day: list(of_day) for day, of_day in groupby(rows, key=lambda row: row["day"])}


def _total(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {name: sum(row[name] for row in rows) for name in SUMS}


def _chart(first: date, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A column for each of 30 days: the kilograms that left."""
    left = {day: _total(of_day)["dispatched_kg"] for day, of_day in _by_day(rows).items()}
    days = [first + timedelta(days=n) for n in range(DAYS)]
    highest = max([left.get(day, 0) for day in days] + [1])
    columns = []
    for place, day in enumerate(days):
        tall = round(float(HEIGHT * left.get(day, 0) / highest), 1)
        x = place * (COLUMN + GAP)
        columns.append(
            {
                "day": day,
                "kg": left.get(day, 0),
                "x": x,
                "y": HEIGHT - tall,
                "height": tall,
                "middle": x + COLUMN // 2,
                "named": place % 5 == 4,
            }
        )
    return {"columns": columns, "width": DAYS * (COLUMN + GAP) - GAP, "busy": any(left.values())}
