"""The map of every door."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

handler404 = "tracetrack.errors.not_found"
handler500 = "tracetrack.errors.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="dashboard"), name="home"),
    path("", include("accounts.urls")),
    path("", include("bags.urls")),
    path("", include("scanning.urls")),
    path("", include("monitoring.urls")),
    path("admin/", admin.site.urls),
]
