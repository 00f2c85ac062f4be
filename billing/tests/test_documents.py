"""Bills and packing lists on paper, read back by other programs than the one that wrote them."""

import re
import threading

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from audit.models import Entry
from bags.models import Bag, Link, Product
from billing import documents, packing, printing
from billing.models import Bill, BillLine
from billing.tests import pdfs
from billing.tests.trucks import dispatch, driver, load
from tracetrack import paper

SELECTED = "/admin/billing/bill/"
ODD = [
    "<script>alert(1)</script>",
    "**bold** __under__ [a](http://b)",
    "%(page)s {nb} 100%",
    "\u202egnirts\u202c \x07 \u200b",
    "日本語 عربي 🚚",
    "W" * 255,
    "क" * 255,
    "\\) Tj ET (",
]


@pytest.fixture
def office(biller, sign_in):
    """A biller in the back office."""
    return sign_in(biller)


def quick_bill(number: str, parents: int, **more) -> Bill:
    """A bill with many parents; SB10000 and on, wherever the last one ended."""
    product, first = Product.objects.get(pattern="SB#####"), 10_000 + BillLine.objects.count()
    bags = Bag.objects.bulk_create(
        Bag(
            qr_id=f"SB{first + place}",
            type="parent",
            product=product,
            capacity=product.capacity,
            kg_per_child=product.kg_per_child,
        )
        for place in range(parents)
    )
    bill = Bill.objects.create(number=number, capacity=500, created_by=driver(), **more)
    BillLine.objects.bulk_create(BillLine(bill=bill, parent=b, loaded_by=driver()) for b in bags)
    return bill


def pdf_of(office, bill, what="pdf"):
    answer = office.get(f"/admin/billing/bill/{bill.pk}/{what}/")
    assert answer.status_code == 200, answer.content
    return answer.content


def selection(office, *bills, action="print_bills"):
    chosen = {"action": action, "_selected_action": [bill.pk for bill in bills]}
    return office.post(SELECTED, chosen)


@pytest.mark.django_db
def test_a_bill_on_paper(office, truck, pack):
    for place, children in enumerate((30, 30, 30, 30, 8), 1):
        pack(f"SB{place:05d}", children)
    header = {"customer": "Green Valley", "destination": "Nagpur", "vehicle": "MH 31 AB 1234"}
    bill = truck.bill(number="NAG/7", description="Call before arrival", **header)
    for place in range(1, 6):
        truck.load(bill, f"SB{place:05d}")
    truck.complete(bill)
    answer = office.get(f"/admin/billing/bill/{bill}/pdf/")
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == 'inline; filename="NAG-7.pdf"'
    assert "no-store" in answer["Cache-Control"]
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    (page,) = pdfs.pages(answer.content)
    for text in ("NAG/7", *header.values(), "Call before arrival", "Meena", "page 1 of 1"):
        assert text in page
    assert "5 of 5\nChildren\n128\n" in page
    assert "128 kg\nExpected weight\n150 kg\nVariance\n−22 kg" in page
    assert "1 SB00001 Mustard 30 of 30 30 30 " in page
    assert "5 SB00005 Mustard 8 of 30 8 30 " in page
    assert "Total 128 128 150" in page
    assert "NOT COMPLETED" not in page
    assert pdfs.codes(answer.content) == ["NAG/7"]


@pytest.mark.django_db
def test_an_open_bill_says_so_on_each_page(office):
    texts = pdfs.pages(pdf_of(office, quick_bill("OPEN", 60)))
    assert len(texts) == 2
    assert all("NOT COMPLETED" in text for text in texts)


@pytest.mark.django_db
def test_times_are_the_warehouses(office):
    bill = quick_bill("LATE", 1)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        at = "2026-11-24 19:00:00+00"
        cursor.execute("UPDATE billing_billline SET loaded_at = %s", [at])
        cursor.execute("UPDATE billing_bill SET created_at = %s", [at])
    (page,) = pdfs.pages(pdf_of(office, bill))
    assert "25/11/2026 00:30" in page
    assert "25 Nov 2026, 00:30 by" in page


@pytest.mark.django_db
def test_five_hundred_parents(office):
    texts = pdfs.pages(pdf_of(office, quick_bill("BIG", 500)))
    assert all("BIG" in text and "Expected kg" in text for text in texts)
    numbers = [re.search(r"page (\d+) of (\d+)", text).groups() for text in texts]
    assert numbers == [(str(n), str(len(texts))) for n in range(1, len(texts) + 1)]
    places = [int(n) for text in texts for n in re.findall(r"^(\d+) SB\d{5} ", text, re.M)]
    assert places == list(range(1, 501))


@pytest.mark.django_db
def test_signatures_stand_together_below_the_last_parent(office):
    bills = [quick_bill(f"N{parents}", parents) for parents in range(28, 42)]
    answer = selection(office, *bills)
    assert answer["Content-Disposition"].startswith('attachment; filename="bills-')
    texts = pdfs.pages(answer.content)
    assert {re.search(r"page \d+ of (\d)", text)[1] for text in texts} == {"1", "2"}
    last = [text for text in texts if re.search(r"page (\d+) of \1", text)]
    assert len(last) == len(bills)
    for text, bill in zip(last, reversed(bills), strict=True):
        parts = ("Total", "Loaded by", "Driver", "Received by", f"{bill.number[1:]} SB")
        assert all(part in text for part in parts)
    alone = [text for text in texts if text not in last]
    assert not any("Driver" in text for text in alone)
    assert not pdfs.overflows(answer.content)


@pytest.mark.django_db
def test_a_selection_costs_the_same_queries_for_any_number(office):
    one, *more = [quick_bill(f"B{place}", 3) for place in range(6)]
    selection(office, one)  # warm
    with CaptureQueriesContext(
        connection,
    ) as few:
        printing.bills_pdf(Bill.objects.filter(pk=one.pk))
    with CaptureQueriesContext(connection) as many:
        printing.bills_pdf(Bill.objects.filter(pk__in=[bill.pk for bill in more]))
    assert len(many) == len(few)


@pytest.mark.django_db
def test_what_came_back_is_marked_and_counted(office, truck, pack):
    pack("SB00001", 3)
    pack("SB00002", 5)
    bill = dispatch("SB00001", "SB00002")
    truck.back(truck.ticket(), "SB00001")
    (page,) = pdfs.pages(pdf_of(office, bill))
    assert "2 of 2\nChildren\n8\n" in page
    assert "1 of these parents came back" in page
    assert page.count("came back ") == 2


@pytest.mark.django_db
def test_hindi_is_shaped_and_complete(office):
    bill = quick_bill("HINDI", 1, customer="राजेश ट्रेडर्स", destination="विदिशा, मध्य प्रदेश")
    body = pdf_of(office, bill)
    assert "मध्य प्रदेश" in pdfs.pages(body)[0]
    assert paper.UNKNOWN not in pdfs.pages(body)[0]
    found = pdfs.letters(body)
    virama = next(place for place, (letter, _) in enumerate(found) if letter == "\u094d")
    assert found[virama + 1][0] == "र"
    assert found[virama][1] == found[virama + 1][1], "ट्र is a letter of its own"


@pytest.mark.django_db
def test_the_paper_speaks_the_persons_language(office):
    bill = quick_bill("HI", 1)
    assert "\nProduct\n" in pdfs.lines(pdf_of(office, bill))
    office.cookies["language"] = "hi"
    for what in ("pdf", "packing-list"):
        body = pdf_of(office, bill, what)
        assert "उत्पाद" in pdfs.lines(body) or what != "pdf"
        assert "\nProduct\n" not in pdfs.lines(body)
        assert not pdfs.overflows(body)
        assert b"/Lang (hi)" in body


@pytest.mark.django_db
@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_odd_texts_are_text_and_stay_on_the_page(office, odd):
    texts = {"customer": odd, "destination": odd, "description": odd, "vehicle": odd[:64]}
    bill = quick_bill("ODD (1)/2", 1, **texts)
    body = pdf_of(office, bill)
    assert not pdfs.overflows(body)
    page = pdfs.pages(body)[0]
    assert "page 1 of 1" in page
    assert not set(page) & set("\u202e\u202c\x07")
    if odd.isascii() and len(odd) < 60:
        assert page.count(odd) == 4
    assert b"/JavaScript" not in body
    assert b"/URI" not in body
    assert pdf_of(office, bill, "packing-list").startswith(b"%PDF")


@pytest.mark.django_db
def test_a_long_number_wraps_and_its_qr_holds_it(office):
    number = "A-LONG_NUMBER (4)/" + "X" * 46
    body = pdf_of(office, quick_bill(number, 1))
    assert pdfs.codes(body) == [number]
    assert not pdfs.overflows(body)


@pytest.mark.django_db
def test_the_packing_list_names_each_child(office, truck, pack):
    pack("SB00001", 30)
    pack("SB00002", 2)
    pack("SB00003", 0)
    bill = dispatch("SB00001", "SB00002", "SB00003")
    truck.back(truck.ticket(), "SB00002")
    Link.objects.filter(parent__qr_id="SB00002").delete()  # packed into other parents since
    Bag.objects.filter(qr_id="STAR44GG24611:0000201").update(tested_on="2025-09-30")
    (page,) = pdfs.pages(pdf_of(office, bill, "packing-list"))
    assert "1. SB00001 · Mustard · 30 of 30 children, 30 kg" in page
    assert "30 STAR44GG24611:0000129 0000129 STAR44GG24611" in page
    assert "2 STAR44GG24611:0000201 0000201 STAR44GG24611 30/09/2025" in page
    assert re.search(r"2\. SB00002 · Mustard · 2 of 30 children, 2 kg · came back \d\d/", page)
    assert page.count("STAR44GG24611:") == 32
    assert pdfs.codes(pdf_of(office, bill, "packing-list")) == [bill.number]


@pytest.mark.django_db
def test_a_packing_list_of_many_pages(office, pack):
    codes = [f"SB{place:05d}" for place in range(1, 41)]
    for code in codes:
        pack(code, 30)
    body = pdf_of(office, dispatch(*codes), "packing-list")
    texts = pdfs.pages(body)
    found = [code for text in texts for code in re.findall(r"GG24611:(\d{7}) \1 ", text)]
    assert sorted(found) == sorted(f"{n * 100 + k:07d}" for n in range(1, 41) for k in range(30))
    assert all(f"page {n} of {len(texts)}" in text for n, text in enumerate(texts, 1))
    assert all("Child Label Lot Tested" in text for text in texts)
    assert not pdfs.overflows(body)


@pytest.mark.django_db
def test_children_are_read_in_batches(office, pack, monkeypatch):
    for place in (1, 2, 3):
        pack(f"SB0000{place}", 4)
    bill = dispatch("SB00001", "SB00002", "SB00003")
    lines = list(BillLine.objects.filter(bill=bill).with_contents().order_by("id"))
    with CaptureQueriesContext(connection) as queries:
        whole = list(packing.contents(lines))
    assert len(queries) == 1
    monkeypatch.setattr(packing, "CHILDREN_AT_ONCE", 8)
    with CaptureQueriesContext(connection) as queries:
        assert list(packing.contents(lines)) == whole
    assert len(queries) == 2


@pytest.mark.django_db
def test_who_printed_what_is_known(office, biller):
    one, two = quick_bill("ONE", 2), quick_bill("TWO", 3)
    pdf_of(office, one)
    selection(office, one, two)
    pdf_of(office, two, "packing-list")
    first, second, third = Entry.objects.filter(action="bill.printed").order_by("id")
    assert (first.actor, first.target_label, first.channel) == (biller, "ONE", "admin")
    assert first.after == {"what": "bills", "format": "pdf", "rows": 2}
    assert second.after == {"what": "bills", "format": "pdf", "rows": 5, "bills": ["TWO", "ONE"]}
    assert third.target_label == "TWO"
    assert third.after["what"] == "packing_list"


@pytest.mark.django_db
def test_only_those_who_may_see_bills_print_them(dispatcher, office, sign_in, client):
    bill = quick_bill("ONE", 1)
    for what in ("pdf/", "packing-list/", "parents.csv", "children.xlsx"):
        url = f"/admin/billing/bill/{bill.pk}/{what}"
        assert sign_in(dispatcher).get(url).status_code == 302
        assert client.get(url).status_code == 302
        assert office.post(url).status_code == 405
        assert office.get(f"/admin/billing/bill/999/{what}").status_code == 404
    api = f"/api/bills/{bill.pk}/pdf/"
    assert sign_in(dispatcher).get(api).status_code == 403
    assert client.get(api).status_code == 401
    assert not Entry.objects.filter(action__in=["bill.printed", "bill.exported"]).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("accept", ["*/*", "application/pdf", "application/json"])
def test_programs_get_the_pdf_as_well(office, accept):
    bill = quick_bill("ONE", 1)
    answer = office.get(f"/api/bills/{bill.pk}/pdf/", headers={"accept": accept})
    assert answer["Content-Type"] == "application/pdf"
    assert pdfs.codes(answer.content) == ["ONE"]
    missing = office.get("/api/bills/999/pdf/", headers={"accept": accept})
    assert missing.status_code == 404
    assert missing["Content-Type"] == "application/problem+json"
    assert missing.json()["code"] == "unknown_bill"


@pytest.mark.django_db
@pytest.mark.parametrize(("bills", "parents"), [(5, 5), (1, 99)])
def test_too_large_a_selection_is_told_and_not_cut(office, monkeypatch, bills, parents):
    monkeypatch.setattr(printing, "MOST_BILLS", bills)
    monkeypatch.setattr(printing, "MOST_PARENTS", parents)
    answer = selection(office, quick_bill("ONE", 3), quick_bill("TWO", 3))
    assert answer.status_code == 302
    said = f"These are 2 bills with 6 parents. At most {bills} bills with {parents} parents can"
    assert said in office.get(answer.url).content.decode()
    assert not Entry.objects.filter(action="bill.printed").exists()


@pytest.mark.django_db
def test_too_long_a_packing_list_is_told_on_the_bills_page(office, monkeypatch):
    monkeypatch.setattr(printing, "MOST_CHILDREN", -1)
    bill = quick_bill("ONE", 1)
    answer = office.get(f"/admin/billing/bill/{bill.pk}/packing-list/", follow=True)
    assert answer.redirect_chain == [(f"/admin/billing/bill/{bill.pk}/change/", 302)]
    assert "Export them as CSV or XLSX instead." in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_page_agrees_with_itself_while_others_load(biller, sign_in):
    """The paper is made of one moment, though a parent is loaded between its queries."""
    bill = quick_bill("BUSY", 2)
    office = sign_in(biller)
    Bag.objects.create(qr_id="SB00001", type="parent", capacity=30, kg_per_child=1)

    def load_meanwhile():
        load(bill, "SB00001")
        connections.close_all()

    def meddle(execute, sql, *args):
        if "billing_billline" in sql and not BUSY:
            BUSY.append(True)
            thread = threading.Thread(target=load_meanwhile)
            thread.start()
            thread.join()
        return execute(sql, *args)

    BUSY = []
    with connection.execute_wrapper(meddle):
        (page,) = pdfs.pages(pdf_of(office, bill))
    assert BUSY
    assert Bill.objects.get(pk=bill.pk).line_count == 3
    assert "2 of 500" in page
    assert "SB00001" not in page
    assert Entry.objects.get(action="bill.printed").after["rows"] == 2


def test_figures_have_the_minus_of_print():
    from decimal import Decimal

    texts = [documents.figure(Decimal(n)) for n in ("-22.000", "128", "22.50", "1250.125", "100")]
    assert texts == ["−22", "128", "22.5", "1,250.125", "100"]
    assert documents.figure(15000) == "15,000"
