"""What was scanned is sent once, in order, into its own parent, whatever the network does."""

import time
from statistics import median
from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from bags.models import Link
from scanning import services
from scanning.models import Scan
from tests.browser.conftest import Bench, label

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SCANS = "**/api/scans/"
OURS = "11111111-1111-4111-8111-111111111111"
JSON, PROBLEM, HTML = "application/json", "application/problem+json", "text/html; charset=utf-8"

ANSWERS = [
    (201, JSON, {"scan_id": OURS, "outcome": "linked"}, "verdict"),
    (200, JSON, {"scan_id": OURS, "outcome": "already_linked"}, "verdict"),
    (404, PROBLEM, {"scan_id": OURS, "code": "unknown_parent"}, "verdict"),
    (409, PROBLEM, {"scan_id": OURS, "code": "parent_full"}, "verdict"),
    (422, PROBLEM, {"scan_id": OURS, "code": "bad_code"}, "verdict"),
    (400, PROBLEM, {"code": "invalid"}, "verdict"),
    (403, PROBLEM, {"code": "permission_denied"}, "verdict"),
    (422, PROBLEM, {"code": "scan_id_reused"}, "verdict"),
    (201, JSON, {"scan_id": "another", "outcome": "linked"}, "away"),
    (200, JSON, {}, "away"),
    (200, JSON, None, "away"),
    (200, JSON, [1, 2], "away"),
    (200, HTML, None, "away"),
    (200, HTML, {"scan_id": OURS, "outcome": "linked"}, "away"),
    (404, HTML, None, "away"),
    (404, PROBLEM, {"code": "not_found"}, "away"),
    (409, JSON, {"code": "linked_elsewhere"}, "away"),
    (401, PROBLEM, {"code": "auth_required"}, "sign_in"),
    (403, PROBLEM, {"code": "csrf_failed"}, "renew"),
    (403, HTML, None, "away"),
    (408, HTML, None, "away"),
    (425, HTML, None, "away"),
    (429, PROBLEM, {"code": "throttled"}, "busy"),
    (500, HTML, None, "busy"),
    (502, HTML, None, "busy"),
    (503, PROBLEM, {"code": "busy"}, "busy"),
    (500, JSON, {"scan_id": OURS, "outcome": "linked"}, "busy"),
    (0, "", None, "away"),
]

JUDGE = """async ([url, status, type, body, id]) => {
  const { judge } = await import(url);
  return judge({ kind: "scan", id }, status, type, body);
}"""

WATCH = """() => {
  window.seen = [];
  let ended = null;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter") ended = event.timeStamp;
  }, true);
  new MutationObserver(() => requestAnimationFrame((now) => {
    if (ended !== null) window.seen.push(now - ended);
    ended = null;
  })).observe(document.querySelector("[data-part=list]"), { childList: true });
}"""


def test_only_a_verdict_removes_an_item(bench: Bench):
    for status, kind, body, meaning in ANSWERS:
        given = ["/static/scanning/queue.js", status, kind, body, OURS]
        assert bench.page.evaluate(JUDGE, given) == meaning, (status, kind, body)


@pytest.mark.parametrize("delay", [0, 0.3])
def test_a_burst_of_twenty_in_two_seconds(bench: Bench, monkeypatch, delay: float):
    """All stored, in order; the page shows each within 50 ms, however slow the server is."""
    plain = services.link_child

    def slow(**scan):
        time.sleep(delay)
        return plain(**scan)

    monkeypatch.setattr(services, "link_child", slow)
    bench.wedge("SB00001")
    bench.expect_outcome("parent_created", "yes")
    bench.page.evaluate(WATCH)
    codes = [f"CHILD-{n:04d}" for n in range(20)]
    began = time.monotonic()
    for place, code in enumerate(codes):
        bench.page.keyboard.type(f"{code}\n")
        time.sleep(max(0.0, began + (place + 1) * 0.1 - time.monotonic()))
    bench.expect_all_judged()
    bench.expect_count("SB00001", "20 of 30")
    assert list(Scan.objects.order_by("id").values_list("raw", flat=True))[1:] == codes
    shown = bench.page.evaluate("window.seen")
    assert len(shown) >= 15
    # The median, as a busy machine may hold up a few. The rest is for the benchmarks to say.
    assert median(shown) < 50, shown


def test_the_same_body_is_sent_until_the_answer_arrives(bench: Bench):
    """First the answer is lost after the server wrote the scan, then a portal answers."""
    bodies = []
    bench.wedge("SB00001")
    bench.expect_outcome("parent_created", "yes")

    def unlucky(route: Route) -> None:
        bodies.append(route.request.post_data)
        if len(bodies) == 1:
            route.fetch()
            route.abort()
        elif len(bodies) == 2:
            route.fulfill(
                status=200, content_type="text/html", body="<h1>Welcome to our Wi-Fi</h1>"
            )
        else:
            route.continue_()

    bench.page.route(SCANS, unlucky)
    bench.wedge(label(1), label(2))
    expect(bench.part("trouble")).to_contain_text("No connection. 2 scans wait on this device.")
    bench.expect_all_judged()
    bench.expect_count("SB00001", "2 of 30")
    expect(bench.part("trouble")).to_be_hidden()
    assert bodies[0] == bodies[1] == bodies[2] != bodies[3]
    assert Scan.objects.count() == 3


def test_a_request_without_an_answer_is_given_up_and_sent_again(bench: Bench):
    silent = []
    bench.page.route(
        SCANS, lambda route: route.continue_() if silent else silent.append(route.request)
    )
    bench.wedge("SB00001", label(1))
    expect(bench.page.locator("[data-outcome=waiting]")).to_have_count(2)
    expect(bench.part("trouble")).to_contain_text("2 scans wait", timeout=7000)
    bench.expect_count("SB00001", "1 of 30")


def test_retry_after_is_respected_and_try_now_goes_before_it(bench: Bench):
    tries = []

    def busy(route: Route) -> None:
        tries.append(time.monotonic())
        if len(tries) > 2:
            route.continue_()
        else:
            route.fulfill(
                status=503,
                headers={"Retry-After": "1" if len(tries) == 1 else "50"},
                content_type=PROBLEM,
                body='{"code": "busy"}',
            )

    bench.page.route(SCANS, busy)
    bench.wedge("SB00001")
    expect(bench.part("trouble")).to_contain_text("The server is busy. 1 scan waits")
    bench.page.wait_for_timeout(2000)
    assert len(tries) == 2
    assert tries[1] - tries[0] > 0.95
    bench.page.get_by_role("button", name="Try now").click()
    bench.expect_outcome("parent_created", "yes")


def test_a_reload_without_network_loses_nothing(bench: Bench):
    bench.wedge("SB00001", label(1))
    bench.expect_count("SB00001", "1 of 30")
    bench.page.route(SCANS, lambda route: route.abort())
    bench.wedge(label(2), "SB00002", label(3))
    expect(bench.part("phase")).to_have_text("Not sent yet")
    expect(bench.part("parent")).to_have_text("SB00002")
    expect(bench.part("trouble")).to_contain_text("3 scans wait")
    kept = bench.page.evaluate("Object.values(sessionStorage).join()")
    bench.page.reload()
    expect(bench.page.locator("[data-outcome=waiting]")).to_have_count(3)
    bench.page.unroute(SCANS)
    bench.page.evaluate("window.dispatchEvent(new Event('online'))")
    bench.expect_count("SB00002", "1 of 30")
    sent = Scan.objects.order_by("id")
    assert [scan.parent.qr_id for scan in sent] == ["SB00001"] * 3 + ["SB00002"] * 2
    assert all(str(scan.scan_id) in kept for scan in sent[2:])
    assert all(UUID(str(scan.scan_id)).version == 4 for scan in sent)


def test_signing_in_again_sends_what_waits(bench: Bench):
    bench.wedge("SB00001")
    bench.expect_outcome("parent_created", "yes")
    bench.page.context.clear_cookies()
    bench.wedge(label(1))
    expect(bench.part("trouble")).to_contain_text("Sign in again to send 1 scan.")
    bench.page.get_by_role("link", name="Sign in").click()
    bench.page.locator("[name=username]").fill("ravi")
    bench.page.locator("[name=password]").fill("Seeds-2026!")
    bench.page.keyboard.press("Enter")
    bench.expect_count("SB00001", "1 of 30")
    assert Link.objects.count() == 1


def test_a_stale_token_is_renewed(bench: Bench):
    bench.page.context.clear_cookies(name="csrftoken")
    bench.wedge("SB00001")
    bench.expect_outcome("parent_created", "yes")


def test_scans_of_another_person_wait_for_that_person(bench: Bench, biller, enter):
    bench.page.route(SCANS, lambda route: route.abort())
    bench.wedge("SB00001")
    expect(bench.part("trouble")).to_contain_text("1 scan waits")
    bench.page.unroute(SCANS)
    enter(bench.page.context, biller)
    bench.page.reload()
    expect(bench.part("others")).to_contain_text("1 scan of another person")
    bench.wedge("SB00002")
    bench.expect_outcome("parent_created", "yes")
    assert [scan.user for scan in Scan.objects.all()] == [biller]


def test_two_tabs_never_mix(bench: Bench, context: BrowserContext):
    """Two parents in two tabs of one browser, scanned into by turns."""
    other = Bench(context.new_page(), "PACK-2")
    bench.wedge("SB00001")
    other.wedge("SB00002")
    for n in range(10):
        bench.wedge(label(n))
        other.wedge(label(100 + n))
    for one, parent in ((bench, "SB00001"), (other, "SB00002")):
        one.expect_count(parent, "10 of 30")
    for link in Link.objects.select_related("child", "parent"):
        wanted = "SB00001" if int(link.child.label_no) < 100 else "SB00002"
        assert link.parent.qr_id == wanted


def test_a_duplicated_tab_starts_empty(bench: Bench, context: BrowserContext):
    """The browser copies the store of the tab; the copy must not send or pack what is in it."""
    bench.wedge("SB00001")
    bench.expect_outcome("parent_created", "yes")
    bench.page.route(SCANS, lambda route: route.abort())
    bench.wedge(label(1))
    expect(bench.part("trouble")).to_contain_text("1 scan waits")
    with context.expect_page() as opened:
        bench.page.evaluate("void window.open('/scan/')")
    copy: Page = opened.value
    expect(copy.locator("[data-part=phase]")).to_have_text("Scan a parent")
    copy.keyboard.type(f"{label(2)}\n")
    expect(copy.locator(".state")).to_have_attribute("data-outcome", "is_child")
    bench.page.unroute(SCANS)
    bench.page.evaluate("window.dispatchEvent(new Event('online'))")
    bench.expect_count("SB00001", "1 of 30")


def test_undo_takes_back_what_its_button_says_and_opens_no_other_tabs_parent(
    bench: Bench, context: BrowserContext
):
    other = Bench(context.new_page(), "PACK-1")
    bench.wedge("SB00001")
    bench.wedge(label(1))
    bench.expect_count("SB00001", "1 of 30")
    other.wedge("SB00002")
    other.wedge(label(2))
    other.expect_count("SB00002", "1 of 30")
    bench.part("undo").click()
    bench.expect_outcome("not_newest", "again")
    assert Link.objects.count() == 2
    expect(bench.part("undo")).to_have_text("Undo 0000002")
    bench.part("undo").click()
    bench.expect_outcome("undone", "undo")
    assert Link.objects.get().child.label_no == "0000001"
    bench.wedge(label(3))
    bench.expect_count("SB00001", "2 of 30")


def test_what_a_sleeping_device_wakes_up_with_goes_into_no_old_parent(bench: Bench):
    bench.wedge("SB00001")
    bench.expect_outcome("parent_created", "yes")
    bench.page.evaluate("() => { const now = Date.now; Date.now = () => now() + 11 * 60_000; }")
    bench.wedge(label(1))
    bench.expect_outcome("is_child", "no")
    assert not Link.objects.exists()


def test_scans_are_not_booked_to_who_signed_in_meanwhile(
    bench: Bench, context: BrowserContext, biller, sign_in
):
    bench.wedge("SB00001")
    bench.expect_outcome("parent_created", "yes")
    own = context.cookies()
    session = sign_in(biller).cookies["sessionid"].value
    kept = [cookie | {"value": session} for cookie in own if cookie["name"] == "sessionid"]
    context.add_cookies(kept)
    bench.wedge(label(1))
    expect(bench.part("trouble")).to_contain_text("Sign in")
    assert not Link.objects.exists()
    context.add_cookies(own)
    bench.page.evaluate("window.dispatchEvent(new Event('online'))")
    bench.expect_count("SB00001", "1 of 30")
    assert {scan.user.username for scan in Scan.objects.select_related("user")} != {"meena"}
