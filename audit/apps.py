"""What happened, and who did it. Imports no other app: it is told its models by label."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Connects the receivers that record each edit of an audited model."""

    name = "audit"
    verbose_name = "History"
