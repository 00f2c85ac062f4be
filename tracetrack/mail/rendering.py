"""From a name and its numbers to a subject, a text and a page of HTML."""

from typing import Any

from django.conf import settings
from django.template import Context
from django.template.loader import get_template
from django.utils import timezone, translation
from django.utils.dateparse import parse_datetime

from tracetrack.mail.models import Mail


def render(mail: Mail) -> None:
    """Fill in subject, text and html in the language of the mail."""
    with translation.override(mail.language):
        # One line, whatever stands in the numbers: a line break would begin another header.
        mail.subject = " ".join(_rendered(mail, "subject.txt").split())[:255]
        mail.text = _rendered(mail, "txt").strip() + "\n"
        mail.html = _rendered(mail, "html")


def _rendered(mail: Mail, kind: str) -> str:
    """Only HTML is escaped; in a plain text `&amp;` would be seen as that."""
    template = get_template(f"mail/{mail.name}.{kind}").template
    known = {name: _read(name, value) for name, value in mail.context.items()}
    known |= {"subject": mail.subject, "site": settings.PUBLIC_BASE_URL}
    return template.render(Context(known, autoescape=kind == "html"))


def _read(name: str, value: Any) -> Any:
    """JSON has no times: `at`, and what ends in `_at`, is one again."""
    if not ((name == "at" or name.endswith("_at")) and isinstance(value, str)):
        return value
    at = parse_datetime(value)
    return timezone.localtime(at) if at else value
