"""GET /api/bag/<qr_id>."""

from urllib.parse import quote

import pytest

from bags.models import Bag, Link, Product

pytestmark = pytest.mark.django_db
LABEL = "LABEL NO.0016586 LOT NO.:STAR44GG24611, D.O.T.:30/09/2025"


@pytest.fixture
def packed():
    mustard = Product.objects.get(name="Mustard")
    parent = Bag.objects.create(
        qr_id="SB00001", type="parent", product=mustard, capacity=30, kg_per_child=1
    )
    child = Bag.objects.create(
        qr_id="STAR44GG24611:0016586",
        type="child",
        label_no="0016586",
        lot_no="STAR44GG24611",
        tested_on="2025-09-30",
    )
    Link.objects.create(child=child, parent=parent)


@pytest.fixture
def get(sign_in, dispatcher):
    client = sign_in(dispatcher)
    return lambda qr_id: client.get("/api/bag/" + quote(qr_id, safe=""))


def test_a_parent_with_its_children(get, packed):
    body = get("sb00001").json()
    assert body.pop("created_at")
    assert body == {
        "qr_id": "SB00001",
        "type": "parent",
        "status": "in_progress",
        "product": "Mustard",
        "child_count": 1,
        "capacity": 30,
        "parent": None,
        "children": ["STAR44GG24611:0016586"],
        "label_no": None,
        "lot_no": None,
        "tested_on": None,
    }


@pytest.mark.parametrize("text", [LABEL, LABEL.lower(), "star44gg24611:0016586", "0016586"])
def test_a_child_by_label_text_code_or_label_number(get, packed, text):
    body = get(text).json()
    assert (body["qr_id"], body["type"], body["parent"]) == (
        "STAR44GG24611:0016586",
        "child",
        "SB00001",
    )
    assert (body["label_no"], body["lot_no"], body["tested_on"]) == (
        "0016586",
        "STAR44GG24611",
        "2025-09-30",
    )


def test_a_label_number_that_several_bags_bear_names_them_all(get, packed):
    Bag.objects.create(qr_id="OTHER:0016586", type="child", label_no="0016586", lot_no="OTHER")
    answer = get("0016586")
    assert (answer.status_code, answer.json()["code"]) == (409, "several_bags")
    assert set(answer.json()["bags"]) == {"STAR44GG24611:0016586", "OTHER:0016586"}


def test_a_code_goes_before_the_label_numbers_like_it(get, packed):
    Bag.objects.create(qr_id="0016586", type="child", label_no="0016586")
    assert get("0016586").json()["qr_id"] == "0016586"


def test_a_label_of_another_lot_is_another_bag(get, packed):
    assert get("LABEL NO.0016586 LOT NO.:OTHER, D.O.T.:30/09/2025").status_code == 404


def test_head_is_answered_like_get(sign_in, dispatcher, packed):
    assert sign_in(dispatcher).head("/api/bag/SB00001").status_code == 200


@pytest.mark.parametrize("text", ["SB99999", "nothing", "\x00", "x" * 300, "%", "🙂", "a/b"])
def test_an_unknown_code_is_404(get, packed, text):
    answer = get(text)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_only_for_people_who_are_signed_in(client, packed):
    answer = client.get("/api/bag/SB00001")
    assert (answer.status_code, answer.json()["code"]) == (401, "auth_required")
    assert answer["WWW-Authenticate"] == "Session"
    assert answer["Content-Type"] == "application/problem+json"


def test_another_method_is_405_and_problem_json(sign_in, dispatcher):
    answer = sign_in(dispatcher).post("/api/bag/SB00001")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
