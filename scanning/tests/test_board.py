"""The station board: what it says of each station, to whom, and what that costs."""

import re
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from psycopg.types.multirange import Int8Multirange
from psycopg.types.range import Range

from bags.models import Bag
from scanning import boards, sql
from scanning.models import Device, Scan, ScanException, Station

pytestmark = pytest.mark.django_db

BOARD, LIVE = "/stations/", "/stations/live/"


def station(name="PACK-1", **fields):
    return Station.objects.get_or_create(name=name, defaults=fields)[0]


def device(user, at="PACK-1", heard=(), ago=5, **fields):
    """A device whose numbers in `heard` got a verdict; last heard `ago` seconds ago."""
    runs = Int8Multirange([Range(first, last + 1, "[)") for first, last in heard])
    return Device.objects.create(
        device_id=uuid.uuid4(),
        user=user,
        station=station(at) if at else None,
        heard=runs,
        heard_at=timezone.now() - timedelta(seconds=ago),
        **fields,
    )


def lane(name="PACK-1"):
    return next(one for one in boards.lanes(timezone.now()) if one.name == name)


def said(name="PACK-1"):
    """Its problems, the loud ones with an exclamation mark."""
    return [one.text + "!" * one.loud for one in lane(name).problems]


def words(client, path=BOARD):
    """The page's text without tags, with single spaces."""
    text = re.sub(r"<[^>]*>", " ", client.get(path).content.decode())
    return re.sub(r"\s+", " ", text)


def age_scans(minutes):
    """Scans can't be rewritten, but in a test time can pass."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        Scan.objects.update(recorded_at=timezone.now() - timedelta(minutes=minutes))
        cursor.execute("SET LOCAL session_replication_role = origin")


# --- Who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [BOARD, LIVE])
def test_supervisors_may_look_and_nobody_else(
    path, client, dispatcher, biller, admin_user, sign_in
):
    assert client.get(path).status_code == 302
    assert sign_in(dispatcher).get(path).status_code == 403
    for person in (biller, admin_user):
        answer = sign_in(person).get(path)
        assert answer.status_code == 200
        assert "no-store" in answer["Cache-Control"]


def test_the_header_leads_there_only_those_who_may(dispatcher, biller, sign_in):
    link = 'href="/stations/"'
    assert link not in sign_in(dispatcher).get("/dashboard/").content.decode()
    assert link in sign_in(biller).get("/dashboard/").content.decode()


# --- What it says ---------------------------------------------------------------------------------


def test_a_station_with_its_person_parent_and_scans(packer, biller, sign_in):
    packer.scan("SB00001")
    for code in ("KID-1", "KID-2", "KID-3", "?#!", "SB00001"):
        packer.scan(code, "SB00001")
    packer.undo()
    found = lane()
    assert (found.person, found.parent_code) == ("Ravi", "SB00001")
    assert (found.child_count, found.capacity) == (2, 30)
    assert (found.scans, found.refused, found.links, found.undone) == (6, 2, 3, 1)
    assert found.rate == 0.6
    assert found.minutes[-1] == 6
    text = words(sign_in(biller))
    assert "PACK-1 Ravi SB00001 2 of 30" in text
    assert "33.3 % 2" in text  # of its scans were refused
    assert "33.3 % 1" in text  # of its links were taken back


def test_a_parent_that_is_full_is_not_open(packer):
    Bag.objects.create(qr_id="SB00001", type="parent", capacity=1, kg_per_child=1)
    packer.scan("KID-1", "SB00001")
    assert lane().parent_code is None


def test_what_came_late_is_no_speed(packer):
    packer.scan("SB00001")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        Scan.objects.update(late=True)
        cursor.execute("SET LOCAL session_replication_role = origin")
    assert (lane().scans, lane().late, lane().rate) == (1, 1, 0)


def test_old_scans_are_no_speed_either(packer):
    packer.scan("SB00001")
    age_scans(11)
    assert (lane().scans, lane().seen) == (0, "11 min ago")
    age_scans(60 * 5)
    assert lane().seen == "5 h ago"


def test_the_device_that_was_heard_last_says_who_is_here(packer, biller, dispatcher):
    packer.scan("SB00001")
    packer.scan("KID-1", "SB00001")
    age_scans(1)
    device(dispatcher, ago=50)
    device(biller, ago=5, parent_code="SB00001")
    assert (lane().person, lane().parent_code, lane().child_count) == ("Meena", "SB00001", 1)
    assert lane().seen == "now"
    device(dispatcher, ago=0)
    assert (lane().person, lane().parent_code) == ("Ravi", "")


def test_a_code_that_is_no_parent_is_shown_and_leads_nowhere(dispatcher, biller, sign_in):
    device(dispatcher, parent_code="SB99999")
    text = sign_in(biller).get(BOARD).content.decode()
    assert "SB99999" in text
    assert "/bags/SB99999" not in text


def test_what_waits_is_the_sum_of_its_devices(dispatcher, biller):
    device(dispatcher, waiting=3)
    device(biller, waiting=4)
    assert lane().waiting == 7
    assert said() == []


def test_a_silent_device_with_scans_is_loud(dispatcher, biller, sign_in):
    device(dispatcher, waiting=12, ago=121)
    assert said() == ["12 scans wait unsent on a device of Ravi, last heard 2 min ago.!"]
    assert 'class="lane loud"' in sign_in(biller).get(BOARD).content.decode()
    assert "One station needs you." in words(sign_in(biller))


def test_a_silent_device_without_scans_is_not(dispatcher):
    device(dispatcher, waiting=0, ago=3600)
    assert said() == []


def test_someone_elses_scans_wait_on_while_another_works_there(dispatcher, biller):
    device(dispatcher, waiting=1, ago=14 * 60)
    device(biller, ago=1)
    assert lane().person == "Meena"
    assert said() == ["1 scan waits unsent on a device of Ravi, last heard 14 min ago.!"]


@pytest.mark.parametrize(
    ("heard", "issued", "expected"),
    [
        ([(1, 40)], 40, []),
        ([(1, 16), (20, 40)], 40, ["3 scans of Ravi never arrived: numbers 17-19.!"]),
        ([(2, 40)], 40, ["1 scan of Ravi never arrived: number 1.!"]),
        ([(1, 3), (5, 6), (9, 40)], 40, ["3 scans of Ravi never arrived: numbers 4, 7-8.!"]),
        ([(n, n) for n in range(1, 21, 2)], 19, ["9 scans of Ravi never arrived: numbers 2, 4, 6, 8, 10, ….!"]),  # noqa: E501
    ],
)  # fmt: skip
def test_gaps_in_plain_words(dispatcher, heard, issued, expected):
    device(dispatcher, heard=heard, issued=issued)
    assert said() == expected


def test_the_newest_numbers_may_be_on_their_way(dispatcher):
    late = device(dispatcher, heard=[(1, 40)], issued=45, ago=5)
    assert said() == []
    late.heard_at -= timedelta(seconds=20)
    late.save()
    assert said() == ["5 scans of Ravi never arrived: numbers 41-45.!"]
    assert lane().lost == 5


def test_a_gap_is_not_lost_while_something_waits_there(dispatcher):
    device(dispatcher, heard=[(1, 16), (18, 40)], issued=45, waiting=5)
    assert said() == ["1 scan of Ravi has not come yet: number 17."]
    assert lane().lost == 0


def test_a_device_that_was_not_heard_for_a_week_is_not_shown(dispatcher):
    device(dispatcher, waiting=3, ago=6 * 24 * 3600)
    assert lane().waiting == 3
    Device.objects.update(heard_at=timezone.now() - timedelta(days=8))
    assert lane().waiting == 0


def test_a_device_without_a_station_is_not_forgotten(dispatcher):
    device(dispatcher, at=None, waiting=2, ago=600)
    assert said("no station") == [
        "2 scans wait unsent on a device of Ravi, last heard 10 min ago.!"
    ]


def test_trouble_first_then_work_then_the_rest(dispatcher, packer, biller, sign_in):
    device(dispatcher, at="PACK-10", ago=1)
    device(dispatcher, at="PACK-9", ago=1)
    device(dispatcher, at="PACK-1", ago=3600)
    device(dispatcher, at="PACK-11", ago=1)
    device(dispatcher, at="PACK-2", ago=7200, waiting=3)
    ScanException.objects.create(
        item_id=uuid.uuid4(),
        kind="undo",
        outcome="parent_dispatched",
        station=station("PACK-11"),
        user=dispatcher,
        happened_at=timezone.now(),
    )
    station("OLD-1")
    station("GONE-1", is_active=False)
    names = [one.name for one in boards.lanes(timezone.now())]
    assert names[:5] == ["PACK-2", "PACK-11", "PACK-9", "PACK-10", "PACK-1"]
    page = sign_in(biller).get(BOARD).content.decode()
    assert "GONE-1" not in page
    assert page.index("PACK-1<") < page.index("Quiet for a day or longer") < page.index("OLD-1")
    assert "/exceptions/?station=PACK-11" in page


def test_a_station_that_fell_silent_with_a_parent_open_stands_out(dispatcher):
    device(dispatcher, ago=300, parent_code="SB00001")
    assert lane().fell_silent
    Device.objects.update(parent_code="")
    assert not lane().fell_silent


def test_many_refusals_stand_out(packer, biller, sign_in):
    packer.scan("SB00001")
    for number in range(9):
        packer.scan("?#!" if number < 2 else f"KID-{number}", "SB00001")
    assert lane().refuses_many  # 2 of 10
    packer.scan("KID-99", "SB00001")
    assert not lane().refuses_many


def test_a_refusal_among_few_scans_does_not(packer):
    packer.scan("SB00001")
    packer.scan("?#!", "SB00001")
    assert not lane().refuses_many


def test_without_a_device_the_last_scan_says_who_is_here(packer, biller, sign_in):
    packer.scan("SB00001")
    packer.client = sign_in(biller)
    packer.scan("SB00002")
    assert (lane().person, lane().parent_code) == ("Meena", "SB00002")


# --- What it costs --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [BOARD, LIVE])
def test_five_queries_whatever_the_number_of_stations(path, packer, dispatcher, biller, sign_in):
    client = sign_in(biller)

    def cost():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(path).status_code == 200
        return len(queries)

    assert cost() == 5  # session, user, stations, minutes, devices
    for number in range(20):
        packer.station = f"PACK-{number}"
        packer.scan(f"SB{number:05d}")
        device(dispatcher, at=packer.station, parent_code=f"SB{number:05d}")
    assert cost() == 5


MANY_SCANS = """
INSERT INTO scanning_scan (scan_id, outcome, raw, code, parent_code, station_id, user_id,
    link_id, scanned_at, recorded_at)
SELECT gen_random_uuid(), 'linked', 'K', 'K', '', %(station)s, %(user)s, n, now(),
    now() - (5000 - n) * interval '1 minute'
FROM generate_series(1, 5000) n;
INSERT INTO scanning_undo (undo_id, scan_id, station_id, undone_by_id)
SELECT gen_random_uuid(), id, station_id, user_id FROM scanning_scan WHERE mod(id, 5) = 0;
INSERT INTO scanning_scanexception (item_id, kind, scan_id, outcome, station_id, user_id,
    happened_at, resolved_at, resolved_by_id, resolution)
SELECT scan_id, 'scan', id, 'linked', station_id, user_id, now(), now(), user_id, 'kept'
FROM scanning_scan WHERE mod(id, 2) = 0;
ANALYZE scanning_scan, scanning_undo, scanning_scanexception
"""


@pytest.mark.parametrize(
    ("statement", "indexes"),
    [
        (sql.STATIONS, ["scanning_scan_station", "scanning_exception_open"]),
        (sql.MINUTES, ["scanning_scan_day", "scanning_undo_scan_id_key", "scanning_scan_pkey"]),
    ],
)
def test_its_statements_have_their_indexes(dispatcher, statement, indexes):
    since = timezone.now() - boards.AT_WORK
    with connection.cursor() as cursor:
        cursor.execute(MANY_SCANS, {"station": station().pk, "user": dispatcher.pk})
        cursor.execute("SET LOCAL enable_seqscan = off")
        values = {"now": timezone.now(), "since": since, "refused": []}
        cursor.execute(f"EXPLAIN {statement}", values)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert [name for name in indexes if name not in plan] == [], plan
