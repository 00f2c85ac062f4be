"""A bill on paper: a PDF in the language of the moment, and what its packing list shares."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Prefetch, prefetch_related_objects
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from billing.models import Bill, BillLine
from tracetrack.paper import BOTTOM, LEFT, LINE, RIGHT, SOFT, SPAN, TOP, Paper

QR = 32  # mm, border included
BODY = 8.5  # points
# No., code, product, children, kg, expected kg, loaded at: mm, and where their text stands.
COLUMNS = [(10, "R"), (44, "L"), (36, "L"), (22, "R"), (20, "R"), (22, "R"), (33.5, "R")]
END = 44  # mm: the total and room for the signatures


@dataclass(slots=True)
class Totals:
    """Sums of the lines that are printed, so that a page agrees with itself."""

    parents: int = 0
    children: int = 0
    kg: Decimal = field(default_factory=Decimal)
    expected_kg: Decimal = field(default_factory=Decimal)
    returned: int = 0

    @classmethod
    def of(cls, lines: Iterable[BillLine]) -> "Totals":
        sums = cls()
        for line in lines:
            sums.parents += 1
            sums.children += line.children
            sums.kg += line.kg
            sums.expected_kg += line.expected_kg
            sums.returned += line.returned_at is not None
        return sums


def bill_pdf(bills: Iterable[Bill]) -> bytes:
    """Each bill from a new page on, in the order given. Four queries for any number of them."""
    bills = list(bills)
    read(bills)
    paper = new_paper(_("Bill"), bills)
    for bill in bills:
        _bill(paper, bill)
    return bytes(paper.output())


# --- What both are made of ----------------------------------------------------------------------


def read(bills: list[Bill]) -> None:
    """All that is printed: `bill.printed` are its lines in the order of loading."""
    lines = BillLine.objects.with_contents().order_by("id")
    wanted = Prefetch("lines", lines, to_attr="printed")
    prefetch_related_objects(bills, "created_by", "completed_by", wanted)


def new_paper(what: str, bills: list[Bill]) -> Paper:
    title = f"{what} {bills[0].number}" if len(bills) == 1 else what
    return Paper(title, get_language() or "en")


def _page(paper: Paper, bill: Bill) -> None:
    paper.add_page()
    if bill.completed_at is None:
        paper.watermark(_("NOT COMPLETED"))


def number_pages(paper: Paper, first: int, bill: Bill) -> None:
    at = moment(timezone.now())
    right = _("Printed %(time)s, page %(page)s of %(pages)s")
    # The pages are known when all are there: their gaps stay.
    right %= {"time": at, "page": "%(page)s", "pages": "%(pages)s"}
    paper.number_pages(first, bill.number, right)


def first_page(paper: Paper, bill: Bill, what: str) -> tuple[int, float]:
    """Number, QR, header and totals; the page's number and where the rest begins."""
    _page(paper, bill)
    first, beside = paper.page, SPAN - QR - 4
    paper.qr(RIGHT - QR, TOP - 4, QR, bill.number)
    y = TOP + paper.put(LEFT, TOP, f"TraceTrack · {what}", beside, size=11)
    size = next((s for s in (26, 20) if len(paper.lines(bill.number, beside, s, True)) == 1), 14)
    y += paper.put(LEFT, y, bill.number, beside, size=size, bold=True)
    y = max(_status(paper, bill, y + 1, beside), TOP + QR - 4) + 2
    paper.rule(y)
    y = _fields(paper, bill, y + 2)
    return first, _figures(paper, Totals.of(bill.printed), bill.capacity, y)


def _status(paper: Paper, bill: Bill, y: float, width: float) -> float:
    if bill.completed_at is not None:
        said = _("Completed %(time)s by %(name)s")
        said %= {"time": moment(bill.completed_at), "name": bill.completed_by}
        return y + paper.put(LEFT, y, said, width, size=10, bold=True)
    said = _("NOT COMPLETED. Parents can still be loaded and taken off.")
    height = len(paper.lines(said, width - 4, 10, True)) * LINE * 10
    paper.bar(LEFT, y, width, height + 2)
    return y + paper.put(LEFT + 2, y + 1, said, width - 4, size=10, bold=True, grey=255) + 2


def _fields(paper: Paper, bill: Bill, y: float) -> float:
    """Two beside each other; a long text makes its row higher."""
    created = _("%(time)s by %(name)s")
    created %= {"time": moment(bill.created_at), "name": bill.created_by}
    fields = [
        (_("Customer"), bill.customer),
        (_("Destination"), bill.destination),
        (_("Vehicle"), bill.vehicle),
        (_("Created"), created),
        (_("Description"), bill.description),
    ]
    fields = [(label, text) for label, text in fields if text or label != _("Description")]
    for place in range(0, len(fields), 2):
        pair = fields[place : place + 2]
        width = SPAN / 2 - 3 if len(pair) == 2 else SPAN
        heights = []
        for (label, text), x in zip(pair, (LEFT, LEFT + SPAN / 2 + 1.5), strict=False):
            top = paper.put(x, y, label, width, size=7.5, grey=SOFT)
            heights.append(top + paper.put(x, y + top, text or "–", width, size=10.5))
        y += max(heights) + 1.5
    return y


def _figures(paper: Paper, sums: Totals, capacity: int, y: float) -> float:
    """The totals, large."""
    figures = [
        (_("Parents"), n_of_m(sums.parents, capacity)),
        (_("Children"), figure(sums.children)),
        (_("Actual weight"), f"{figure(sums.kg)} kg"),
        (_("Expected weight"), f"{figure(sums.expected_kg)} kg"),
        (_("Variance"), f"{figure(sums.kg - sums.expected_kg)} kg"),
    ]
    paper.rule(y)
    width = SPAN / len(figures)
    for place, (label, text) in enumerate(figures):
        x = LEFT + place * width
        top = paper.put(x, y + 1.5, label, width - 2, size=7.5, grey=SOFT)
        paper.put(x, y + 1.5 + top, text, width - 2, size=13, bold=True)
    y += 14
    if sums.returned:
        said = _("%(count)s of these parents came back after dispatch; they are counted above.")
        y += paper.put(LEFT, y, said % {"count": sums.returned}, SPAN, size=9, bold=True) + 1
    paper.rule(y)
    return y + 3


def next_page(paper: Paper, bill: Bill) -> float:
    """A new page with the bill's number on it; where the rest begins."""
    _page(paper, bill)
    said = " · ".join(part for part in (bill.number, bill.customer) if part)
    line = paper.lines(said, SPAN, 9, True)[0]
    return TOP + paper.put(LEFT, TOP, line, SPAN, size=9, bold=True) + 1.2


# --- The bill -----------------------------------------------------------------------------------


def _bill(paper: Paper, bill: Bill) -> None:
    first, y = first_page(paper, bill, _("Bill"))
    y = _head(paper, y)
    for number, line in enumerate(bill.printed, 1):
        last = number == len(bill.printed)
        y = _row(paper, bill, y, number, line, room=END if last else 0)
    _end(paper, bill, y)
    number_pages(paper, first, bill)


def _head(paper: Paper, y: float) -> float:
    heads = ["", _("Parent"), _("Product"), _("Children"), "kg", _("Expected kg"), _("Loaded")]
    height = paper.row(LEFT, y, heads, COLUMNS, size=7.5, bold=True)
    paper.rule(y + height + 0.6)
    return y + height + 1.4


def _cells(number: int, line: BillLine) -> list[str]:
    return [
        str(number),
        line.parent.qr_id,
        str(line.parent.product or "–"),
        n_of_m(line.children, line.capacity),
        figure(line.kg),
        figure(line.expected_kg),
        short(line.loaded_at),
    ]


def _row(paper: Paper, bill: Bill, y: float, number: int, line: BillLine, *, room: float) -> float:
    """One parent; on a new page where this one has no place for it and `room` mm below it."""
    cells = _cells(number, line)
    height = paper.row_height(cells, COLUMNS, BODY)
    note = line.returned_at and _("came back %(time)s") % {"time": short(line.returned_at)}
    needed = height + (LINE * BODY if note else 0)
    if y + needed + room > BOTTOM:
        y = _head(paper, next_page(paper, bill))
    paper.row(LEFT, y, cells, COLUMNS, size=BODY)
    if note:
        indent = COLUMNS[0][0]
        paper.put(LEFT + indent, y + height, note, SPAN - indent, size=BODY - 1, bold=True)
    paper.rule(y + needed + 0.4, grey=190, thick=0.1)
    return y + needed + 0.8


def _end(paper: Paper, bill: Bill, y: float) -> None:
    """The total and room for three signatures, on the page of the last parent."""
    sums = Totals.of(bill.printed)
    cells = ["", _("Total"), "", figure(sums.children)]
    cells += [figure(sums.kg), figure(sums.expected_kg), ""]
    paper.rule(y, thick=0.4)
    y += paper.row(LEFT, y + 1.2, cells, COLUMNS, size=BODY + 0.5, bold=True) + 9
    width = (SPAN - 12) / 3
    for place, label in enumerate((_("Loaded by"), _("Driver"), _("Received by"))):
        x = LEFT + place * (width + 6)
        paper.put(x, y, label, width, size=9, bold=True)
        paper.bar(x, y + 21, width, 0.25)
        paper.put(x, y + 22, _("Name, signature, date"), width, size=7.5, grey=SOFT)


# --- In figures -----------------------------------------------------------------------------------


def n_of_m(count: int, capacity: int) -> str:
    return _("%(count)s of %(capacity)s") % {"count": count, "capacity": capacity}


def figure(value: Decimal | int) -> str:
    """128, 22.5, 1,250.125, with the minus sign of print."""
    text = f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", "−")


def moment(at: datetime) -> str:
    return date_format(timezone.localtime(at), "j M Y, H:i")


def short(at: datetime) -> str:
    """In figures, as on labels: quick to print in any language."""
    return timezone.localtime(at).strftime("%d/%m/%Y %H:%M")


def on_day(day: date | None) -> str:
    return day.strftime("%d/%m/%Y") if day else ""
