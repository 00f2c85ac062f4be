"""What left and what came back by day, for people who can add up."""

from datetime import date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import Entry
from billing.models import Bill
from billing.overview import by_day_and_biller
from billing.services import bill_mark
from billing.tests.pages import texts
from billing.tests.trucks import dispatch, load

pytestmark = pytest.mark.django_db

OVERVIEW = "/admin/billing/bill/overview/"
SUMMARY = "/admin/billing/returnticket/summary/"


@pytest.fixture
def sacks(pack):
    pack("SB00001", 30)
    pack("SB00002", 20)
    pack("M444-00001", 15)


def made(biller, number, *when, **more):
    at = datetime(*when, tzinfo=timezone.get_current_timezone())
    return Bill.objects.create(number=number, capacity=5, created_by=biller, created_at=at, **more)


@pytest.mark.parametrize("url", [OVERVIEW, SUMMARY])
def test_billers_only(url, desk, dispatcher, sign_in):
    assert desk.get(url).status_code == 200
    assert sign_in(dispatcher).get(url).status_code == 302


def test_each_day_and_biller_adds_up(desk, sacks, biller, admin_user):
    made(biller, "NEW", 2026, 3, 4, 12, 0)
    load(made(biller, "LOADING", 2026, 3, 4, 13, 0), "SB00002")
    load(made(admin_user, "HERS", 2026, 3, 4, 14, 0), "M444-00001")
    made(admin_user, "LATER", 2026, 3, 5, 0, 0)
    first, last = date(2026, 3, 4), date(2026, 3, 5)
    rows = by_day_and_biller(first, last)
    short = [
        (f"{row['day']:%d}", row["biller"], row["new"], row["processing"], row["completed"])
        + (row["parents"], row["children"], row["kg"], row["variance"])
        for row in rows
    ]
    assert short == [
        ("05", "Asha", 1, 0, 0, 0, 0, 0, 0),
        ("04", "Asha", 0, 1, 0, 1, 15, 15, 0),
        ("04", "Meena", 1, 1, 0, 1, 20, 20, -10),
    ]
    page = texts(desk.get(OVERVIEW, {"from": "2026-03-04", "to": "2026-03-05"}))
    assert "All days 2 2 2 35 35 −10" in page
    assert "Wed 4 Mar 2026 1 2 2 35 35 −10" in page


@pytest.mark.parametrize(
    ("when", "day"),
    [
        ((2026, 3, 4, 0, 0), "04"),  # still the third in Greenwich
        ((2026, 3, 4, 23, 59, 59, 999_999), "04"),
        ((2026, 3, 5, 5, 29), "05"),  # still the fourth in Greenwich
    ],
)
def test_days_begin_at_the_warehouse_s_midnight(biller, when, day):
    made(biller, "B-7", *when)
    rows = by_day_and_biller(date(2026, 3, 1), date(2026, 3, 31))
    assert [f"{row['day']:%d}" for row in rows] == [day]
    one = date(2026, 3, int(day))
    assert len(by_day_and_biller(one, one)) == 1
    assert not by_day_and_biller(one - timedelta(days=1), one - timedelta(days=1))


def test_a_completed_bill_has_moved_to_the_day_on_which_it_left(desk, sacks, biller):
    bill = made(biller, "OLD", 2026, 3, 4, 12, 0)
    load(bill, "SB00001")
    desk.post(f"/admin/billing/bill/{bill.pk}/complete/", {"seen": bill_mark(bill.pk)})
    assert not by_day_and_biller(date(2026, 3, 1), date(2026, 3, 31))
    today = timezone.localdate()
    (row,) = by_day_and_biller(today, today)
    assert (row["completed"], row["dispatched_kg"]) == (1, 30)


def test_the_chart_shows_what_left_and_says_it_in_a_table(desk, sacks, biller):
    dispatch("SB00001", "SB00002")
    load(made(biller, "STAYS", *timezone.localdate().timetuple()[:3], 0, 0), "M444-00001")
    response = desk.get(OVERVIEW)
    assert '<text class="unit" x="-16" y="-4">kg</text>' in response.content.decode()
    columns = response.context["chart"]["columns"]
    assert len(columns) == 30
    assert columns[-1]["day"] == timezone.localdate()
    assert [column["kg"] for column in columns] == [0] * 29 + [50]
    assert "50 kg" in texts(response)


def test_other_days_leave_the_chart_as_it_is(desk, sacks):
    dispatch("SB00001")
    response = desk.get(OVERVIEW, {"from": "2026-01-01", "to": "2026-01-31"})
    assert "There are no bills of these days." in texts(response)
    assert response.context["chart"]["columns"][-1]["kg"] == 30


def test_what_came_back_still_left(desk, sacks, truck):
    dispatch("SB00001")
    truck.back(truck.ticket(), "SB00001")
    today = timezone.localdate()
    (row,) = by_day_and_biller(today, today)
    assert (row["children"], row["kg"]) == (30, 30)


def test_the_overview_takes_one_query_however_much_there_is(desk, sacks, biller):
    with CaptureQueriesContext(connection) as none:
        desk.get(OVERVIEW)
    for number, code in enumerate(("SB00001", "SB00002", "M444-00001")):
        load(made(biller, f"B-{number}", *timezone.localdate().timetuple()[:3], 0, 0), code)
    with CaptureQueriesContext(connection) as many:
        desk.get(OVERVIEW)
    assert len(many) == len(none) == 3  # session, user, and one of ours


@pytest.mark.parametrize("url", [OVERVIEW, SUMMARY])
@pytest.mark.parametrize(
    ("first", "last", "cut"),
    [
        ("2026-03-05", "2026-03-04", False),
        ("x", "y", False),
        ("2026-02-31", "9999-12-31", False),
        ("0001-01-01", "", False),
        ("1950-01-01", "", True),
        ("2024-01-01", "2026-03-01", True),
    ],
)
def test_strange_days_show_something_and_long_spans_say_that_they_are_cut(
    desk, url, first, last, cut
):
    response = desk.get(url, {"from": first, "to": last})
    assert response.status_code == 200
    assert ("At most 366 days are shown at once." in texts(response)) == cut
    shown = response.context["last"] - response.context["first"]
    assert timedelta(0) <= shown < timedelta(days=366)


# --- Returns --------------------------------------------------------------------------------------


def test_returns_by_day_and_by_bill(desk, sacks, truck):
    one, two = dispatch("SB00001", "SB00002"), dispatch("M444-00001")
    ticket = truck.ticket()
    for code in ("SB00001", "SB00002", "M444-00001"):
        truck.back(ticket, code)
    truck.take_back(ticket, "SB00001")
    page = texts(desk.get(SUMMARY))
    assert "All days 2 35 35 kg" in page
    assert f"{one.number} 1 20 20 kg" in page
    assert f"{two.number} 1 15 15 kg" in page
    sheet = desk.get(SUMMARY, {"format": "csv"})
    assert sheet["Content-Type"].startswith("text/csv")
    today = timezone.localdate().isoformat()
    assert b"".join(sheet).decode("utf-8-sig").splitlines() == [
        'Day,Bill,Parents,Children,"Weight, kg"',
        f"{today},{one.number},1,20,20.000",
        f"{today},{two.number},1,15,15.000",
    ]


def test_who_took_the_sheet_is_known(desk, biller):
    desk.get(SUMMARY, {"format": "csv", "from": "2026-03-01", "to": "2026-03-31"})
    entry = Entry.objects.get(action="returns.exported")
    assert entry.actor == biller
    assert entry.after == {"from": "2026-03-01", "to": "2026-03-31", "rows": 0}


def test_a_cancelled_ticket_does_not_count(desk, sacks, truck):
    dispatch("SB00001")
    ticket = truck.ticket()
    truck.back(ticket, "SB00001")
    desk.post(f"/admin/billing/returnticket/{ticket}/cancel/", {"reason": "wrong truck"})
    assert "Nothing came back on these days." in texts(desk.get(SUMMARY))


def test_the_summary_takes_as_many_queries_however_much_there_is(desk, sacks, truck):
    dispatch("SB00001")
    dispatch("SB00002", "M444-00001")
    ticket = truck.ticket()
    truck.back(ticket, "SB00001")
    with CaptureQueriesContext(connection) as few:
        desk.get(SUMMARY)
    truck.back(ticket, "SB00002")
    truck.back(ticket, "M444-00001")
    with CaptureQueriesContext(connection) as many:
        desk.get(SUMMARY)
    assert len(many) == len(few) == 4
