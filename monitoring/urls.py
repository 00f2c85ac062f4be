from django.urls import path

from monitoring import api, health, views

urlpatterns = [
    path("dashboard/", views.dashboard, name="dashboard"),
    path("dashboard/live/", views.dashboard_live, name="dashboard_live"),
    path("api/stats", api.StatsView.as_view(), name="api_stats"),
    path("health", health.health, name="health"),
    path("ready", health.ready, name="ready"),
]
