"""Kilograms as people read them, and what a bag's page can't ask for itself: its bills."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import template
from django.db.models import F
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from bags.models import Bag
from billing.models import Bill, BillLine, ReturnedChild, ReturnLine, ReturnTicket

register = template.Library()


def digits(value: Decimal | None) -> str:
    """14454.000 -> "14,454"; no digits that say nothing."""
    return f"{value or 0:,.3f}".rstrip("0").rstrip(".")


def signed(value: Decimal | None) -> str:
    """-22 -> "−22", 3 -> "+3": a variance."""
    value = value or Decimal(0)
    sign = "−" if value < 0 else "+" if value > 0 else ""
    return sign + digits(abs(value))


@register.filter
def kg(value: Decimal | None) -> str:
    return _("%(weight)s kg") % {"weight": digits(value)}


@register.filter
def signed_kg(value: Decimal | None) -> str:
    return _("%(weight)s kg") % {"weight": signed(value)}


@register.simple_tag
def sums(row: dict[str, Any]) -> SafeString:
    """The cells of one row of the overview. An included template would take five times as long."""
    return format_html(
        '<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class="{}">{}</td>',
        *(row[name] or "" for name in ("new", "processing", "completed")),
        *(f"{row[name]:,.0f}" for name in ("parents", "children")),
        digits(row["kg"]),
        "warn" if row["variance"] else "",
        signed(row["variance"]),
    )


@register.filter
def state(thing: Bill | ReturnTicket) -> str:
    """Its status in the reader's language; a column that the database makes has no such word."""
    return thing.Status(thing.status).label


@register.filter
def filled(line: BillLine) -> str:
    """28 of 30. A page has up to 500 of these, and a filter is far quicker than a block."""
    return _("%(count)s of %(capacity)s") % {"count": line.children, "capacity": line.capacity}


@register.filter
def loaded(line: BillLine) -> str:
    """When and by whom."""
    time = date_format(localtime(line.loaded_at), "j M, H:i")
    return _("%(time)s by %(person)s") % {"time": time, "person": line.loaded_by}


@register.simple_tag
def bills_of(bag: Bag) -> list[BillLine]:
    """The lines by which a bag is or was on a bill, the present one first, then newest first.

    A child is where its parent is. One that came back was where its parent was.
    """
    lines = BillLine.objects.select_related("bill", "parent").order_by(
        F("returned_at").desc(nulls_first=True)
    )
    if bag.type == Bag.Type.PARENT:
        return list(lines.filter(parent=bag))
    here = lines.filter(parent__links_to_children__child=bag, returned_at=None)
    return [*here, *lines.filter(pk__in=_came_back_with(bag))]


def _came_back_with(child: Bag) -> Iterable[int]:
    back = ReturnedChild.objects.filter(child=child).values("return_line")
    return ReturnLine.objects.filter(pk__in=back, taken_back_at=None).values("line")


@register.filter
def returned_kg(back: ReturnLine) -> str:
    """What came back with this line."""
    return kg(back.line.returned_children * back.line.returned_kg_per_child)
