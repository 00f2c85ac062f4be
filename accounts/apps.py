"""People: who they are, what their role allows, how they sign in."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    """Connects the receivers that record sign-ins."""

    name = "accounts"
    verbose_name = _("People")

    def ready(self) -> None:
        from accounts import receivers

        receivers.connect()
