"""The pages on which parents are scanned: who may open them, and what they ask for afterwards."""

import uuid

import pytest
from django.urls import reverse
from django.utils import timezone

from bags.models import Bag
from billing import returns, services
from billing.tests.trucks import dispatch, load

pytestmark = pytest.mark.django_db


@pytest.fixture
def bill(biller):
    return services.create_bill(user=biller, number="TRUCK-7", customer="Kisan", capacity=6)[0]


@pytest.fixture
def ticket(biller):
    return returns.open_ticket(user=biller, reason="Wrong address")[0]


@pytest.fixture
def parents():
    made = [
        Bag(qr_id=f"SB{n:05d}", type="parent", capacity=30, kg_per_child=1) for n in range(1, 4)
    ]
    return Bag.objects.bulk_create(made)


def load_page(bill_id: int) -> str:
    return reverse("admin:billing_bill_load", args=[bill_id])


def scan_page(ticket_id: int) -> str:
    return reverse("admin:billing_returnticket_scan", args=[ticket_id])


def test_billers_open_both_pages_and_dispatchers_none(bill, ticket, biller, dispatcher, sign_in):
    for address in (load_page(bill.pk), scan_page(ticket.pk)):
        assert sign_in(biller).get(address).status_code == 200
        assert sign_in(dispatcher).get(address).status_code in (302, 403)


def test_what_is_not_there(biller, sign_in):
    for address in (load_page(999), scan_page(999)):
        assert sign_in(biller).get(address).status_code == 404


def test_a_page_costs_the_same_whatever_is_on_the_bill(
    bill, biller, parents, sign_in, django_assert_num_queries
):
    client = sign_in(biller)
    load(bill, *(parent.qr_id for parent in parents))
    with django_assert_num_queries(6):  # session, user, bill, state, products, exceptions
        client.get(load_page(bill.pk))


def test_it_says_who_completed_it(bill, biller, parents, sign_in):
    load(bill, "SB00001")
    services.complete_bill(bill_id=bill.pk, user=biller, confirmed=True)
    assert "Completed by Meena" in sign_in(biller).get(load_page(bill.pk)).content.decode()


def test_it_says_who_cancelled_a_ticket(ticket, biller, sign_in):
    returns.cancel_ticket(ticket_id=ticket.pk, user=biller, reason="A mistake")
    assert "Cancelled by Meena" in sign_in(biller).get(scan_page(ticket.pk)).content.decode()


def test_only_the_lines_behind_one(bill, ticket, biller, parents, sign_in):
    codes = [parent.qr_id for parent in parents]
    dispatch(*codes)
    for code in codes:
        returns.return_parent(
            scan_id=uuid.uuid4(),
            ticket_id=ticket.pk,
            user=biller,
            code=code,
            scanned_at=timezone.now(),
        )
    load(bill, *codes)
    client = sign_in(biller)
    for address in (f"/api/bills/{bill.pk}/lines/", f"/api/returns/{ticket.pk}/lines/"):
        all_of_them = client.get(address).json()["results"]
        assert [line["parent"] for line in all_of_them] == codes
        newer = client.get(address, {"after": all_of_them[0]["id"]}).json()["results"]
        assert newer == all_of_them[1:]
        assert client.get(address, {"after": "x"}).status_code == 400
