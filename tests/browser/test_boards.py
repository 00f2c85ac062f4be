"""The station board and the inbox of exceptions in a browser."""

import re
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from monitoring.models import Tally
from scanning.models import Device, Scan, ScanException, Station
from scanning.tests.conftest import Packer, Queue
from tests.browser.conftest import Bench, expect_good_looks, label

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def child(number: int) -> str:
    return f"STAR44GG24611:{number:07d}"


@pytest.fixture
def packed(dispatcher, sign_in) -> Packer:
    """Ravi has put three children into SB00002 at PACK-2; SB00001 is empty."""
    packer = Packer(sign_in(dispatcher), "PACK-2")
    packer.scan("SB00001")
    packer.scan("SB00002")
    for number in (1, 2, 3):
        packer.scan(label(number), "SB00002")
    return packer


@pytest.fixture
def exceptions(packed) -> list[ScanException]:
    """He scanned the three into SB00001 as well, without a connection."""
    queue = Queue(packed.client)
    queue.send(*[queue.scan(label(number), "SB00001", late=True) for number in (1, 2, 3)])
    return list(ScanException.objects.order_by("pk"))


@pytest.fixture
def desk(page: Page, biller, enter) -> Page:
    """A supervisor's browser."""
    enter(page.context, biller)
    return page


def story(page: Page, number: int):
    return page.locator(".story", has_text=child(number))


def message(page: Page):
    return page.locator(".messages li")


def both_themes(page: Page) -> None:
    for theme in ("dark", "light"):
        page.emulate_media(color_scheme=theme)
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        expect_good_looks(page)


# --- Board ----------------------------------------------------------------------------------------


def test_the_board_follows_by_itself(desk: Page, packed, dispatcher):
    desk.goto("/stations/")
    lane = desk.locator(".lane[data-station='PACK-2']")
    expect(lane).to_contain_text("SB00002")
    expect(lane).to_contain_text("3 of 30")
    expect(lane.locator(".spark rect").first).to_be_visible()
    packed.scan(label(4), "SB00002")
    expect(lane).to_contain_text("4 of 30", timeout=8000)

    Device.objects.create(
        device_id=uuid.uuid4(),
        user=dispatcher,
        station=Station.objects.get(name="PACK-2"),
        waiting=12,
        heard_at=timezone.now() - timedelta(minutes=14),
    )
    expect(lane).to_contain_text("12 scans wait unsent on a device of Ravi", timeout=8000)
    expect(desk.locator("[role=status]", has_text="One station needs you.")).to_be_attached()
    both_themes(desk)


def test_a_link_keeps_the_focus_when_the_board_changes(desk: Page, packed):
    desk.goto("/stations/")
    desk.locator(".lane .parent a").focus()
    packed.scan(label(4), "SB00002")
    expect(desk.locator(".lane")).to_contain_text("4 of 30", timeout=8000)
    expect(desk.locator(".lane .parent a")).to_be_focused()


def test_text_that_is_being_copied_stays(desk: Page, packed):
    desk.goto("/stations/")
    desk.locator(".lane .parent .fill").dblclick()
    packed.scan(label(4), "SB00002")
    with desk.expect_response("**/stations/live/"):
        pass
    expect(desk.locator(".lane")).to_contain_text("3 of 30")
    desk.locator("h1").click()
    expect(desk.locator(".lane")).to_contain_text("4 of 30", timeout=8000)


@pytest.mark.parametrize("language", ["en", "hi"])
def test_the_board_is_no_wider_than_its_page(desk: Page, exceptions, language, sign_in, dispatcher):
    packer = Packer(sign_in(dispatcher), "PACK-1234567890123456789")
    packer.scan("M444-00001")
    Device.objects.update(parent_code="A" * 255)
    desk.context.add_cookies(
        [{"name": "language", "value": language, "domain": "localhost", "path": "/"}]
    )
    desk.goto("/stations/")
    for width in (375, 768, 1199, 1200, 1280, 1799, 1800, 1920):
        desk.set_viewport_size({"width": width, "height": 800})
        table, page = (desk.locator(part).bounding_box() for part in (".lanes", ".totals"))
        assert table["x"] + table["width"] <= page["x"] + page["width"] + 1, width


def looks_in(page: Page, seconds: float) -> int:
    seen = []
    page.on("request", lambda request: seen.append(1) if "/live/" in request.url else None)
    page.clock.run_for(seconds * 1000)
    page.wait_for_timeout(300)
    return len(seen)


@pytest.mark.parametrize("path", ["/stations/", "/dashboard/"])
def test_it_looks_seldom_while_nobody_does(desk: Page, packed, path):
    desk.add_init_script(
        "window.away = false;Object.defineProperty(document, 'hidden', { get: () => window.away });"
    )
    desk.clock.install()
    desk.goto(path)
    with desk.expect_response("**/live/"):
        desk.clock.run_for(5_100)
    desk.evaluate("window.away = true")
    with desk.expect_response("**/live/"):  # the one that was due
        desk.clock.run_for(5_100)
    desk.wait_for_timeout(300)
    assert looks_in(desk, 29) == 0
    with desk.expect_response("**/live/"):
        desk.clock.run_for(1_500)
    desk.evaluate("window.away = false")
    with desk.expect_response("**/live/"):  # at once, when somebody comes back
        desk.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_it_says_that_it_has_no_connection(desk: Page, packed):
    desk.goto("/stations/")
    desk.context.set_offline(True)
    expect(desk.locator(".head")).to_contain_text("No connection. As of", timeout=8000)
    expect(desk.locator(".board.stale")).to_be_attached()
    desk.context.set_offline(False)
    expect(desk.locator(".head")).not_to_contain_text("No connection", timeout=8000)


def test_signed_out_it_leads_to_the_sign_in(desk: Page, packed):
    desk.goto("/stations/")
    desk.context.clear_cookies()
    expect(desk).to_have_url(re.compile(r"/login/\?next=/stations/$"), timeout=8000)


LOSE = """number => new Promise((done, failed) => {
  const opened = indexedDB.open("tracetrack");
  opened.onsuccess = () => {
    const change = opened.result.transaction("items", "readwrite");
    change.objectStore("items").openCursor().onsuccess = ({ target: { result: at } }) => {
      if (!at) return;
      if (at.value.seq === number) at.delete();
      at.continue();
    };
    change.oncomplete = () => { opened.result.close(); done(); };
    change.onerror = failed;
  };
})"""


def test_a_scan_that_was_lost_on_the_device_is_missed(bench: Bench, browser, biller, enter):
    """And nothing is missed before: each look at the board in between says so."""
    context = browser.new_context(base_url=bench.page.url.partition("/scan/")[0])
    enter(context, biller)
    board = context.new_page()
    board.goto("/stations/")
    bench.wedge("SB00001", label(1), label(2))
    expect(bench.part("waits")).to_be_hidden()
    bench.eventually(Scan.objects.count, 3)
    bench.page.context.set_offline(True)
    bench.wedge(label(3), label(4), label(5))
    expect(bench.part("waits")).to_contain_text("3")
    bench.page.evaluate(LOSE, 5)
    board.reload()
    expect(board.locator(".lane")).to_be_visible()
    expect(board.locator(".problems")).to_have_count(0)
    bench.page.context.set_offline(False)
    expect(board.locator(".lane.loud")).to_contain_text(
        "1 scan of Ravi never arrived: number 5.", timeout=30_000
    )
    context.close()


# --- Inbox ----------------------------------------------------------------------------------------


def test_decided_by_mouse(desk: Page, exceptions, packed):
    desk.goto("/stations/")
    desk.get_by_role("link", name="Exceptions 3 open").click()
    expect(desk.locator(".story")).to_have_count(3)
    story(desk, 2).get_by_role("button", name="Move it to SB00001").click()
    expect(message(desk)).to_have_text(f"{child(2)} is in SB00001 now.")
    expect(desk.locator(".story")).to_have_count(2)
    expect(story(desk, 3)).to_be_focused()  # the one that stands there now

    story(desk, 3).get_by_text("Dismiss…").click()
    expect(story(desk, 3).get_by_label("Why can it be dismissed?")).to_be_focused()
    both_themes(desk)
    story(desk, 3).get_by_label("Why can it be dismissed?").fill("It was only a test.")
    story(desk, 3).get_by_role("button", name="Dismiss").last.click()
    expect(message(desk)).to_have_text(f"{child(3)} is dismissed.")

    story(desk, 1).get_by_role("button", name="Keep as it is").click()
    expect(desk.locator(".nothing")).to_contain_text("Nothing waits for a decision.")
    desk.get_by_role("link", name="Resolved").click()
    expect(desk.locator(".story")).to_have_count(3)
    expect(desk.locator(".decided").first).to_contain_text("It was only a test.")
    done = {one.scan.code: one.resolution for one in ScanException.objects.select_related("scan")}
    assert done == {child(1): "kept", child(2): "moved", child(3): "dismissed"}


def test_decided_by_keyboard(desk: Page, exceptions):
    desk.goto("/exceptions/")
    press = desk.keyboard.press
    story(desk, 1).get_by_role("link").focus()
    press("Tab")
    expect(story(desk, 1).get_by_role("button", name="Move it to SB00001")).to_be_focused()
    press("Tab")
    expect(story(desk, 1).get_by_role("button", name="Keep as it is")).to_be_focused()
    press("Tab")
    expect(story(desk, 1).locator("summary")).to_be_focused()
    press("Enter")  # opens "Dismiss…"
    expect(story(desk, 1).get_by_label("Why can it be dismissed?")).to_be_focused()
    press("Escape")
    expect(story(desk, 1).get_by_label("Why can it be dismissed?")).to_be_hidden()
    press("Enter")
    expect(story(desk, 1).get_by_label("Why can it be dismissed?")).to_be_focused()
    desk.keyboard.type("It was torn.")
    press("Enter")
    expect(message(desk)).to_have_text(f"{child(1)} is dismissed.")
    expect(story(desk, 2)).to_be_focused()
    press("Tab")
    press("Tab")
    press("Enter")
    expect(message(desk)).to_have_text(f"{child(2)} is in SB00001 now.")
    assert ScanException.objects.open().count() == 1


def test_a_reason_is_asked_for_on_the_page(desk: Page, exceptions):
    desk.goto("/exceptions/")
    story(desk, 1).get_by_text("Dismiss…").click()
    expect(story(desk, 1).get_by_label("Why can it be dismissed?")).to_be_focused()
    desk.keyboard.press("Enter")
    expect(story(desk, 1).get_by_label("Why can it be dismissed?")).to_be_focused()
    assert ScanException.objects.open().count() == 3


def test_without_scripts_all_works(browser, exceptions, biller, enter, browser_context_args):
    context = browser.new_context(**browser_context_args | {"java_script_enabled": False})
    enter(context, biller)
    page = context.new_page()
    page.goto("/exceptions/")
    page.get_by_label("Station").select_option("PACK-1")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(r"\?station=PACK-1$"))
    story(page, 1).get_by_text("Dismiss…").click()
    story(page, 1).get_by_label("Why can it be dismissed?").fill("It was torn.")
    story(page, 1).get_by_role("button", name="Dismiss").last.click()
    expect(message(page)).to_have_text(f"{child(1)} is dismissed.")
    story(page, 2).get_by_role("button", name="Move it to SB00001").click()
    expect(message(page)).to_have_text(f"{child(2)} is in SB00001 now.")
    expect(page).to_have_url(re.compile(r"\?station=PACK-1#item-1$"))
    context.close()


def test_on_a_phone(desk: Page, exceptions, packed):
    queue = Queue(packed.client, "PACK-2")
    queue.send(*[queue.scan(f"?{number}", "SB00001", late=True) for number in range(5)])
    desk.set_viewport_size({"width": 375, "height": 800})
    desk.goto("/exceptions/")
    story(desk, 2).get_by_text("Dismiss…").click()
    story(desk, 2).get_by_label("Why can it be dismissed?").fill("It was torn.")
    story(desk, 2).get_by_role("button", name="Dismiss").last.click()
    expect(message(desk)).to_be_in_viewport()
    expect(message(desk)).to_have_text(f"{child(2)} is dismissed.")
    expect(story(desk, 3)).to_be_in_viewport()
    covered = message(desk).bounding_box()
    title = story(desk, 3).get_by_role("heading").bounding_box()
    assert title["y"] >= covered["y"] + covered["height"]


def test_millions_fit_into_their_tiles(desk: Page, packed):
    for name in ("scans", "link", "links", "child", "parent"):
        Tally.objects.create(name=name, n=9_999_900)
    desk.goto("/dashboard/")
    expect(desk.locator("[data-total=total_scans]")).to_have_text("9,999,905")
    for width in (375, 768, 1024, 1280, 1920):
        desk.set_viewport_size({"width": width, "height": 800})
        for number in desk.locator(".totals dd").all():
            assert number.evaluate("one => one.scrollWidth <= one.clientWidth"), (width, number)


def test_the_dashboard_counts_them(desk: Page, packed):
    desk.goto("/dashboard/")
    tile = desk.locator("[data-live=open]")
    expect(tile).to_have_text("Open exceptions0")
    queue = Queue(packed.client)
    queue.send(queue.scan(label(1), "SB00001", late=True))
    expect(tile).to_have_text("Open exceptions1", timeout=8000)
    expect(desk.get_by_role("link", name="Exceptions 1 open")).to_be_visible()
    tile.click()
    expect(desk).to_have_url(re.compile(r"/exceptions/$"))
