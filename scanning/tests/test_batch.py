"""A station's queue: each item has its own verdict, and the same batch again changes nothing."""

import uuid
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from bags.models import Bag, Link, Product
from billing.tests.trucks import dispatch, recall
from scanning import services
from scanning.models import Device, Scan, ScanException, Undo, Verdict
from scanning.tests.conftest import Queue, label

pytestmark = pytest.mark.django_db


def said(results):
    return [(result["status"], result["outcome"]) for result in results]


def tables():
    """All that a repeated batch could change."""
    models = (Scan, Link, Undo, Verdict, ScanException, Bag)
    return [list(model.objects.order_by("pk").values()) for model in models]


def gaps():
    return [list(device.gaps) for device in Device.objects.with_gaps()]


# --- Items ------------------------------------------------------------------------------------


def test_a_batch_of_every_kind(queue):
    parents = queue.scan("SB00001"), queue.scan("SB00002")
    assert said(queue.send(*parents)) == [(201, "parent_created")] * 2
    one, two, three = (queue.scan(label(n), "SB00001") for n in (1, 2, 3))
    items = [one, two, three, queue.move(label(1), "SB00002", "SB00001")]
    items += [queue.undo(two), queue.undo(), queue.finish("SB00001")]
    results = queue.send(*items)
    assert said(results) == [
        (201, "linked"),
        (201, "linked"),
        (201, "linked"),
        (201, "linked"),
        (200, "undone"),
        (200, "undone"),  # the newest: the moved one
        (200, "finished"),
    ]
    assert results[0]["parent"] == {
        "qr_id": "SB00001",
        "child_count": 1,
        "capacity": 30,
        "status": "in_progress",
    }
    assert results[0]["child"] == "STAR44GG24611:0000001"
    assert [results[4]["scan_id"], results[5]["scan_id"]] == [two["id"], items[3]["id"]]
    assert results[6]["parent"]["status"] == "completed"
    assert Bag.objects.get(qr_id="SB00001").child_count == 1
    scan = Scan.objects.get(scan_id=one["id"])
    assert (scan.seq, scan.late, str(scan.device)) == (3, False, queue.device)
    assert scan.scanned_at.isoformat() == "2026-11-24T04:30:00+00:00"


def test_a_refusal_bears_what_the_single_door_says(queue, packer):
    packer.scan("SB00001")
    packer.scan("SB00002")
    packer.scan(label(1), "SB00002")
    alone = packer.scan(label(1), "SB00001")
    [result] = queue.send(queue.scan(label(1), "SB00001"))
    assert (result["status"], result["outcome"]) == (409, "linked_elsewhere")
    for name in ("outcome", "detail", "parent", "child", "held_by", "replayed", "exception"):
        assert result[name] == alone.json()[name]
    assert "scan_id" not in result


def test_one_scan_is_three_queries_and_the_scan_is_one(queue):
    queue.send(queue.scan("SB00001"))
    item = queue.scan(label(1), "SB00001")
    with CaptureQueriesContext(connection) as queries:
        queue.send(item)
    statements = [query["sql"] for query in queries]
    assert len(statements) == 3, statements
    assert "django_session" in statements[0]
    assert "accounts_user" in statements[1]
    assert "scanning_link_child" in statements[2]


def test_a_hundred_scans_are_a_hundred_queries_more(queue):
    queue.send(*(queue.scan(f"SB{n:05d}") for n in range(4)))
    items = [queue.scan(label(n), f"SB{n // 25:05d}") for n in range(100)]
    with CaptureQueriesContext(connection) as queries:
        results = queue.send(*items)
    assert {result["outcome"] for result in results} == {"linked"}
    assert len(queries) == 102


def test_a_sign_of_life_is_three_queries_and_kept(queue, packer, dispatcher):
    packer.scan("SB00001")
    with CaptureQueriesContext(connection) as queries:
        answer = queue.post(waiting=7, issued=9, parent="sb00001")
    assert (answer.status_code, answer.json()["results"]) == (200, [])
    assert answer.json()["now"].endswith("Z")
    assert answer.json()["device"] == queue.device
    assert len(queries) == 3
    device = Device.objects.get()
    assert (device.user, device.station.name) == (dispatcher, "PACK-1")
    assert (device.waiting, device.issued, device.parent_code) == (7, 9, "SB00001")


def test_a_wrong_item_does_not_stop_the_others(queue):
    queue.send(queue.scan("SB00001"))
    good = [queue.scan(label(n), "SB00001") for n in (1, 2)]
    wrong = queue.scan(label(3), "SB00001") | {"at": "yesterday", "station": "A B"}
    strange = queue.item("dance")
    results = queue.send(good[0], wrong, strange, good[1])
    assert said(results) == [(201, "linked"), (400, "invalid"), (400, "invalid"), (201, "linked")]
    assert set(results[1]["errors"]) == {"at", "station"}
    assert set(results[2]["errors"]) == {"kind"}


@pytest.mark.parametrize("item", [None, 7, "x", [], {}, {"kind": []}, {"kind": "scan"}])
def test_what_is_no_item_is_invalid(queue, item):
    [result] = queue.post(item).json()["results"]
    assert (result["status"], result["outcome"], result["id"]) == (400, "invalid", None)


@pytest.mark.parametrize(
    "change",
    [
        {"device": None},
        {"device": "x"},
        {"items": [{}] * 101},
        {"items": None},
        {"items": {}},
        {"waiting": -1},
        {"issued": "many"},
    ],
)
def test_a_wrong_envelope_judges_nothing(queue, change):
    answer = queue.post(queue.scan("SB00001"), **change)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer["Content-Type"] == "application/problem+json"
    assert not Scan.objects.exists()


def test_a_missing_permission_is_a_verdict_of_each_item(queue, monkeypatch):
    queue.send(queue.scan("SB00001"))
    scan, undo = queue.scan(label(1), "SB00001"), queue.undo()
    has_perm = "accounts.roles.RoleBackend.has_perm"
    monkeypatch.setattr(has_perm, lambda self, user, perm, obj=None: perm != "scanning.undo_scan")
    assert said(queue.send(scan, undo)) == [(201, "linked"), (403, "permission_denied")]
    assert Link.objects.count() == 1
    queue.post()  # nothing waits any more
    assert gaps() == [[]]


def test_without_a_session_401(queue, client):
    assert Queue(client).post().json()["code"] == "auth_required"


def test_what_fails_by_our_mistake_has_no_verdict_and_nothing_after_it_is_tried(
    queue, monkeypatch, caplog
):
    queue.send(queue.scan("SB00001"))
    queue.send(*(queue.scan(label(n), "SB00001") for n in (1, 2)))

    def fail(**values):
        raise ZeroDivisionError

    monkeypatch.setattr("scanning.services.undo_link", fail)
    results = queue.send(queue.undo(), queue.scan(label(3), "SB00001"))
    assert said(results) == [(500, "server_error"), (425, "not_tried")]
    assert "ZeroDivisionError" in caplog.text
    heard = [str(part) for part in Device.objects.get().heard]
    assert heard == ["[1, 4)"]  # neither the broken item nor the one after it


# --- Where the batch stops ----------------------------------------------------------------------


def test_it_stops_where_a_code_for_a_child_has_opened_another_parent(queue):
    queue.send(queue.scan("SB00001"))
    items = [queue.scan(code, "SB00001") for code in (label(1), "sb00002", label(2))]
    results = queue.send(*items)
    assert said(results) == [(201, "linked"), (201, "parent_created"), (425, "not_tried")]
    assert results[1]["parent"]["qr_id"] == "SB00002"
    assert not Scan.objects.filter(scan_id=items[2]["id"]).exists()
    assert gaps() == [[]]


def test_it_goes_on_where_the_code_was_the_open_parent_itself(queue):
    queue.send(queue.scan("SB00001"))
    items = [queue.scan(code, "sb00001") for code in ("SB00001", label(1))]
    assert said(queue.send(*items)) == [(200, "parent_opened"), (201, "linked")]


def test_it_stops_where_a_code_for_a_child_is_a_parent(queue):
    queue.send(queue.scan("SB00001"))
    items = [queue.scan(code, "SB00001") | {"switch": False} for code in ("SB00002", label(1))]
    assert said(queue.send(*items)) == [(422, "is_parent"), (425, "not_tried")]


def test_it_stops_where_no_parent_was_opened(queue):
    items = [queue.scan("K1X"), queue.scan(label(1), "K1X")]
    assert said(queue.send(*items)) == [(422, "is_child"), (425, "not_tried")]
    items = [queue.scan("SB00001") | {"at": ""}, queue.scan(label(1), "SB00001")]
    assert said(queue.send(*items)) == [(400, "invalid"), (425, "not_tried")]


def test_other_refusals_do_not_stop_it(queue):
    queue.send(queue.scan("SB00001"))
    items = [queue.scan("?", "SB00001"), queue.scan(label(1), "SB00009")]
    items.append(queue.scan(label(1), "SB00001"))
    assert said(queue.send(*items)) == [
        (422, "bad_code"),
        (404, "unknown_parent"),
        (201, "linked"),
    ]


def away_at(monkeypatch, number):
    calls, link_child = [], services.link_child

    def judge(**values):
        calls.append(values)
        if len(calls) == number:
            raise OperationalError("the database is away")
        return link_child(**values)

    monkeypatch.setattr("scanning.services.link_child", judge)


def test_it_stops_where_the_database_is_away(queue, monkeypatch):
    queue.send(queue.scan("SB00001"))
    items = [queue.scan(label(n), "SB00001") for n in range(3)]
    away_at(monkeypatch, 2)
    assert said(queue.send(*items)) == [(201, "linked"), (503, "busy"), (425, "not_tried")]
    assert Device.objects.get().waiting == 2


def test_away_at_once_is_503_for_the_whole(queue, monkeypatch):
    queue.send(queue.scan("SB00001"))
    away_at(monkeypatch, 1)
    answer = queue.post(queue.scan(label(1), "SB00001"))
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "busy", "1")


def test_it_answers_before_the_page_gives_up(queue, monkeypatch):
    queue.send(queue.scan("SB00001"))
    monkeypatch.setattr("scanning.batch.SECONDS", 0)
    items = [queue.scan(label(n), "SB00001") for n in range(2)]
    assert said(queue.send(*items)) == [(201, "linked"), (425, "not_tried")]


# --- The same batch again -----------------------------------------------------------------------


def test_a_batch_whose_answer_was_lost_gives_the_same_and_changes_nothing(queue):
    Product.objects.filter(pattern="SB#####").update(capacity=3)
    items = [
        queue.undo(),  # nothing yet: sent again it must not take back what came later
        queue.scan("SB00001"),
        queue.finish("SB00001"),  # empty: sent again it must not finish what came later
        queue.scan(label(1), "SB00001"),
        queue.scan(label(1), "SB00001"),
        queue.finish("SB00001"),
        queue.scan(label(2), "SB00001"),
        queue.undo(),
        queue.scan(label(2), "SB00001"),
        queue.scan("SB00002"),
        queue.move(label(1), "SB00002", "SB00001"),
        queue.move(label(2), "SB00002", "SB00009", late=True),
        queue.scan("?", "SB00002", late=True),
        queue.scan(label(3), "SB00009"),
        queue.item("dance"),
        queue.scan("SB00003", "SB00002"),
        queue.scan(label(4), "SB00002"),
    ]
    first = queue.send(*items)
    assert said(first) == [
        (409, "nothing_to_undo"),
        (201, "parent_created"),
        (409, "empty_parent"),
        (201, "linked"),
        (200, "already_linked"),
        (200, "finished"),
        (201, "linked"),
        (200, "undone"),
        (201, "linked"),
        (201, "parent_created"),
        (201, "linked"),
        (409, "linked_elsewhere"),
        (422, "bad_code"),
        (404, "unknown_parent"),
        (400, "invalid"),
        (201, "parent_created"),
        (425, "not_tried"),
    ]
    before = tables()
    again = queue.send(*items)
    assert tables() == before
    for one, other in zip(first, again, strict=True):
        judged = one["outcome"] not in ("invalid", "not_tried")
        status = 200 if one["status"] == 201 else one["status"]
        assert other == one | {"replayed": judged, "status": status}
    assert gaps() == [[]]


def test_an_id_of_another_item_is_refused(queue):
    queue.send(queue.scan("SB00001"))
    scan = queue.scan(label(1), "SB00001")
    undo = queue.undo()
    queue.send(scan, undo)
    for reused in (
        queue.scan(label(2), "SB00001") | {"id": scan["id"]},
        queue.move(label(2), "SB00001", "SB00002") | {"id": scan["id"]},
        queue.finish("SB00001") | {"id": undo["id"]},
    ):
        assert said(queue.send(reused)) == [(422, "scan_id_reused")]
    assert gaps() == [[]]


# --- Whose device it is -------------------------------------------------------------------------


def test_a_device_of_somebody_else_is_told_so_and_nothing_happens(queue, biller, sign_in):
    queue.send(queue.scan("SB00001"))
    before = tables()
    other = Queue(sign_in(biller), device=queue.device)
    batches = [[], [other.scan(label(1), "SB00001")], [other.scan("SB00002")], [other.undo()]]
    batches += [[other.move(label(1), "SB00001", "SB00002")], [other.item("dance")]]
    for items in batches:
        answer = other.post(*items)
        assert (answer.status_code, answer.json()["code"]) == (401, "other_user")
        assert answer["Content-Type"] == "application/problem+json"
    assert tables() == before
    assert Device.objects.get().user != biller


def test_what_a_page_of_somebody_else_sends_is_not_judged(queue, biller):
    body = {"device": queue.device, "items": [queue.scan("SB00001")]}
    headers = {"X-User": str(biller.pk)}
    answer = queue.client.post("/api/scans/batch", body, "application/json", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "other_user")
    assert not Scan.objects.exists()


# --- Gaps -----------------------------------------------------------------------------------------


def ranges():
    return [[(part.lower, part.upper) for part in device] for device in gaps()]


def test_a_lost_item_is_seen_as_a_gap(queue):
    queue.send(queue.scan("SB00001"))
    queue.scan(label(1), "SB00001")
    queue.scan(label(2), "SB00001")
    queue.send(queue.scan(label(3), "SB00001"))
    assert ranges() == [[(2, 4)]]


def test_the_newest_item_lost_is_a_gap_once_nothing_waits(queue):
    queue.send(queue.scan("SB00001"))
    queue.scan(label(1), "SB00001")
    queue.post(waiting=1)
    assert ranges() == [[]]
    queue.post(waiting=0)
    assert ranges() == [[(2, 3)]]


def test_nothing_that_was_judged_is_a_gap(queue, monkeypatch):
    queue.send(queue.scan("SB00001"))
    items = [
        queue.scan("?", "SB00001"),
        queue.item("dance"),
        queue.scan(label(1), "SB00001") | {"at": ""},
        queue.undo(),
        queue.finish("SB00001"),
        queue.finish("SB00009"),
        queue.move(label(1), "SB00009", "SB00001"),
        queue.scan(label(1), "SB00001"),
        queue.undo(),
        queue.undo(late=True),
    ]
    assert "not_tried" not in {outcome for _, outcome in said(queue.send(*items))}
    assert ranges() == [[]]
    device = Device.objects.get()
    assert [(part.lower, part.upper) for part in device.heard] == [(1, 12)]
    assert (device.issued, device.waiting) == (11, 0)


def test_in_the_middle_of_a_batch_nothing_looks_lost(queue, monkeypatch):
    queue.send(queue.scan("SB00001"))
    items = [queue.scan(label(n), "SB00001") for n in range(3)]
    away_at(monkeypatch, 2)
    queue.send(*items, waiting=5)
    assert (Device.objects.get().waiting, ranges()) == (7, [[]])


def test_a_device_that_said_nothing_yet_has_no_gap(dispatcher):
    Device.objects.create(device_id=uuid.uuid4(), user=dispatcher)
    assert ranges() == [[]]


# --- Switch ---------------------------------------------------------------------------------------


def test_a_switch_opens_the_parent_that_the_code_turned_out_to_be(queue):
    Bag.objects.create(qr_id="OLD 7", type="parent", capacity=400, kg_per_child=1)
    queue.send(queue.scan("SB00001"))
    item = queue.scan("old 7", "SB00001")
    [result] = queue.send(item)
    assert (result["status"], result["outcome"]) == (200, "parent_opened")
    assert result["parent"]["qr_id"] == "OLD 7"
    assert result["child"] is None
    scan = Scan.objects.get(scan_id=item["id"])
    assert (scan.parent_code, scan.parent.qr_id, scan.child) == ("", "OLD 7", None)
    [again] = queue.send(item)
    assert again == result | {"replayed": True}


def test_a_switch_works_also_when_the_named_parent_does_not_exist(queue):
    items = [queue.scan("SB00002", "NOWHERE"), queue.scan(label(1), "NOWHERE")]
    assert said(queue.send(items[0])) == [(201, "parent_created")]
    assert said(queue.send(items[1])) == [(404, "unknown_parent")]


def test_a_switch_leaves_children_children(queue):
    queue.send(queue.scan("SB00001"))
    assert said(queue.send(queue.scan(label(1), "SB00001"))) == [(201, "linked")]


# --- Late -----------------------------------------------------------------------------------------


@pytest.fixture
def troubles(queue, packer):
    """Items that are refused, one of each outcome."""
    Product.objects.filter(pattern="M444-#####").update(capacity=1)
    for parent in ("SB00001", "SB00002", "M444-00001", "SB00003"):
        packer.scan(parent)
    packer.scan(label(1), "SB00002")
    packer.scan(label(2), "M444-00001")
    dispatch("SB00003")
    return lambda **more: {
        "linked_elsewhere": queue.scan(label(1), "SB00001", **more),
        "parent_full": queue.scan(label(3), "M444-00001", **more),
        "parent_dispatched": queue.scan(label(3), "SB00003", **more),
        "is_parent": queue.scan("SB00002", "SB00001", **more) | {"switch": False},
        "is_child": queue.scan(label(1), **more),
        "bad_code": queue.scan("?", "SB00001", **more),
        "unknown_parent": queue.scan(label(3), "SB00009", **more),
    }


def test_what_was_refused_late_is_an_exception(queue, troubles, dispatcher):
    for outcome, item in troubles(late=True).items():
        [result] = queue.send(item)
        opened = ScanException.objects.get(item_id=item["id"])
        assert (result["outcome"], result["exception"]) == (outcome, opened.pk)
        assert (opened.kind, opened.outcome, opened.scan.outcome) == ("scan", outcome, outcome)
        assert (opened.station.name, opened.user) == ("PACK-1", dispatcher)
        assert opened.happened_at.isoformat() == "2026-11-24T04:30:00+00:00"
        assert opened.scan.late
        assert queue.send(item)[0]["exception"] == opened.pk
    assert ScanException.objects.open().of_user(dispatcher).count() == 7


def test_what_was_refused_in_time_is_none(queue, troubles):
    for item in troubles().values():
        assert queue.send(item)[0]["exception"] is None
    assert not ScanException.objects.exists()


def test_what_was_late_and_did_no_harm_is_none(queue):
    late = [queue.scan("SB00001", late=True)]
    late += [queue.scan(label(1), "SB00001", late=True) for _ in range(2)]
    late += [queue.scan("SB00001", "SB00001", late=True)]
    assert said(queue.send(*late)) == [
        (201, "parent_created"),
        (201, "linked"),
        (200, "already_linked"),
        (200, "parent_opened"),
    ]
    assert not ScanException.objects.exists()


def test_a_refusal_whose_answer_comes_late_is_an_exception_too(queue, troubles):
    item = troubles()["linked_elsewhere"]
    queue.send(item)
    [result] = queue.send(item | {"late": True})
    assert (result["replayed"], result["exception"]) == (True, ScanException.objects.get().pk)
    assert not Scan.objects.get(scan_id=item["id"]).late


def test_a_move_refused_late_is_an_exception(queue, packer):
    for parent in ("SB00001", "SB00002", "SB00003"):
        packer.scan(parent)
    packer.scan(label(1), "SB00003")
    [result] = queue.send(queue.move(label(1), "SB00001", "SB00002", late=True))
    opened = ScanException.objects.get()
    assert (result["exception"], opened.kind, opened.outcome) == (
        opened.pk,
        "move",
        "linked_elsewhere",
    )


@pytest.fixture
def packed(queue):
    """The item of a link that stands."""
    queue.send(queue.scan("SB00001"))
    item = queue.scan(label(1), "SB00001")
    queue.send(item)
    return item


def test_an_undo_refused_late_is_an_exception(queue, packed, monkeypatch):
    dispatch()
    undo = queue.undo(packed, late=True)
    results = queue.send(undo) + queue.send(undo)
    assert said(results) == [(409, "parent_dispatched")] * 2
    opened = ScanException.objects.get()
    assert (opened.kind, opened.item_id, str(opened.scan.scan_id)) == (
        "undo",
        uuid.UUID(undo["id"]),
        packed["id"],
    )
    assert [result["exception"] for result in results] == [opened.pk] * 2

    recall()
    monkeypatch.setattr("scanning.services.UNDO_WITHIN", timedelta(0))
    [result] = queue.send(queue.undo(packed, late=True))
    assert (result["status"], result["outcome"]) == (409, "undo_too_late")
    assert ScanException.objects.latest("id").outcome == "undo_too_late"
    assert said(queue.send(undo)) == [(409, "parent_dispatched")]  # the first verdict stays
    assert Link.objects.count() == 1


def test_an_undo_whose_refusal_got_lost_is_an_exception_when_it_comes_again_late(queue, packed):
    dispatch()
    undo = queue.undo(packed)
    assert queue.send(undo)[0]["exception"] is None
    [result] = queue.send(undo | {"late": True})
    assert result["exception"] == ScanException.objects.get().pk


def test_an_undo_refused_in_time_or_for_nothing_is_none(queue, packed, monkeypatch):
    monkeypatch.setattr("scanning.services.UNDO_WITHIN", timedelta(0))
    assert said(queue.send(queue.undo(packed))) == [(409, "undo_too_late")]
    monkeypatch.undo()
    undone = queue.undo(packed, late=True), queue.undo(packed, late=True)
    assert said(queue.send(*undone)) == [(200, "undone"), (409, "nothing_to_undo")]
    assert not ScanException.objects.exists()


def test_the_single_doors_need_no_device(packer):
    packer.scan("SB00001")
    packer.scan(label(1), "SB00001")
    assert not Device.objects.exists()
