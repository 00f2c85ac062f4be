"""The packing list of a bill: every parent with its children, as a PDF."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from django.db import connection
from django.utils.translation import gettext as _

from billing import sql
from billing.documents import (
    figure,
    first_page,
    new_paper,
    next_page,
    number_pages,
    on_day,
    read,
    short,
)
from billing.models import Bill, BillLine
from tracetrack.paper import BOTTOM, LEFT, LINE, SOFT, SPAN, Paper

SMALL = 7  # points
# Of a child, twice side by side: no., code, label no., lot, date of test; mm.
COLUMNS = [(6, "R"), (35, "L"), (11.6, "L"), (24.5, "L"), (15, "L")]
HALF = SPAN / 2 + 1  # mm from one child to the one beside it
CHILDREN_AT_ONCE = 10_000  # read by one query, about


def packing_list_pdf(bill: Bill) -> bytes:
    """Every parent of the bill with its children; those that came back with what they held then."""
    read([bill])
    paper = new_paper(_("Packing list"), [bill])
    first, y = first_page(paper, bill, _("Packing list"))
    y = _heads(paper, y) if bill.printed else y
    for number, (line, children) in enumerate(contents(bill.printed), 1):
        y = _parent_with_children(paper, bill, y, number, line, children)
    if not bill.printed:
        paper.put(LEFT, y, _("There are no parents on it."), SPAN)
    number_pages(paper, first, bill)
    return bytes(paper.output())


def contents(lines: Iterable[BillLine]) -> Iterator[tuple[BillLine, list[tuple]]]:
    """Each line with its children: (code, label number, lot, date of test, packed at).

    One query for each few hundred lines, so that memory stays flat.
    """
    for batch in _batches(lines):
        with connection.cursor() as cursor:
            cursor.execute(sql.CHILDREN_OF_LINES, {"lines": [line.pk for line in batch]})
            found = {
                key: [row[1:] for row in rows]
                for key, rows in groupby(cursor.fetchall(), lambda row: row[0])
            }
        for line in batch:
            yield line, found.get(line.pk, [])


def _batches(lines: Iterable[BillLine]) -> Iterator[list[BillLine]]:
    batch, children = [], 0
    for line in lines:
        batch.append(line)
        children += line.children
        if children >= CHILDREN_AT_ONCE:
            yield batch
            batch, children = [], 0
    if batch:
        yield batch


def _parent_with_children(
    paper: Paper, bill: Bill, y: float, number: int, line: BillLine, children: list[tuple]
) -> float:
    """The parent's bar and its children below it, column by column on each page."""
    rows = [
        [str(place), code, label, lot, on_day(tested_on)]
        for place, (code, label, lot, tested_on, _at) in enumerate(children, 1)
    ]
    high = max((paper.row_height(row, COLUMNS, SMALL) for row in rows), default=0)
    high += 0.4
    title = _parent_title(number, line)
    if y + 8 + high > BOTTOM:
        y = _heads(paper, next_page(paper, bill))
    y = _parent_bar(paper, y, title)
    while rows:
        fit = max(1, int((BOTTOM - y) / high))
        here, rows = rows[: 2 * fit], rows[2 * fit :]
        y = _two_columns(paper, y, here, high)
        if rows:
            y = _heads(paper, next_page(paper, bill))
            y = _parent_bar(paper, y, _("%(parent)s (continued)") % {"parent": title})
    return y + 1.6


def _heads(paper: Paper, y: float) -> float:
    heads = ["", _("Child"), _("Label"), _("Lot"), _("Tested")]
    for x in (LEFT, LEFT + HALF):
        height = paper.row(x, y, heads, COLUMNS, size=SMALL, grey=SOFT)
    return y + height + 0.8


def _parent_title(number: int, line: BillLine) -> str:
    parts = [f"{number}. {line.parent.qr_id}", str(line.parent.product or "")]
    counts = {"count": line.children, "capacity": line.capacity, "kg": figure(line.kg)}
    parts.append(_("%(count)s of %(capacity)s children, %(kg)s kg") % counts)
    if line.returned_at:
        parts.append(_("came back %(time)s") % {"time": short(line.returned_at)})
    return " · ".join(part for part in parts if part)


def _parent_bar(paper: Paper, y: float, title: str) -> float:
    height = len(paper.lines(title, SPAN - 3, 9, True)) * LINE * 9 + 1
    paper.bar(LEFT, y, SPAN, height, grey=225)
    paper.put(LEFT + 1.5, y + 0.5, title, SPAN - 3, size=9, bold=True)
    return y + height + 0.8


def _two_columns(paper: Paper, y: float, rows: list[list[str]], high: float) -> float:
    deep = (len(rows) + 1) // 2
    for place, row in enumerate(rows):
        column, down = divmod(place, deep)
        x = LEFT + column * HALF
        paper.row(x, y + down * high, row, COLUMNS, size=SMALL)
    return y + deep * high
