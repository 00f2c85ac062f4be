from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """Watching: statistics, health, checks. It writes only its own tables."""

    name = "monitoring"

    def ready(self) -> None:
        from monitoring import checks  # noqa: F401  registers the system check
