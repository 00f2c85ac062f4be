"""What is true of bills is decided by the database: raw SQL breaks none of it."""

import uuid

import pytest

from bags.models import Bag, Link
from bags.tests.test_rules import child, parent, refused, run
from billing import returns, services
from billing.models import Bill, BillLine, ReturnLine
from billing.tests.trucks import dispatch, driver, load

pytestmark = pytest.mark.django_db


def run_alone(statement):
    """As in a transaction of its own: no foreign key waits to be checked."""
    run("SET CONSTRAINTS ALL IMMEDIATE")
    run(statement)


@pytest.fixture
def sack():
    """SB00001 with one child."""
    sack = parent("SB00001")
    Link.objects.create(child=child("K1"), parent=sack)
    return sack


@pytest.fixture
def bill(sack):
    """An open bill with room for two, and SB00001 on it."""
    bill, _ = services.create_bill(user=driver(), capacity=2)
    load(bill, sack.qr_id)
    return bill


@pytest.fixture
def left(bill):
    """The same bill, completed."""
    return services.complete_bill(bill_id=bill.pk, user=driver(), confirmed=True)


@pytest.fixture
def back(left):
    """SB00001 came back from it."""
    ticket, _ = returns.open_ticket(user=driver(), reason="wet")
    returns.return_parent(
        scan_id=uuid.uuid4(),
        ticket_id=ticket.pk,
        user=driver(),
        code="SB00001",
        scanned_at="2026-11-24T10:00Z",
    )
    return ReturnLine.objects.get()


def insert_bill(number="B-1", capacity=5, columns="", values=""):
    run(
        f"INSERT INTO billing_bill (number, description, customer, destination, vehicle,"
        f" capacity, created_by_id{columns}) VALUES (%s, '', '', '', '', %s, %s{values})",
        number,
        capacity,
        driver().pk,
    )


def insert_line(bill, bag):
    run(
        "INSERT INTO billing_billline (bill_id, parent_id, loaded_by_id) VALUES (%s, %s, %s)",
        bill.pk,
        bag.pk,
        driver().pk,
    )


# --- Bills --------------------------------------------------------------------------------------


def test_a_number_is_unique():
    insert_bill("B-1")
    with refused("billing_bill_number_unique"):
        insert_bill("B-1")


@pytest.mark.parametrize("number", ["b-1", "", " B", "-1", "B\n", "ß", "B" * 65, "B;1"])
def test_a_number_is_upper_case_and_plain(number):
    with refused("billing_bill_number_form") if len(number) < 65 else pytest.raises(Exception):  # noqa: B017, PT011
        insert_bill(number)


@pytest.mark.parametrize("capacity", [0, 501])
def test_the_capacity_is_1_to_500(capacity):
    with refused("billing_bill_capacity_range"):
        insert_bill(capacity=capacity)


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        (", line_count", ", 1"),
        (", completed_at, completed_by_id", ", now(), created_by_id"),
        (", reopened_at", ", now()"),
    ],
)
def test_a_bill_is_made_new_and_empty(columns, values):
    values = values.replace("created_by_id", str(driver().pk))
    with refused("billing_bill_made_new"):
        insert_bill(columns=columns, values=values)


def test_the_count_of_parents_is_not_typed(bill):
    with refused("billing_bill_counted"):
        run("UPDATE billing_bill SET line_count = 2")


def test_the_capacity_never_goes_below_what_is_loaded(bill):
    parent("SB00002")
    load(bill, "SB00002")
    with refused("billing_bill_within_capacity"):
        run("UPDATE billing_bill SET capacity = 1")


def test_no_parent_too_many(bill):
    bags = [parent(f"SB0001{n}") for n in range(2)]
    insert_line(bill, bags[0])
    with refused("billing_bill_within_capacity"):
        insert_line(bill, bags[1])


def test_who_made_it_and_when_is_history(bill):
    with refused("billing_bill_history"):
        run("UPDATE billing_bill SET created_at = created_at - interval '1 day'")


def test_an_empty_bill_can_not_be_completed():
    insert_bill()
    with refused("billing_bill_completed"):
        run("UPDATE billing_bill SET completed_at = now(), completed_by_id = created_by_id")


def test_somebody_completes_it(bill):
    with refused("billing_bill_completed"):
        run("UPDATE billing_bill SET completed_at = now()")


def test_completed_by_hand_its_parents_leave_at_the_databases_time(bill, sack):
    run("UPDATE billing_bill SET completed_at = '2000-01-01', completed_by_id = created_by_id")
    bill.refresh_from_db()
    sack.refresh_from_db()
    assert sack.dispatched_at == bill.completed_at > bill.created_at


HEADER_EDITS = [
    "number = 'X-9'",
    "description = 'x'",
    "customer = 'x'",
    "destination = 'x'",
    "vehicle = 'x'",
    "capacity = 3",
    "completed_at = completed_at - interval '1 day'",
]


@pytest.mark.parametrize("edit", HEADER_EDITS)
def test_a_completed_bill_does_not_change(left, edit):
    with refused("billing_bill_completed_fixed"):
        run(f"UPDATE billing_bill SET {edit}")


@pytest.mark.parametrize(
    "more", ["", ", reopened_at = now()", ", reopened_at = now(), reopened_by_id = created_by_id"]
)
def test_who_opens_a_bill_again_says_who_and_why(left, more):
    with refused("billing_bill_reopened"):
        run(f"UPDATE billing_bill SET completed_at = NULL, completed_by_id = NULL {more}")


def test_an_open_bill_is_not_opened_again(bill):
    with refused("billing_bill_reopened"):
        run("UPDATE billing_bill SET reopened_at = now(), reopen_reason = 'x'")


@pytest.mark.parametrize("statement", ["DELETE FROM billing_bill", "TRUNCATE billing_bill CASCADE"])
def test_a_bill_with_parents_is_never_deleted(bill, statement):
    with refused("billing_bill_"):
        run_alone(statement)


def test_an_empty_bill_that_was_completed_once_is_kept(left):
    services.reopen_bill(bill_id=left.pk, user=driver(), reason="x")
    run("DELETE FROM billing_billline")
    with refused("billing_bill_kept"):
        run("DELETE FROM billing_bill")


def test_each_edit_counts_and_loading_does_not(bill):
    parent("SB00002")
    load(bill, "SB00002")
    run("UPDATE billing_bill SET customer = 'x', version = 99")
    run("UPDATE billing_bill SET customer = 'x'")
    assert Bill.objects.get().version == 2


# --- Lines --------------------------------------------------------------------------------------


def test_a_parent_is_on_one_bill_at_a_time(bill, sack):
    other, _ = services.create_bill(user=driver(), capacity=2)
    with refused("billing_line_parent_unique"):
        insert_line(other, sack)


def test_only_parents_go_on_a_bill(bill):
    with refused("billing_line_parent_is_parent"):
        insert_line(bill, child("K9"))


def test_the_lines_of_a_completed_bill_stay(left):
    with refused("billing_bill_completed_fixed"):
        run("DELETE FROM billing_billline")


def test_nothing_is_added_to_a_completed_bill(left):
    with refused("billing_bill_completed_fixed"):
        insert_line(left, parent("SB00002"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_billline SET loaded_by_id = loaded_by_id",
        "UPDATE billing_billline SET returned_at = now(), returned_children = 9,"
        " returned_capacity = 9, returned_kg_per_child = 9",
        "TRUNCATE billing_billline",
    ],
)
def test_lines_are_made_and_removed_never_changed(bill, statement):
    with refused("billing_line_fixed"):
        run_alone(statement)


def test_the_bill_counts_its_lines_in_one_statement(bill):
    other, _ = services.create_bill(user=driver(), capacity=2)
    for number in range(2, 5):
        parent(f"SB0000{number}")
    run(
        "INSERT INTO billing_billline (bill_id, parent_id, loaded_by_id) SELECT"
        " CASE qr_id WHEN 'SB00002' THEN %s ELSE %s END, id, %s FROM bags_bag"
        " WHERE type = 'parent' AND qr_id <> 'SB00001'",
        bill.pk,
        other.pk,
        driver().pk,
    )
    assert list(Bill.objects.order_by("id").values_list("line_count", "status")) == [
        (2, "processing"),
        (2, "processing"),
    ]
    run("DELETE FROM billing_billline WHERE bill_id = %s", other.pk)
    assert Bill.objects.get(pk=other.pk).status == "new"


# --- Parents that have left ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "edit",
    [
        "dispatched_at = NULL",
        "dispatched_at = now()",
        "capacity = 40",
        "kg_per_child = 2",
        "product_id = (SELECT min(id) FROM bags_product)",
        "completed_at = now()",
    ],
)
def test_a_parent_that_has_left_does_not_change(left, edit):
    with refused("billing_parent_dispatched"):
        run(f"UPDATE bags_bag SET {edit} WHERE type = 'parent'")


def test_that_a_parent_has_left_is_not_typed(bill, sack):
    with refused("billing_parent_dispatched"):
        run("UPDATE bags_bag SET dispatched_at = now() WHERE id = %s", sack.pk)


def test_a_parent_is_not_made_as_one_that_has_left():
    with refused("billing_parent_dispatched"):
        Bag.objects.create(
            qr_id="SB00009",
            type="parent",
            capacity=1,
            kg_per_child=1,
            dispatched_at="2026-01-01T00:00Z",
        )


@pytest.mark.parametrize("deed", ["make", "remove"])
def test_the_links_of_a_parent_that_has_left_stay(left, sack, deed):
    with refused("bags_link_parent_dispatched"):
        if deed == "make":
            Link.objects.create(child=child("K2"), parent=sack)
        else:
            run("DELETE FROM bags_link")


@pytest.mark.parametrize("edit", ["label_no = '1'", "lot_no = 'X'", "tested_on = now()"])
def test_the_label_of_a_child_that_has_left_does_not_change(left, edit):
    with refused("billing_parent_dispatched"):
        run(f"UPDATE bags_bag SET {edit} WHERE type = 'child'")


def test_the_label_of_a_child_that_is_here_may_change(bill):
    run("UPDATE bags_bag SET lot_no = 'X' WHERE type = 'child'")


def test_a_bag_on_a_bill_is_not_deleted(bill):
    run("DELETE FROM bags_link")
    with refused("billing_"):
        run("DELETE FROM bags_bag WHERE type = 'parent'")
        run("SET CONSTRAINTS ALL IMMEDIATE")


# --- Returns ------------------------------------------------------------------------------------


def insert_return(ticket, line, **more):
    values = {"bill_id": line.bill_id, "parent_id": line.parent_id} | more
    run(
        "INSERT INTO billing_returnline (ticket_id, bill_id, parent_id, line_id, returned_by_id)"
        " VALUES (%s, %s, %s, %s, %s)",
        ticket.pk,
        values["bill_id"],
        values["parent_id"],
        line.pk,
        driver().pk,
    )


@pytest.fixture
def ticket():
    return returns.open_ticket(user=driver(), reason="wet")[0]


def test_a_ticket_says_why():
    with refused("billing_ticket_reason"):
        run(
            "INSERT INTO billing_returnticket (number, reason, created_by_id)"
            " VALUES ('R-1', '', %s)",
            driver().pk,
        )


def test_only_what_has_left_comes_back(bill, ticket):
    with refused("billing_return_dispatched"):
        insert_return(ticket, BillLine.objects.get())


def test_it_comes_back_once(back, ticket):
    with refused("billing_return_"):
        insert_return(ticket, BillLine.objects.get())


def test_it_comes_back_from_its_own_bill(left, ticket):
    other = dispatch(parent("SB00007").qr_id)
    with refused("billing_return_dispatched"):
        insert_return(ticket, BillLine.objects.get(bill=left), bill_id=other.pk)


@pytest.mark.parametrize("state", ["closed", "cancelled"])
def test_nothing_comes_back_on_a_ticket_that_is_done(left, ticket, state):
    if state == "closed":
        returns.close_ticket(ticket_id=ticket.pk, user=driver())
    else:
        returns.cancel_ticket(ticket_id=ticket.pk, user=driver(), reason="x")
    with refused("billing_ticket_open"):
        insert_return(ticket, BillLine.objects.get())


def test_the_bill_keeps_what_it_dispatched_whatever_becomes_of_the_parent(back, left, sack):
    before = services.bill_state(left.pk)
    Link.objects.all().delete()
    run("UPDATE bags_bag SET capacity = 50, kg_per_child = 9 WHERE id = %s", sack.pk)
    assert services.bill_state(left.pk) == before
    assert before["actual_kg"] == "1.000"
    assert list(back.children.values_list("child__qr_id", flat=True)) == ["K1"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_returnline SET returned_at = now()",
        "DELETE FROM billing_returnline",
        "TRUNCATE billing_returnline CASCADE",
        "UPDATE billing_returnedchild SET linked_at = now()",
        "DELETE FROM billing_returnedchild",
        "TRUNCATE billing_returnedchild",
        "INSERT INTO billing_returnedchild (return_line_id, child_id, linked_at)"
        " SELECT return_line_id, child_id, now() FROM billing_returnedchild",
        "DELETE FROM billing_returnticket",
        "UPDATE billing_billscan SET outcome = 'loaded'",
        "DELETE FROM billing_billscan",
        "TRUNCATE billing_billscan",
    ],
)
def test_history_is_not_rewritten(back, statement):
    with refused("billing_"):
        run_alone(statement)


def test_a_bill_with_returns_stays_completed(back):
    with refused("billing_bill_has_returns"):
        run(
            "UPDATE billing_bill SET completed_at = NULL, completed_by_id = NULL,"
            " reopened_at = now(), reopened_by_id = created_by_id, reopen_reason = 'x'"
        )


TAKE_BACK = "UPDATE billing_returnline SET taken_back_at = now(), taken_back_by_id = returned_by_id"


def test_taken_back_it_is_on_its_bill_as_it_was(back, left, sack):
    before = services.totals_of(Bill.objects.with_totals().get())
    run(TAKE_BACK)
    sack.refresh_from_db()
    assert sack.dispatched_at == left.completed_at
    assert services.totals_of(Bill.objects.with_totals().get()) == before
    with refused("billing_return_fixed"):
        run(TAKE_BACK)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM bags_link",
        "UPDATE bags_bag SET capacity = 31 WHERE type = 'parent'",
        "UPDATE bags_bag SET kg_per_child = 2 WHERE type = 'parent'",
    ],
)
def test_a_parent_that_has_changed_is_not_put_back(back, change):
    run(change)
    with refused("billing_return_bag_changed"):
        run(TAKE_BACK)


def test_a_parent_with_another_child_in_place_of_the_old_one_is_not_put_back(back, sack):
    Link.objects.all().delete()
    Link.objects.create(child=child("K2"), parent=sack)
    with refused("billing_return_bag_changed"):
        run(TAKE_BACK)


def test_a_parent_that_is_on_another_bill_is_not_put_back(back):
    other, _ = services.create_bill(user=driver(), capacity=2)
    load(other, "SB00001")
    with refused("billing_return_on_other_bill"):
        run(TAKE_BACK)


def test_a_parent_that_was_packed_again_by_another_is_not_put_back(back, sack):
    Link.objects.all().delete()
    Link.objects.create(child=Bag.objects.get(qr_id="K1"), parent=sack, linked_by=driver())
    with refused("billing_return_bag_changed"):
        run(TAKE_BACK)


def test_of_a_closed_ticket_nothing_is_taken_back_but_all_of_it(back):
    returns.close_ticket(ticket_id=back.ticket_id, user=driver())
    with refused("billing_ticket_open"):
        run(TAKE_BACK.replace("now()", "clock_timestamp()"))
        run("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_closed_ticket_is_cancelled_as_a_whole(back):
    returns.close_ticket(ticket_id=back.ticket_id, user=driver())
    returns.cancel_ticket(ticket_id=back.ticket_id, user=driver(), reason="x")
    run("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_ticket_is_cancelled_as_a_whole(back):
    with refused("billing_ticket_cancelled_whole"):
        run(
            "UPDATE billing_returnticket SET cancelled_at = now(),"
            " cancelled_by_id = created_by_id, cancel_reason = 'x'"
        )


@pytest.mark.parametrize(
    "edit",
    [
        "closed_at = NULL, closed_by_id = NULL",
        "reason = 'dry'",
        "closed_by_id = NULL",
        "closed_by_id = (SELECT max(id) FROM accounts_user)",
        "number = 'X'",
    ],
)
def test_a_closed_ticket_does_not_change(back, edit, dispatcher):
    returns.close_ticket(ticket_id=back.ticket_id, user=driver())
    with refused("billing_ticket_fixed"):
        run(f"UPDATE billing_returnticket SET {edit}")


def test_a_return_that_was_taken_back_lets_the_parent_go(back, left):
    """Its line is free again once the bill is open: history doesn't hold it."""
    run(TAKE_BACK)
    services.reopen_bill(bill_id=left.pk, user=driver(), reason="x")
    run("DELETE FROM billing_billline")
    run("SET CONSTRAINTS ALL IMMEDIATE")
    assert Bill.objects.get().status == "new"
