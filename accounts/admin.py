"""Back office: people."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from accounts.forms import NewUserForm, PasswordForm, UserForm
from accounts.models import User
from accounts.services import activate_user, change_role, deactivate_user, delete_user
from tracetrack.errors import Refusal

admin.site.unregister(Group)  # roles take the place of groups


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    """People and their roles. A refusal is shown where the person looks, and nothing is saved."""

    form = UserForm
    add_form = NewUserForm
    change_password_form = PasswordForm
    change_user_password_template = "accounts/password.html"  # noqa: S105  a file name
    list_display = ["username", "full_name", "role", "is_active", "last_login"]
    list_filter = ["role", "is_active"]
    search_fields = ["username", "full_name"]
    filter_horizontal = []
    readonly_fields = ["last_login", "created_at"]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        (_("Person"), {"fields": ["full_name", "email"]}),
        (_("What they may do"), {"fields": ["role", "is_active"]}),
        (_("E-mails"), {"fields": ["mail_bill_created", "mail_bill_completed", "language"]}),
        (_("Dates"), {"fields": ["last_login", "created_at"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["username", "full_name", "email", "role", "password1", "password2"]}),
    ]
    actions = ["deactivate", "activate"]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        return [*self.readonly_fields, "role"] if obj == request.user else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whoever has signed in is part of the history, and can only be deactivated."""
        never_here = obj is None or obj.last_login is None
        return never_here and super().has_delete_permission(request, obj)

    # --- Saving ---------------------------------------------------------------------------------

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """When a rule refuses, nothing is saved, and the form comes back with the sentence."""
        try:
            return super().changeform_view(request, object_id, *args, **kwargs)
        except Refusal as refusal:
            request.refusal = refusal.message
            return super().changeform_view(request, object_id, *args, **kwargs)

    def get_form(
        self, request: HttpRequest, obj: User | None = None, **kwargs: Any
    ) -> type[ModelForm]:
        form = super().get_form(request, obj, **kwargs)  # a class made for this request
        form.refusal = getattr(request, "refusal", None)
        return form

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm, change: bool) -> None:
        """A new role and a new state are deeds. Of the rest, only what was edited is written."""
        if not change:
            obj.save()
            return
        if "role" in form.changed_data:
            change_role(user=obj, role=obj.role, by=request.user)
        if "is_active" in form.changed_data:
            _set_active(obj, obj.is_active)
        obj.save(update_fields=form.changed_data)

    # --- Deleting, and many at once -------------------------------------------------------------

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        delete_user(user=obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """People are deleted one by one; many at once are deactivated."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_refused(request, super().delete_view, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_refused(request, super().changelist_view, *args, **kwargs)

    def _or_refused(
        self, request: HttpRequest, view: Callable, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """All that the view does, or nothing of it and the reason above the list."""
        try:
            with transaction.atomic():
                return view(request, *args, **kwargs)
        except Refusal as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
            return redirect("admin:accounts_user_changelist")

    @admin.action(description=_("Deactivate the chosen people"), permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._set_all(request, queryset, False)

    @admin.action(description=_("Activate the chosen people"), permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._set_all(request, queryset, True)

    def _set_all(self, request: HttpRequest, queryset: QuerySet, active: bool) -> None:
        for user in queryset.order_by("pk"):
            _set_active(user, active)
        self.message_user(request, _("Done."), messages.SUCCESS)


def _set_active(user: User, active: bool) -> None:
    (activate_user if active else deactivate_user)(user=user)
