"""The map of every door."""

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from django.views.generic import RedirectView
from django.views.i18n import set_language

from tracetrack import language

handler404 = "tracetrack.errors.not_found"
handler500 = "tracetrack.errors.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="dashboard"), name="home"),
    path("language/", login_not_required(set_language), name="set_language"),
    path("jsi18n/<str:code>/<str:version>.js", language.catalogue, name="catalogue"),
    path("", include("accounts.urls")),
    path("", include("bags.urls")),
    path("", include("scanning.urls")),
    path("", include("billing.urls")),
    path("", include("monitoring.urls")),
    path("admin/", admin.site.urls),
]
