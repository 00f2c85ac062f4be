"""What was refused when nobody looked waits for a person's decision, and is decided once."""

import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from audit.models import Entry
from bags.models import Link
from billing.tests.trucks import dispatch, recall
from scanning.models import Scan, ScanException, Undo
from scanning.tests.conftest import Queue, label

pytestmark = pytest.mark.django_db


class Inbox:
    def __init__(self, client):
        self.client = client

    def listed(self, **query):
        answer = self.client.get("/api/exceptions/", query)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def resolve(self, exception, resolution, reason="", item_id=None):
        body = {"resolution": resolution, "reason": reason, "item_id": item_id or str(uuid.uuid4())}
        path = f"/api/exceptions/{exception.pk}/resolve"
        return self.client.post(path, body, "application/json")


def said(answer):
    body = answer.json()
    return answer.status_code, body.get("code") or body["resolution"]


@pytest.fixture
def inbox(biller, sign_in):
    return Inbox(sign_in(biller))


@pytest.fixture
def undo_left(queue) -> ScanException:
    """Ravi's late undo of a link, whose parent had left."""
    queue.send(queue.scan("SB00001"))
    item = queue.scan(label(1), "SB00001")
    queue.send(item)
    dispatch()
    queue.send(queue.undo(item, late=True))
    return ScanException.objects.get()


def holder():
    return Link.objects.get().parent.qr_id


def test_the_list_tells_what_happened_and_who_holds_the_child_now(inbox, elsewhere):
    body = inbox.listed()
    [row] = body["results"]
    assert body["open"] == 1
    held = row.pop("held_by")
    assert (held["qr_id"], held["by"], held["station"]) == ("SB00002", "Ravi", "PACK-2")
    assert row.pop("opened_at").endswith("Z")
    assert row == {
        "id": elsewhere.pk,
        "kind": "scan",
        "outcome": "linked_elsewhere",
        "detail": "STAR44GG24611:0000001 is in SB00002.",
        "code": "STAR44GG24611:0000001",
        "parent": "SB00001",
        "station": "PACK-1",
        "by": "Ravi",
        "happened_at": "2026-11-24T04:30:00Z",
        "may_move": True,
        "may_resolve": True,
    }
    Link.objects.all().delete()
    assert inbox.listed()["results"][0]["held_by"] is None


def test_the_list_of_an_undo_says_what_was_to_be_taken_out(inbox, undo_left):
    [row] = inbox.listed()["results"]
    assert (row["kind"], row["code"], row["parent"]) == (
        "undo",
        "STAR44GG24611:0000001",
        "SB00001",
    )
    assert "to be taken out of SB00001" in row["detail"]
    assert row["may_move"]


def test_what_is_no_code_or_no_child_can_not_be_moved(inbox, queue, packer):
    packer.scan("SB00001")
    packer.scan("SB00002")
    queue.send(queue.scan("?", "SB00001", late=True))
    queue.send(queue.scan("SB00002", "SB00001", late=True) | {"switch": False})
    queue.send(queue.scan(label(1), late=True))
    rows = inbox.listed()["results"]
    assert [(row["outcome"], row["may_move"]) for row in rows] == [
        ("bad_code", False),
        ("is_parent", False),
        ("is_child", False),
    ]
    assert rows[0]["code"] == "?"
    answer = inbox.resolve(ScanException.objects.first(), "moved")
    assert said(answer) == (422, "nothing_to_move")


def test_the_list_by_station_and_of_mine(inbox, elsewhere, queue, dispatcher, sign_in):
    assert inbox.listed(station="pack-1")["open"] == 1
    assert inbox.listed(station="PACK-2") == {"results": [], "open": 0}
    assert inbox.listed(mine="1")["open"] == 0
    assert Inbox(sign_in(dispatcher)).listed(mine="1")["open"] == 1


def test_a_packer_sees_and_decides_their_own_only(elsewhere, dispatcher, sign_in):
    values = {"role": "dispatcher", "password": "x"}
    other = Inbox(sign_in(User.objects.create_user("gita", **values)))
    assert other.listed()["open"] == 0
    assert said(other.resolve(elsewhere, "kept")) == (403, "permission_denied")
    assert ScanException.objects.open().count() == 1
    own = Inbox(sign_in(dispatcher))
    assert own.listed()["results"][0]["may_resolve"]
    assert said(own.resolve(elsewhere, "kept")) == (200, "kept")


def test_the_list_is_three_queries_and_one_more_to_count(inbox, queue, elsewhere):
    for _again in range(5):
        queue.send(queue.scan(label(1), "SB00001", late=True))
    with CaptureQueriesContext(connection) as queries:
        assert len(inbox.listed()["results"]) == 6
    assert len(queries) == 4  # session, user, list, count


@pytest.mark.parametrize("reason", ["", "   "])
def test_dismissing_needs_a_reason(inbox, elsewhere, reason):
    assert said(inbox.resolve(elsewhere, "dismissed", reason)) == (422, "reason_needed")
    assert said(inbox.resolve(elsewhere, "dismissed", "x" * 501)) == (400, "invalid")
    assert ScanException.objects.open().exists()


def test_dismissed_with_a_reason(inbox, elsewhere, biller):
    assert said(inbox.resolve(elsewhere, "dismissed", " Test label. ")) == (200, "dismissed")
    done = ScanException.objects.get()
    assert (done.resolution, done.reason, done.resolved_by) == ("dismissed", "Test label.", biller)
    assert holder() == "SB00002"
    entry = Entry.objects.get(action="exception.resolved")
    assert (entry.actor, entry.reason) == (biller, "Test label.")
    assert entry.after == {"resolution": "dismissed"}
    assert inbox.listed() == {"results": [], "open": 0}


def test_kept_leaves_the_child_where_it_is(inbox, elsewhere):
    assert said(inbox.resolve(elsewhere, "kept")) == (200, "kept")
    assert holder() == "SB00002"


def test_moved_puts_the_child_where_it_was_scanned(inbox, elsewhere, biller):
    item_id = uuid.uuid4()
    assert said(inbox.resolve(elsewhere, "moved", item_id=str(item_id))) == (200, "moved")
    assert holder() == "SB00001"
    scan = Scan.objects.get(scan_id=item_id)
    assert (scan.outcome, scan.user, scan.station.name) == ("linked", biller, "PACK-1")
    assert not scan.late
    assert Entry.objects.filter(action="child.moved").count() == 1


def test_moved_links_a_child_that_nobody_holds_by_now(inbox, elsewhere):
    Link.objects.all().delete()
    assert said(inbox.resolve(elsewhere, "moved")) == (200, "moved")
    assert holder() == "SB00001"


def test_a_move_that_is_refused_leaves_it_open_and_is_kept_as_a_scan(inbox, elsewhere):
    dispatch("SB00002")
    item_id = uuid.uuid4()
    answer = inbox.resolve(elsewhere, "moved", item_id=str(item_id))
    assert said(answer) == (409, "parent_dispatched")
    assert Scan.objects.get(scan_id=item_id).outcome == "parent_dispatched"
    assert ScanException.objects.open().count() == 1
    assert not Entry.objects.filter(action="exception.resolved").exists()
    assert said(inbox.resolve(elsewhere, "kept")) == (200, "kept")


def test_moved_takes_out_what_was_to_be_undone(inbox, undo_left, biller, monkeypatch):
    assert said(inbox.resolve(undo_left, "moved")) == (409, "parent_dispatched")
    recall()
    monkeypatch.setattr("scanning.services.UNDO_WITHIN", timedelta(0))  # the hour is over
    assert said(inbox.resolve(undo_left, "moved")) == (200, "moved")
    assert not Link.objects.exists()
    assert Undo.objects.get().undone_by == biller


def test_it_is_decided_once(inbox, elsewhere):
    inbox.resolve(elsewhere, "kept")
    answer = inbox.resolve(elsewhere, "dismissed", "No.")
    assert said(answer) == (409, "already_resolved")
    assert (answer.json()["resolution"], answer.json()["resolved_by"]) == ("kept", "Meena")
    assert Entry.objects.filter(action="exception.resolved").count() == 1


def test_what_is_not_there_can_not_be_decided(inbox, elsewhere):
    assert said(inbox.resolve(ScanException(pk=999), "kept")) == (404, "not_found")
    assert said(inbox.resolve(ScanException(pk=10**30), "kept")) == (404, "not_found")
    assert said(inbox.resolve(elsewhere, "forgotten")) == (400, "invalid")


def test_strangers_see_nothing(client):
    assert client.get("/api/exceptions/").status_code == 401


RESOLVE = "UPDATE scanning_scanexception SET resolved_at = now(), resolved_by_id = user_id"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE scanning_scanexception SET outcome = 'linked'",
        RESOLVE + ", resolution = 'kept', outcome = 'linked'",
        RESOLVE + ", resolution = 'kept', opened_at = now()",
        "UPDATE scanning_scanexception SET resolved_at = NULL",
        "DELETE FROM scanning_scanexception",
        "TRUNCATE scanning_scanexception",
    ],
)
def test_an_exception_can_not_be_rewritten(elsewhere, statement):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(IntegrityError, match="resolved once"):
            cursor.execute(statement)
        transaction.set_rollback(True)


def test_nor_one_that_is_resolved(inbox, elsewhere):
    inbox.resolve(elsewhere, "kept")
    with transaction.atomic(), connection.cursor() as cursor:
        with pytest.raises(IntegrityError, match="resolved once"):
            cursor.execute("UPDATE scanning_scanexception SET reason = 'because'")
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    "statement",
    [
        RESOLVE + ", resolution = 'dismissed'",
        RESOLVE,
        "UPDATE scanning_scanexception SET resolved_at = now(), resolution = 'kept'",
    ],
)
def test_half_a_decision_is_none(elsewhere, statement):
    with transaction.atomic(), connection.cursor() as cursor:
        with pytest.raises(IntegrityError, match="scanning_exception_resolved"):
            cursor.execute(statement)
        transaction.set_rollback(True)


def test_a_verdict_can_not_be_rewritten(undo_left):
    with transaction.atomic(), connection.cursor() as cursor:
        with pytest.raises(IntegrityError, match="never changed"):
            cursor.execute("UPDATE scanning_verdict SET body = '{}'")
        transaction.set_rollback(True)


def test_the_back_office_shows_exceptions_and_devices(elsewhere, queue, biller, sign_in):
    queue.scan(label(7), "SB00001")
    queue.send(queue.scan(label(8), "SB00001"))
    client = sign_in(biller)
    for path in ("scanexception", "device"):
        assert client.get(f"/admin/scanning/{path}/").status_code == 200
        assert client.get(f"/admin/scanning/{path}/add/").status_code == 403
    page = client.get(f"/admin/scanning/scanexception/{elsewhere.pk}/change/")
    assert "linked_elsewhere" in page.content.decode()
    assert 'name="_save"' not in page.content.decode()
    listed = client.get("/admin/scanning/device/").content.decode()
    assert '<td class="field-lost">2</td>' in listed
    device = client.get(f"/admin/scanning/device/{elsewhere.scan.device_id}/change/")
    assert 'name="_save"' not in device.content.decode()


def test_a_device_of_another_person_can_have_no_part_in_it(queue, biller, sign_in):
    """A supervisor's own queue is another one, also in the same browser."""
    queue.send(queue.scan("SB00001"))
    other = Queue(sign_in(biller))
    other.send(other.scan(label(1), "SB00001"))
    assert {str(scan.device) for scan in Scan.objects.all()} == {queue.device, other.device}
