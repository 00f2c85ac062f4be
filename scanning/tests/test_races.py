"""Rules that many break at once, with real threads and connections.

Each race has a control: the same race with its defence taken out must break the rule, or the race
proves nothing.
"""

import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, transaction
from psycopg.errors import DeadlockDetected

from bags.models import Bag, Link
from scanning.models import Scan
from scanning.tests.conftest import Packer, label
from tracetrack.errors import database_is_away

pytestmark = pytest.mark.django_db(transaction=True)

# In a control, between look and deed: all have looked before the first has done it.
PAUSE = "PERFORM pg_sleep(0.5);"


def at_once(jobs: list[Callable]) -> list:
    """Run all jobs at the same moment, each on a thread and connection of its own."""
    barrier = Barrier(len(jobs))

    def run(job):
        try:
            connection.ensure_connection()
            barrier.wait(timeout=20)
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def outcomes(answers) -> Counter:
    return Counter(answer.json()["outcome"] for answer in answers)


@pytest.fixture
def without():
    """Take a defence out of a function or table, and put everything back in the end."""
    saved = []

    def source(name):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_functiondef(%s::regproc)", [name])
            return cursor.fetchone()[0]

    def take_out(function, text, instead=""):
        definition = source(function)
        assert text in definition
        saved.append(definition)
        run(definition.replace(text, instead))

    def drop(table, constraint):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s",
                [constraint],
            )
            definition = cursor.fetchone()[0]
        saved.append(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {definition}")
        run(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")

    def run(statement):
        with connection.cursor() as cursor:
            cursor.execute(statement)

    take_out.drop = drop
    yield take_out
    run(
        "SET session_replication_role = replica;"
        " TRUNCATE scanning_scan, bags_link, bags_bag CASCADE;"
        " SET session_replication_role = origin"
    )
    for statement in reversed(saved):
        run(statement)


def one_child_into_50_parents(packer):
    parents = [f"SB{number:05d}" for number in range(50)]
    for parent in parents:
        packer.scan(parent)
    return at_once([lambda parent=parent: packer.scan(label(1), parent) for parent in parents])


def test_one_child_into_50_parents_at_once_one_wins_and_49_are_told_who(packer):
    answers = one_child_into_50_parents(packer)
    assert outcomes(answers) == {"linked": 1, "linked_elsewhere": 49}
    holder = Link.objects.get().parent.qr_id
    told = {answer.json()["held_by"]["qr_id"] for answer in answers if answer.status_code == 409}
    assert told == {holder}
    assert sum(Bag.objects.parents().values_list("child_count", flat=True)) == 1


@pytest.mark.control
def test_control_without_the_unique_child_several_win(packer, without):
    name = "bags_link_child_id_key"
    without.drop("bags_link", name)
    without("scanning_link_child", "ON CONFLICT (child_id) DO NOTHING RETURNING id", "RETURNING id")
    packer.scan("SB90000")
    packer.scan(label(1), "SB90000")
    packer.undo()  # the child is known: only the link itself is raced for
    without(
        "scanning_link_child",
        "INSERT INTO bags_link",
        f"{PAUSE} INSERT INTO bags_link",
    )
    answers = one_child_into_50_parents(packer)
    assert outcomes(answers)["linked"] > 1


@pytest.fixture
def twenty_of_thirty(packer):
    packer.scan("SB00001")
    for number in range(20):
        packer.scan(label(number), "SB00001")


def forty_children_for_ten_places(packer):
    more = range(100, 140)
    return at_once([lambda n=n: packer.scan(label(n), "SB00001") for n in more])


def test_forty_children_into_ten_places_exactly_ten(packer, twenty_of_thirty):
    answers = forty_children_for_ten_places(packer)
    assert outcomes(answers) == {"linked": 9, "completed": 1, "parent_full": 30}
    assert Bag.objects.get(qr_id="SB00001").child_count == Link.objects.count() == 30
    assert Bag.objects.count() == 31


@pytest.mark.control
def test_control_without_the_lock_and_the_check_more_than_thirty(packer, twenty_of_thirty, without):
    without.drop("bags_bag", "bags_bag_shape")
    without("scanning_link_child", " FOR NO KEY UPDATE")
    without("scanning_link_child", "INSERT INTO bags_link", f"{PAUSE} INSERT INTO bags_link")
    forty_children_for_ten_places(packer)
    assert Link.objects.count() > 30


def test_the_check_alone_holds_the_capacity_too(packer, twenty_of_thirty, without):
    """Two defences: without the lock a scan fails and is sent again, but never a 31st child."""
    without("scanning_link_child", " FOR NO KEY UPDATE")
    packer.client.raise_request_exception = False
    forty_children_for_ten_places(packer)
    assert Link.objects.count() <= 30


def twenty_times_the_same(packer):
    scan_id = uuid.uuid4()
    packer.scan("SB00001")
    return at_once([lambda: packer.scan(label(1), "SB00001", scan_id)] * 20)


def test_the_same_scan_id_20_times_at_once_one_effect_and_one_answer(packer):
    answers = twenty_times_the_same(packer)
    bodies = [answer.json() for answer in answers]
    assert Counter(body.pop("replayed") for body in bodies) == {False: 1, True: 19}
    assert all(body == bodies[0] for body in bodies)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 19}
    assert (Scan.objects.count(), Link.objects.count()) == (2, 1)


@pytest.mark.control
def test_control_without_waiting_for_the_twin_it_counts_twice(packer, without):
    without.drop("scanning_scan", "scanning_scan_scan_id_unique")
    without(
        "scanning_recorded",
        "PERFORM pg_advisory_xact_lock(hashtextextended(p_scan_id::text, 0));",
    )
    without("scanning_link_child", "replayed := scan", f"{PAUSE} replayed := scan")
    twenty_times_the_same(packer)
    assert Scan.objects.count() > 2


def test_the_same_new_parent_at_20_stations_at_once_is_made_once(packer):
    answers = at_once([lambda: packer.scan("SB00001")] * 20)
    assert outcomes(answers) == {"parent_created": 1, "parent_opened": 19}
    assert Bag.objects.count() == 1


def test_one_new_child_scanned_at_once_by_20_into_one_parent(packer):
    packer.scan("SB00001")
    answers = at_once([lambda: packer.scan(label(1), "SB00001")] * 20)
    assert outcomes(answers) == {"linked": 1, "already_linked": 19}


def test_undo_20_times_at_once_takes_back_20_links(packer):
    packer.scan("SB00001")
    for number in range(20):
        packer.scan(label(number), "SB00001")
    answers = at_once([packer.undo] * 20)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["scan_id"] for answer in answers}) == 20
    assert Bag.objects.get(qr_id="SB00001").child_count == 0


def test_undo_that_waited_for_a_move_takes_the_next_newest(packer):
    packer.scan("SB00001")
    packer.scan(label(1), "SB00001")
    packer.scan(label(2), "SB00001")

    def undo():
        try:
            return packer.undo()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Bag.objects.select_for_update().get(qr_id="SB00001")
            Link.objects.order_by("-id").first().delete()
            waiting = pool.submit(undo)
            while not _someone_waits_for_a_lock():
                assert not waiting.done()
        assert waiting.result().json()["child"] == "STAR44GG24611:0000001"


def _someone_waits_for_a_lock():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]


def test_moves_scans_and_undos_across_parents_never_wait_in_a_circle(packer, monkeypatch):
    parents = [f"SB{number:05d}" for number in range(4)]
    for parent in parents:
        packer.scan(parent)
    for number in range(12):
        packer.scan(label(number), parents[number % 4])
    busy = []

    def noted(error):
        away = database_is_away(error)
        if away:
            busy.append(error.__cause__)
        return away

    monkeypatch.setattr("tracetrack.api.database_is_away", noted)

    def shuffle(seed):
        station = Packer(packer.client, f"PACK-{seed % 4}")
        for step in range(8):
            number = (seed * 5 + step * 7) % 12
            at, to = parents[(seed + step) % 4], parents[(seed + step + 1) % 4]
            answers = [station.move(label(number), to, at), station.scan(label(number), at)]
            if step % 4 == 3:
                answers.append(station.undo())
            assert {answer.status_code for answer in answers} <= {200, 201, 400, 409, 503}

    at_once([lambda seed=seed: shuffle(seed) for seed in range(16)])
    # On a busy machine a wait may become too long (503, sent again). A circle never may.
    assert not [error for error in busy if isinstance(error, DeadlockDetected)]
    for bag in Bag.objects.parents():
        assert bag.child_count == bag.links_to_children.count()
