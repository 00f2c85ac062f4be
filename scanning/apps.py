from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ScanningConfig(AppConfig):
    """The hot path: what a scanner read, and what came of it."""

    name = "scanning"
    verbose_name = _("Scanning")
