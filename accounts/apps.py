"""People: who they are, what their role allows, how they sign in."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Connects the receivers that record sign-ins."""

    name = "accounts"
    verbose_name = "People"

    def ready(self) -> None:
        from accounts import receivers

        receivers.connect()
