"""The statistics are exact at any time, whatever changes the tables."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connection, transaction

from audit.models import Entry
from bags.models import Bag
from monitoring.models import Statistics, Tally, today_by_hour
from scanning.models import Station

COUNTS = """
SELECT (SELECT count(*) FROM bags_bag), (SELECT count(*) FROM bags_bag WHERE type = 'parent'),
    (SELECT count(*) FROM bags_bag WHERE type = 'child'), (SELECT count(*) FROM bags_link),
    (SELECT count(*) FROM scanning_scan), (SELECT count(*) FROM accounts_user),
    (SELECT count(*) FROM bags_bag b WHERE child_count <>
        (SELECT count(*) FROM bags_link l WHERE l.parent_id = b.id))
"""


def run(statement, values=None):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else None


def shown():
    row = Statistics.objects.get()
    return (
        row.total_bags,
        row.parent_bags,
        row.child_bags,
        row.links,
        row.total_scans,
        row.total_users,
        0,
    )


def recount(*arguments):
    out = StringIO()
    call_command("recount", *arguments, stdout=out)
    return out.getvalue()


def add_children(prefix, count):
    run(
        "INSERT INTO bags_bag (qr_id, type) SELECT %s || n, 'child' FROM generate_series(1, %s) n",
        [prefix, count],
    )


@pytest.mark.django_db
def test_an_empty_ledger_still_has_one_row():
    Tally.objects.all().delete()
    assert run("SELECT count(*) FROM statistics_cache") == [(1,)]
    assert shown() == (0,) * 7


@pytest.mark.django_db
def test_each_row_counts_once_and_a_rollback_does_not_count():
    Bag.objects.create(qr_id="SB00001", type="parent", capacity=30, kg_per_child=1)
    add_children("K", 5)
    with transaction.atomic():
        add_children("L", 5)
        transaction.set_rollback(True)
    Bag.objects.get(qr_id="K5").delete()
    assert shown()[:4] == (5, 1, 4, 0)


@pytest.mark.django_db
def test_copy_counts():
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY bags_bag (qr_id, type) FROM STDIN") as copy,
    ):
        for number in range(1000):
            copy.write_row((f"C{number}", "child"))
    assert shown()[2] == 1000


def _shuffle(seed):
    """A worker's random work: scans, bulk SQL, removals, rollbacks, folds."""
    chance = random.Random(seed)  # noqa: S311  repeatable on purpose
    user = run("SELECT min(id) FROM accounts_user")[0][0]
    try:
        for step in range(60):
            kind = chance.choice(["scan", "scan", "scan", "bulk", "remove", "rollback", "fold"])
            with transaction.atomic():
                if kind == "scan":
                    _scan(chance, user, f"S{seed}-{step}")
                elif kind == "remove":
                    run("DELETE FROM bags_link WHERE id = (SELECT min(id) FROM bags_link)")
                elif kind == "fold":
                    run("SELECT monitoring_fold()")
                else:
                    add_children(f"B{seed}-{step}-", chance.randint(0, 20))
                if kind == "rollback":
                    transaction.set_rollback(True)
    finally:
        connection.close()


def _scan(chance, user, code):
    run(
        "SELECT scanning_link_child(gen_random_uuid(), 'PACK-1', %s, %s, %s, %s, 'plain', '', '',"
        " NULL, now())",
        [user, code, f"SB{chance.randint(1, 5):05d}", code],
    )


@pytest.mark.django_db(transaction=True)
def test_random_work_on_many_connections_leaves_every_count_exact(dispatcher):
    for number in range(1, 6):
        Bag.objects.create(qr_id=f"SB{number:05d}", type="parent", capacity=30, kg_per_child=1)
    Station.objects.create(name="PACK-1")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(_shuffle, range(8)))
    assert run(COUNTS)[0] == shown()
    assert "right" in recount("--check")


@pytest.mark.django_db
def test_folding_changes_no_number_and_keeps_the_ledger_short():
    for number in range(50):
        add_children(f"F{number}-", 3)
    before = shown()
    run("SELECT monitoring_fold()")
    assert shown() == before
    assert Tally.objects.count() <= 5


@pytest.mark.django_db
def test_recount_names_the_drift_and_mends_it(dispatcher):
    Bag.objects.create(qr_id="SB00001", type="parent", capacity=30, kg_per_child=1)
    assert "right" in recount("--check")
    Tally.objects.create(name="links", n=7)
    run("SET LOCAL session_replication_role = replica")  # as a broken disk would
    run("UPDATE bags_bag SET child_count = 3 WHERE qr_id = 'SB00001'")
    run("SET LOCAL session_replication_role = origin")
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("recount", "--check", stdout=out)
    assert "links: the statistics say 7, there are 0" in out.getvalue()
    assert "SB00001: its child_count is 3, there are 0" in out.getvalue()
    assert "Mended" in recount()
    assert "right" in recount("--check")
    assert Entry.objects.get(action="counts.mended").before == {"links": 7, "SB00001": 3}


@pytest.mark.django_db
def test_what_can_not_be_mended_is_named_and_the_rest_is_mended():
    Bag.objects.create(qr_id="SB00001", type="parent", capacity=1, kg_per_child=1)
    add_children("K", 2)
    run("SET LOCAL session_replication_role = replica")  # past the capacity, as nobody else can
    run(
        "INSERT INTO bags_link (child_id, parent_id) SELECT child.id, parent.id"
        " FROM bags_bag child, bags_bag parent"
        " WHERE child.type = 'child' AND parent.type = 'parent'"
    )
    run("SET LOCAL session_replication_role = origin")
    assert "SB00001 can't be mended" in recount()
    with pytest.raises(CommandError):
        call_command("recount", "--check", stdout=StringIO())
    assert Statistics.objects.get().links == 2


@pytest.mark.django_db
def test_a_missing_trigger_is_reported():
    call_command("check", database=["default"])
    run("DROP TRIGGER bags_count_made ON bags_link")
    with pytest.raises(SystemCheckError, match="bags_count_made on bags_link"):
        call_command("check", database=["default"])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("zone", "slot", "hour"),
    [
        ("Asia/Kolkata", datetime(2026, 11, 24, 6, 15, tzinfo=UTC), 11),  # 11:45 on the wall
        ("UTC", datetime(2026, 11, 24, 6, 15, tzinfo=UTC), 6),
    ],
)
def test_today_by_hour_is_the_warehouses_day(settings, monkeypatch, zone, slot, hour):
    settings.TIME_ZONE = zone
    now = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    Tally.objects.create(name="scans", slot=slot, n=4)
    Tally.objects.create(name="scans", slot=datetime(2026, 11, 23, 18, 0, tzinfo=UTC), n=9)
    assert [(at.hour, n) for at, n in today_by_hour() if n] == [(hour, 4)]


@pytest.mark.django_db
def test_the_api_gives_the_one_row(sign_in, dispatcher):
    add_children("K", 3)
    body = sign_in(dispatcher).get("/api/stats").json()
    assert set(body) == {
        "total_bags",
        "parent_bags",
        "child_bags",
        "links",
        "total_scans",
        "total_bills",
        "total_users",
        "as_of",
    }
    assert (body["child_bags"], body["total_users"]) == (3, 1)


def test_alive_without_a_database(client):
    """No database mark on this test: a query would fail it."""
    client.cookies["sessionid"] = "anything"
    assert client.get("/health").json() == {"status": "ok"}


@pytest.mark.django_db
def test_ready_when_migrated(client, monkeypatch):
    assert client.get("/ready").status_code == 200
    monkeypatch.setattr(
        "django.db.migrations.executor.MigrationExecutor.migration_plan", lambda *_: ["one"]
    )
    assert client.get("/ready").json() == {"status": "migrations_pending"}
