"""The list of bills: who may see it, what it says, how a bill is found."""

from datetime import datetime

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import roles
from bags.models import Bag, Link
from billing.models import Bill
from billing.services import bill_mark
from billing.tests.pages import BILLS, LABEL, numbers, texts
from billing.tests.trucks import dispatch, load

pytestmark = pytest.mark.django_db


PAGES = ["bill", "returnticket", "billline", "billscan", "returnline"]


# --- Who may -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_billers_look_and_dispatchers_do_not(name, biller, dispatcher, sign_in):
    url = f"/admin/billing/{name}/"
    assert sign_in(biller).get(url).status_code == 200
    assert sign_in(dispatcher).get(url).status_code == 302


@pytest.mark.parametrize("name", ["change", "live", "complete", "reopen", "delete", "lines/1"])
def test_dispatchers_are_kept_out_of_every_page_of_a_bill(name, bill, dispatcher, sign_in):
    for send in (sign_in(dispatcher).get, sign_in(dispatcher).post):
        assert send(f"{BILLS}{bill.pk}/{name}/").status_code in (302, 403)


@pytest.mark.parametrize(
    ("word", "path"),
    [
        ("complete_bill", "bill/{bill}/complete/"),
        ("reopen_bill", "bill/{bill}/reopen/"),
        ("view_bill", "bill/{bill}/live/"),
        ("view_bill", "bill/overview/"),
        ("view_billline", "bill/{bill}/lines/{line}/"),
        ("change_returnticket", "returnticket/{ticket}/close/"),
        ("change_returnticket", "returnticket/{ticket}/cancel/"),
        ("view_returnline", "returnticket/summary/"),
    ],
)
def test_each_page_asks_for_its_own_word(word, path, desk, five, truck, monkeypatch):
    left = dispatch("SB00001")
    there = {"bill": left.pk, "line": left.lines.get().pk, "ticket": truck.ticket()}
    url = "/admin/billing/" + path.format(**there)
    assert desk.get(url).status_code in (200, 302)
    monkeypatch.setitem(roles.MAY, "biller", roles.MAY["biller"] - {f"billing.{word}"})
    assert desk.get(url).status_code == 403
    assert desk.post(url, {"reason": "x", "seen": 1}).status_code == 403


OF_A_BILL = ["change", "delete", "history", "live", "complete", "reopen", "load", "pdf"] + [
    *("packing-list", "parents.csv", "children.xlsx", "lines/1", f"lines/{10**20}"),
]
OF_A_TICKET = ["change", "delete", "history", "scan", "close", "cancel"]
OF_HISTORY = [(name, "change") for name in ("billline", "billscan", "returnline")]


@pytest.mark.parametrize(
    ("model", "path"),
    [
        *(("bill", path) for path in OF_A_BILL),
        *(("returnticket", path) for path in OF_A_TICKET),
        *OF_HISTORY,
    ],
)
def test_an_address_of_nothing_is_no_server_error(model, path, bill, admin_user, sign_in):
    """Not for who looks, nor for who sends a form there."""
    client = sign_in(admin_user)
    sent = {"post": "yes", "reason": "x", "seen": "1", "number": "X", "capacity": "5"}
    for key in ("abc", "0", "-1", "_31", "1.5", "٣", "%00", "1%00", 10**20):
        url = f"/admin/billing/{model}/{key}/{path}" + ("" if "." in path else "/")
        for answer in (client.get(url, follow=True), client.post(url, sent, follow=True)):
            assert answer.status_code in (200, 403, 404, 405), (key, answer.status_code)
    assert Bill.objects.get().number == "B-7"


# --- The list ------------------------------------------------------------------------------------


def test_the_list_says_how_each_bill_stands(desk, bill, five):
    load(bill, *five)
    page = texts(desk.get(BILLS))
    assert "B-7" in page
    assert "Green Fields" in page
    assert "Processing 5 of 5 128 kg −22 kg" in page
    assert "Meena" in page


def test_a_longer_list_costs_no_more_queries(desk, bill, five, biller):
    load(bill, *five[:3])
    with CaptureQueriesContext(connection) as few:
        desk.get(BILLS)
    for number in range(40):
        Bill.objects.create(number=f"C-{number}", capacity=5, created_by=biller)
    load(Bill.objects.get(number="C-3"), *five[3:])
    with CaptureQueriesContext(connection) as many:
        assert len(numbers(desk.get(BILLS))) == 30
    assert len(many) == len(few) <= 8


@pytest.mark.parametrize(
    "text",
    ["b-7", "B-", "green", "fields", " Green  Fields ", "dl 1c", "sb00001", "0000100"]
    + [LABEL.format(100), "star44gg24611:0000100"],
)
def test_a_bill_is_found_by_its_words_or_by_a_bag(desk, bill, five, biller, text):
    Bill.objects.filter(pk=bill.pk).update(vehicle="DL 1C 4711")
    Bill.objects.create(number="OTHER", customer="Kisan", capacity=5, created_by=biller)
    load(bill, *five)
    assert numbers(desk.get(BILLS, {"q": text})) == ["B-7"]


def test_a_bag_that_came_back_still_finds_its_bill(desk, five, truck):
    left = dispatch(*five)
    ticket = truck.ticket()
    truck.back(ticket, "SB00001")
    for text in ("SB00001", LABEL.format(100)):
        assert numbers(desk.get(BILLS, {"q": text})) == [left.number]
    truck.take_back(ticket, "SB00001")
    assert numbers(desk.get(BILLS, {"q": LABEL.format(100)})) == [left.number]


@pytest.mark.parametrize("text", ["nothing", "SB00009", "100%", "%", "_", "'", "x" * 5000])
def test_what_is_on_no_bill_finds_none(desk, bill, five, text):
    response = desk.get(BILLS, {"q": text})
    assert response.status_code == 200
    assert numbers(response) == []


def test_filters_by_status_and_biller(desk, bill, five, admin_user):
    Bill.objects.create(number="NEW-1", capacity=5, created_by=admin_user)
    load(bill, *five[:2])
    left = dispatch(*five[2:])
    by_status = {s: numbers(desk.get(BILLS, {"status": s})) for s in Bill.Status.values}
    assert by_status == {"new": ["NEW-1"], "processing": ["B-7"], "completed": [left.number]}
    mine = desk.get(BILLS, {"created_by__id__exact": admin_user.pk})
    assert numbers(mine) == ["NEW-1"]


def test_filter_by_weight(desk, bill, five, biller):
    exact = Bill.objects.create(number="EXACT", capacity=5, created_by=biller)
    Bill.objects.create(number="EMPTY", capacity=5, created_by=biller)
    load(exact, "SB00001", "SB00002")
    load(bill, "SB00003", "SB00004")
    assert numbers(desk.get(BILLS, {"weight": "under"})) == ["B-7"]
    assert numbers(desk.get(BILLS, {"weight": "exact"})) == ["EXACT"]


def test_no_bill_can_be_over_its_weight_so_that_is_no_choice(desk, bill, five):
    load(bill, "SB00001")
    with pytest.raises(IntegrityError), transaction.atomic():
        Link.objects.create(
            child=Bag.objects.create(qr_id="ONE MORE", type="child"),
            parent=Bag.objects.get(qr_id="SB00001"),
        )
    assert "Over the expected weight" not in texts(desk.get(BILLS))


def test_the_weight_of_what_came_back_is_that_of_its_day(desk, five, truck):
    left = dispatch("SB00004")
    truck.back(truck.ticket(), "SB00004")
    Bag.objects.filter(qr_id="SB00004").update(capacity=20)
    assert numbers(desk.get(BILLS, {"weight": "under"})) == [left.number]


def test_filter_by_day_is_the_warehouse_s_and_that_of_completion(desk, five, biller):
    """Made half an hour after midnight in Kolkata, when it was the day before in Greenwich."""
    at = datetime(2026, 3, 4, 0, 30, tzinfo=timezone.get_current_timezone())
    bill = Bill.objects.create(number="B-7", capacity=5, created_by=biller, created_at=at)
    for first, last, found in (
        ("2026-03-04", "2026-03-04", ["B-7"]),
        ("2026-03-05", "", []),
        ("", "2026-03-03", []),
        ("2026-03-01", "2026-03-31", ["B-7"]),
        ("nonsense", "2026-13-45", ["B-7"]),
    ):
        assert numbers(desk.get(BILLS, {"from": first, "to": last})) == found
    load(bill, "SB00001")
    desk.post(f"{BILLS}{bill.pk}/complete/", {"seen": bill_mark(bill.pk)})
    assert numbers(desk.get(BILLS, {"to": "2026-03-31"})) == []
    today = timezone.localdate().isoformat()
    assert numbers(desk.get(BILLS, {"from": today, "to": today})) == ["B-7"]


def test_the_day_filter_keeps_the_others(desk, bill):
    page = desk.get(BILLS, {"status": "new", "from": "2026-01-01", "q": "b-7"}).content.decode()
    part = page[page.index("by-day") :]
    assert '<input type="hidden" name="status" value="new">' in part
    assert '<input type="hidden" name="q" value="b-7">' in part
    assert 'name="from" value="2026-01-01"' in part


def test_nothing_is_deleted_many_at_a_time(desk, bill):
    desk.post(BILLS, {"action": "delete_selected", "_selected_action": bill.pk, "post": "yes"})
    assert Bill.objects.filter(pk=bill.pk).exists()
    assert "delete_selected" not in desk.get(BILLS).content.decode()


# --- Histories -----------------------------------------------------------------------------------


def test_histories_are_found_by_a_parent_a_bill_or_a_scan(desk, bill, five, truck):
    scan = truck.load(bill.pk, "SB00001").json()["scan_id"]
    truck.load(bill.pk, "SB00002")
    for text, found in (("sb00001", 1), ("b-7", 2), ("SB0000", 0), (scan, 1), ("nothing", 0)):
        page = desk.get("/admin/billing/billscan/", {"q": text}).content.decode()
        assert page.count('class="field-deed"') == found, text
    for text, found in (("sb00001", 1), ("b-7", 2), ("SB0000", 0)):
        page = desk.get("/admin/billing/billline/", {"q": text}).content.decode()
        assert page.count('class="field-parent') == found, text


def test_a_bill_leads_to_its_scans_refused_ones_too(desk, bill, five, truck, biller):
    other = Bill.objects.create(number="OTHER", capacity=5, created_by=biller)
    truck.load(other.pk, "SB00002")
    truck.load(bill.pk, "SB00001")
    truck.load(bill.pk, "SB00002")
    link = f"/admin/billing/billscan/?bill__id__exact={bill.pk}"
    assert link in desk.get(f"{BILLS}{bill.pk}/change/").content.decode()
    page = texts(desk.get(link))
    assert "On another bill" in page
    assert page.count("SB0000") == 2


@pytest.mark.parametrize("name", ["billline", "billscan", "returnline"])
def test_nobody_changes_history(name, admin_user, sign_in, five, truck):
    left = dispatch("SB00001")
    truck.back(truck.ticket(), "SB00001")
    client = sign_in(admin_user)
    assert client.get(f"/admin/billing/{name}/add/").status_code == 403
    first = {"billline": left.lines.get().pk}.get(name, 1)
    for url in (f"/admin/billing/{name}/{first}/delete/", f"/admin/billing/{name}/{first}/change/"):
        assert client.post(url, {"post": "yes"}).status_code in (302, 403)
    assert left.lines.count() == 1
