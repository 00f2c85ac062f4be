"""The dashboard's tile of what waits for a decision."""

import re
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from scanning.models import Scan, ScanException, Station

pytestmark = pytest.mark.django_db


@pytest.fixture
def open_one(dispatcher) -> ScanException:
    station = Station.objects.create(name="PACK-1")
    at = timezone.now()
    refused = {"outcome": "bad_code", "station": station, "user": dispatcher}
    scan = Scan.objects.create(
        scan_id=uuid.uuid4(), raw="?", code="", parent_code="SB00001", scanned_at=at, **refused
    )
    return ScanException.objects.create(
        item_id=scan.scan_id, kind="scan", scan=scan, happened_at=at, **refused
    )


def tile(client, path="/dashboard/") -> str:
    page = client.get(path).content.decode()
    found = re.search(r'<div class="card( warn)?" data-live="open">.*?</div>', page)
    return "!" * bool(found[1]) + " ".join(re.sub(r"<[^>]*>", " ", found[0]).split())


@pytest.mark.parametrize("path", ["/dashboard/", "/dashboard/live/"])
def test_what_waits_for_a_decision_has_a_tile(path, open_one, dispatcher, biller, sign_in):
    assert tile(sign_in(dispatcher), path) == "!Open exceptions 1"
    ScanException.objects.create(
        item_id=uuid.uuid4(),
        kind="scan",
        scan=open_one.scan,
        outcome="bad_code",
        station=open_one.station,
        user=biller,
        happened_at=timezone.now(),
    )
    assert tile(sign_in(dispatcher), path) == "!Open exceptions 1"
    assert tile(sign_in(biller), path) == "!Open exceptions 2"


def test_nothing_waits(dispatcher, sign_in):
    assert tile(sign_in(dispatcher)) == "Open exceptions 0"


@pytest.mark.parametrize("path", ["/dashboard/", "/dashboard/live/"])
def test_they_are_counted_once_for_tile_and_header(path, dispatcher, sign_in):
    client = sign_in(dispatcher)
    with CaptureQueriesContext(connection) as queries:
        client.get(path)
    assert len([one for one in queries if "scanexception" in one["sql"]]) == 1
