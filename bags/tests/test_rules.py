"""What is true of bags and links is decided by the database: raw SQL breaks none of it."""

from contextlib import contextmanager

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from bags.models import Bag, Link, Product
from billing.tests.trucks import dispatch

pytestmark = pytest.mark.django_db


def parent(qr_id="SB00001", capacity=30, **more):
    return Bag.objects.create(qr_id=qr_id, type="parent", capacity=capacity, kg_per_child=1, **more)


def child(qr_id="K1"):
    return Bag.objects.create(qr_id=qr_id, type="child")


def run(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


@contextmanager
def refused(name):
    """PostgreSQL itself refuses, by the constraint whose name begins so."""
    with pytest.raises(IntegrityError) as error:
        yield
    assert error.value.__cause__.diag.constraint_name.startswith(name)


def test_codes_are_unique_whatever_their_case():
    child("K1")
    with refused("bags_bag_qr_id_u"):
        run("INSERT INTO bags_bag (qr_id, type) VALUES ('K1', 'child')")


def test_a_code_in_lower_case_can_not_be_stored():
    with refused("bags_bag_qr_id_upper"):
        run("INSERT INTO bags_bag (qr_id, type) VALUES ('k1', 'child')")


@pytest.mark.parametrize("code", ["TRKCODEFINISH", "TRKCODEB", "TRKCODE" + "B" * 16])
def test_no_bag_is_called_like_a_command(code):
    with refused("bags_bag_qr_id_no_command"):
        run("INSERT INTO bags_bag (qr_id, type) VALUES (%s, 'child')", code)


@pytest.mark.parametrize("code", ["TRKCODE", "TRKCODE1", "TRKCODE" + "B" * 17, "XTRKCODEUNDO"])
def test_a_bag_may_be_called_nearly_like_a_command(code):
    run("INSERT INTO bags_bag (qr_id, type) VALUES (%s, 'child')", code)
    run("UPDATE bags_bag SET lot_no = 'X' WHERE qr_id = %s", code)


def test_the_rule_of_commands_holds_for_old_bags_too():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT convalidated FROM pg_constraint WHERE conname = 'bags_bag_qr_id_no_command'"
        )
        assert cursor.fetchall() == [(True,)]


@pytest.mark.parametrize(
    "change", ["type = 'parent', capacity = 3, kg_per_child = 1", "qr_id = 'K2'"]
)
def test_role_and_code_never_change(change):
    bag = child()
    with refused("bags_bag_identity"):
        run(f"UPDATE bags_bag SET {change} WHERE id = %s", bag.pk)


@pytest.mark.parametrize(
    "values",
    [
        "'P1', 'parent', NULL, 1",  # a parent has a capacity
        "'P1', 'parent', 0, 1",
        "'P1', 'parent', 10001, 1",
        "'P1', 'parent', 30, NULL",  # and a weight
        "'P1', 'parent', 30, 0",
        "'P1', 'child', 30, NULL",  # a child has neither
        "'P1', 'other', NULL, NULL",
    ],
)
def test_a_bag_has_the_shape_of_its_role(values):
    with refused("bags_bag_shape"):
        run(f"INSERT INTO bags_bag (qr_id, type, capacity, kg_per_child) VALUES ({values})")


def test_the_count_follows_links_made_and_removed_in_one_statement():
    one, two = parent("SB00001", 3), parent("SB00002", 30)
    run("INSERT INTO bags_bag (qr_id, type) SELECT 'K' || n, 'child' FROM generate_series(1, 9) n")
    run(
        "INSERT INTO bags_link (child_id, parent_id)"
        " SELECT id, CASE WHEN qr_id <= 'K3' THEN %s::bigint ELSE %s END"
        " FROM bags_bag WHERE type = 'child'",
        one.pk,
        two.pk,
    )
    one.refresh_from_db()
    two.refresh_from_db()
    assert (one.child_count, one.status, two.child_count, two.status) == (
        3,
        "completed",
        6,
        "in_progress",
    )
    run("DELETE FROM bags_link")
    one.refresh_from_db()
    two.refresh_from_db()
    assert (one.child_count, one.status, two.child_count) == (0, "pending", 0)


def test_no_more_children_than_the_parents_own_capacity():
    sack = parent(capacity=1)
    Link.objects.create(child=child("K1"), parent=sack)
    with refused("bags_bag_shape"):
        Link.objects.create(child=child("K2"), parent=sack)


def test_capacity_never_goes_below_what_is_in_it():
    sack = parent(capacity=2)
    Link.objects.create(child=child("K1"), parent=sack)
    Link.objects.create(child=child("K2"), parent=sack)
    with refused("bags_bag_shape"):
        run("UPDATE bags_bag SET capacity = 1 WHERE id = %s", sack.pk)


def test_the_count_can_not_be_typed():
    sack = parent()
    with refused("bags_bag_counted"):
        run("UPDATE bags_bag SET child_count = 5 WHERE id = %s", sack.pk)


def test_a_save_of_what_was_read_before_a_scan_is_refused_and_loses_no_count():
    stale = Bag.objects.get(pk=parent().pk)
    Link.objects.create(child=child(), parent_id=stale.pk)
    with refused("bags_bag_counted"), transaction.atomic():
        stale.save()
    stale.refresh_from_db()
    assert stale.child_count == 1


def test_a_new_capacity_can_make_a_parent_full_or_open_it_again():
    sack = parent(capacity=3)
    Link.objects.create(child=child(), parent=sack)
    for capacity, status in ((1, "completed"), (2, "in_progress"), (1, "completed")):
        run("UPDATE bags_bag SET capacity = %s WHERE id = %s", capacity, sack.pk)
        sack.refresh_from_db()
        assert (sack.status, sack.completed_at is not None) == (status, status == "completed")


def test_a_child_has_one_parent_at_most():
    bag = child()
    Link.objects.create(child=bag, parent=parent("SB00001"))
    with refused("bags_link_child_id"):
        Link.objects.create(child=bag, parent=parent("SB00002"))


def test_no_bag_is_in_itself():
    sack = parent()
    with refused("bags_link"):
        Link.objects.create(child=sack, parent=sack)


def test_a_parent_is_never_in_another_bag():
    with refused("bags_link_child_is_child"):
        Link.objects.create(child=parent("SB00001"), parent=parent("SB00002"))


def test_a_child_never_has_children():
    with refused("bags_bag_shape"):
        Link.objects.create(child=child("K1"), parent=child("K2"))


def test_a_link_is_never_changed():
    link = Link.objects.create(child=child(), parent=parent("SB00001"))
    with refused("bags_link_fixed"):
        run("UPDATE bags_link SET parent_id = %s WHERE id = %s", parent("SB00002").pk, link.pk)


def test_links_can_not_be_emptied_past_the_counts():
    with refused("bags_link_fixed"):
        run("TRUNCATE bags_link")


@pytest.mark.parametrize("deed", ["make", "remove"])
def test_the_children_of_a_dispatched_parent_can_not_change(deed):
    sack = parent()
    link = Link.objects.create(child=child("K1"), parent=sack)
    dispatch(sack.qr_id)
    with refused("bags_link_parent_dispatched"):
        if deed == "make":
            Link.objects.create(child=child("K2"), parent=sack)
        else:
            link.delete()


def test_a_linked_bag_can_not_be_deleted():
    bag = child()
    Link.objects.create(child=bag, parent=parent())
    with refused("bags_link"):
        run("DELETE FROM bags_bag WHERE id = %s", bag.pk)
        run("SET CONSTRAINTS ALL IMMEDIATE")


def test_the_two_default_products_are_there():
    rows = Product.objects.order_by("pk").values_list("pattern", "capacity", "kg_per_child")
    assert list(rows) == [("SB#####", 30, 1), ("M444-#####", 15, 1)]


@pytest.mark.parametrize("pattern", ["sb#####", "SB.*", "S#", "(SB)#", "SB[0-9]"])
def test_a_pattern_has_no_character_with_a_second_meaning(pattern):
    with refused("bags_product_pattern_form"):
        Product.objects.create(name="X", pattern=pattern, capacity=30, kg_per_child=1)


def test_no_code_fits_two_active_products():
    twin = Product(name="Twin", pattern="SB1####", capacity=30, kg_per_child=1)
    with pytest.raises(ValidationError, match="Mustard"):
        twin.full_clean()
    twin.is_active = False
    twin.full_clean()


def test_look_up_by_code_label_text_number_and_part():
    label = "LABEL NO.0016586 LOT NO.:{}, D.O.T.:30/09/2025"
    for lot in ("STAR1", "STAR2"):
        Bag.objects.create(qr_id=f"{lot}:0016586", type="child", label_no="0016586", lot_no=lot)

    def found(text):
        return {bag.qr_id for bag in Bag.objects.search(text)}

    assert found(label.format("STAR1")) == {"STAR1:0016586"}
    assert found("star1:0016586") == {"STAR1:0016586"}
    assert found("0016586") == {"STAR1:0016586", "STAR2:0016586"}
    assert found("LABEL NO.0016586") == {"STAR1:0016586", "STAR2:0016586"}
    assert found(label.format("STAR3")) == set(), "another lot is another bag"
    Bag.objects.create(qr_id="0016586", type="child", label_no="0016586")
    assert found("0016586") == {"0016586", "STAR1:0016586", "STAR2:0016586"}
    Bag.objects.create(qr_id="OLD:7", type="child", label_no="7", lot_no="OLD")
    assert found("7") == {"OLD:7"}
    assert found("tar1") == {"STAR1:0016586"}
    assert found("r1") == found("") == found("\x00") == found("nothing like it") == set()
