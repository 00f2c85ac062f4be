"""Doors for people who come and go."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("login/", views.SignIn.as_view(), name="login"),
    path("logout/", views.SignOut.as_view(), name="logout"),
    # Stands before the back office's own address, so that there is one sign-in only.
    path("admin/login/", views.back_office_sign_in),
]
