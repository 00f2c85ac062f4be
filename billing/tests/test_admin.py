"""Bills in the back office: made once, edited on purpose, deleted only while new."""

import re
import uuid

import pytest

from audit.models import Entry
from billing.models import Bill
from billing.services import bill_mark
from billing.tests.pages import BILLS, texts
from billing.tests.trucks import load

pytestmark = pytest.mark.django_db


def header(bill, **changed):
    """What the form of this bill sends: what was seen, and what is changed."""
    names = ("number", "description", "customer", "destination", "vehicle", "capacity")
    seen = {name: getattr(bill, name) for name in names}
    return seen | {f"initial-{n}": v for n, v in seen.items()} | {"seen": bill.version} | changed


def form(**values):
    empty = dict.fromkeys(("number", "description", "customer", "destination", "vehicle"), "")
    return empty | {"capacity": 5, "creation": str(uuid.uuid4())} | values


# --- A new bill ----------------------------------------------------------------------------------


def test_a_bill_is_made_once_however_often_the_page_is_sent(desk):
    values = form(customer="Green Fields")
    first = desk.post(f"{BILLS}add/", values)
    again = desk.post(f"{BILLS}add/", values)
    assert (first.status_code, first.url) == (again.status_code, again.url)
    assert Bill.objects.get().number.startswith("BILL-")
    assert Entry.objects.filter(action="bill.created").count() == 1


def test_who_goes_back_and_types_something_else_is_told(desk):
    values = form(number="B-7")
    made = desk.post(f"{BILLS}add/", values)
    desk.post(f"{BILLS}add/", values)
    assert "What you typed now is not saved." not in texts(desk.get(BILLS))
    again = desk.post(f"{BILLS}add/", values | {"number": "B-8"})
    assert again.url == made.url
    assert "has made bill B-7 before. What you typed now is not saved." in texts(desk.get(BILLS))
    assert Bill.objects.get().number == "B-7"


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
    assert "belongs to somebody else" in desk.post(f"{BILLS}add/", values).content.decode()
    assert Bill.objects.count() == 1


def test_the_capacity_begins_as_that_of_one_s_newest_bill(desk, bill, admin_user, sign_in):
    Bill.objects.create(number="Z", capacity=40, created_by=admin_user)
    assert 'name="capacity" value="5"' in desk.get(f"{BILLS}add/").content.decode()
    assert 'name="capacity" value="40"' in sign_in(admin_user).get(f"{BILLS}add/").content.decode()


# --- Editing -------------------------------------------------------------------------------------


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
    desk.post(f"{BILLS}{bill.pk}/complete/", {"seen": bill_mark(bill.pk)})
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
