from django.apps import AppConfig


class BillingConfig(AppConfig):
    """What leaves: bills, what is on them, and what comes back."""

    name = "billing"
