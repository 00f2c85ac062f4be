"""The station page: all that it needs to know before the first scan."""

from pathlib import Path

from django.contrib.auth.decorators import login_not_required, permission_required
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie

from bags.models import Product
from scanning.models import Station

IDLE_SECONDS = 10 * 60  # an open parent that nobody scans into is closed after that


@never_cache
@ensure_csrf_cookie
@permission_required("scanning.add_scan", raise_exception=True)
def station(request: HttpRequest) -> HttpResponse:
    """Pack parents with a scanner."""
    context = {
        "stations": Station.objects.active().values_list("name", flat=True),
        "masks": list(Product.objects.active().values("pattern", "capacity")),
        "idle_seconds": IDLE_SECONDS,
    }
    return render(request, "scanning/station.html", context)


@login_not_required
@never_cache
def worker(request: HttpRequest) -> HttpResponse:
    """The script that opens the station page without the network. Its place decides its scope."""
    script = Path(finders.find("scanning/worker.js")).read_text()
    return HttpResponse(script, content_type="text/javascript")
