"""What the spreadsheets of bills hold: the bills, their parents, their children."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db.models import Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.models import Bill, BillLine
from billing.packing import contents

LINES_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Sheet:
    """One kind of sheet. Of some bills: its rows, read as they are written, and how many."""

    title: Any
    header: Callable[[], list[str]]
    rows: Callable[[list[Bill]], Iterator[tuple]]
    count: Callable[[list[Bill]], int]


def _bill_header() -> list[str]:
    return [
        _("Bill"),
        _("Status"),
        _("Customer"),
        _("Destination"),
        _("Vehicle"),
        _("Description"),
        _("Parents"),
        _("Capacity"),
        _("Came back"),
        _("Children"),
        _("Actual kg"),
        _("Expected kg"),
        _("Variance kg"),
        _("Created at"),
        _("Created by"),
        _("Completed at"),
        _("Completed by"),
    ]


def _bill_rows(bills: list[Bill]) -> Iterator[tuple]:
    found = Bill.objects.with_totals().select_related("created_by", "completed_by")
    for bill in found.filter(pk__in=[bill.pk for bill in bills]).order_by("-pk"):
        yield (
            bill.number,
            str(Bill.Status(bill.status).label),
            bill.customer,
            bill.destination,
            bill.vehicle,
            bill.description,
            bill.line_count,
            bill.capacity,
            bill.returned,
            bill.children,
            bill.actual_kg,
            bill.expected_kg,
            bill.variance_kg,
            bill.created_at,
            str(bill.created_by),
            bill.completed_at,
            str(bill.completed_by or ""),
        )


def _parent_header() -> list[str]:
    return [
        _("Bill"),
        _("Customer"),
        _("No."),
        _("Parent"),
        _("Product"),
        _("Children"),
        _("Capacity"),
        _("Actual kg"),
        _("Expected kg"),
        _("Variance kg"),
        _("Loaded at"),
        _("Loaded by"),
        _("Came back at"),
    ]


def _parent_rows(bills: list[Bill]) -> Iterator[tuple]:
    for bill, place, line in _placed(_lines(bills)):
        yield (
            bill.number,
            bill.customer,
            place,
            line.parent.qr_id,
            str(line.parent.product or ""),
            line.children,
            line.capacity,
            line.kg,
            line.expected_kg,
            line.kg - line.expected_kg,
            line.loaded_at,
            str(line.loaded_by),
            line.returned_at,
        )


def _child_header() -> list[str]:
    return [
        _("Bill"),
        _("Customer"),
        _("Parent"),
        _("No."),
        _("Child"),
        _("Label no."),
        _("Lot"),
        _("Date of test"),
        _("Packed at"),
        _("Came back at"),
    ]


def _child_rows(bills: list[Bill]) -> Iterator[tuple]:
    for line, children in contents(_lines(bills)):
        for place, (code, label_no, lot_no, tested_on, packed_at) in enumerate(children, 1):
            yield (
                line.bill.number,
                line.bill.customer,
                line.parent.qr_id,
                place,
                code,
                label_no,
                lot_no,
                tested_on,
                packed_at,
                line.returned_at,
            )


def _lines(bills: list[Bill]) -> Iterator[BillLine]:
    found = BillLine.objects.with_contents().filter(bill__in=[bill.pk for bill in bills])
    found = found.select_related("bill", "parent__product", "loaded_by")
    return found.order_by("-bill_id", "id").iterator(chunk_size=LINES_AT_ONCE)


def _placed(lines: Iterator[BillLine]) -> Iterator[tuple[Bill, int, BillLine]]:
    """Each line with its place on its bill."""
    for _key, on_bill in groupby(lines, lambda line: line.bill_id):
        for place, line in enumerate(on_bill, 1):
            yield line.bill, place, line


def _count_children(bills: list[Bill]) -> int:
    found = Bill.objects.with_totals().filter(pk__in=[bill.pk for bill in bills])
    return found.aggregate(n=Sum("children"))["n"] or 0


SHEETS = {
    "bills": Sheet(gettext_lazy("Bills"), _bill_header, _bill_rows, len),
    "parents": Sheet(
        gettext_lazy("Parents"),
        _parent_header,
        _parent_rows,
        lambda bills: sum(bill.line_count for bill in bills),
    ),
    "children": Sheet(gettext_lazy("Children"), _child_header, _child_rows, _count_children),
}
