"""The life of a bill, through the API: every outcome, every refusal, every total."""

import uuid
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Entry
from bags.models import Bag, Product
from billing.models import Bill, BillLine, BillScan
from billing.services import bill_state, totals_of

pytestmark = pytest.mark.django_db


def said(answer):
    body = answer.json()
    return answer.status_code, body.get("outcome", body.get("code"))


@pytest.fixture
def example(truck, pack):
    """The domain's example: 5 mustard parents with 128 children."""
    bill = truck.bill(capacity=5)
    for number, children in enumerate([30, 30, 30, 30, 8], 1):
        pack(f"SB0000{number}", children)
        truck.load(bill, f"SB0000{number}")
    return bill


# --- Create, edit, delete -----------------------------------------------------------------------


def test_the_system_gives_numbers_and_leaves_out_typed_ones(truck):
    truck.bill()
    taken = int(Bill.objects.get().number[5:]) + 1
    truck.bill(number=f"bill-{taken:05d}")
    truck.bill()
    assert Bill.objects.latest("id").number == f"BILL-{taken + 1:05d}"


def test_a_number_is_unique_whatever_its_case_and_spaces(truck):
    truck.bill(number="inv  7/24")
    assert Bill.objects.get().number == "INV 7/24"
    again = truck.post("/api/bills/", capacity=5, number=" Inv 7/24 ")
    assert said(again) == (409, "number_taken")


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ({"number": "-7"}, 422, "bad_number"),
        ({"number": "७"}, 422, "bad_number"),
        ({"number": "ß" * 40}, 422, "bad_number"),
        ({"capacity": 0}, 400, "invalid"),
        ({"capacity": 501}, 400, "invalid"),
        ({"capacity": None}, 400, "invalid"),
        ({"customer": "x" * 256}, 400, "invalid"),
        ({"customer": "a\x00b"}, 400, "invalid"),
    ],
)
def test_a_wrong_header_is_refused_and_makes_nothing(truck, header, status, code):
    answer = truck.post("/api/bills/", **{"capacity": 5} | header)
    assert said(answer) == (status, code)
    assert not Bill.objects.exists()


def test_sent_twice_it_is_made_once(truck, admin_user, sign_in):
    creation_id = str(uuid.uuid4())
    first = truck.post("/api/bills/", capacity=5, creation_id=creation_id)
    again = truck.post("/api/bills/", capacity=5, creation_id=creation_id)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    body = {"capacity": 5, "creation_id": creation_id}
    other = sign_in(admin_user).post("/api/bills/", body, "application/json")
    assert said(other) == (422, "creation_id_reused")
    assert Bill.objects.count() == 1


def test_an_edit_counts_and_is_an_entry(truck):
    bill = truck.bill(customer="Ram Seeds")
    path = f"/api/bills/{bill}/"
    answer = truck.client.patch(path, {"version": 1, "customer": "Shyam"}, "application/json")
    assert (answer.json()["customer"], answer.json()["version"]) == ("Shyam", 2)
    entry = Entry.objects.get(action="bill.updated")
    assert entry.before == {"customer": "Ram Seeds"}
    assert entry.after == {"customer": "Shyam"}


def test_edits_that_cross_are_told_and_not_overwritten(truck):
    bill = truck.bill()
    path = f"/api/bills/{bill}/"
    truck.client.patch(path, {"version": 1, "vehicle": "MH-1"}, "application/json")
    answer = truck.client.patch(path, {"version": 1, "vehicle": "GJ-2"}, "application/json")
    assert said(answer) == (409, "edited_meanwhile")
    assert answer.json()["bill"] | {"vehicle": "MH-1", "version": 2} == answer.json()["bill"]
    assert Bill.objects.get().vehicle == "MH-1"


def test_loading_meanwhile_does_not_get_in_the_way_of_an_edit(truck, pack):
    bill = truck.bill()
    pack("SB00001", 1)
    truck.load(bill, "SB00001")
    answer = truck.client.patch(
        f"/api/bills/{bill}/", {"version": 1, "vehicle": "MH-1"}, "application/json"
    )
    assert answer.status_code == 200


def test_the_capacity_stays_at_what_is_loaded_or_more(truck, example):
    path = f"/api/bills/{example}/"
    answer = truck.client.patch(path, {"version": 1, "capacity": 4}, "application/json")
    assert said(answer) == (409, "below_loaded")
    answer = truck.client.patch(path, {"version": 1, "capacity": 6}, "application/json")
    assert answer.json()["capacity"] == 6


def test_an_empty_new_bill_can_be_deleted(truck):
    bill = truck.bill()
    assert truck.client.delete(f"/api/bills/{bill}/").status_code == 204
    assert not Bill.objects.exists()
    assert Entry.objects.filter(action="bill.deleted").count() == 1


def test_a_bill_with_parents_or_a_history_is_not_deleted(truck, pack):
    bill = truck.bill()
    pack("SB00001", 1)
    truck.load(bill, "SB00001")
    assert said(truck.client.delete(f"/api/bills/{bill}/"))[0] == 409
    truck.unload(bill, "SB00001")
    assert said(truck.client.delete(f"/api/bills/{bill}/")) == (409, "bill_has_history")


# --- Load and unload ----------------------------------------------------------------------------


def test_loading_says_how_the_bill_stands(truck, pack):
    bill = truck.bill(capacity=2)
    pack("SB00001", 30)
    answer = truck.load(bill, " sb00001 ")
    assert said(answer) == (201, "loaded")
    body = answer.json()
    assert body["parent"] == {"qr_id": "SB00001", "child_count": 30, "capacity": 30}
    assert (body["warning"], body["held_by"]) == (None, None)
    state = body["state"]
    assert (state["status"], state["parents"], state["capacity"]) == ("processing", 1, 2)
    assert (state["actual_kg"], state["variance_kg"]) == ("30.000", "0.000")


def test_every_refusal_of_a_scan(truck, pack, packer):
    bill, other = truck.bill(capacity=1), truck.bill()
    for code in ("SB00001", "SB00002", "SB00003"):
        pack(code, 1)
    packer.scan("SB00004")
    truck.load(other, "SB00002")
    loaded = truck.load(bill, "SB00001")
    assert said(loaded) == (201, "loaded")
    label = "LABEL NO.0000100 LOT NO.:STAR44GG24611"
    for code, answer in [
        ("SB00001", (200, "already_on_bill")),
        ("SB00002", (409, "on_other_bill")),
        ("SB00003", (409, "bill_full")),
        ("SB00004", (409, "bill_full")),
        ("SB00009", (404, "unknown_parent")),
        ("STAR44GG24611:0000100", (422, "is_child")),
        (label, (422, "is_child")),
        ("LABEL NO.0000999 LOT NO.:NEVER", (422, "is_child")),
        ("?", (422, "bad_code")),
        ("TRKCODEUNDO", (422, "bad_code")),
    ]:
        assert said(truck.load(bill, code)) == answer, code
    assert BillScan.objects.count() == 12
    assert BillLine.objects.count() == 2


def test_what_is_on_another_bill_is_said_with_its_number(truck, pack, biller):
    first, second = truck.bill(), truck.bill()
    pack("SB00001", 1)
    truck.load(first, "SB00001")
    body = truck.load(second, "SB00001").json()
    number = Bill.objects.get(pk=first).number
    assert body["detail"] == f"SB00001 is on bill {number}."
    held = body["held_by"]
    assert (held["number"], held["bill"], held["by"]) == (number, first, "Meena")


def test_an_empty_parent_is_refused_until_somebody_says_yes(truck, packer):
    bill = truck.bill()
    packer.scan("SB00001")
    assert said(truck.load(bill, "SB00001")) == (409, "empty_parent")
    answer = truck.load(bill, "SB00001", accept_empty=True)
    assert said(answer) == (201, "loaded")
    assert answer.json()["warning"] == "empty"


def test_a_half_filled_parent_is_pointed_out(truck, pack):
    bill = truck.bill()
    pack("SB00001", 12)
    body = truck.load(bill, "SB00001").json()
    assert body["warning"] == "half_full"
    assert body["detail"] == "SB00001 is on the bill, but it has only 12 of 30."


def test_unload_takes_it_off_and_keeps_the_scan(truck, example):
    answer = truck.unload(example, "SB00005")
    assert said(answer) == (200, "unloaded")
    assert (answer.json()["state"]["parents"], answer.json()["state"]["actual_kg"]) == (
        4,
        "120.000",
    )
    assert said(truck.unload(example, "SB00005")) == (409, "not_on_bill")
    assert said(truck.unload(example, "SB99999")) == (409, "not_on_bill")
    deeds = BillScan.objects.filter(code="SB00005").values_list("deed", "outcome")
    assert list(deeds.order_by("id")) == [
        ("load", "loaded"),
        ("unload", "unloaded"),
        ("unload", "not_on_bill"),
    ]
    assert said(truck.load(example, "SB00005")) == (201, "loaded")


def test_the_same_scan_id_changes_nothing_and_says_the_same(truck, pack):
    bill = truck.bill()
    pack("SB00001", 1)
    scan_id = uuid.uuid4()
    first, again = (truck.load(bill, "SB00001", scan_id=scan_id) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json() | {"replayed": True}
    truck.unload(bill, "SB00001")
    late = truck.load(bill, "SB00001", scan_id=scan_id).json()
    assert (late["outcome"], late["state"]["parents"]) == ("loaded", 0)
    assert not BillLine.objects.exists()


def test_a_scan_id_belongs_to_one_scan(truck, pack, admin_user, sign_in):
    bill, other = truck.bill(), truck.bill()
    pack("SB00001", 1)
    scan_id = uuid.uuid4()
    truck.load(bill, "SB00001", scan_id=scan_id)
    asha = type(truck)(sign_in(admin_user))
    for answer in (
        truck.load(bill, "SB00002", scan_id=scan_id),
        truck.load(other, "SB00001", scan_id=scan_id),
        truck.unload(bill, "SB00001", scan_id=scan_id),
        asha.load(bill, "SB00001", scan_id=scan_id),
    ):
        assert said(answer) == (422, "scan_id_reused")
    assert BillLine.objects.count() == 1


def test_what_was_read_is_kept_with_the_refused_scan(truck):
    bill = truck.bill()
    truck.load(bill, "?!\x00")
    assert BillScan.objects.get().raw == "?!␀"


def test_an_unknown_bill_is_told(truck):
    assert said(truck.load(99, "SB00001")) == (404, "unknown_bill")
    assert said(truck.client.get("/api/bills/99/")) == (404, "unknown_bill")
    assert said(truck.client.get("/api/bills/99/state/")) == (404, "unknown_bill")
    assert said(truck.complete(99)) == (404, "unknown_bill")


@pytest.mark.parametrize("key", ["0", "99999999999999999999"])
def test_keys_that_no_bill_can_have_are_told(truck, key):
    for answer in (
        truck.load(key, "SB00001"),
        truck.unload(key, "SB00001"),
        truck.complete(key),
        truck.client.get(f"/api/bills/{key}/"),
        truck.client.get(f"/api/bills/{key}/lines/"),
        truck.client.get(f"/api/bills/{key}/state/"),
    ):
        assert said(answer) == (404, "unknown_bill")
    for answer in (
        truck.back(key, "SB00001"),
        truck.take_back(key, "SB00001"),
        truck.cancel(key),
        truck.client.get(f"/api/returns/{key}/lines/"),
        truck.client.get(f"/api/returns/{key}/state/"),
    ):
        assert said(answer) == (404, "unknown_ticket")


def test_a_scan_is_one_round_trip(truck, pack):
    bill = truck.bill()
    pack("SB00001", 1)
    with CaptureQueriesContext(connection) as queries:
        truck.load(bill, "SB00001")
    assert len(queries) == 3  # the session, the person, the scan


# --- Totals -------------------------------------------------------------------------------------


def test_the_example_of_the_domain(truck, example):
    body = truck.client.get(f"/api/bills/{example}/").json()
    assert (body["parents"], body["children"]) == (5, 128)
    assert (body["actual_kg"], body["expected_kg"], body["variance_kg"]) == (
        "128.000",
        "150.000",
        "-22.000",
    )


def test_the_weight_follows_the_children_at_once(truck, packer, example):
    packer.scan("LABEL NO.0000999", "SB00005")
    assert bill_state(example)["actual_kg"] == "129.000"
    packer.undo()
    assert bill_state(example)["actual_kg"] == "128.000"


def test_kilograms_are_decimals(truck, packer, pack):
    Product.objects.filter(pattern="M444-#####").update(kg_per_child="0.333")
    bill = truck.bill()
    pack("M444-00001", 3)
    state = truck.load(bill, "M444-00001").json()["state"]
    assert (state["actual_kg"], state["expected_kg"], state["variance_kg"]) == (
        "0.999",
        "4.995",
        "-3.996",
    )
    total = Bill.objects.with_totals().get()
    assert total.actual_kg == Decimal("0.999")


def test_later_edits_of_a_product_change_no_bill(truck, example):
    Product.objects.update(kg_per_child=9, capacity=99)
    assert bill_state(example)["expected_kg"] == "150.000"


def test_the_list_and_one_bill_derive_the_same(truck, example, pack):
    truck.bill()
    pack("M444-00007", 2)
    truck.load(truck.bill(), "M444-00007")
    for bill in Bill.objects.with_totals():
        state = bill_state(bill.pk)
        assert totals_of(bill) | {"newest": bill.newest_line} == {
            name: Decimal(state[name]) if name.endswith("kg") else state[name]
            for name in (*totals_of(bill), "newest")
        } | {name: totals_of(bill)[name] for name in totals_of(bill) if name.endswith("kg")}
        for name in ("actual_kg", "expected_kg", "variance_kg"):
            assert getattr(bill, name) == Decimal(state[name])


def test_totals_of_a_list_of_any_length_are_one_query(truck, example, django_assert_num_queries):
    for _ in range(5):
        truck.bill()
    with django_assert_num_queries(1):
        assert len(list(Bill.objects.with_totals())) == 6


# --- Complete and reopen ------------------------------------------------------------------------


def test_completing_dispatches_the_parents(truck, packer, example):
    answer = truck.complete(example)
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert answer.json()["completed_by"] == "Meena"
    assert Bag.objects.parents().filter(dispatched_at=None).count() == 0
    assert said(packer.scan("LABEL NO.0000999", "SB00005")) == (409, "parent_dispatched")
    entry = Entry.objects.get(action="bill.completed")
    assert entry.after["actual_kg"] == "128.000"


def test_a_completed_bill_takes_and_gives_nothing(truck, pack, example):
    truck.complete(example)
    pack("SB00009", 1)
    assert said(truck.load(example, "SB00009")) == (409, "bill_completed")
    assert said(truck.unload(example, "SB00001")) == (409, "bill_completed")
    assert said(truck.complete(example)) == (409, "bill_completed")
    edit = truck.client.patch(
        f"/api/bills/{example}/", {"version": 1, "customer": "x"}, "application/json"
    )
    assert said(edit) == (409, "bill_completed")
    assert said(truck.client.delete(f"/api/bills/{example}/"))[0] == 409


def test_completing_asks_once_where_a_person_should_look(truck, pack, packer):
    bill = truck.bill(capacity=4)
    assert said(truck.complete(bill)) == (409, "bill_empty")
    pack("SB00001", 30)
    pack("SB00002", 3)
    packer.scan("SB00003")
    for code in ("SB00001", "SB00002"):
        truck.load(bill, code)
    truck.load(bill, "SB00003", accept_empty=True)
    answer = truck.complete(bill, confirmed=False)
    assert said(answer) == (409, "needs_confirmation")
    body = answer.json()
    assert (body["parents"], body["capacity"]) == (3, 4)
    assert (body["empty"], body["half_full"]) == (["SB00003"], ["SB00002"])
    assert truck.complete(bill).status_code == 200


def test_a_full_bill_of_full_parents_needs_no_question(truck, pack):
    bill = truck.bill(capacity=1)
    pack("SB00001", 30)
    truck.load(bill, "SB00001")
    assert truck.complete(bill, confirmed=False).status_code == 200


def test_what_was_loaded_meanwhile_is_told_before_completing(truck, example):
    seen = truck.client.get(f"/api/bills/{example}/state/").json()["mark"]
    truck.unload(example, "SB00001")
    assert said(truck.complete(example, seen=seen)) == (409, "changed_meanwhile")
    truck.load(example, "SB00001")
    assert said(truck.complete(example, seen=seen)) == (409, "changed_meanwhile")
    seen = truck.client.get(f"/api/bills/{example}/state/").json()["mark"]
    assert truck.complete(example, seen=seen).status_code == 200


def test_a_child_that_went_from_one_parent_to_another_is_told_too(truck, packer, example):
    seen = bill_state(example)["mark"]
    packer.move("STAR44GG24611:0000100", "SB00005", "SB00001")
    assert bill_state(example)["children"] == 128
    assert said(truck.complete(example, seen=seen)) == (409, "changed_meanwhile")


def test_reopening_needs_a_reason_and_frees_the_parents(truck, packer, example):
    assert said(truck.reopen(example)) == (409, "bill_open")
    truck.complete(example)
    assert said(truck.reopen(example, reason="  ")) == (422, "reason_needed")
    answer = truck.reopen(example, reason="one sack too few")
    assert (answer.json()["status"], answer.json()["completed_at"]) == ("processing", None)
    assert Bag.objects.parents().filter(dispatched_at=None).count() == 5
    entry = Entry.objects.get(action="bill.reopened")
    assert (entry.reason, entry.actor_name) == ("one sack too few", "Meena")
    assert packer.scan("LABEL NO.0000999", "SB00005").status_code == 201
    assert truck.complete(example).json()["actual_kg"] == "129.000"


# --- Lists --------------------------------------------------------------------------------------


def listed(truck, **query):
    answer = truck.client.get("/api/bills/", query)
    assert answer.status_code == 200, answer.content
    return [bill["id"] for bill in answer.json()["results"]]


def test_the_list_newest_first_in_pages(truck):
    bills = [truck.bill() for _ in range(3)]
    answer = truck.client.get("/api/bills/", {"limit": 2}).json()
    assert [bill["id"] for bill in answer["results"]] == bills[:0:-1]
    rest = truck.client.get(answer["next"]).json()
    assert [bill["id"] for bill in rest["results"]] == bills[:1]


def test_the_list_by_status_number_part_and_bag(truck, example):
    new = truck.bill(number="inv-9", customer="Ram Seeds", vehicle="MH-12")
    assert listed(truck, status="processing") == [example]
    assert listed(truck, status="new") == [new]
    assert listed(truck, number=" Inv-9") == [new]
    assert listed(truck, q="am se") == listed(truck, q="mh-1") == listed(truck, q="NV-") == [new]
    for code in ("SB00003", "STAR44GG24611:0000301", "0000301", "LABEL NO.0000301"):
        assert listed(truck, bag=code) == [example], code
    assert listed(truck, bag="SB77777") == []
    assert listed(truck, q="100%") == []


@pytest.mark.parametrize("query", [{"status": "gone"}, {"bag": "x" * 5000}])
def test_a_wrong_question_is_told(truck, query):
    assert said(truck.client.get("/api/bills/", query)) == (400, "invalid")


def test_the_lines_of_a_bill(truck, example):
    body = truck.client.get(f"/api/bills/{example}/lines/").json()
    last = body["results"][-1]
    assert [line["parent"] for line in body["results"]] == [f"SB0000{n}" for n in range(1, 6)]
    assert (last["children"], last["capacity"], last["kg"], last["expected_kg"]) == (
        8,
        30,
        "8.000",
        "30.000",
    )
    assert (last["loaded_by"], body["state"]["parents"]) == ("Meena", 5)


DOORS = [
    ("get", "/api/bills/"),
    ("post", "/api/bills/"),
    ("get", "/api/bills/1/"),
    ("patch", "/api/bills/1/"),
    ("delete", "/api/bills/1/"),
    ("get", "/api/bills/1/lines/"),
    ("get", "/api/bills/1/state/"),
    *(("post", f"/api/bills/1/{deed}/") for deed in ("load", "unload", "complete", "reopen")),
    ("get", "/api/returns/"),
    ("post", "/api/returns/"),
    ("get", "/api/returns/1/lines/"),
    ("get", "/api/returns/1/state/"),
    *(("post", f"/api/returns/1/{deed}/") for deed in ("return", "take-back", "close", "cancel")),
]


@pytest.mark.parametrize(("method", "path"), DOORS)
def test_bills_are_for_billers_and_admins(client, dispatcher, sign_in, method, path):
    def ask(who):
        return who.generic(method.upper(), path, "{}", content_type="application/json")

    assert said(ask(client)) == (401, "auth_required")
    assert said(ask(sign_in(dispatcher))) == (403, "permission_denied")
