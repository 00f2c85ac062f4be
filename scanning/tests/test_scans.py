"""Each outcome of a scan, through the API."""

import uuid

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from bags.models import Bag, Link, Product
from billing.tests.trucks import dispatch
from scanning.models import Scan, Station
from scanning.tests.conftest import Packer, label

pytestmark = pytest.mark.django_db


def outcome(response):
    body = response.json()
    if response.status_code >= 400:
        assert response["Content-Type"] == "application/problem+json"
        assert body["code"] == body["outcome"]
        assert body["status"] == response.status_code
    assert set(body) >= {"scan_id", "outcome", "replayed", "detail", "parent", "child", "held_by"}
    assert Scan.objects.get(scan_id=body["scan_id"]).outcome == body["outcome"]
    return response.status_code, body["outcome"]


def state(response):
    parent = response.json()["parent"]
    return parent["qr_id"], parent["child_count"], parent["capacity"], parent["status"]


@pytest.mark.parametrize(("code", "capacity"), [("SB00001", 30), ("M444-00001", 15)])
def test_a_new_parent_is_made_from_its_product(packer, code, capacity):
    answer = packer.scan(code.lower() + "\r\n")
    assert outcome(answer) == (201, "parent_created")
    assert state(answer) == (code, 0, capacity, "pending")
    bag = Bag.objects.get(qr_id=code)
    assert (bag.product.capacity, bag.kg_per_child) == (capacity, 1)


def test_a_known_parent_is_opened_where_packing_stopped(packer):
    packer.scan("SB00001")
    packer.scan(label(1), "SB00001")
    answer = packer.scan("SB00001")
    assert outcome(answer) == (200, "parent_opened")
    assert state(answer) == ("SB00001", 1, 30, "in_progress")


def test_a_new_child_is_made_and_linked(packer, dispatcher):
    packer.scan("SB00001")
    answer = packer.scan(label(16586), "SB00001")
    assert outcome(answer) == (201, "linked")
    assert state(answer) == ("SB00001", 1, 30, "in_progress")
    assert answer.json()["child"] == "STAR44GG24611:0016586"
    link = Link.objects.get()
    assert (link.child.label_no, link.child.lot_no, str(link.child.tested_on)) == (
        "0016586",
        "STAR44GG24611",
        "2025-09-30",
    )
    assert (link.parent.qr_id, link.linked_by) == ("SB00001", dispatcher)


def test_a_child_that_is_known_but_free_is_linked(packer):
    Bag.objects.create(qr_id="K1X", type="child")
    packer.scan("SB00001")
    assert outcome(packer.scan("k1x", "SB00001")) == (201, "linked")


def test_the_child_that_reaches_capacity_completes_the_parent(packer):
    packer.scan("M444-00001")
    for number in range(14):
        assert outcome(packer.scan(label(number), "M444-00001")) == (201, "linked")
    answer = packer.scan(label(14), "M444-00001")
    assert outcome(answer) == (201, "completed")
    assert state(answer) == ("M444-00001", 15, 15, "completed")
    assert outcome(packer.scan(label(15), "M444-00001")) == (409, "parent_full")
    assert Link.objects.count() == 15


def test_a_child_twice_into_the_same_parent_does_no_harm(packer):
    packer.scan("SB00001")
    packer.scan(label(1), "SB00001")
    answer = packer.scan(label(1), "SB00001")
    assert outcome(answer) == (200, "already_linked")
    assert state(answer)[1] == 1


def test_a_duplicate_is_told_as_such_also_when_the_parent_is_full(packer):
    Product.objects.filter(pattern="SB#####").update(capacity=1)
    packer.scan("SB00001")
    packer.scan(label(1), "SB00001")
    assert outcome(packer.scan(label(1), "SB00001")) == (200, "already_linked")


def test_a_child_in_another_parent_names_its_holder(packer, biller, sign_in):
    other = Packer(sign_in(biller), "PACK-2")
    other.scan("SB00002")
    other.scan(label(1), "SB00002")
    packer.scan("SB00001")
    answer = packer.scan(label(1), "SB00001")
    assert outcome(answer) == (409, "linked_elsewhere")
    held = answer.json()["held_by"]
    assert (held["qr_id"], held["by"], held["station"]) == ("SB00002", "Meena", "PACK-2")
    assert held["at"].startswith(str(Link.objects.get().linked_at.date()))


def test_a_dispatched_parent_takes_no_child(packer):
    packer.scan("SB00001")
    dispatch()
    assert outcome(packer.scan(label(1), "SB00001")) == (409, "parent_dispatched")


def test_the_named_parent_must_exist_and_be_a_parent(packer):
    assert outcome(packer.scan(label(1), "SB00001")) == (404, "unknown_parent")
    Bag.objects.create(qr_id="K1X", type="child")
    assert outcome(packer.scan(label(1), "K1X")) == (404, "unknown_parent")


@pytest.mark.parametrize("code", ["SB00002", "SB00001", "M444-00009"])
def test_a_parent_is_no_child_known_or_not(packer, code):
    packer.scan("SB00001")
    assert outcome(packer.scan(code, "SB00001")) == (422, "is_parent")
    assert not Link.objects.exists()


def test_an_old_parent_without_a_pattern_is_a_parent(packer):
    Bag.objects.create(qr_id="OLD 7", type="parent", capacity=400, kg_per_child=1)
    answer = packer.scan("old 7")
    assert outcome(answer) == (200, "parent_opened")
    assert state(answer) == ("OLD 7", 0, 400, "pending")
    packer.scan("SB00001")
    assert outcome(packer.scan("OLD 7", "SB00001")) == (422, "is_parent")


@pytest.mark.parametrize("code", [label(1), "john doe", "SB0001"])
def test_a_child_opens_nothing(packer, code):
    assert outcome(packer.scan(code)) == (422, "is_child")
    assert not Bag.objects.exists()


def test_a_code_of_an_inactive_product_is_no_parent(packer):
    Product.objects.update(is_active=False)
    assert outcome(packer.scan("SB00001")) == (422, "is_child")


@pytest.mark.parametrize("code", ["", "x", "<script>alert(1)</script>", "\x00\ud800", "A" * 300])
def test_what_is_no_code_is_refused_and_kept(packer, code):
    packer.scan("SB00001")
    for parent in (None, "SB00001"):
        answer = packer.scan(code, parent)
        assert outcome(answer) == (422, "bad_code")
        kept = Scan.objects.get(scan_id=answer.json()["scan_id"])
        assert kept.raw == code.replace("\x00", "\u2400").replace("\ud800", "?")


def test_a_refused_scan_makes_no_bag(packer):
    packer.scan("SB00001")
    dispatch()
    packer.scan(label(1), "SB00001")
    assert Bag.objects.count() == 1


def test_the_same_scan_id_gives_the_first_answer_and_changes_nothing(packer):
    scan_id = uuid.uuid4()
    packer.scan("SB00001")
    first = packer.scan(label(1), "SB00001", scan_id)
    packer.scan(label(2), "SB00001")
    again = packer.scan(label(1), "SB00001", scan_id)
    assert again.status_code == 200
    assert again.json() == first.json() | {"replayed": True}
    assert (Scan.objects.count(), Link.objects.count()) == (3, 2)


def test_a_repeated_refusal_is_the_same_refusal(packer):
    scan_id = uuid.uuid4()
    first = packer.scan(label(1), "SB00001", scan_id)
    packer.scan("SB00001")
    again = packer.scan(label(1), "SB00001", scan_id)
    assert (first.status_code, again.status_code) == (404, 404)
    assert again.json() == first.json() | {"replayed": True}


@pytest.mark.parametrize("change", [{"code": "OTHER"}, {"parent": "SB00002"}, {"parent": None}])
def test_a_scan_id_of_another_scan_is_refused(packer, change):
    scan_id = uuid.uuid4()
    packer.scan("SB00001")
    body = {"code": label(1), "parent": "SB00001"}
    packer.scan(**body, scan_id=scan_id)
    answer = packer.scan(**(body | change), scan_id=scan_id)
    assert (answer.status_code, answer.json()["code"]) == (422, "scan_id_reused")
    assert Scan.objects.count() == 2


def test_a_station_is_registered_by_its_first_scan(packer):
    packer.station = "dock-9"
    packer.scan("SB00001")
    packer.scan("SB00001")
    assert [station.name for station in Station.objects.all()] == ["DOCK-9"]


def test_both_clocks_are_kept(packer):
    packer.scan("SB00001")
    scan = Scan.objects.get()
    assert scan.scanned_at.isoformat() == "2026-11-24T04:30:00+00:00"
    assert scan.recorded_at != scan.scanned_at


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scan_id", "x"),
        ("station", ""),
        ("station", "A B"),
        ("station", "A" * 33),
        ("code", None),
        ("code", 7),
        ("code", "A" * 4097),
        ("parent", {"a": 1}),
        ("scanned_at", "yesterday"),
        ("scanned_at", "0001-01-01T00:00:00"),
    ],
)
def test_a_request_of_the_wrong_form_names_the_field(packer, field, value):
    body = {
        "scan_id": str(uuid.uuid4()),
        "station": "PACK-1",
        "parent": None,
        "code": "SB00001",
        "scanned_at": "2026-11-24T10:00:00Z",
    }
    answer = packer.client.post("/api/scans/", body | {field: value}, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert list(answer.json()["errors"]) == [field]
    assert not Scan.objects.exists()


@pytest.mark.parametrize("year", [1970, 2099])
def test_a_station_with_a_wrong_clock_scans_all_the_same(packer, year):
    at = f"{year}-01-01T00:00:00Z"
    body = {"scan_id": str(uuid.uuid4()), "parent": None, "code": "SB00001", "scanned_at": at}
    assert packer.post("/api/scans/", **body).status_code == 201


@pytest.mark.parametrize("parent", ["", "A" * 300, "ß" * 200, "\x00"])
def test_an_impossible_parent_is_unknown_and_the_scan_is_kept(packer, parent):
    assert outcome(packer.scan(label(1), parent)) == (404, "unknown_parent")


def test_what_a_page_of_somebody_else_sends_is_not_booked(packer, dispatcher, biller):
    body = {"scan_id": str(uuid.uuid4()), "station": "PACK-1", "parent": None, "code": "SB00001"}
    body["scanned_at"] = "2026-11-24T10:00:00Z"

    def post(person):
        headers = {"X-User": str(person.pk)}
        return packer.client.post("/api/scans/", body, "application/json", headers=headers)

    answer = post(biller)
    assert (answer.status_code, answer.json()["code"]) == (401, "other_user")
    assert not Scan.objects.exists()
    assert post(dispatcher).status_code == 201


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"', "[" * 100_000])
def test_a_body_that_is_no_scan_is_refused(packer, body):
    answer = packer.client.post("/api/scans/", body, "application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_without_a_session_401_and_without_the_role_403(client, admin_user, sign_in, monkeypatch):
    answer = client.post("/api/scans/", {}, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (401, "auth_required")
    monkeypatch.setattr("accounts.roles.RoleBackend.has_perm", lambda *args, **kwargs: False)
    answer = sign_in(admin_user).post("/api/scans/", {}, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_a_stale_token_is_told_apart_from_a_missing_role(dispatcher):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(dispatcher, backend="accounts.roles.RoleBackend")
    answer = client.post("/api/scans/", {}, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")


def test_a_scan_is_one_query_and_the_request_three(packer):
    packer.scan("SB00001")
    with CaptureQueriesContext(connection) as queries:
        packer.scan(label(1), "SB00001")
    statements = [query["sql"] for query in queries]
    assert len(statements) == 3, statements
    assert "django_session" in statements[0]
    assert "accounts_user" in statements[1]
    assert "scanning_link_child" in statements[2]


def test_the_last_scans_of_a_station(packer):
    packer.scan("SB00001")
    packer.scan(label(1), "SB00001")
    packer.scan("x", "SB00001")
    packer.undo()
    rows = packer.client.get("/api/scans/?station=pack-1").json()["results"]
    assert [(row["outcome"], row["undone"], row["stands"]) for row in rows] == [
        ("bad_code", False, False),
        ("linked", True, False),
        ("parent_created", False, False),
    ]
    assert (rows[1]["by"], rows[1]["held_by"]) == ("Ravi", None)
    assert packer.client.get("/api/scans/?station=NONE").json()["results"] == []
    assert packer.client.get("/api/scans/?station=%00").json()["code"] == "invalid"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE scanning_scan SET outcome = 'linked'",
        "DELETE FROM scanning_scan",
        "TRUNCATE scanning_scan CASCADE",
        "UPDATE scanning_undo SET undone_at = now()",
        "DELETE FROM scanning_undo",
    ],
)
def test_history_can_not_be_rewritten(packer, statement):
    packer.scan("SB00001")
    packer.scan(label(1), "SB00001")
    packer.undo()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(IntegrityError, match="never changed"):
            cursor.execute(statement)
        transaction.set_rollback(True)
