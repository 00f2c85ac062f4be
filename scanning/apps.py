from django.apps import AppConfig


class ScanningConfig(AppConfig):
    """The hot path: what a scanner read, and what came of it."""

    name = "scanning"
