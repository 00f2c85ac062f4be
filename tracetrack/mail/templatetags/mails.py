"""What pages can't ask for themselves: how many e-mails nobody got."""

from django import template

from tracetrack.mail.models import Mail

register = template.Library()
MANY = 99  # more are not counted


@register.simple_tag
def undelivered() -> str:
    """How many were given up and not seen to, "" for none."""
    count = Mail.objects.undelivered().up_to(MANY + 1)
    return f"{MANY}+" if count > MANY else str(count or "")
