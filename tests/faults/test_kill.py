"""kill -9 of web workers and of the database while stations scan: each scan counts once.

The stations do what the page does: send the very same scan again until a verdict for it comes.
"""

import http.client
import http.cookiejar
import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event

import psycopg
import pytest

from tests.faults.site import PASSWORD, Site

STATIONS, SCANS, KILLS = 6, 60, 8
AWAY = (OSError, http.client.HTTPException, ValueError)


class StationPage:
    """A browser at a station: a session, a token, and scans that are sent until answered."""

    def __init__(self, port: int, name: str) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.name = name
        self.cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))
        self.sent = 0
        self.until_it_works(self.sign_in)

    def token(self) -> str:
        return next(cookie.value for cookie in self.cookies if cookie.name == "csrftoken")

    def sign_in(self) -> None:
        self.opener.open(f"{self.base}/login/", timeout=5).read()
        form = {
            "username": "asha",
            "password": PASSWORD,
            "csrfmiddlewaretoken": self.token(),
        }
        body = urllib.parse.urlencode(form).encode()
        self.opener.open(f"{self.base}/login/?next=/health", body, timeout=10).read()

    def until_it_works(self, deed, patience: float = 60):
        end = time.monotonic() + patience
        while True:
            try:
                return deed()
            except AWAY:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def scan(self, code: str, parent: str | None) -> dict:
        scan = {
            "scan_id": str(uuid.uuid4()),
            "station": self.name,
            "parent": parent,
            "code": code,
            "scanned_at": datetime.now(UTC).isoformat(),
        }
        return self.until_it_works(lambda: self.send(scan))

    def send(self, scan: dict) -> dict:
        self.sent += 1
        request = urllib.request.Request(  # noqa: S310  our own address
            f"{self.base}/api/scans/",
            json.dumps(scan).encode(),
            {"Content-Type": "application/json", "X-CSRFToken": self.token()},
        )
        try:
            answer = self.opener.open(request, timeout=5)
        except urllib.error.HTTPError as refusal:
            answer = refusal
        verdict = json.loads(answer.read())
        if answer.status in (200, 201, 404, 409, 422) and verdict["scan_id"] == scan["scan_id"]:
            return verdict
        raise OSError(f"no verdict: {answer.status}")


@pytest.fixture
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("kill"))
    yield site
    site.stop()


def pack(page: StationPage) -> list[tuple[str, dict]]:
    """Scan into parents of one's own; return what the page was told, by child."""
    told, parent = [], None
    for number in range(SCANS):
        if number % 20 == 0:
            parent = f"SB{int(page.name[5:]):02d}{number:03d}"
            page.scan(parent, None)
        code = f"{page.name} CHILD {number}"
        told.append((code, parent, page.scan(code, parent)))
    return told


def test_no_acknowledged_scan_is_lost_and_none_is_doubled(site):
    finished = Event()

    def kill() -> int:
        deeds = [site.kill_worker, site.kill_worker, site.kill_worker, site.kill_database]
        kills = 0
        while not finished.wait(0.3) and kills < KILLS:
            deeds[kills % len(deeds)]()
            kills += 1
        return kills

    with ThreadPoolExecutor(STATIONS + 1) as pool:
        pages = list(pool.map(lambda n: StationPage(site.port, f"PACK-{n}"), range(STATIONS)))
        killer = pool.submit(kill)
        told = [entry for packed in pool.map(pack, pages) for entry in packed]
        finished.set()
        assert killer.result() > 1, "nothing was killed: the scans were too few"

    assert {verdict["outcome"] for _, _, verdict in told} == {"linked"}
    with psycopg.connect(site.url) as database:
        where = dict(
            database.execute(
                "SELECT child.qr_id, parent.qr_id FROM bags_link"
                " JOIN bags_bag child ON child.id = child_id"
                " JOIN bags_bag parent ON parent.id = parent_id"
            ).fetchall()
        )
        scans = database.execute(
            "SELECT count(*), count(DISTINCT code) FROM scanning_scan WHERE child_id IS NOT NULL"
        ).fetchone()
    assert where == {code: parent for code, parent, _ in told}
    assert scans == (STATIONS * SCANS, STATIONS * SCANS)
    assert "All counts are right." in site.manage("recount", "--check")
    assert sum(page.sent for page in pages) > STATIONS * SCANS, "no scan was sent twice"
