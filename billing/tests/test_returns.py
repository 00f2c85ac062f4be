"""What comes back: both histories are kept, whatever becomes of the parents."""

import uuid

import pytest

from audit.models import Entry
from bags.models import Bag
from billing.models import Bill, BillScan, ReturnLine
from billing.services import bill_state
from billing.tests.test_bills import said
from billing.tests.trucks import dispatch

pytestmark = pytest.mark.django_db


@pytest.fixture
def left(pack):
    """SB00001 with 3 children and SB00002 with 5 have left on a bill."""
    pack("SB00001", 3)
    pack("SB00002", 5)
    return dispatch("SB00001", "SB00002")


@pytest.fixture
def ticket(truck):
    return truck.ticket()


def totals(bill):
    """How it stands, but for the mark, which says that something is different."""
    return {name: value for name, value in bill_state(bill.pk).items() if name != "mark"}


def free(code):
    return Bag.objects.get(qr_id=code).dispatched_at is None


def test_a_parent_that_came_back_is_free_and_its_bill_keeps_it(truck, packer, left, ticket):
    before = totals(left)
    answer = truck.back(ticket, "sb00001")
    assert said(answer) == (201, "returned")
    body = answer.json()
    assert body["detail"] == f"SB00001 came back from bill {left.number}. It is free again."
    assert (body["held_by"]["number"], body["state"]["parents"]) == (left.number, 1)
    assert (body["state"]["children"], body["state"]["kg"]) == (3, "3.000")
    assert free("SB00001")
    assert not free("SB00002")

    packer.move(
        "STAR44GG24611:0000100", packer.scan("SB00009").json()["parent"]["qr_id"], "SB00001"
    )
    other = truck.bill()
    assert said(truck.load(other, "SB00001")) == (201, "loaded")
    truck.complete(other)
    assert totals(left) == before
    assert bill_state(other)["actual_kg"] == "2.000"


def test_which_bill_was_this_bag_on_knows_both(truck, left, ticket):
    truck.back(ticket, "SB00001")
    other = truck.bill()
    truck.load(other, "SB00001")
    child = "STAR44GG24611:0000100"
    for code in ("SB00001", child):
        assert set(Bill.objects.of_bag(code).values_list("pk", flat=True)) == {left.pk, other}
    assert list(Bill.objects.of_bag("SB00002")) == [left]


def test_every_refusal_of_a_scan(truck, pack, left, ticket):
    pack("SB00003", 1)
    pack("SB00004", 1)
    truck.load(truck.bill(), "SB00004")
    truck.back(ticket, "SB00001")
    for code, answer in [
        ("SB00001", (200, "already_returned")),
        ("SB00003", (409, "not_dispatched")),
        ("SB00004", (409, "not_dispatched")),
        ("SB00099", (404, "unknown_parent")),
        ("STAR44GG24611:0000100", (422, "is_child")),
        ("LABEL NO.7 LOT NO.:NEVER", (422, "is_child")),
        ("?", (422, "bad_code")),
    ]:
        assert said(truck.back(ticket, code)) == answer, code
    assert BillScan.objects.filter(ticket=ticket).count() == 8
    assert said(truck.back(99, "SB00001")) == (404, "unknown_ticket")


def test_what_came_back_on_one_ticket_is_not_dispatched_for_the_next(truck, left, ticket):
    truck.back(ticket, "SB00001")
    assert said(truck.back(truck.ticket(), "SB00001")) == (409, "not_dispatched")


def test_the_same_scan_id_changes_nothing(truck, left, ticket):
    scan_id = uuid.uuid4()
    first = truck.back(ticket, "SB00001", scan_id=scan_id)
    again = truck.back(ticket, "SB00001", scan_id=scan_id)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json() | {"replayed": True}
    assert ReturnLine.objects.count() == 1
    assert said(truck.take_back(ticket, "SB00001", scan_id=scan_id)) == (422, "scan_id_reused")


def test_a_mistake_is_taken_back(truck, left, ticket):
    before = bill_state(left.pk)
    truck.back(ticket, "SB00001")
    answer = truck.take_back(ticket, "SB00001")
    assert said(answer) == (200, "taken_back")
    assert answer.json()["state"]["parents"] == 0
    assert not free("SB00001")
    assert bill_state(left.pk) == before
    assert said(truck.take_back(ticket, "SB00001")) == (409, "not_returned")
    assert said(truck.back(ticket, "SB00001")) == (201, "returned")


def test_a_parent_that_was_packed_or_loaded_since_stays_free(truck, packer, left, ticket):
    truck.back(ticket, "SB00001")
    packer.scan("LABEL NO.0000999", "SB00001")
    assert said(truck.take_back(ticket, "SB00001")) == (409, "bag_changed")
    packer.undo()
    other = truck.bill()
    truck.load(other, "SB00001")
    answer = truck.take_back(ticket, "SB00001")
    assert said(answer) == (409, "on_other_bill")
    assert answer.json()["held_by"]["bill"] == other
    truck.unload(other, "SB00001")
    assert said(truck.take_back(ticket, "SB00001")) == (200, "taken_back")


def test_a_child_that_was_taken_out_and_put_in_again_is_another_link(truck, packer, left, ticket):
    """Who packed what and when is part of what left."""
    truck.back(ticket, "SB00001")
    packer.scan("SB00009")
    packer.move("STAR44GG24611:0000100", "SB00009", "SB00001")
    packer.move("STAR44GG24611:0000100", "SB00001", "SB00009")
    assert said(truck.take_back(ticket, "SB00001")) == (409, "bag_changed")


def test_a_bill_is_found_by_a_child_only_as_long_as_it_left_with_it(truck, left, ticket):
    truck.back(ticket, "SB00001")
    truck.take_back(ticket, "SB00001")
    truck.reopen(left.pk)
    truck.unload(left.pk, "SB00001")
    assert not Bill.objects.of_bag("STAR44GG24611:0000100").exists()


def test_cancelling_puts_everything_back(truck, left, ticket):
    truck.back(ticket, "SB00001")
    truck.back(ticket, "SB00002")
    assert said(truck.cancel(ticket, reason=" ")) == (422, "reason_needed")
    answer = truck.cancel(ticket)
    assert (answer.status_code, answer.json()["status"], answer.json()["parents"]) == (
        200,
        "cancelled",
        0,
    )
    assert not free("SB00001")
    assert not free("SB00002")
    entry = Entry.objects.get(action="ticket.cancelled")
    assert (entry.before["parents"], entry.before["kg"], entry.reason) == (2, "8.000", "mistake")
    assert said(truck.cancel(ticket)) == (409, "ticket_closed")
    assert said(truck.back(ticket, "SB00001")) == (409, "ticket_closed")


def test_cancelling_is_all_or_nothing(truck, packer, left, ticket):
    truck.back(ticket, "SB00001")
    truck.back(ticket, "SB00002")
    packer.scan("LABEL NO.0000999", "SB00002")
    answer = truck.cancel(ticket)
    assert said(answer) == (409, "bags_moved_on")
    assert answer.json()["parents"] == ["SB00002"]
    assert free("SB00001")
    packer.undo()
    assert truck.cancel(ticket).status_code == 200


def test_a_closed_ticket_takes_nothing_and_can_still_be_cancelled(truck, left, ticket):
    truck.back(ticket, "SB00001")
    path = f"/api/returns/{ticket}/close/"
    assert truck.post(path).json()["status"] == "closed"
    assert said(truck.post(path)) == (409, "ticket_closed")
    assert said(truck.back(ticket, "SB00002")) == (409, "ticket_closed")
    assert said(truck.take_back(ticket, "SB00001")) == (409, "ticket_closed")
    assert truck.cancel(ticket).status_code == 200
    assert not free("SB00001")


def test_a_bill_with_returns_is_not_reopened_until_they_are_cancelled(truck, left, ticket):
    truck.back(ticket, "SB00001")
    assert said(truck.reopen(left.pk)) == (409, "bill_has_returns")
    truck.cancel(ticket)
    assert truck.reopen(left.pk).status_code == 200
    assert said(truck.unload(left.pk, "SB00001")) == (200, "unloaded")


def test_a_ticket_says_why_and_is_made_once(truck, admin_user, sign_in):
    assert said(truck.post("/api/returns/", reason=" ")) == (422, "reason_needed")
    creation_id = str(uuid.uuid4())
    first = truck.post("/api/returns/", reason="wet", creation_id=creation_id)
    again = truck.post("/api/returns/", reason="wet", creation_id=creation_id)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    body = {"reason": "wet", "creation_id": creation_id}
    other = sign_in(admin_user).post("/api/returns/", body, "application/json")
    assert said(other) == (422, "creation_id_reused")


def test_the_lists_of_tickets_and_of_what_came_back(truck, left, ticket):
    truck.back(ticket, "SB00001")
    truck.back(ticket, "SB00002")
    truck.take_back(ticket, "SB00002")
    [listed] = truck.client.get("/api/returns/").json()["results"]
    assert (listed["parents"], listed["children"], listed["kg"]) == (1, 3, "3.000")
    [line] = truck.client.get(f"/api/returns/{ticket}/lines/").json()["results"]
    assert (line["parent"], line["children"], line["kg"]) == ("SB00001", 3, "3.000")
    assert line["bill"] == {"id": left.pk, "number": left.number}
    lines = truck.client.get(f"/api/bills/{left.pk}/lines/").json()["results"]
    assert [line["returned_at"] is None for line in lines] == [False, True]
    bill = truck.client.get(f"/api/bills/{left.pk}/").json()
    assert (bill["parents"], bill["returned"], bill["actual_kg"]) == (2, 1, "8.000")
