"""A bill's page, completing it and opening it again, and the page of a bag on it."""

import re
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Entry
from bags.models import Bag
from billing.models import Bill
from billing.services import bill_mark
from billing.tests.pages import BILLS, LABEL, texts
from billing.tests.trucks import dispatch, load

pytestmark = pytest.mark.django_db


# --- Its page ------------------------------------------------------------------------------------


def test_its_page_points_out_what_is_not_full(desk, bill, five, packer):
    packer.scan("SB00006")
    Bill.objects.filter(pk=bill.pk).update(capacity=6)
    load(bill, *five, "SB00006")
    page = texts(desk.get(f"{BILLS}{bill.pk}/change/"))
    assert "6 of 6 parents" in page
    for words in ("128 kg", "180 kg", "−52 kg", "Empty parents 1", "Not full 2"):
        assert words in page
    assert "SB00004 20 of 30 20 kg" in page


def test_five_hundred_lines_take_no_more_queries_and_no_children(desk, biller):
    big = Bill.objects.create(number="BIG", capacity=500, created_by=biller)
    codes = [f"SB{number:05d}" for number in range(1, 501)]
    Bag.objects.bulk_create(
        Bag(qr_id=code, type="parent", capacity=30, kg_per_child=1) for code in codes
    )
    load(big, *codes[:1])
    with CaptureQueriesContext(connection) as few:
        desk.get(f"{BILLS}{big.pk}/change/")
    load(big, *codes[1:])
    with CaptureQueriesContext(connection) as many:
        page = desk.get(f"{BILLS}{big.pk}/change/").content.decode()
    assert page.count("<li data-line=") == 500
    assert len(many) == len(few) <= 9
    assert "STAR44GG" not in page


def test_a_line_opens_to_its_children(desk, bill, five):
    load(bill, *five)
    line = bill.lines.get(parent__qr_id="SB00005")
    page = desk.get(f"{BILLS}{bill.pk}/lines/{line.pk}/").content.decode()
    assert page.count("<li>") == 18
    assert "STAR44GG24611:0000500" in page
    assert desk.get(f"{BILLS}{bill.pk + 1}/lines/{line.pk}/").status_code == 404


def test_a_line_that_came_back_opens_to_what_it_held_then(desk, five, truck, packer):
    left = dispatch("SB00005")
    truck.back(truck.ticket(), "SB00005")
    packer.scan(LABEL.format(999), "SB00005")
    line = left.lines.get()
    page = desk.get(f"{BILLS}{left.pk}/lines/{line.pk}/").content.decode()
    assert page.count("<li>") == 18
    assert "0000999" not in page
    assert "Came back" in texts(desk.get(f"{BILLS}{left.pk}/change/"))


# --- Completing and opening again ----------------------------------------------------------------


def test_completing_shows_what_is_below_target_and_asks_once(desk, bill, five, packer):
    packer.scan("SB00006")
    load(bill, "SB00001", "SB00004", "SB00006")
    page = texts(desk.get(f"{BILLS}{bill.pk}/complete/"))
    assert "3 of 5 parents are on it: 2 fewer than planned." in page
    assert "1 parent is empty: SB00006" in page
    assert "1 parent is not full: SB00004 20 of 30" in page
    response = desk.post(f"{BILLS}{bill.pk}/complete/", {"seen": bill_mark(bill.pk)}, follow=True)
    assert "Bill B-7 is completed." in texts(response)
    bill.refresh_from_db()
    assert bill.status == "completed"


@pytest.mark.parametrize("seen", ["2", "", "-3", "many", "\x00"])
def test_who_did_not_see_what_is_on_it_now_looks_again(desk, bill, five, seen):
    load(bill, "SB00001", "SB00002", "SB00003")
    response = desk.post(f"{BILLS}{bill.pk}/complete/", {"seen": seen})
    assert response.status_code == 409
    assert "Something on the bill has changed meanwhile." in response.content.decode()
    assert f'name="seen" value="{bill_mark(bill.pk)}"' in response.content.decode()
    bill.refresh_from_db()
    assert bill.status == "processing"


def test_an_empty_bill_has_no_button_and_is_refused(desk, bill):
    page = desk.get(f"{BILLS}{bill.pk}/complete/").content.decode()
    assert 'name="seen"' not in page
    response = desk.post(f"{BILLS}{bill.pk}/complete/", {"seen": bill_mark(bill.pk)})
    assert response.status_code == 409
    assert "An empty bill can&#x27;t be completed." in response.content.decode()


def test_a_bill_is_completed_once(desk, bill, five):
    load(bill, *five)
    for _ in range(2):
        assert (
            desk.post(f"{BILLS}{bill.pk}/complete/", {"seen": bill_mark(bill.pk)}).status_code
            == 302
        )
    assert Entry.objects.filter(action="bill.completed").count() == 1
    assert desk.get(f"{BILLS}{bill.pk}/complete/").status_code == 302


def test_opening_again_needs_a_reason_and_keeps_it(desk, five):
    left = dispatch(*five)
    url = f"{BILLS}{left.pk}/reopen/"
    for reason in ("", "   "):
        assert desk.post(url, {"reason": reason}).status_code == 200
    left.refresh_from_db()
    assert left.status == "completed"
    assert desk.post(url, {"reason": "one more sack"}).status_code == 302
    left.refresh_from_db()
    assert (left.status, left.reopen_reason) == ("processing", "one more sack")
    assert "one more sack" in texts(desk.get(f"{BILLS}{left.pk}/change/"))
    assert desk.post(url, {"reason": "again"}).status_code == 302
    assert Entry.objects.filter(action="bill.reopened").count() == 1


def test_a_bill_from_which_parents_came_back_stays_completed(desk, five, truck):
    left = dispatch(*five)
    truck.back(truck.ticket(), "SB00001")
    response = desk.post(f"{BILLS}{left.pk}/reopen/", {"reason": "one more sack"})
    assert response.status_code == 409
    assert "Parents of this bill came back, so it stays completed." in response.content.decode()


@pytest.mark.parametrize("name", ["change", "live", "complete", "reopen", "lines/1"])
def test_a_bill_that_is_not_there(desk, name):
    assert desk.get(f"{BILLS}999/{name}/").status_code in (302, 404)


def test_what_people_typed_is_shown_as_text(desk, bill, five, truck):
    evil = '<script>alert(1)</script>"'
    Bill.objects.filter(pk=bill.pk).update(customer=evil, destination=evil, vehicle=evil)
    load(bill, "SB00001")
    for page in (BILLS, *(f"{BILLS}{bill.pk}/{name}/" for name in ("change", "complete", "live"))):
        assert b"<script>alert" not in desk.get(page).content


def test_days_of_the_filter_are_whole(desk):
    """Tomorrow begins a day later, whatever is asked."""
    from billing.filters import midnight

    assert midnight(date(2026, 3, 5)) - midnight(date(2026, 3, 4)) == timedelta(days=1)


# --- Which bill is this bag on -------------------------------------------------------------------


def place(client, code):
    """What a bag's page says of its bills."""
    page = client.get(f"/bags/{code}/").content.decode()
    part = re.search(r'<section class="card on-bills.*?</section>', page, re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part[0])) if part else ""


def test_a_bag_s_page_says_on_which_bill_it_is(desk, bill, five, dispatcher, sign_in):
    assert place(desk, "SB00001") == ""
    load(bill, "SB00001")
    for code in ("SB00001", "STAR44GG24611:0000100"):
        assert "B-7 Processing loaded" in place(desk, code)
    assert place(desk, "SB00002") == ""
    link = f'href="{BILLS}{bill.pk}/change/"'.encode()
    assert link in desk.get("/bags/SB00001/").content
    assert link not in sign_in(dispatcher).get("/bags/SB00001/").content
    assert "B-7 Processing" in place(sign_in(dispatcher), "SB00001")
    desk.post(f"{BILLS}{bill.pk}/complete/", {"seen": bill_mark(bill.pk)})
    assert "B-7 Completed dispatched" in place(desk, "SB00001")


def test_a_bag_s_page_keeps_the_bills_that_it_was_on(desk, bill, five, truck):
    left = dispatch("SB00001")
    ticket = truck.ticket()
    truck.back(ticket, "SB00001")
    load(bill, "SB00001")
    for code in ("SB00001", "STAR44GG24611:0000100"):
        here, before = place(desk, code).split(left.number)
        assert "B-7 Processing loaded" in here
        assert re.match(r" Came back dispatched \d.*, came back \d", before)


def test_a_return_that_was_taken_back_was_none(desk, five, truck):
    left = dispatch("SB00001")
    ticket = truck.ticket()
    truck.back(ticket, "SB00001")
    truck.take_back(ticket, "SB00001")
    for code in ("SB00001", "STAR44GG24611:0000100"):
        said = place(desk, code)
        assert said.count(left.number) == 1
        assert "Came back" not in said


def test_the_site_s_header_leads_billers_to_their_bills(desk, dispatcher, sign_in):
    link = b'href="/admin/billing/bill/overview/"'
    assert link in desk.get("/lookup/").content
    assert link in desk.get("/admin/").content
    assert link not in sign_in(dispatcher).get("/lookup/").content
