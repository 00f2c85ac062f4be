"""Return tickets in the back office."""

import re
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Entry
from billing.models import ReturnTicket
from billing.services import complete_bill, create_bill
from billing.tests.pages import texts
from billing.tests.trucks import dispatch, load

pytestmark = pytest.mark.django_db

TICKETS = "/admin/billing/returnticket/"


@pytest.fixture
def left(pack):
    pack("SB00001", 30)
    pack("SB00002", 20)
    return dispatch("SB00001", "SB00002")


@pytest.fixture
def ticket(truck, left):
    """SB00001 is back, and SB00002 was taken for one that was."""
    made = truck.ticket()
    truck.back(made, "SB00001")
    truck.back(made, "SB00002")
    truck.take_back(made, "SB00002")
    return ReturnTicket.objects.get(pk=made)


@pytest.mark.parametrize("name", ["change", "close", "cancel", "delete"])
def test_dispatchers_are_kept_out(name, ticket, dispatcher, sign_in):
    client = sign_in(dispatcher)
    for send in (client.get, client.post):
        assert send(f"{TICKETS}{ticket.pk}/{name}/").status_code in (302, 403)
    ticket.refresh_from_db()
    assert ticket.status == "open"


def test_the_list_says_what_came_back_in_as_many_queries_however_long(desk, ticket, truck):
    with CaptureQueriesContext(connection) as few:
        page = texts(desk.get(TICKETS))
    assert re.search(rf"{ticket.number} wet Open 1 30 30 kg Meena", page)
    for _ in range(5):
        truck.ticket()
    with CaptureQueriesContext(connection) as many:
        desk.get(TICKETS)
    assert len(many) == len(few) <= 7


def test_found_by_number_reason_and_status(desk, ticket, truck):
    truck.ticket(reason="late")
    for query in ({"q": ticket.number.lower()}, {"q": "WET"}):
        page = texts(desk.get(TICKETS, query))
        assert "wet" in page
        assert " late " not in page
    assert ticket.number not in texts(desk.get(TICKETS, {"status": "closed"}))


def test_a_ticket_is_made_once_however_often_the_page_is_sent(desk):
    values = {"reason": "wet", "creation": str(uuid.uuid4())}
    first, again = (desk.post(f"{TICKETS}add/", values) for _ in range(2))
    assert (first.status_code, first.url) == (302, again.url)
    assert ReturnTicket.objects.get().reason == "wet"


@pytest.mark.parametrize("reason", ["", "   "])
def test_a_ticket_needs_a_reason(desk, reason):
    values = {"reason": reason, "creation": str(uuid.uuid4())}
    assert desk.post(f"{TICKETS}add/", values).status_code == 200
    assert not ReturnTicket.objects.exists()


def test_its_page_shows_both_histories_and_nothing_to_type(desk, ticket, left):
    response = desk.get(f"{TICKETS}{ticket.pk}/change/")
    page = texts(response)
    assert "1 parent came back" in page
    assert f"SB00001 {left.number} 30 30 kg" in page
    assert f"SB00002 {left.number} On its bill again: Meena" in page
    assert 'name="reason"' not in response.content.decode()
    forged = {"reason": "other", "creation": str(uuid.uuid4())}
    assert desk.post(f"{TICKETS}{ticket.pk}/change/", forged).status_code == 403
    assert desk.post(f"{TICKETS}{ticket.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_ticket_is_closed_once(desk, ticket):
    url = f"{TICKETS}{ticket.pk}/close/"
    assert desk.post(url).status_code == 302
    again = desk.post(url)
    assert again.status_code == 409
    assert "The ticket is closed already." in texts(again)
    assert Entry.objects.filter(action="ticket.closed").count() == 1


def test_cancelling_needs_a_reason_and_puts_all_back(desk, ticket, left):
    url = f"{TICKETS}{ticket.pk}/cancel/"
    assert desk.post(url, {"reason": " "}).status_code == 200
    assert desk.post(url, {"reason": "wrong truck"}).status_code == 302
    ticket.refresh_from_db()
    assert (ticket.status, ticket.cancel_reason) == ("cancelled", "wrong truck")
    assert not left.lines.filter(returned_at__isnull=False).exists()
    page = texts(desk.get(f"{TICKETS}{ticket.pk}/change/"))
    assert "wrong truck" in page
    assert "Cancel the ticket" not in page


def test_what_has_moved_on_is_named_and_nothing_is_cancelled(desk, ticket, biller):
    other, _ = create_bill(user=biller, capacity=5)
    load(other, "SB00001")
    complete_bill(bill_id=other.pk, user=biller, confirmed=True)
    response = desk.post(f"{TICKETS}{ticket.pk}/cancel/", {"reason": "wrong truck"})
    assert response.status_code == 409
    page = texts(response)
    assert "These parents were loaded or packed again since: SB00001." in page
    assert 'value="wrong truck"' in response.content.decode()
    assert 'href="/bags/SB00001/"' in response.content.decode()
    ticket.refresh_from_db()
    assert ticket.status == "open"


@pytest.mark.parametrize("name", ["change", "close", "cancel"])
def test_a_ticket_that_is_not_there(desk, name):
    assert desk.get(f"{TICKETS}999/{name}/").status_code in (302, 404)
