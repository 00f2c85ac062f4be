"""Deeds on e-mails: write one down, deliver it, try it again."""

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Protocol

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from procrastinate.contrib.django import app

from tracetrack.mail import sql
from tracetrack.mail.deadline import within
from tracetrack.mail.failures import TryAgain, is_final, wanted_pause
from tracetrack.mail.models import Mail
from tracetrack.mail.rendering import render

logger = logging.getLogger(__name__)
LOCKED_SECONDS = 60  # until a mail is tried again that another worker has in hand
PURGED_AT_ONCE = 1000  # mails, each time in a transaction of its own


class Person(Protocol):
    """Whom a mail can be for: a User."""

    pk: int
    email: str
    language: str


def send(*, name: str, to: Iterable[Person], **context: Any) -> list[Mail]:
    """One mail for each of these people who has an address, to be sent after the commit.

    Rows and jobs are in the transaction that is open: a rollback leaves neither. Two statements,
    however many people.
    """
    mails = [
        Mail(name=name, to=person.email, user_id=person.pk, language=person.language)
        for person in to
        if person.email
    ]
    for mail in mails:
        mail.context = context
    if mails:
        with transaction.atomic():
            Mail.objects.bulk_create(mails)
            _defer(mail.pk for mail in mails)
    return mails


def send_again(*, mails: Iterable[int]) -> int:
    """Give these a new start, where they were kept or given up. Returns how many there were."""
    with transaction.atomic():
        stopped = Mail.objects.stopped().filter(pk__in=list(mails)).select_for_update(no_key=True)
        keys = [mail.pk for mail in stopped.only("pk")]
        Mail.objects.filter(pk__in=keys).update(
            state=Mail.State.WAITING, attempts=0, seen_at=None, seen_by=None
        )
        _defer(keys)
    return len(keys)


def see_to(*, mails: Iterable[int], user: Person) -> int:
    """Nobody needs to be told of these any more. Returns how many of them were given up."""
    undelivered = Mail.objects.undelivered().filter(pk__in=list(mails))
    return undelivered.update(seen_at=Now(), seen_by_id=user.pk)


def purge() -> int:
    """Delete what was sent long ago, some at a time. Returns how many there were."""
    before = timezone.now() - timedelta(days=settings.MAIL_SENT_KEPT_DAYS)
    gone, deleted = 0, PURGED_AT_ONCE
    while deleted == PURGED_AT_ONCE:
        with connection.cursor() as cursor:
            cursor.execute(sql.PURGE, {"before": before, "most": PURGED_AT_ONCE})
            deleted = cursor.rowcount
        gone += deleted
    return gone


def find_forgotten() -> int:
    """Give a job to mails that wait without one, as when somebody cancelled it."""
    with transaction.atomic():
        keys = [mail.pk for mail in Mail.objects.raw(sql.FORGOTTEN)]
        _defer(keys)
    return len(keys)


def deliver(*, mail_id: int) -> None:
    """One try. Raises TryAgain when there shall be another one.

    The try is counted in a transaction of its own before it begins, so that a mail which brings
    the worker down does not do so for ever. The row stays locked while the provider is asked: two
    workers never send the same mail, and a killed one leaves it free at once.
    """
    if _step(mail_id, _begin):
        _step(mail_id, _hand_over)


def _defer(mails: Iterable[int]) -> None:
    jobs = [{"mail": key} for key in mails]
    if jobs:
        app.configure_task("mail.deliver", allow_unknown=False).batch_defer(*jobs)


def _step(mail_id: int, step: Any) -> bool:
    """Do this with the row locked, and save it. False when the mail waits no more."""
    with transaction.atomic():
        waiting = Mail.objects.waiting().filter(pk=mail_id)
        mail = waiting.select_for_update(no_key=True, skip_locked=True).first()
        if mail is not None:
            pause = step(mail)
            mail.save()
        else:
            pause = LOCKED_SECONDS if waiting.exists() else None
    if pause is not None:
        raise TryAgain(pause)
    return mail is not None


def _begin(mail: Mail) -> None:
    if mail.attempts < settings.MAIL_TRIES:
        mail.attempts += 1
    else:
        _give_up(mail, mail.last_error or "The worker ended in the middle of each try.")


def _hand_over(mail: Mail) -> int | None:
    """Make the text and give it to the provider; the seconds to wait where that failed."""
    try:
        if not mail.subject:
            render(mail)
        if not settings.EMAIL_PROVIDER:
            mail.state, mail.attempts = Mail.State.KEPT, 0
            return None
        mail.provider_id = _post(mail)
    except Exception as error:  # whatever it is, the mail waits and the worker goes on
        return _failed(mail, error)
    mail.state, mail.sent_at, mail.last_error = Mail.State.SENT, timezone.now(), ""
    return None


def _post(mail: Mail) -> str:
    """Returns the id that the provider gave it."""
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip("> ")
    message = EmailMultiAlternatives(
        subject=mail.subject,
        body=mail.text,
        to=[mail.to],
        headers={
            "Message-ID": f"<{mail.message_id}@{domain}>",
            "Auto-Submitted": "auto-generated",  # no "I am on holiday" comes back
        },
    )
    message.attach_alternative(mail.html, "text/html")
    with get_connection(f"anymail.backends.{settings.EMAIL_PROVIDER}.EmailBackend") as provider:
        message.connection = provider
        within(settings.MAIL_DEADLINE_SECONDS, message.send, provider.session)
    return str(message.anymail_status.message_id or "")[:255]


def _failed(mail: Mail, error: Exception) -> int | None:
    mail.last_error = f"{type(error).__name__}: {error}"[:2000]
    if is_final(error) or mail.attempts >= settings.MAIL_TRIES:
        _give_up(mail, mail.last_error)
        return None
    first_line = mail.last_error.partition("\n")[0]
    logger.warning("Mail %s was not sent, try %s: %s", mail.pk, mail.attempts, first_line)
    pause = settings.MAIL_FIRST_PAUSE_SECONDS * 3 ** (mail.attempts - 1)
    return min(max(pause, wanted_pause(error)), settings.MAIL_LONGEST_PAUSE_SECONDS)


def _give_up(mail: Mail, why: str) -> None:
    mail.state, mail.last_error = Mail.State.DEAD, why
    logger.error("Mail %s (%s) was given up: %s", mail.pk, mail.name, why)
