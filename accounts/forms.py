"""Forms about people: signing in, and the back office's own."""

from typing import Any

from django.contrib.auth.forms import (
    AdminPasswordChangeForm,
    AuthenticationForm,
    BaseUserCreationForm,
    UserChangeForm,
    UsernameField,
)
from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from accounts.signin import authenticate_in_turn


class SignInForm(AuthenticationForm):
    """Name and password. The answer is the same whatever was wrong with them."""

    error_messages = AuthenticationForm.error_messages | {
        "invalid_login": _("This user name and password don't match. Please try again.")
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].label = _("Password")  # Django's Hindi word is nobody's

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        username = self.cleaned_data.get("username")
        password = self.cleaned_data.get("password")
        if username is not None and password:
            self.user_cache = authenticate_in_turn(
                self.request, username=username, password=password
            )
            if self.user_cache is None:
                raise self.get_invalid_login_error()
        return self.cleaned_data


class NewUserForm(BaseUserCreationForm):
    """A person with a password, typed twice."""

    class Meta:
        model = User
        fields = ["username", "full_name", "email", "role"]
        field_classes = {"username": UsernameField}


class UserForm(UserChangeForm):
    """A person, but for the password. `refusal` is what a rule said when it was saved before."""

    refusal: str | None = None

    class Meta:
        model = User
        fields = [
            *("username", "password", "full_name", "email", "role", "is_active"),
            *("mail_bill_created", "mail_bill_completed", "language"),
        ]
        field_classes = {"username": UsernameField}

    def clean(self) -> dict[str, Any]:
        if self.refusal:
            raise ValidationError(self.refusal)
        return super().clean()


class AccountForm(ModelForm):
    """What people decide for themselves: their address, and which e-mails go there."""

    mail_choices = ["mail_bill_created", "mail_bill_completed"]

    class Meta:
        model = User
        fields = ["email", "mail_bill_created", "mail_bill_completed", "language"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].widget.attrs["autocomplete"] = "email"
        if not self.instance.has_perm("billing.view_bill"):
            for name in (*self.mail_choices, "language"):
                del self.fields[name]

    def clean(self) -> dict[str, Any]:
        """Who wants e-mails needs an address."""
        cleaned = super().clean()
        if any(map(cleaned.get, self.mail_choices)) and cleaned.get("email") == "":
            self.add_error("email", _("E-mails need an address to go to."))
        return cleaned


class PasswordForm(AdminPasswordChangeForm):
    """A new password for somebody, typed twice. There is no way to have none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.pop("usable_password", None)
        for field in self.fields.values():
            field.required = True
