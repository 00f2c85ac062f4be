"""Doors for people who come and go, and for what they decide for themselves."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("login/", views.SignIn.as_view(), name="login"),
    path("logout/", views.SignOut.as_view(), name="logout"),
    path("account/", views.account, name="account"),
    # These stand before the back office's own, so that there is one way in and one way out.
    path("admin/login/", views.back_office_sign_in),
    path("admin/logout/", views.SignOut.as_view()),
]
