"""The biller's desk: bills in the back office, found, edited, completed, opened again."""

import re
import uuid
from datetime import date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import Entry
from bags.models import Bag
from billing.models import Bill
from billing.tests.trucks import dispatch, load

pytestmark = pytest.mark.django_db

BILLS = "/admin/billing/bill/"
PAGES = ["bill", "returnticket", "billline", "billscan", "returnline"]
LABEL = "LABEL NO.{:07d} LOT NO.:STAR44GG24611, D.O.T.:30/09/2025"


@pytest.fixture
def desk(biller, sign_in):
    return sign_in(biller)


@pytest.fixture
def five(pack):
    """Five mustard parents with 128 children, as in the example of the domain."""
    for number, children in enumerate((30, 30, 30, 20, 18), start=1):
        pack(f"SB0000{number}", children)
    return [f"SB0000{number}" for number in range(1, 6)]


@pytest.fixture
def bill(biller):
    return Bill.objects.create(number="B-7", customer="Green Fields", capacity=5, created_by=biller)


def header(bill, **changed):
    """What the form of this bill sends: what was seen, and what is changed."""
    names = ("number", "description", "customer", "destination", "vehicle", "capacity")
    seen = {name: getattr(bill, name) for name in names}
    return seen | {f"initial-{n}": v for n, v in seen.items()} | {"seen": bill.version} | changed


def form(**values):
    empty = dict.fromkeys(("number", "description", "customer", "destination", "vehicle"), "")
    return empty | {"capacity": 5, "creation": str(uuid.uuid4())} | values


def numbers(response):
    """The numbers in the list."""
    return re.findall(r'class="field-number[^>]*><a[^>]*>([^<]+)<', response.content.decode())


def texts(response):
    """What a person reads, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


# --- Who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_billers_look_and_dispatchers_do_not(page, biller, dispatcher, sign_in):
    url = f"/admin/billing/{page}/"
    assert sign_in(biller).get(url).status_code == 200
    assert sign_in(dispatcher).get(url).status_code == 302


@pytest.mark.parametrize("page", ["change", "live", "complete", "reopen", "delete", "lines/1"])
def test_dispatchers_are_kept_out_of_every_page_of_a_bill(page, bill, dispatcher, sign_in):
    for send in (sign_in(dispatcher).get, sign_in(dispatcher).post):
        assert send(f"{BILLS}{bill.pk}/{page}/").status_code in (302, 403)


@pytest.mark.parametrize("word", ["complete", "reopen", "view"])
def test_each_deed_asks_for_its_own_word(word, bill, biller, sign_in, monkeypatch):
    from accounts import roles

    fewer = roles.MAY["biller"] - {f"billing.{word}_bill"}
    monkeypatch.setitem(roles.MAY, "biller", fewer)
    page = {"view": "live"}.get(word, word)
    assert sign_in(biller).post(f"{BILLS}{bill.pk}/{page}/").status_code == 403


# --- The list -------------------------------------------------------------------------------------


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
        assert len(numbers(desk.get(BILLS))) == 41
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
    assert numbers(desk.get(BILLS, {"weight": "over"})) == []


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
    desk.post(f"{BILLS}{bill.pk}/complete/", {"seen": 1})
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


# --- A new bill -----------------------------------------------------------------------------------


def test_a_bill_is_made_once_however_often_the_page_is_sent(desk):
    values = form(customer="Green Fields")
    first = desk.post(f"{BILLS}add/", values)
    again = desk.post(f"{BILLS}add/", values)
    assert (first.status_code, first.url) == (again.status_code, again.url)
    assert Bill.objects.get().number.startswith("BILL-")
    assert Entry.objects.filter(action="bill.created").count() == 1


def test_two_pages_make_two_bills(desk):
    creations = [
        re.search(
            r'name="creation" value="([0-9a-f-]+)"', desk.get(f"{BILLS}add/").content.decode()
        )
        for _ in range(2)
    ]
    for found in creations:
        assert desk.post(f"{BILLS}add/", form(creation=found[1])).status_code == 302
    assert Bill.objects.count() == 2


def test_a_number_that_was_scanned_is_kept_in_capitals(desk):
    desk.post(f"{BILLS}add/", form(number=" b-12\t"))
    assert Bill.objects.get().number == "B-12"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"number": "b-7"}, "There is a bill with this number already."),
        ({"number": "#7"}, "1 to 64 letters, digits, spaces or . _ / : ( ) -."),
        ({"capacity": 0}, "The capacity is 1 to 500 parents."),
        ({"capacity": 501}, "The capacity is 1 to 500 parents."),
        ({"capacity": ""}, "This field is required."),
        ({"creation": ""}, "The form did not come whole. Please open it again."),
        ({"creation": "nonsense"}, "The form did not come whole. Please open it again."),
    ],
)
def test_what_is_refused_is_said_at_the_form(desk, bill, values, sentence):
    response = desk.post(f"{BILLS}add/", form(**values))
    assert response.status_code == 200
    assert sentence in response.content.decode()
    assert Bill.objects.count() == 1


def test_a_creation_id_of_somebody_else_is_refused(desk, admin_user, sign_in):
    values = form()
    sign_in(admin_user).post(f"{BILLS}add/", values)
    assert "belongs to another bill" in desk.post(f"{BILLS}add/", values).content.decode()
    assert Bill.objects.count() == 1


def test_the_capacity_begins_as_that_of_one_s_newest_bill(desk, bill, admin_user, sign_in):
    Bill.objects.create(number="Z", capacity=40, created_by=admin_user)
    assert 'name="capacity" value="5"' in desk.get(f"{BILLS}add/").content.decode()
    assert 'name="capacity" value="40"' in sign_in(admin_user).get(f"{BILLS}add/").content.decode()


# --- Editing --------------------------------------------------------------------------------------


def test_an_edit_is_saved_and_audited(desk, bill, biller):
    desk.post(f"{BILLS}{bill.pk}/change/", header(bill, vehicle="DL 1C 4711"))
    bill.refresh_from_db()
    assert (bill.vehicle, bill.customer, bill.version) == ("DL 1C 4711", "Green Fields", 2)
    entry = Entry.objects.get(action="bill.updated")
    assert (entry.actor, entry.after) == (biller, {"vehicle": "DL 1C 4711"})


def test_who_edits_what_somebody_else_changed_is_told_and_saves_again_on_purpose(
    desk, bill, admin_user, sign_in
):
    """Both changed the customer, and the other one also the vehicle."""
    url, mine = f"{BILLS}{bill.pk}/change/", header(bill, customer="Kisan", description="early")
    theirs = header(bill, customer="Patel", vehicle="DL 1C 4711")
    assert sign_in(admin_user).post(url, theirs).status_code == 302
    response = desk.post(url, mine)
    assert response.status_code == 200
    page = texts(response)
    assert "Asha changed this bill at" in page
    assert "Customer Green Fields Patel Kisan" in page
    assert "Vehicle - DL 1C 4711 nothing, theirs is kept" in page
    bill.refresh_from_db()
    assert (bill.customer, bill.description) == ("Patel", "")

    sent = response.context["adminform"].form
    again = {name: sent[name].value() for name in (*sent.fields,)}
    again |= {name: value for name, value in sent.data.items() if name.startswith("initial-")}
    assert (again["customer"], again["vehicle"], again["seen"]) == ("Kisan", "DL 1C 4711", 2)
    assert desk.post(url, again).status_code == 302
    bill.refresh_from_db()
    found = (bill.customer, bill.vehicle, bill.description)
    assert found == ("Kisan", "DL 1C 4711", "early")


def test_what_was_not_touched_never_overwrites(desk, bill, admin_user, sign_in):
    """The same version, as nobody saved since; fields that are sent unchanged are not written."""
    desk.post(f"{BILLS}{bill.pk}/change/", header(bill))
    bill.refresh_from_db()
    assert bill.version == 1
    assert not Entry.objects.filter(action="bill.updated").exists()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"capacity": 1}, "There are more parents on the bill than that."),
        ({"number": "TAKEN"}, "There is a bill with this number already."),
        ({"number": ""}, "This field is required."),
        ({"seen": ""}, "The form did not come whole. Please open it again."),
    ],
)
def test_an_edit_that_is_refused_says_why(desk, bill, five, biller, values, sentence):
    Bill.objects.create(number="TAKEN", capacity=5, created_by=biller)
    load(bill, *five[:2])
    response = desk.post(f"{BILLS}{bill.pk}/change/", header(bill, **values))
    assert response.status_code == 200
    assert sentence in response.content.decode()
    bill.refresh_from_db()
    assert (bill.number, bill.capacity) == ("B-7", 5)


def test_a_completed_bill_is_only_looked_at(desk, bill, five):
    sent = header(bill, vehicle="DL 1C 4711")
    load(bill, *five)
    desk.post(f"{BILLS}{bill.pk}/complete/", {"seen": 5})
    page = desk.get(f"{BILLS}{bill.pk}/change/").content.decode()
    assert 'name="_save"' not in page
    assert 'name="vehicle"' not in page
    forged = desk.post(f"{BILLS}{bill.pk}/change/", sent)
    assert forged.status_code == 403
    assert "The bill is completed. It can&#x27;t change." in forged.content.decode()
    assert desk.post(f"{BILLS}{bill.pk}/delete/", {"post": "yes"}).status_code == 403
    bill.refresh_from_db()
    assert (bill.vehicle, bill.status) == ("", "completed")


def test_only_an_empty_new_bill_without_a_history_is_deleted(desk, bill, five, biller, truck):
    used = Bill.objects.create(number="USED", capacity=5, created_by=biller)
    truck.load(used.pk, "SB00001")
    assert desk.post(f"{BILLS}{used.pk}/delete/", {"post": "yes"}).status_code == 403
    truck.unload(used.pk, "SB00001")
    kept = desk.post(f"{BILLS}{used.pk}/delete/", {"post": "yes"}, follow=True)
    assert kept.status_code == 200
    assert Bill.objects.filter(pk=used.pk).exists()
    assert desk.post(f"{BILLS}{bill.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Bill.objects.filter(pk=bill.pk).exists()


# --- Its page -------------------------------------------------------------------------------------


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


# --- Completing and opening again -----------------------------------------------------------------


def test_completing_shows_what_is_below_target_and_asks_once(desk, bill, five, packer):
    packer.scan("SB00006")
    load(bill, "SB00001", "SB00004", "SB00006")
    page = texts(desk.get(f"{BILLS}{bill.pk}/complete/"))
    assert "3 of 5 parents are on it: 2 fewer than planned." in page
    assert "1 parent is empty: SB00006" in page
    assert "1 parent is not full: SB00004 20 of 30" in page
    response = desk.post(f"{BILLS}{bill.pk}/complete/", {"seen": 3}, follow=True)
    assert "Bill B-7 is completed." in texts(response)
    bill.refresh_from_db()
    assert bill.status == "completed"


@pytest.mark.parametrize("seen", ["2", "", "-3", "many", "99999999999999999999"])
def test_who_did_not_see_what_is_on_it_now_looks_again(desk, bill, five, seen):
    load(bill, "SB00001", "SB00002", "SB00003")
    response = desk.post(f"{BILLS}{bill.pk}/complete/", {"seen": seen})
    assert response.status_code == 409
    assert "The bill has 3 parents by now. Look at it again." in response.content.decode()
    assert 'name="seen" value="3"' in response.content.decode()
    bill.refresh_from_db()
    assert bill.status == "processing"


def test_an_empty_bill_has_no_button_and_is_refused(desk, bill):
    page = desk.get(f"{BILLS}{bill.pk}/complete/").content.decode()
    assert 'name="seen"' not in page
    response = desk.post(f"{BILLS}{bill.pk}/complete/", {"seen": 0})
    assert response.status_code == 409
    assert "An empty bill can&#x27;t be completed." in response.content.decode()


def test_a_bill_is_completed_once(desk, bill, five):
    load(bill, *five)
    for _ in range(2):
        assert desk.post(f"{BILLS}{bill.pk}/complete/", {"seen": 5}).status_code == 302
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


@pytest.mark.parametrize("page", ["change", "live", "complete", "reopen", "lines/1"])
def test_a_bill_that_is_not_there(desk, page):
    assert desk.get(f"{BILLS}999/{page}/").status_code in (302, 404)


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


# --- Which bill is this bag on --------------------------------------------------------------------


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
    desk.post(f"{BILLS}{bill.pk}/complete/", {"seen": 1})
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
