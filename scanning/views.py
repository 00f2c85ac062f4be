"""The station page: all that it needs to know before the first scan."""

from django.contrib.auth.decorators import permission_required
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
        "masks": list(Product.objects.active().values_list("pattern", flat=True)),
        "idle_seconds": IDLE_SECONDS,
    }
    return render(request, "scanning/station.html", context)
