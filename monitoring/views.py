"""The dashboard, and the part of it that is fetched again and again."""

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from monitoring.models import Statistics, today_by_hour
from scanning.inbox import MANY
from scanning.models import Scan, ScanException, Station

LAST_SCANS = 20
# The chart's own units. The browser scales the whole.
COLUMN, GAP, HEIGHT = 24, 6, 120


@never_cache
@permission_required("monitoring.view_statistics", raise_exception=True)
def dashboard(request: HttpRequest) -> HttpResponse:
    """Totals, today's scans by hour, stations at work, the last scans."""
    context = _live(request) | {"statistics": Statistics.objects.get()}
    return render(request, "monitoring/dashboard.html", context)


@never_cache
@permission_required("monitoring.view_statistics", raise_exception=True)
def dashboard_live(request: HttpRequest) -> HttpResponse:
    """The dashboard's lower part, and how many exceptions wait."""
    return render(request, "monitoring/_parts.html", _live(request))


def _live(request: HttpRequest) -> dict[str, Any]:
    hours = today_by_hour()
    return {
        "open_exceptions": ScanException.objects.open().seen_by(request.user).up_to(MANY + 1),
        "chart": _chart(hours),
        "scans_today": sum(count for _, count in hours),
        "stations": Station.objects.at_work(),
        "scans": Scan.objects.newest(LAST_SCANS),
        "now": timezone.localtime(),
    }


def _chart(hours: list[tuple[Any, int]]) -> dict[str, Any]:
    """Columns for 24 hours of the clock, the ones to come still empty."""
    highest = max([count for _, count in hours] + [1])
    columns = []
    for place, (hour, count) in enumerate(hours):
        tall = round(HEIGHT * count / highest, 1)
        columns.append(
            {
                "x": place * (COLUMN + GAP),
                "y": HEIGHT - tall,
                "height": tall,
                "middle": place * (COLUMN + GAP) + COLUMN / 2,
                "hour": hour,
                "count": count,
            }
        )
    places = max(24, len(hours))
    return {
        "columns": columns,
        "width": places * (COLUMN + GAP) - GAP,
        "ticks": [(h, h * (COLUMN + GAP) + COLUMN / 2) for h in range(0, places, 3)],
        "busy": any(count for _, count in hours),
    }
