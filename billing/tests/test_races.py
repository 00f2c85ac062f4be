"""What billers and stations could break together, with real threads and connections.

Each race has a control: with its defence taken out, the same race must break the rule.
"""

import time
import uuid
from collections import Counter
from functools import partial
from threading import Barrier

import pytest
from django.db import connection, transaction
from psycopg.errors import DeadlockDetected

from bags.models import Bag, Link
from billing.models import Bill, BillLine, BillScan, ReturnLine
from billing.services import bill_state
from billing.tests.trucks import Truck, dispatch
from scanning.tests.conftest import Packer, label
from scanning.tests.test_races import PAUSE, at_once, without  # noqa: F401  a fixture

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 200
LOCK = "AND type = 'parent'\n            FOR NO KEY UPDATE"
PAUSED = "INSERT INTO billing_billline", f"{PAUSE} INSERT INTO billing_billline"
REFUSAL = "RAISE EXCEPTION 'The children of"


def said(answers) -> Counter:
    return Counter(answer.json().get("outcome", answer.json().get("code")) for answer in answers)


@pytest.fixture
def billers(biller, admin_user, sign_in):
    return Truck(sign_in(biller)), Truck(sign_in(admin_user))


# --- One parent, two bills ----------------------------------------------------------------------


def both(one, first, two, second):
    """Each biller loads SB00001 onto a bill of their own."""
    return at_once([partial(one.load, first, "SB00001"), partial(two.load, second, "SB00001")])


def test_two_billers_and_the_same_parent_one_wins_and_the_other_is_told(billers, pack):
    one, two = billers
    pack("SB00001", 30)
    for _ in range(ROUNDS):
        first, second = one.bill(), two.bill()
        answers = both(one, first, two, second)
        assert said(answers) == {"loaded": 1, "on_other_bill": 1}
        line = BillLine.objects.get()
        [loser] = [answer for answer in answers if answer.status_code == 409]
        assert loser.json()["held_by"]["bill"] == line.bill_id
        winner = one if line.bill_id == first else two
        assert winner.unload(line.bill_id, "SB00001").status_code == 200


@pytest.mark.control
def test_control_without_the_unique_parent_both_win(billers, pack, without):  # noqa: F811
    connection.cursor().execute("DROP INDEX billing_line_parent_unique")
    # The function looks under the parent's lock: that defence goes too, and both look first.
    without("billing_load_parent", LOCK)
    without("billing_load_parent", *PAUSED)
    one, two = billers
    pack("SB00001", 30)
    first, second = one.bill(), two.bill()
    try:
        answers = both(one, first, two, second)
        assert said(answers) == {"loaded": 2}
    finally:
        connection.cursor().execute(
            "SET session_replication_role = replica; TRUNCATE billing_billline CASCADE;"
            " SET session_replication_role = origin;"
            " CREATE UNIQUE INDEX billing_line_parent_unique ON billing_billline (parent_id)"
            " WHERE returned_at IS NULL"
        )


def test_the_index_alone_keeps_a_parent_on_one_bill(billers, pack, without):  # noqa: F811
    """Two defences: without the lock the loser fails and is sent again, but both never win."""
    without("billing_load_parent", LOCK)
    without("billing_load_parent", *PAUSED)
    one, two = billers
    for truck in billers:
        truck.client.raise_request_exception = False
    pack("SB00001", 30)
    first, second = one.bill(), two.bill()
    both(one, first, two, second)
    assert BillLine.objects.count() == 1


# --- The last places on a bill ------------------------------------------------------------------


def twenty_parents_for_five_places(truck, pack):
    for number in range(20):
        pack(f"SB000{number:02d}", 1)
    bill = truck.bill(capacity=5)
    return at_once([lambda n=n: truck.load(bill, f"SB000{n:02d}") for n in range(20)])


def test_twenty_parents_for_five_places_exactly_five(truck, pack):
    assert said(twenty_parents_for_five_places(truck, pack)) == {"loaded": 5, "bill_full": 15}
    assert Bill.objects.get().line_count == BillLine.objects.count() == 5


@pytest.mark.control
def test_control_without_the_lock_and_the_check_more_than_five(truck, pack, without):  # noqa: F811
    without.drop("billing_bill", "billing_bill_within_capacity")
    without("billing_load_parent", "WHERE id = p_bill_id FOR NO KEY UPDATE", "WHERE id = p_bill_id")
    without("billing_load_parent", *PAUSED)
    twenty_parents_for_five_places(truck, pack)
    count = BillLine.objects.count()
    connection.cursor().execute(
        "SET session_replication_role = replica; TRUNCATE billing_billline, billing_bill CASCADE;"
        " SET session_replication_role = origin"
    )
    assert count > 5


# --- The same scan, twice -----------------------------------------------------------------------


def twenty_times_the_same(truck, pack):
    pack("SB00001", 1)
    bill, scan_id = truck.bill(), uuid.uuid4()
    return at_once([partial(truck.load, bill, "SB00001", scan_id=scan_id)] * 20)


def test_the_same_scan_20_times_at_once_has_one_effect(truck, pack):
    answers = twenty_times_the_same(truck, pack)
    assert Counter(answer.json()["replayed"] for answer in answers) == {False: 1, True: 19}
    assert said(answers) == {"loaded": 20}
    assert BillScan.objects.count() == BillLine.objects.count() == 1


@pytest.mark.control
def test_control_without_waiting_for_the_twin_it_is_recorded_twice(truck, pack, without):  # noqa: F811
    without.drop("billing_billscan", "billing_scan_scan_id_unique")
    without(
        "billing_recorded",
        "PERFORM pg_advisory_xact_lock(hashtextextended(p_scan_id::text, 1));",
    )
    without("billing_load_parent", "replayed := scan", f"{PAUSE} replayed := scan")
    twenty_times_the_same(truck, pack)
    count = BillScan.objects.count()
    connection.cursor().execute(
        "SET session_replication_role = replica; TRUNCATE billing_billscan CASCADE;"
        " SET session_replication_role = origin"
    )
    assert count > 1


def test_a_bill_sent_20_times_at_once_is_made_once(truck):
    creation_id = str(uuid.uuid4())
    answers = at_once(
        [partial(truck.post, "/api/bills/", capacity=5, creation_id=creation_id)] * 20
    )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 19}
    assert Bill.objects.count() == 1


def test_one_number_20_times_at_once_one_bill_and_19_are_told(truck):
    answers = at_once([partial(truck.post, "/api/bills/", capacity=5, number="INV-1")] * 20)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
    assert said(answers)["number_taken"] == 19


def test_numbers_of_the_system_are_never_given_twice(truck):
    answers = at_once([partial(truck.post, "/api/bills/", capacity=5)] * 20)
    assert len({answer.json()["number"] for answer in answers}) == 20


# --- Completing while stations pack -------------------------------------------------------------


def complete_while_packing(truck, packer, number):
    """A bill is completed while others link into its parent and take back. The links' answers."""
    code = f"SB{number:05d}"
    bill = truck.bill(capacity=1)
    packer.scan(code)
    packer.scan(label(number * 10), code)
    truck.load(bill, code)
    station = Packer(packer.client, f"PACK-{number % 4}")
    station.scan(label(number * 10 + 1), code)
    jobs = [lambda n=n: packer.scan(label(number * 10 + n), code) for n in range(2, 5)]
    answers = at_once([partial(truck.complete, bill), station.undo, *jobs])
    return bill, answers


def test_completing_while_stations_link_the_total_is_what_is_in_the_parents(truck, packer):
    late = Counter()
    for number in range(ROUNDS):
        bill, (done, _, *links) = complete_while_packing(truck, packer, number)
        assert done.status_code == 200
        children = Link.objects.filter(parent__bill_lines__bill=bill).count()
        assert done.json()["children"] == bill_state(bill)["children"] == children
        parent = Bag.objects.get(bill_lines__bill=bill)
        assert parent.dispatched_at is not None
        assert not parent.links_to_children.filter(linked_at__gt=parent.dispatched_at).exists()
        late += said(links)
    assert set(late) <= {"linked", "parent_dispatched"}
    assert late["linked"]
    assert late["parent_dispatched"]


def test_completed_by_hand_while_stations_link_no_link_is_newer(truck, packer):
    """The bill's own trigger locks the parents before it takes the time."""

    def by_hand(bill):
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE billing_bill SET completed_at = now(), completed_by_id = created_by_id"
                " WHERE id = %s",
                [bill],
            )

    for number in range(40):
        code = f"SB{number:05d}"
        bill = truck.bill(capacity=1)
        packer.scan(code)
        packer.scan(label(number * 10), code)
        truck.load(bill, code)
        jobs = [partial(packer.scan, label(number * 10 + n), code) for n in range(1, 6)]
        at_once([partial(by_hand, bill), *jobs])
        parent = Bag.objects.get(qr_id=code)
        assert not parent.links_to_children.filter(linked_at__gt=parent.dispatched_at).exists()


@pytest.mark.control
def test_control_without_the_refusal_links_come_after_the_total(truck, packer, without):  # noqa: F811
    without("scanning_link_child", "parent.dispatched_at IS NOT NULL", "false")
    without(
        "bags_count_children",
        f"IF FOUND THEN\n        {REFUSAL}",
        f"IF false THEN\n        {REFUSAL}",
    )
    wrong = 0
    for number in range(20):
        bill, (done, *_) = complete_while_packing(truck, packer, number)
        wrong += done.json()["children"] != bill_state(bill)["children"]
    connection.cursor().execute(
        "SET session_replication_role = replica;"
        " TRUNCATE billing_bill, billing_billline, billing_billscan CASCADE;"
        " SET session_replication_role = origin"
    )
    assert wrong


def test_loading_and_completing_at_once_the_total_is_what_is_on_the_bill(truck, pack):
    pack("SB00000", 1)
    for number in range(1, 41):
        pack(f"SB{number:05d}", 2)
    for number in range(0, 40, 2):
        bill = truck.bill(capacity=5)
        truck.load(bill, f"SB{number + 1:05d}")
        done, loaded = at_once(
            [partial(truck.complete, bill), partial(truck.load, bill, f"SB{number + 2:05d}")]
        )
        assert done.status_code == 200
        lines = BillLine.objects.filter(bill=bill).count()
        assert done.json()["parents"] == lines == bill_state(bill)["parents"]
        assert loaded.json()["outcome"] == ("loaded" if lines == 2 else "bill_completed")


# --- Coming back --------------------------------------------------------------------------------


def test_one_parent_on_ten_tickets_at_once_comes_back_once(truck, pack):
    pack("SB00001", 3)
    dispatch("SB00001")
    tickets = [truck.ticket() for _ in range(10)]
    answers = at_once([lambda t=t: truck.back(t, "SB00001") for t in tickets])
    assert said(answers) == {"returned": 1, "not_dispatched": 9}
    assert ReturnLine.objects.count() == 1


def test_coming_back_and_reopening_at_once_one_of_them(truck, pack):
    for number in range(20):
        code = f"SB{number:05d}"
        pack(code, 2)
        bill, ticket = dispatch(code), truck.ticket()
        back, again = at_once([partial(truck.back, ticket, code), partial(truck.reopen, bill.pk)])
        returned = ReturnLine.objects.filter(bill=bill).exists()
        assert (again.status_code == 200) != returned
        assert back.json()["outcome"] == ("returned" if returned else "not_dispatched")


def test_cancelling_and_packing_at_once_never_changes_what_left(truck, packer, pack):
    for number in range(20):
        code = f"SB{number:05d}"
        pack(code, 2)
        bill, ticket = dispatch(code), truck.ticket()
        truck.back(ticket, code)
        cancelled, linked = at_once(
            [
                partial(truck.cancel, ticket),
                partial(packer.scan, label(9_000_000 + number), code),
            ]
        )
        assert bill_state(bill.pk)["children"] == 2
        parent = Bag.objects.get(qr_id=code)
        if cancelled.status_code == 200:
            assert linked.json()["outcome"] == "parent_dispatched"
            assert (parent.child_count, parent.dispatched_at is not None) == (2, True)
        else:
            assert cancelled.json()["code"] == "bags_moved_on"
            assert (parent.child_count, parent.dispatched_at) == (3, None)


# --- Others in the way ---------------------------------------------------------------------------


def complete_while_somebody_holds_it(truck, pack):
    """Somebody holds the parent for a little longer than a lock is waited for."""
    pack("SB00001", 30)
    bill = truck.bill(capacity=1)
    truck.load(bill, "SB00001")

    def hold():
        with transaction.atomic():
            Bag.objects.select_for_update().get(qr_id="SB00001")
            held.wait(timeout=20)
            time.sleep(0.5)

    def complete():
        held.wait(timeout=20)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'")
        try:
            return truck.complete(bill).status_code
        finally:
            connection.close_if_unusable_or_obsolete()
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")

    held = Barrier(2)
    return at_once([hold, complete])[1]


def test_a_deed_waits_for_others_more_than_once(truck, pack):
    assert complete_while_somebody_holds_it(truck, pack) == 200


@pytest.mark.control
def test_control_tried_once_it_is_told_to_send_it_again(truck, pack, monkeypatch):
    monkeypatch.setattr("billing.rules.TRIES", 1)
    assert complete_while_somebody_holds_it(truck, pack) == 503


# --- Never in a circle --------------------------------------------------------------------------


def test_loading_moving_completing_and_returning_never_wait_in_a_circle(
    truck, packer, pack, monkeypatch
):
    codes = [f"SB{number:05d}" for number in range(6)]
    for code in codes:
        pack(code, 3)
    bills = [truck.bill(capacity=6) for _ in range(3)]
    ticket = truck.ticket()
    busy = []

    def noted(error):
        if isinstance(error.__cause__, DeadlockDetected):
            busy.append(error)
        return error.__class__.__name__ in ("OperationalError", "InterfaceError")

    monkeypatch.setattr("tracetrack.api.database_is_away", noted)

    def work(seed):
        station = Packer(packer.client, f"PACK-{seed % 4}")
        for step in range(8):
            code, other = codes[(seed + step) % 6], codes[(seed + 2 * step + 1) % 6]
            bill = bills[(seed + step) % 3]
            child = f"STAR44GG24611:{(seed + step) % 6:05d}{step % 3:02d}"
            answers = [
                truck.load(bill, code, accept_empty=True),
                station.move(child, other, code),
                truck.unload(bill, other) if seed % 2 else truck.complete(bill),
                truck.back(ticket, code),
                truck.take_back(ticket, code) if step % 2 else truck.reopen(bill),
            ]
            assert {answer.status_code for answer in answers} <= {200, 201, 400, 404, 409, 503}

    at_once([lambda seed=seed: work(seed) for seed in range(12)])
    assert not busy
    for bill in Bill.objects.all():
        assert bill.line_count == bill.lines.count()
    for bag in Bag.objects.parents():
        assert bag.child_count == bag.links_to_children.count()
        on = bag.bill_lines.filter(returned_at=None, bill__completed_at__isnull=False)
        assert (bag.dispatched_at is not None) == on.exists()
