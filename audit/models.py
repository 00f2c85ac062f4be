"""One row for each thing that somebody did."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now


class Entry(models.Model):
    """Who did what to which thing, and what it looked like before and after.

    Written by `audit.record.record`. Triggers refuse to change or remove a row. Names and labels
    are copies, so that an entry can be read after its person or thing has gone or changed.
    """

    class Channel(models.TextChoices):
        """The door it came through."""

        WEB = "web", "Page"
        API = "api", "API"
        ADMIN = "admin", "Back office"
        COMMAND = "command", "Command"
        JOB = "job", "Job"

    at = models.DateTimeField(db_default=Now(), editable=False)
    action = models.CharField(max_length=64, help_text='A stable word, e.g. "bag.created".')
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    actor_name = models.CharField(max_length=150, blank=True)
    actor_role = models.CharField(max_length=20, blank=True)
    target_type = models.CharField(max_length=100, blank=True, help_text='E.g. "bags.bag".')
    target_id = models.CharField(max_length=64, blank=True)
    target_label = models.CharField(max_length=255, blank=True)
    before = models.JSONField(null=True, blank=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(null=True, blank=True, encoder=DjangoJSONEncoder)
    request_id = models.CharField(max_length=64, blank=True)
    ip = models.GenericIPAddressField("address", null=True, blank=True)
    channel = models.CharField(max_length=10, choices=Channel)
    reason = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "entries"
        # The whole list is read newest first by the primary key.
        indexes = [
            # the history of one thing; the list's search by id
            models.Index(fields=["target_id", "target_type", "-id"], name="entry_by_target"),
            # the list's search by label
            models.Index(fields=["target_label", "-id"], name="entry_by_label"),
            # what one person did; the check whether a person can be deleted
            models.Index(fields=["actor", "-id"], name="entry_by_actor"),
            # the list's filter by action
            models.Index(fields=["action", "-id"], name="entry_by_action"),
            # the list's search by request id
            models.Index(fields=["request_id"], name="entry_by_request"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(channel__in=["web", "api", "admin", "command", "job"]),
                name="entry_channel",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target_label}".strip()
