from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BagsConfig(AppConfig):
    """Things: products, bags, and which child is in which parent."""

    name = "bags"
    verbose_name = _("Bags")
