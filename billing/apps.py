from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BillingConfig(AppConfig):
    """What leaves: bills, what is on them, and what comes back."""

    name = "billing"
    verbose_name = _("Billing")
