from django.urls import path

from bags import api, views

urlpatterns = [
    path("api/bag/<path:qr_id>", api.BagView.as_view(), name="api_bag"),
    path("lookup/", views.lookup, name="lookup"),
    path("bags/<path:qr_id>/", views.bag, name="bag"),
]
