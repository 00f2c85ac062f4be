"""What a queue can break when it is sent twice at once, with real threads and connections."""

import json
import uuid
from collections import Counter

import pytest

from bags.models import Bag, Link
from scanning.models import Device, Scan, ScanException, Undo, Verdict
from scanning.tests.conftest import Queue, label
from scanning.tests.test_races import at_once, without  # noqa: F401  a fixture

pytestmark = pytest.mark.django_db(transaction=True)


def busy_day(queue):
    """A batch with each kind of item, sent eight times at once. Returns the eight lists."""
    queue.send(queue.scan("SB00001"), queue.scan("SB00002"))
    one, two, three = (queue.scan(label(n), "SB00001") for n in (1, 2, 3))
    items = [one, two, three, queue.undo(), queue.move(label(1), "SB00002", "SB00001")]
    items += [queue.finish("SB00001"), queue.scan(label(4), "SB00001"), queue.undo(two)]
    items += [queue.scan(label(9), "SB00009", late=True)]
    return at_once([lambda: queue.send(*items)] * 8)


def test_a_batch_sent_eight_times_at_once_has_one_effect_and_one_answer(queue):
    answers = busy_day(queue)
    firsts = Counter()
    for verdicts in zip(*answers, strict=True):
        told = {
            (
                v["outcome"],
                json.dumps(v["parent"], sort_keys=True),
                v.get("scan_id"),
                v["exception"],
            )
            for v in verdicts
        }
        assert len(told) == 1, told
        firsts[sum(not verdict["replayed"] for verdict in verdicts)] += 1
    assert firsts == {1: 9}
    assert [verdict["outcome"] for verdict in answers[0]] == [
        *("linked", "linked", "linked", "undone", "linked", "finished", "linked", "undone"),
        "unknown_parent",
    ]
    assert (Scan.objects.count(), Link.objects.count()) == (8, 2)
    assert (Undo.objects.count(), Verdict.objects.count()) == (2, 3)
    assert ScanException.objects.count() == 1
    assert [list(device.gaps) for device in Device.objects.with_gaps()] == [[]]


@pytest.mark.control
def test_control_without_waiting_for_the_twin_of_an_item(queue, without):  # noqa: F811
    lock = "PERFORM pg_advisory_xact_lock(hashtextextended(p_item_id::text, 0));"
    without("scanning_begin_item", lock)
    answers = busy_day(queue)
    assert "server_error" in {verdict["outcome"] for verdicts in answers for verdict in verdicts}


def two_people_with_one_device(queue, biller, sign_in):
    other = Queue(sign_in(biller), device=queue.device)
    items = [(person, person.scan(f"SB{n:05d}")) for n in range(8) for person in (queue, other)]
    return at_once([lambda who=who, item=item: who.post(item) for who, item in items])


def test_a_device_belongs_to_whoever_was_first(queue, biller, sign_in):
    answers = two_people_with_one_device(queue, biller, sign_in)
    assert Counter(answer.status_code for answer in answers) == {200: 8, 401: 8}
    assert {scan.user for scan in Scan.objects.all()} == {Device.objects.get().user}


@pytest.mark.control
def test_control_without_a_look_at_whose_device_it_is(queue, biller, sign_in, without):  # noqa: F811
    without(
        "scanning_device_id", "CASE device.user_id WHEN p_user_id THEN device.id END", "device.id"
    )
    answers = two_people_with_one_device(queue, biller, sign_in)
    assert Counter(answer.status_code for answer in answers) == {200: 16}


def test_two_who_decide_at_once_one_wins(queue, packer, biller, dispatcher, sign_in):
    packer.scan("SB00001")
    for place, number in enumerate(range(5)):
        parent = f"SB1000{place}"
        packer.scan(parent)
        packer.scan(label(number), parent)
        queue.send(queue.scan(label(number), "SB00001", late=True))
        path = f"/api/exceptions/{ScanException.objects.latest('id').pk}/resolve"

        def decide(person, resolution, path=path):
            body = {"resolution": resolution, "item_id": str(uuid.uuid4())}
            return sign_in(person).post(path, body, "application/json")

        answers = at_once([lambda: decide(biller, "moved"), lambda: decide(dispatcher, "kept")] * 3)
        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 5}
        done = ScanException.objects.get(pk=path.split("/")[3])
        moved = Link.objects.get(child__qr_id=done.scan.code).parent.qr_id == "SB00001"
        assert moved == (done.resolution == "moved")


def test_a_switch_to_the_same_new_parent_at_20_stations_makes_it_once(queue):
    queue.send(*(queue.scan(f"SB{n:05d}") for n in range(20)))
    items = [queue.scan("SB99999", f"SB{n:05d}") for n in range(20)]
    answers = at_once([lambda item=item: queue.send(item)[0] for item in items])
    assert Counter(answer["outcome"] for answer in answers) == {
        "parent_created": 1,
        "parent_opened": 19,
    }
    assert Bag.objects.count() == 21


def move_to_and_fro(queue, packer):
    """Two tabs of one device, each with parents in the other order. Returns the outcomes."""
    for number in range(4):
        packer.scan(f"SB{number:05d}")
    packer.scan(label(1), "SB00000")
    packer.scan(label(2), "SB00001")

    def shuffle(seed):
        tab = Queue(queue.client, f"PACK-{seed % 2}", queue.device)
        said = []
        for step in range(6):
            at, to = (seed + step) % 4, (seed + 3 * step + 1) % 4
            child = label(1 + (seed + step) % 2)
            items = [tab.move(child, f"SB{to:05d}", f"SB{at:05d}"), tab.undo()]
            items += [tab.scan(child, f"SB{at:05d}"), tab.finish(f"SB{to:05d}")]
            for item in items:
                said.append(tab.post(item))
        return said

    answers = at_once([lambda seed=seed: shuffle(seed) for seed in range(8)])
    said = [answer for tab in answers for answer in tab]
    assert not [answer for answer in said if b"server_error" in answer.content]
    return Counter(answer.status_code for answer in said)


@pytest.fixture
def circles(monkeypatch):
    """The deadlocks that were met."""
    from psycopg.errors import DeadlockDetected

    from tracetrack.errors import database_is_away

    met = []

    def noted(error):
        if isinstance(getattr(error, "__cause__", None), DeadlockDetected):
            met.append(error)
        return database_is_away(error)

    monkeypatch.setattr("scanning.batch.database_is_away", noted)
    return met


def test_tabs_of_one_device_never_wait_in_a_circle(queue, packer, circles):
    statuses = move_to_and_fro(queue, packer)
    assert not circles
    assert set(statuses) <= {200, 503}
    for bag in Bag.objects.parents():
        assert bag.child_count == bag.links_to_children.count()


@pytest.mark.control
def test_control_the_device_locked_first_makes_a_circle(queue, circles, without):  # noqa: F811
    """A finish holds the device and wants the parent, a scan holds the parent and wants the device.

    Both wait a little between, so that they meet every time.
    """
    queue.send(queue.scan("SB00001"))
    without(
        "scanning_begin_item",
        "PERFORM pg_advisory",
        "PERFORM FROM scanning_device WHERE id = sender FOR UPDATE; PERFORM pg_sleep(1);"
        " PERFORM pg_advisory",
    )
    slowly = "PERFORM pg_sleep(0.5); PERFORM scanning_hear"
    without("scanning_link_child", "PERFORM scanning_hear", slowly)
    scan, finish = queue.scan(label(1), "SB00001"), queue.finish("SB00001")
    at_once([lambda: queue.post(scan), lambda: queue.post(finish)])
    assert circles
