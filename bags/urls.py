from django.urls import path

from bags import views

urlpatterns = [
    path("lookup/", views.lookup, name="lookup"),
    path("bags/<path:qr_id>/", views.bag, name="bag"),
]
