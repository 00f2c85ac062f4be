"""What happened, and who did it. Imports no other app: it is told its models by label."""

from django.apps import AppConfig
from django.conf import settings
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    """Connects the receivers that record each edit of an audited model."""

    name = "audit"
    verbose_name = _("History")

    def ready(self) -> None:
        from audit import receivers

        receivers.connect(settings.AUDITED_MODELS)
