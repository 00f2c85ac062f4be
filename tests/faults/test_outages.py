"""Real pages in real browsers scan while the network, the server and the browsers fail.

The checker in history.py then compares what each page promised with what the database holds. Each
defence has a control here: a page without it, where the checker must find something.
"""

import json
import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from uuid import uuid4

import pytest
from playwright.sync_api import Error, Page, Route, sync_playwright

from tests.browser.conftest import CHROMIUM
from tests.faults.chromium import Station
from tests.faults.history import violations
from tests.faults.proxy import Proxy
from tests.faults.site import ROOT, Site

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium"),
]

SEED = 20261124
CAPACITY = 30  # children in a parent
PORTAL = b"\r\n".join(
    [
        *(b"HTTP/1.1 200 OK", b"Content-Type: text/html", b"Connection: close"),
        *(b"Content-Length: 34", b"", b"<h1>Welcome to our free Wi-Fi</h1>"),
    ]
)


class Packer:
    """What one person at a station does: open a parent, scan children into it, and so on."""

    def __init__(self, station: Station, number: int, scans: int) -> None:
        self.station, self.number, self.left = station, number, scans
        self.chance = random.Random(SEED + number)  # noqa: S311  no secret
        self.parents = self.children = self.in_parent = 0
        self.current: str | None = None

    def work(self) -> None:
        """A handful of scans. After a crash whoever scans looks at the page, and goes on."""
        try:
            self._scan()
        except Error:
            if not self.station.chromium.has_ended():
                raise
            self.station.open()

    def _scan(self) -> None:
        if self.current is None or self.in_parent == CAPACITY:
            self.parents += 1
            self.in_parent = 0
            self.current = f"SB{self.number:02d}{self.parents:03d}"
        if self.station.parent() != self.current:
            self.left -= 1
            self.station.scan(self.current, parent=None)
            return
        most = min(self.left, CAPACITY - self.in_parent, self.chance.randint(1, 12))
        codes = [self._code() for _ in range(most)]
        self.left -= most
        self.in_parent += most
        self.station.scan(*codes, parent=self.current)

    def _code(self) -> str:
        self.children += 1
        if self.children % 20:
            return f"C{self.number}-{self.children:05d}"
        return f"LABEL NO.{self.children:07d} LOT NO.:P{self.number}, D.O.T.:30/09/2025"


class Outages:
    """Six kinds of misfortune, each for a while, one after the other, beside the scans."""

    def __init__(self, site: Site, proxy: Proxy, stations: list[Station], seconds: float) -> None:
        self.site, self.proxy, self.stations, self.seconds = site, proxy, stations, seconds
        self.chance = random.Random(SEED)  # noqa: S311  no secret
        self.coming: list[Callable] = []
        self.pool, self.running = ThreadPoolExecutor(1), Future()
        self.running.set_result(None)
        self.happened: list[str] = []

    def is_due(self, wanted: float, most: int) -> bool:
        begun = len(self.happened)
        return begun < most and wanted >= begun and self.running.done()

    def next(self) -> None:
        """Begin the next one. All kinds come before one comes again."""
        kinds = [self.cut, self.browser, self.worker, self.database, self.drop, self.portal]
        self.coming = self.coming or self.chance.sample(kinds, len(kinds))
        self.running.result()
        kind = self.coming.pop()
        self.happened.append(kind.__name__)
        self.running = self.pool.submit(kind)

    def end(self) -> None:
        self.running.result()
        self.pool.shutdown()
        self.proxy.heal()

    def wait(self) -> None:
        time.sleep(self.chance.uniform(0.3, 1) * self.seconds)

    def cut(self) -> None:
        with self.proxy.having(**self.chance.choice([{"down": True}, {"black_hole": True}])):
            self.wait()

    def browser(self) -> None:
        """It starts again without the network: from the copy of the page that it keeps."""
        with self.proxy.having(down=True):
            time.sleep(self.chance.uniform(0.1, 0.4))
            self.chance.choice(self.stations).chromium.kill()
            self.wait()

    def worker(self) -> None:
        for _ in range(3):
            self.site.kill_worker()
            time.sleep(0.2)

    def database(self) -> None:
        self.chance.choice([self.site.kill_database, self.site.restart_database])()

    def drop(self) -> None:
        lost = {"drop_response": 0.8, "silent": self.chance.random() < 0.3}
        with self.proxy.having(of=b"POST /api/scans/batch", **lost):
            self.wait()

    def portal(self) -> None:
        with self.proxy.having(portal=PORTAL):
            self.wait()


@pytest.mark.parametrize(
    ("stations", "scans", "outages", "seconds"),
    [
        pytest.param(2, 150, 6, 1.2, id="small"),
        pytest.param(4, 10_000, 30, 8, id="full", marks=pytest.mark.long),
    ],
)
def test_every_scan_arrives_once_whatever_breaks(
    site: Site, proxy: Proxy, new_station: Callable, stations, scans, outages, seconds
):
    places = [new_station(f"OUT-{seconds}-{n}".replace(".", "")) for n in range(stations)]
    first = 10 if scans > 1000 else 0  # each test has bags of its own
    packers = [Packer(one, first + n, scans // stations) for n, one in enumerate(places)]
    misfortune, calm = Outages(site, proxy, places, seconds), Event()
    with ThreadPoolExecutor(stations) as pool:
        shifts = [pool.submit(shift, packer, calm) for packer in packers]
        while any(packer.left > 0 for packer in packers) and not any(map(Future.done, shifts)):
            done = scans - sum(packer.left for packer in packers)
            if misfortune.is_due(done / scans * outages, outages):
                misfortune.next()
            time.sleep(0.05)
        misfortune.end()
        calm.set()
    for each in shifts:
        each.result()
    history = [scan for place in places for scan in place.history]
    print(report(history, places, misfortune))
    assert violations(site.url, history) == []
    assert len(misfortune.happened) == outages
    assert "All counts are right." in site.manage("recount", "--check")


def shift(packer: Packer, calm: Event) -> None:
    """One person's work, beside the others. In the end all is fine again, and nobody hurries it."""
    station = packer.station
    with sync_playwright() as station.chromium.playwright:
        try:
            station.open()
            while packer.left > 0:
                packer.work()
                time.sleep(packer.chance.uniform(0, 0.1))
            calm.wait(timeout=120)
            if station.chromium.process.poll() is not None:
                station.open()
            station.expect_all_sent()
        finally:
            station.chromium.stop()


def report(history: list, places: list[Station], misfortune: Outages) -> str:
    safe = sum(scan.safe for scan in history)
    lines = [f"{len(history)} scans, {safe} of them safe; {', '.join(misfortune.happened)}"]
    return "\n".join(lines + [f"{place.name}: {place.traffic.report()}" for place in places])


# --- Controls: a page without one of its defences -----------------------------------------------


def patched(name: str, old: str, new: str) -> Callable[[Page], None]:
    """A page with another text in one of its scripts."""

    def dress(page: Page) -> None:
        text = (ROOT / "scanning/static/scanning" / name).read_text()
        assert text.count(old) == 1, f"{name} has changed: this control must change too"
        page.add_init_script("delete Navigator.prototype.serviceWorker")
        page.route(
            f"**/scanning/{name}",
            lambda route: route.fulfill(
                body=text.replace(old, new), content_type="text/javascript"
            ),
        )

    return dress


def fresh_ids(page: Page) -> None:
    """A page that gives a scan another id at each try."""

    def send(route: Route) -> None:
        body = route.request.post_data_json
        own = {}
        for item in body["items"]:
            own[made := str(uuid4())] = item["id"]
            item["id"] = made
        try:
            response = route.fetch(post_data=json.dumps(body), timeout=5000)
            answer = response.json()
        except (Error, ValueError):
            route.abort()
            return
        for result in answer["results"]:
            result["id"] = own[result["id"]]
        route.fulfill(response=response, json=answer)

    page.route("**/api/scans/batch", send)


# Each scene has a station, the network, two parents (the first is open), and codes of its own.


def lose_answers(station: Station, proxy: Proxy, parents: list[str], codes: list[str]) -> None:
    with proxy.having(of=b"POST /api/scans/batch", drop_response=1):
        station.scan(*codes, parent=parents[0])
        station.page.wait_for_timeout(1000)


def meet_a_portal(station: Station, proxy: Proxy, parents: list[str], codes: list[str]) -> None:
    with proxy.having(portal=PORTAL):
        station.scan(*codes, parent=parents[0])
        station.page.wait_for_timeout(1000)


def change_parents(station: Station, proxy: Proxy, parents: list[str], codes: list[str]) -> None:
    first, second = parents
    station.scan(second, parent=None)
    station.scan(first, parent=None)
    station.expect_all_sent()
    with proxy.having(down=True):
        station.scan(*codes[:2], parent=first)
        station.scan(second, parent=None)
        station.scan(codes[2], parent=second)


def lose_power(station: Station, proxy: Proxy, parents: list[str], codes: list[str]) -> None:
    with proxy.having(down=True):
        station.scan(*codes, parent=parents[0])
        station.chromium.kill()
    station.open()


def lose_an_item(station: Station, proxy: Proxy, parents: list[str], codes: list[str]) -> None:
    with proxy.having(down=True):
        station.scan(*codes, parent=parents[0])
        station.page.evaluate(DELETE_SECOND)


DELETE_SECOND = """() => new Promise((resolve) => {
  const opening = indexedDB.open("tracetrack");
  opening.onsuccess = () => {
    const db = opening.result;
    const items = db.transaction("items", "readwrite").objectStore("items");
    const keys = items.getAllKeys();
    keys.onsuccess = () => { items.delete(keys.result[1]); };
    items.transaction.oncomplete = () => { db.close(); resolve(); };
  };
})"""

ANY_ANSWER = patched(
    "sending.js",
    "function judge({ device }, response, text) {",
    """function judge({ device, items }, response, text) {
      if (response.status === 200 && !text.startsWith("{")) {
        return { results: items.map(({ id }) => ({ id, status: 200, outcome: "linked" })) };
      }""",
)
PARENT_OF_NOW = patched(
    "queue.js",
    "return { ...once, parent, code, switch: opens ?? false, late };",
    """parent &&= queue.lane.parent?.qr_id ?? parent;
    return { ...once, parent, code, switch: opens ?? false, late };""",
)
LATER = patched(
    "queue.js",
    "kept.n = await ask(items.add(kept));",
    'setTimeout(() => store.write(["items"], ({ items }) => items.add(kept)), 5000);',
)
NEWEST_FIRST = patched(
    "queue.js",
    'of cursor(items.index("user"), IDBKeyRange.only(user))) {',
    'of cursor(items.index("user"), IDBKeyRange.only(user), "prev")) {',
)


def play(scene: Callable, station: Station, proxy: Proxy, number: int) -> None:
    parents = [f"SB9{number:02d}{n:02d}" for n in range(2)]
    codes = [f"SCENE-{number}-{n}" for n in range(3)]
    station.scan(parents[0], parent=None)
    station.expect_all_sent()
    scene(station, proxy, parents, codes)
    station.expect_all_sent()


def test_no_scene_of_the_controls_breaks_the_page_as_it_is(
    site: Site, proxy: Proxy, new_station: Callable
):
    station = new_station("CTL")
    station.open()
    for number, scene in enumerate((lose_answers, meet_a_portal, change_parents, lose_power)):
        play(scene, station, proxy, number)
    assert violations(site.url, station.history) == []


@pytest.mark.control
@pytest.mark.parametrize(
    ("number", "scene", "dress", "kind"),
    [
        pytest.param(10, lose_answers, fresh_ids, "doubled", id="a fresh id at each try"),
        pytest.param(11, meet_a_portal, ANY_ANSWER, "lost", id="any 200 is a verdict"),
        pytest.param(12, change_parents, PARENT_OF_NOW, "wrong parent", id="parent when sent"),
        pytest.param(13, change_parents, NEWEST_FIRST, "out of order", id="newest first"),
        pytest.param(14, lose_power, LATER, "lost", id="safe before it is stored"),
        pytest.param(15, lose_an_item, None, "gap", id="an item vanishes"),
    ],
)
def test_without_a_defence_the_checker_finds_it(
    site: Site, proxy: Proxy, new_station: Callable, number, scene, dress, kind
):
    station = new_station(f"CTL-{number}")
    station.dress = dress or station.dress
    station.open()
    play(scene, station, proxy, number)
    found = violations(site.url, station.history)
    assert kind in {each.split(":")[0] for each in found}, found
