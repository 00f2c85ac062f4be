"""What pages can't ask for themselves: a bag's scans, and how much waits for a decision."""

from typing import Any

from django import template

from bags.models import Bag
from scanning.inbox import MANY
from scanning.models import Scan, ScanException, ScanQuerySet

register = template.Library()


@register.simple_tag
def scans_of(bag: Bag, limit: int) -> ScanQuerySet:
    """The newest scans that read this bag or put something into it."""
    return Scan.objects.of_bag(bag).newest(limit)


@register.simple_tag(takes_context=True)
def open_exceptions(context: dict[str, Any]) -> str:
    """How many wait for a decision of the one who looks, "" for none. A view may know already."""
    known = context.get("open_exceptions")
    if known is None:
        known = ScanException.objects.open().seen_by(context["request"].user).up_to(MANY + 1)
    return f"{MANY}+" if known > MANY else str(known or "")
