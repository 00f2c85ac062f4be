from django.apps import AppConfig


class BagsConfig(AppConfig):
    """Things: products, bags, and which child is in which parent."""

    name = "bags"
