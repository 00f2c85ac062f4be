"""Bills in spreadsheets, read back as a person's program reads them."""

import csv
import io
from datetime import datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook

from audit.models import Entry
from bags.models import Bag, Link
from billing import printing
from billing.models import Bill, BillLine
from billing.tests.test_documents import quick_bill, selection
from billing.tests.trucks import dispatch, driver, load
from tracetrack import sheets

pytestmark = pytest.mark.django_db


@pytest.fixture
def office(biller, sign_in):
    return sign_in(biller)


def body_of(answer) -> bytes:
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def csv_rows(answer) -> list[list[str]]:
    body = body_of(answer)
    assert body.startswith(b"\xef\xbb\xbf"), "Excel would garble Hindi"
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def xlsx_rows(answer) -> list[list]:
    book = load_workbook(io.BytesIO(body_of(answer)))
    assert len(book.sheetnames) == 1
    return [[cell.value for cell in row] for row in book.active.iter_rows()]


def sheet_of(office, bill, name):
    return office.get(f"/admin/billing/bill/{bill.pk}/{name}")


@pytest.fixture
def left(truck, pack):
    """SB00001 with 2 children came back from a bill; SB00002 with 1 is still away."""
    pack("SB00001", 2)
    pack("SB00002", 1)
    Bag.objects.filter(qr_id="STAR44GG24611:0000200").update(tested_on="2025-09-30")
    bill = dispatch("SB00001", "SB00002")
    truck.back(truck.ticket(), "SB00001")
    Link.objects.filter(parent__qr_id="SB00001").delete()
    return bill


def test_the_parents_of_a_bill(office, left):
    answer = sheet_of(office, left, "parents.csv")
    name = f'attachment; filename="{left.number}-parents.csv"'
    assert answer["Content-Disposition"] == name
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]
    head, first, second = csv_rows(answer)
    assert head[:4] == ["Bill", "Customer", "No.", "Parent"]
    assert first[2:10] == ["1", "SB00001", "Mustard", "2", "30", "2.000", "30.000", "-28.000"]
    assert second[2:6] == ["2", "SB00002", "Mustard", "1"]
    assert first[12]
    assert not second[12]
    head, first, second = xlsx_rows(sheet_of(office, left, "parents.xlsx"))
    assert first[2:10] == [1, "SB00001", "Mustard", 2, 30, 2, 30, -28]
    assert isinstance(first[10], datetime)


def test_the_children_of_a_bill(office, left):
    head, *rows = csv_rows(sheet_of(office, left, "children.csv"))
    assert [row[2:7] for row in rows] == [
        ["SB00001", "1", "STAR44GG24611:0000100", "0000100", "STAR44GG24611"],
        ["SB00001", "2", "STAR44GG24611:0000101", "0000101", "STAR44GG24611"],
        ["SB00002", "1", "STAR44GG24611:0000200", "0000200", "STAR44GG24611"],
    ]
    assert rows[2][7] == "2025-09-30"
    assert [bool(row[9]) for row in rows] == [True, True, False]
    head, *rows = xlsx_rows(sheet_of(office, left, "children.xlsx"))
    assert rows[2][5] == "0000200"
    assert rows[2][7] == datetime(2025, 9, 30)  # noqa: DTZ001  a day, as Excel has it


def test_children_are_named_once_however_often_their_parent_comes_back(office, truck, pack):
    pack("SB00001", 2)
    bill, ticket = dispatch("SB00001"), truck.ticket()
    for deed in (truck.back, truck.take_back, truck.back):
        assert deed(ticket, "SB00001").status_code < 300
        assert len(csv_rows(sheet_of(office, bill, "children.csv"))) == 3
    newer = Bag.objects.create(qr_id="NEWER", type="child")
    Link.objects.filter(parent__qr_id="SB00001").delete()
    Link.objects.create(child=newer, parent=Bag.objects.get(qr_id="SB00001"))
    found = [row[4] for row in csv_rows(sheet_of(office, bill, "children.csv"))[1:]]
    assert found == ["STAR44GG24611:0000100", "STAR44GG24611:0000101"]


def test_a_selection_of_bills_names_each(office, pack):
    pack("SB00001", 3)
    one, two = quick_bill("ONE", 1, customer="राजेश"), quick_bill("TWO", 2)
    load(one, "SB00001")
    for form, read in (("csv", csv_rows), ("xlsx", xlsx_rows)):
        head, *rows = read(selection(office, one, two, action=f"export_bills_{form}"))
        assert [row[0] for row in rows] == ["TWO", "ONE"]
        ours = dict(zip(head, rows[1], strict=True))
        assert ours["Customer"] == "राजेश"
        assert [Decimal(ours[name]) for name in ("Parents", "Children")] == [2, 3]
        assert [Decimal(ours[f"{name} kg"]) for name in ("Actual", "Expected", "Variance")] == [
            *(3, 60, -57)
        ]
        head, *rows = read(selection(office, one, two, action=f"export_parents_{form}"))
        assert [(row[0], str(row[2])) for row in rows] == [
            *(("TWO", "1"), ("TWO", "2"), ("ONE", "1"), ("ONE", "2"))
        ]
        head, *rows = read(selection(office, one, two, action=f"export_children_{form}"))
        assert [row[0] for row in rows] == ["ONE"] * 3


@pytest.mark.parametrize("first", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"])
def test_text_never_becomes_a_formula(office, first):
    bill = quick_bill("F", 1, customer=first, destination=first)
    row = csv_rows(selection(office, bill, action="export_bills_csv"))[1]
    assert row[2] == row[3] == f"'{first}"
    book = load_workbook(io.BytesIO(body_of(selection(office, bill, action="export_bills_xlsx"))))
    assert {cell.data_type for cell in next(book.active.iter_rows(min_row=2))[:4]} == {"s"}


def test_signs_of_an_error_and_control_characters_are_text(office):
    bill = quick_bill("F", 1, customer="#N/A", destination="a\x01b", vehicle='"a,b"\n"c"')
    row = xlsx_rows(selection(office, bill, action="export_bills_xlsx"))[1]
    assert row[2:4] == ["#N/A", "ab"]
    assert csv_rows(selection(office, bill, action="export_bills_csv"))[1][4] == '"a,b"\n"c"'


def test_the_head_is_bold_and_stays(office, left):
    book = load_workbook(io.BytesIO(body_of(sheet_of(office, left, "children.xlsx"))))
    sheet = book.active
    assert (sheet.title, sheet.freeze_panes) == ("Children", "A2")
    assert all(cell.font.b for cell in sheet[1])
    assert not sheet["A2"].font.b
    assert sheet.column_dimensions["E"].width >= len("STAR44GG24611:0000100")


def test_times_are_the_warehouses(office):
    bill = quick_bill("LATE", 1)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE billing_billline SET loaded_at = '2026-11-24 19:00:00+00'")
    assert csv_rows(sheet_of(office, bill, "parents.csv"))[1][10] == "2026-11-25 00:30:00"
    cell = xlsx_rows(sheet_of(office, bill, "parents.xlsx"))[1][10]
    assert cell == datetime(2026, 11, 25, 0, 30)  # noqa: DTZ001  as Excel has it


def test_more_rows_than_a_sheet_holds_go_on_in_the_next(office, monkeypatch):
    monkeypatch.setattr(sheets, "MOST_ROWS", 4)
    for count, wanted in ((6, [3, 3]), (7, [3, 3, 1]), (0, [0])):
        answer = sheets.xlsx_response("x", "Rows: all", ["n"], ([n] for n in range(count)))
        book = load_workbook(io.BytesIO(body_of(answer)))
        assert [sheet.max_row - 1 for sheet in book] == wanted
        assert all(sheet["A1"].value == "n" for sheet in book)
        assert answer.row_count == count
    assert book.sheetnames == ["Rows  all"]


def test_a_row_that_fails_leaves_no_shorter_file(office):
    def rows():
        yield [1]
        raise OSError("the database is away")

    for make in (sheets.csv_response, lambda *args: sheets.xlsx_response("x", *args)):
        with pytest.raises(OSError, match="away"):
            make("x", ["n"], rows())


@pytest.mark.parametrize(
    ("number", "name"),
    [("A/B 1", "A-B-1"), ("7)", "7"), ("X..", "X"), ("BILL-00001", "BILL-00001")],
)
def test_names_of_files_are_safe(office, number, name):
    bill = quick_bill(number, 1)
    answer = sheet_of(office, bill, "parents.csv")
    assert answer["Content-Disposition"] == f'attachment; filename="{name}-parents.csv"'


def test_who_exported_what_and_how_much_is_known(office, biller, left):
    other = quick_bill("OTHER", 3)
    body_of(sheet_of(office, left, "children.csv"))
    body_of(selection(office, left, other, action="export_parents_xlsx"))
    first, second = Entry.objects.filter(action="bill.exported").order_by("id")
    assert (first.actor, first.target_label) == (biller, left.number)
    assert first.after == {"what": "children", "format": "csv", "rows": 3}
    assert (second.target_label, second.after["rows"]) == ("", 5)
    assert second.after["bills"] == ["OTHER", left.number]


def test_no_such_sheet(office, left):
    for name in ("bills.csv", "parents.pdf", "x.csv"):
        assert sheet_of(office, left, name).status_code == 404


def test_any_number_of_bills_costs_the_same_queries(office):
    bills = [quick_bill(f"B{place}", 3) for place in range(5)]
    for what in ("bills", "parents", "children"):
        counts = []
        for some in (bills[:1], bills):
            chosen = Bill.objects.filter(pk__in=[bill.pk for bill in some])
            with CaptureQueriesContext(connection) as queries:
                body_of(printing.bills_sheet(chosen, what, "csv"))
            counts.append(len(queries))
        assert counts[0] == counts[1], what


def test_too_many_rows_for_xlsx_are_told(office, monkeypatch):
    monkeypatch.setattr(printing, "MOST_XLSX_ROWS", 2)
    bill = quick_bill("BIG", 3)
    answer = office.get(f"/admin/billing/bill/{bill.pk}/parents.xlsx", follow=True)
    assert "That would be 3 rows. Export them as CSV instead." in answer.content.decode()
    assert len(csv_rows(sheet_of(office, bill, "parents.csv"))) == 4


@pytest.mark.django_db(transaction=True)
def test_a_sheet_is_of_one_moment_and_leaves_no_transaction_open(biller, sign_in):
    bill = quick_bill("ONE", 3)
    assert BillLine.objects.filter(loaded_by=driver()).count() == 3
    assert len(csv_rows(sheet_of(sign_in(biller), bill, "parents.csv"))) == 4
    assert connection.isolation_level is None or not connection.in_atomic_block
    Bill.objects.create(number="TWO", capacity=1, created_by=driver())  # not read-only any more
