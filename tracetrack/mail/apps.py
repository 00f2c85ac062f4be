"""E-mails: what waits, what was sent, what could not be."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MailConfig(AppConfig):
    """The tasks are found by procrastinate."""

    name = "tracetrack.mail"
    label = "mail"
    verbose_name = _("E-mail and jobs")
