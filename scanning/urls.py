from django.urls import path

from scanning import views

urlpatterns = [
    path("scan/", views.station, name="station"),
]
