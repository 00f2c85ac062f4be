"""A bag's scans for the bag's page: `bags` stands to the left and can't ask for them itself."""

from django import template

from bags.models import Bag
from scanning.models import Scan, ScanQuerySet

register = template.Library()


@register.simple_tag
def scans_of(bag: Bag, limit: int) -> ScanQuerySet:
    """The newest scans that read this bag or put something into it."""
    return Scan.objects.of_bag(bag).newest(limit)
