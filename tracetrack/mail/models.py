"""One row for each e-mail to one person."""

import uuid
from typing import Self

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django.models import ProcrastinateJob


class MailQuerySet(models.QuerySet):
    def waiting(self) -> Self:
        """Those that the worker still has to send."""
        return self.filter(state=Mail.State.WAITING)

    def stopped(self) -> Self:
        """Those that nobody tries to send any more, but that were not sent."""
        return self.filter(state__in=[Mail.State.KEPT, Mail.State.DEAD])

    def undelivered(self) -> Self:
        """Those that were given up, and that nobody has seen to."""
        return self.filter(state=Mail.State.DEAD, seen_at=None)

    def up_to(self, limit: int) -> int:
        """How many there are, and no further than `limit`."""
        return self.order_by().values("pk")[:limit].count()


class Mail(models.Model):
    """What is to be told to whom. The worker makes the text, in the person's language.

    `context` bears the numbers of the moment when it happened, so a late mail tells no other story.
    """

    class State(models.TextChoices):
        """Where it stands. Kept: there was no provider to send it."""

        WAITING = "waiting", _("Waiting")
        SENT = "sent", _("Sent")
        KEPT = "kept", _("Kept, no provider")
        DEAD = "dead", _("Given up")

    name = models.CharField(_("name"), max_length=50, help_text=_("Its templates bear this name."))
    to = models.EmailField(_("to"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("person"),
    )
    language = models.CharField(_("language"), max_length=10, default="en")
    context = models.JSONField(_("context"), encoder=DjangoJSONEncoder, default=dict)
    subject = models.CharField(_("subject"), max_length=255, blank=True)
    text = models.TextField(_("text"), blank=True)
    html = models.TextField(_("HTML"), blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(_("tries"), default=0)
    last_error = models.TextField(_("last error"), blank=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    # Who said that nobody needs to be told of it any more, where it was given up.
    seen_at = models.DateTimeField(_("seen to at"), null=True, editable=False)
    seen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        db_index=False,
        related_name="+",
        verbose_name=_("seen to by"),
    )
    # The same at each try, so that a mail which came twice can be known as one.
    message_id = models.UUIDField(_("message id"), default=uuid.uuid4, editable=False)
    provider_id = models.CharField(_("the provider's id"), max_length=255, blank=True)

    objects = MailQuerySet.as_manager()

    class Meta:
        verbose_name = _("e-mail")
        verbose_name_plural = _("e-mails")
        indexes = [
            # the list's filter by state; the search for mails that no job looks after
            models.Index(fields=["state", "-id"], name="mail_by_state"),
            # how many nobody got, on pages that are loaded all the time
            models.Index(
                fields=["id"],
                name="mail_undelivered",
                condition=models.Q(state="dead", seen_at__isnull=True),
            ),
            # the nightly deleting of old ones
            models.Index(fields=["sent_at"], name="mail_sent", condition=models.Q(state="sent")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=["waiting", "sent", "kept", "dead"]),
                name="mail_state",
            ),
            models.CheckConstraint(
                condition=models.Q(state="dead") | models.Q(seen_at__isnull=True),
                name="mail_seen",
            ),
        ]

    def __str__(self) -> str:
        return self.subject or self.name


class Job(ProcrastinateJob):
    """A job of the worker under our name. A job that was done is gone."""

    class Meta:
        proxy = True
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
