"""Taking back, moving and finishing: the deeds beside the scan."""

import uuid
from datetime import timedelta

import pytest

from audit.models import Entry
from bags.models import Bag, Link, Product
from billing.tests.trucks import dispatch
from scanning.models import Scan, Undo
from scanning.tests.conftest import Packer, label

pytestmark = pytest.mark.django_db


def said(response):
    body = response.json()
    return response.status_code, body.get("outcome") or body["code"]


@pytest.fixture
def packed(packer) -> Packer:
    """SB00001 with two children."""
    packer.scan("SB00001")
    packer.scan(label(1), "SB00001")
    packer.scan(label(2), "SB00001")
    return packer


def count(qr_id):
    return Bag.objects.get(qr_id=qr_id).child_count


def test_undo_takes_back_child_by_child_and_history_stays(packed, dispatcher):
    answer = packed.undo()
    assert said(answer) == (200, "undone")
    assert answer.json()["child"] == "STAR44GG24611:0000002"
    assert answer.json()["parent"]["child_count"] == count("SB00001") == 1
    assert said(packed.undo()) == (200, "undone")
    assert said(packed.undo()) == (409, "nothing_to_undo")
    assert (Scan.objects.count(), Bag.objects.count(), Link.objects.count()) == (3, 3, 0)
    assert {undo.undone_by for undo in Undo.objects.all()} == {dispatcher}


def test_an_undone_child_can_be_scanned_again(packed):
    packed.undo()
    assert said(packed.scan(label(2), "SB00001")) == (201, "linked")


def test_the_same_undo_id_takes_back_once(packed):
    undo_id = uuid.uuid4()
    first, again = packed.undo(undo_id), packed.undo(undo_id)
    assert again.json() == first.json() | {"replayed": True}
    assert count("SB00001") == 1


def test_undo_takes_back_the_named_link_whatever_is_newer(packed):
    first = Scan.objects.get(code="STAR44GG24611:0000001").scan_id
    answer = packed.undo(scan_id=first)
    assert (said(answer), answer.json()["scan_id"]) == ((200, "undone"), str(first))
    assert Link.objects.get().child.qr_id == "STAR44GG24611:0000002"
    assert said(packed.undo(scan_id=first)) == (409, "nothing_to_undo")
    assert count("SB00001") == 1


def test_undo_of_a_named_link_after_an_hour_is_too_late(packed, monkeypatch):
    newest = Scan.objects.get(code="STAR44GG24611:0000002").scan_id
    monkeypatch.setattr("scanning.services.UNDO_WITHIN", timedelta(0))
    assert said(packed.undo(scan_id=newest)) == (409, "undo_too_late")
    assert count("SB00001") == 2


def test_a_named_link_is_taken_back_by_its_own_station_only(packed):
    newest = Scan.objects.get(code="STAR44GG24611:0000002").scan_id
    other = Packer(packed.client, "PACK-2")
    other.scan("SB00002")
    assert said(other.undo(scan_id=newest)) == (409, "nothing_to_undo")
    assert count("SB00001") == 2


def test_a_scan_id_of_another_scan_moves_nothing(packed):
    packed.scan("SB00002")
    refused = packed.scan(label(1), "SB00002").json()["scan_id"]
    body = {"code": label(1), "parent": "SB00002", "from": "SB00001"}
    body["scanned_at"] = "2026-11-24T10:00:00+05:30"
    again = packed.post("/api/scans/move/", scan_id=refused, **body)
    assert said(again) == (409, "linked_elsewhere")
    assert again["Content-Type"] == "application/problem+json"
    other = packed.post("/api/scans/move/", scan_id=refused, **(body | {"code": label(2)}))
    assert said(other) == (422, "scan_id_reused")
    assert count("SB00002") == 0


def test_undo_is_for_the_station_itself(packed, sign_in, dispatcher):
    assert said(Packer(packed.client, "PACK-2").undo()) == (409, "nothing_to_undo")


def test_undo_reaches_back_one_hour(packed, settings, monkeypatch):
    monkeypatch.setattr("scanning.services.UNDO_WITHIN", timedelta(0))
    assert said(packed.undo()) == (409, "nothing_to_undo")


def test_undo_of_a_completed_parent_opens_it_again(packer):
    Product.objects.filter(pattern="SB#####").update(capacity=1)
    packer.scan("SB00001")
    packer.scan(label(1), "SB00001")
    assert packer.undo().json()["parent"]["status"] == "pending"


def test_undo_is_refused_once_the_parent_is_dispatched(packed):
    dispatch()
    assert said(packed.undo()) == (409, "parent_dispatched")
    assert Link.objects.count() == 2


def test_undo_skips_a_child_that_was_moved_on_by_another_station(packed):
    other = Packer(packed.client, "PACK-2")
    other.scan("SB00002")
    other.move(label(2), "SB00002", "SB00001")
    assert packed.undo().json()["child"] == "STAR44GG24611:0000001"
    assert count("SB00002") == 1


def test_move_takes_the_child_over_in_one_step_and_is_audited(packed, dispatcher):
    packed.scan("SB00002")
    answer = packed.move(label(1), "SB00002", "SB00001")
    assert said(answer) == (201, "linked")
    assert (count("SB00001"), count("SB00002")) == (1, 1)
    entry = Entry.objects.get(action="child.moved")
    assert (entry.before, entry.after) == ({"parent": "SB00001"}, {"parent": "SB00002"})
    assert entry.actor == dispatcher


def test_a_moved_child_can_be_taken_back_by_undo(packed):
    packed.scan("SB00002")
    packed.move(label(1), "SB00002", "SB00001")
    assert packed.undo().json()["parent"]["qr_id"] == "SB00002"


def test_move_asks_again_when_the_child_has_gone_elsewhere(packed):
    packed.scan("SB00002")
    packed.scan("SB00003")
    packed.move(label(1), "SB00003", "SB00001")
    answer = packed.move(label(1), "SB00002", "SB00001")
    assert said(answer) == (409, "linked_elsewhere")
    assert answer.json()["held_by"]["qr_id"] == "SB00003"
    assert count("SB00002") == 0


def test_move_into_a_full_parent_is_refused_and_leaves_the_child(packed):
    Bag.objects.create(qr_id="SB00002", type="parent", capacity=1, kg_per_child=1)
    packed.scan(label(3), "SB00002")
    assert said(packed.move(label(1), "SB00002", "SB00001")) == (409, "parent_full")
    assert (count("SB00001"), count("SB00002")) == (2, 1)


@pytest.mark.parametrize("dispatched", ["SB00001", "SB00002"])
def test_move_is_refused_when_either_parent_is_dispatched(packed, dispatched):
    packed.scan("SB00002")
    dispatch(dispatched)
    assert said(packed.move(label(1), "SB00002", "SB00001")) == (409, "parent_dispatched")
    assert count("SB00001") == 2


def test_move_out_of_a_dispatched_parent_says_which_one_has_left(packed):
    packed.scan("SB00002")
    dispatch("SB00001")
    answer = packed.move(label(1), "SB00002", "SB00001").json()
    assert answer["detail"].startswith("SB00001 has left on a bill.")
    assert answer["held_by"]["qr_id"] == "SB00001"


def test_a_refused_move_is_kept_as_a_scan(packed):
    assert said(packed.move(label(1), "SB00009", "SB00001")) == (404, "unknown_parent")
    kept = Scan.objects.latest("id")
    assert (kept.outcome, kept.parent_code, kept.code) == (
        "unknown_parent",
        "SB00009",
        "STAR44GG24611:0000001",
    )
    assert not Entry.objects.filter(action="child.moved").exists()


def test_move_of_a_child_in_no_parent_links_it(packed):
    packed.scan("SB00002")
    packed.undo()
    assert said(packed.move(label(2), "SB00002", "SB00001")) == (201, "linked")
    assert said(packed.move(label(9), "SB00002", "SB00001")) == (201, "linked")
    assert (count("SB00001"), count("SB00002")) == (1, 2)
    assert not Entry.objects.filter(action="child.moved").exists()


def test_move_of_a_child_that_is_there_already_does_no_harm(packed):
    packed.scan("SB00002")
    packed.move(label(1), "SB00002", "SB00001")
    assert said(packed.move(label(1), "SB00002", "SB00001")) == (200, "already_linked")


def test_the_same_move_again_changes_nothing(packed):
    packed.scan("SB00002")
    body = {"scan_id": str(uuid.uuid4()), "parent": "SB00002", "code": label(1), "from": "SB00001"}
    body["scanned_at"] = "2026-11-24T10:00:00+05:30"
    first = packed.post("/api/scans/move/", **body)
    again = packed.post("/api/scans/move/", **body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json() | {"replayed": True}
    assert Entry.objects.filter(action="child.moved").count() == 1


def test_finish_ends_an_under_filled_parent_and_packing_it_again_opens_it(packed):
    answer = packed.finish("sb00001")
    assert said(answer) == (200, "finished")
    assert answer.json()["parent"]["status"] == "completed"
    assert Entry.objects.filter(action="parent.finished", target_label="SB00001").count() == 1
    assert packed.scan(label(3), "SB00001").json()["parent"]["status"] == "in_progress"
    assert Bag.objects.get(qr_id="SB00001").status == "in_progress"


def test_finish_needs_a_parent_with_children_that_has_not_left(packed):
    packed.scan("SB00002")
    assert said(packed.finish("SB00002")) == (409, "empty_parent")
    assert said(packed.finish("SB00009")) == (404, "unknown_parent")
    dispatch("SB00001")
    assert said(packed.finish("SB00001")) == (409, "parent_dispatched")
