"""Forms about people: signing in."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.views.decorators.debug import sensitive_variables

from accounts.signin import authenticate_in_turn


class SignInForm(AuthenticationForm):
    """Name and password. The answer is the same whatever was wrong with them."""

    error_messages = AuthenticationForm.error_messages | {
        "invalid_login": "This user name and password don't match. Please try again."
    }

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
