"""How pages look, sound and speak: themes, languages, tones."""

import re
import uuid
from collections.abc import Callable

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from scanning.exceptions import resolve_exception
from scanning.models import ScanException
from scanning.tests.conftest import Queue, label
from tests.browser.conftest import Bench, speak

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


LANGUAGES = [code for code, _ in settings.LANGUAGES]
SIZES = [(375, 812), (768, 1024), (1280, 800), (1920, 1080)]

# What axe finds, what sticks out of the page, and buttons whose words do not fit into them.
# A theme changes nothing but colours, so in the dark one axe looks at no more than them.
LOOK = """async (theme) => {
  const wrong = [];
  const note = (kind, element) => wrong.push(`${kind}: ${element.outerHTML.slice(0, 160)}`);
  const colours = theme === "dark" && { runOnly: ["color-contrast", "link-in-text-block"] };
  const { violations } = await axe.run(document, { resultTypes: ["violations"], ...colours });
  for (const { id, nodes } of violations) {
    for (const { html } of nodes) wrong.push(`${id}: ${html.slice(0, 160)}`);
  }
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) wrong.push(`${scrollWidth - clientWidth} px too wide`);
  for (const button of document.querySelectorAll("button, .button, summary")) {
    if (!button.checkVisibility()) continue;
    if (button.scrollWidth > button.clientWidth + 1) note("words stick out", button);
    const { left, right, height } = button.getBoundingClientRect();
    if (height < 43.9) note("too small to tap", button);
    const aside = left < 0 || right > clientWidth;
    if (aside && !button.closest(".scroll")) note("beside the page", button);
  }
  return wrong;
}"""


def expect_good_looks_everywhere(page: Page) -> None:
    """The page as it is now, in both themes and at each size."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = {}
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            if wrong := page.evaluate(LOOK, theme):
                found[f"{page.url} {theme} {width}"] = wrong
    page.set_viewport_size({"width": 1280, "height": 800})
    assert found == {}


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest, page: Page) -> str:
    """The page's language from now on."""
    speak(page, request.param)
    return request.param


@pytest.fixture
def open_page(page: Page, language: str) -> Callable[[str], None]:
    def opened(address: str) -> None:
        page.goto(address)
        expect(page.locator("html")).to_have_attribute("lang", language)

    return opened


def test_signing_in_looks_good(page: Page, open_page: Callable, dispatcher, client):
    wrong = {"username": "ravi", "password": "wrong"}
    for tries, alert in [(0, ".error"), (5, "[role=alert]")]:
        for _ in range(tries):
            client.post("/login/", wrong)
        open_page("/login/")
        for name, value in wrong.items():
            page.locator(f"[name={name}]").fill(value)
        page.keyboard.press("Enter")
        expect(page.locator(alert)).to_be_visible()
        expect_good_looks_everywhere(page)


@pytest.fixture
def hall(sign_in, dispatcher) -> None:
    """Two parents, a child that was scanned into both, scans that have not come yet."""
    queue = Queue(sign_in(dispatcher))
    queue.send(
        queue.scan("SB00001"),
        *(queue.scan(label(number), "SB00001") for number in range(3)),
        queue.scan("SB00002"),
        queue.scan(label(1), "SB00002", late=True),
        queue.scan(label(2), "SB00002", late=True),
    )
    queue.issued += 4
    queue.send(waiting=2)
    kept = ScanException.objects.first()
    resolve_exception(
        exception_id=kept.pk,
        user=dispatcher,
        resolution="dismissed",
        reason="It was put back.",
        item_id=uuid.uuid4(),
    )


PAGES = [
    "/dashboard/",
    "/lookup/?q=STAR44",
    "/lookup/?q=SB99999",
    "/bags/SB00001/",
    "/bags/STAR44GG24611:0000001/",
    "/stations/",
    "/exceptions/",
    "/exceptions/?state=resolved",
    "/account/",
    "/scan/setup/",
    "/scan/commands/",
    "/nothing/here",
]


def test_pages_to_read_look_good(page: Page, open_page: Callable, admin_user, enter, hall):
    enter(page.context, admin_user)
    for address in PAGES:
        open_page(address)
        expect_good_looks_everywhere(page)
    open_page("/exceptions/")
    page.locator(".story details summary").first.click()
    page.locator(".menu summary").click()
    expect_good_looks_everywhere(page)


# What is read from three metres, in every colour that it takes: the enhanced contrast of WCAG AAA.
TONES = """() => {
  const state = document.querySelector(".state");
  const { tone } = state.dataset;
  const loud = state.classList.contains("loud");
  const wrong = [];
  const next = (tones) => tones.length ? look(tones[0]).then(() => next(tones.slice(1))) : wrong;
  const look = async (name) => {
    state.dataset.tone = name;
    for (const on of [false, true]) {
      state.classList.toggle("loud", on);
      const options = { runOnly: ["color-contrast-enhanced"], resultTypes: ["violations"] };
      const { violations } = await axe.run({ include: [state] }, options);
      for (const { nodes } of violations) {
        for (const { html } of nodes) wrong.push(`${name}: ${html.slice(0, 160)}`);
      }
    }
  };
  return next(["rest", "yes", "again", "no", "undo", "done", "wait"]).finally(() => {
    state.dataset.tone = tone;
    state.classList.toggle("loud", loud);
  });
}"""


def test_the_station_looks_good_whatever_happens(
    page: Page, open_page: Callable, dispatcher, enter, hall
):
    enter(page.context, dispatcher)
    open_page("/scan/")
    expect(page.locator(".station[data-ready]")).to_be_attached()
    bench = Bench.__new__(Bench)  # its own way in speaks English
    bench.page = page
    expect_good_looks_everywhere(page)
    bench.part("name").fill("PACK-1")
    page.locator(".chooser .main").click()
    expect(bench.part("field")).to_be_focused()
    bench.wedge("TRKCODEHELP")
    expect(bench.part("help")).to_be_visible()
    expect(bench.part("decisions")).to_be_visible()
    expect_good_looks_everywhere(page)

    bench.part("close-help").click()
    bench.wedge("SB00011", label(11), label(12), label(1))
    bench.expect_outcome("linked_elsewhere", "no")
    bench.part("offer").get_by_role("button").click()
    expect(bench.part("question")).to_be_visible()
    expect_good_looks_everywhere(page)
    page.set_viewport_size({"width": 375, "height": 812})  # where the letters are smallest
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert page.evaluate(TONES) == []
    page.set_viewport_size({"width": 1280, "height": 800})

    bench.part("no").click()
    page.context.set_offline(True)
    bench.wedge(label(13))
    bench.expect_outcome("safe", "wait")
    expect(bench.part("trouble")).to_be_visible()
    expect_good_looks_everywhere(page)
    Session.objects.all().delete()
    page.context.set_offline(False)
    expect(bench.part("signin-form")).to_be_visible(timeout=30_000)
    expect_good_looks_everywhere(page)


def ground(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_theme_is_the_devices_until_somebody_chooses(page: Page):
    page.emulate_media(color_scheme="dark")
    page.goto("/login/")
    html = page.locator("html")
    expect(html).to_have_attribute("data-theme", "dark")
    dark = ground(page)
    page.emulate_media(color_scheme="light")
    expect(html).to_have_attribute("data-theme", "light")
    assert ground(page) != dark

    page.locator(".menu summary").click()
    page.get_by_role("button", name="Dark").click()
    expect(html).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(html).to_have_attribute("data-theme", "dark")
    assert ground(page) == dark

    page.locator(".menu summary").click()
    page.get_by_role("button", name="As the device").click()
    expect(html).to_have_attribute("data-theme", "light")
    page.keyboard.press("Escape")
    expect(page.locator(".menu .panel")).to_be_hidden()
    expect(page.locator(".menu summary")).to_be_focused()


def test_the_theme_is_there_before_the_first_paint(page: Page):
    """The script that names it comes before any style and waits for nothing."""
    page.goto("/login/")
    first = page.locator("head script, head link[rel=stylesheet]").first
    assert first.get_attribute("src").endswith("looks.js")
    assert first.evaluate("script => !script.async && !script.defer && script.type === ''")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_who_asks_for_more_contrast_gets_it(page: Page, theme: str, dispatcher, enter):
    enter(page.context, dispatcher)
    page.emulate_media(color_scheme=theme, contrast="more")
    page.goto("/dashboard/")
    colour = "element => getComputedStyle(element).color"
    assert page.locator(".soft").first.evaluate(colour) == page.locator("body").evaluate(colour)


def test_the_language_is_chosen_on_the_page(bench: Bench):
    page = bench.page
    page.locator(".menu summary").click()
    page.get_by_role("button", name="हिन्दी").click()
    expect(page.locator("html")).to_have_attribute("lang", "hi")
    expect(page).to_have_url(re.compile(r"/scan/$"))
    page.locator(".menu summary").click()
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_without_a_connection_the_switch_leaves_the_page_alone(bench: Bench):
    page = bench.page
    page.context.set_offline(True)
    page.locator(".menu summary").click()
    page.get_by_role("button", name="हिन्दी").click()
    expect(page.locator(".menu .failed")).to_have_text("No connection. Please try again later.")
    expect(page).to_have_url(re.compile(r"/scan/$"))
    page.context.set_offline(False)


def test_header_forms_work_after_another_sign_in_in_another_tab(bench: Bench):
    """The page's own token is out of date then; the cookie's is not."""
    page = bench.page
    page.context.clear_cookies(name="csrftoken")
    page.context.new_page().goto("/dashboard/")
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile(r"/login/$"))


# --- Sound ---------------------------------------------------------------------------------------

EAR = """
class Part {
  connect(to) { return (this.to = to); }
  disconnect() { this.cut = true; }
}
class Note extends Part {
  frequency = { setValueAtTime: (hz) => (this.from = this.till = hz),
                exponentialRampToValueAtTime: (hz) => (this.till = hz) };
  start(at) { this.at = at; }
  stop(at) { this.length = at - this.at; }
}
class Gain extends Part {
  gain = { value: 1, setValueAtTime() {}, linearRampToValueAtTime() {} };
}
window.heard = [];
window.AudioContext = class {
  state = "suspended";
  currentTime = 0;
  destination = new Part();
  async resume() { this.state = "running"; }
  createGain() { return new Gain(); }
  createOscillator() { const note = new Note(); heard.push(note); return note; }
};
window.shaken = [];
navigator.vibrate = (pattern) => shaken.push(pattern);
window.locks = [];
Object.defineProperty(navigator, "wakeLock", { value: { request: async (kind) => {
  const lock = new EventTarget();
  locks.push(lock);
  return lock;
} } });
window.kept = 0;
navigator.storage.persist = async () => Boolean(++kept);
"""

LISTEN = """async (name) => {
  heard.length = shaken.length = 0;
  feel.play(name);
  return {
    notes: heard.map((note) => [note.type, note.from, note.till, note.at, note.length]),
    gain: heard[0]?.to.to.gain.value ?? 0,
    shaken: shaken[0],
  };
}"""


@pytest.fixture
def ear(page: Page) -> Page:
    """A page that notes down what its speaker, its motor and its screen were told."""
    page.add_init_script(EAR)
    page.goto("/login/")
    page.evaluate(
        """async () => {
          const { createFeel } = await import("/static/scanning/feel.js");
          window.name_ = "PACK-1";
          window.feel = createFeel({ station: () => name_ });
        }"""
    )
    return page


def test_five_tones_can_be_told_apart_without_looking(ear: Page):
    assert ear.evaluate(LISTEN, "yes")["notes"] == []  # no browser sounds before the first tap
    ear.mouse.click(5, 5)
    tones = {name: ear.evaluate(LISTEN, name) for name in ["yes", "again", "no", "undo", "done"]}
    for tone in tones.values():
        last = tone["notes"][-1]
        assert last[3] + last[4] <= 0.7  # seconds; the next scan may follow at once
    # By how many notes, how high, and whether they climb or fall.
    shapes = set()
    for tone in tones.values():
        first, last = tone["notes"][0], tone["notes"][-1]
        climb = (last[2] > first[1]) - (last[2] < first[1])
        shapes.add((len(tone["notes"]), climb, first[1] < 300))
    assert len(shapes) == 5
    assert len({tuple(tone["shaken"]) for tone in tones.values()}) == 5
    tick = ear.evaluate(LISTEN, "safe")
    assert tick["gain"] < min(
        tone["gain"] for tone in tones.values() if tone["notes"][0][0] == "sine"
    )
    assert tick["shaken"] is None
    assert ear.evaluate(LISTEN, "wait")["notes"] == []


def test_volume_and_mute_are_kept_for_each_station(ear: Page):
    ear.mouse.click(5, 5)
    usual = ear.evaluate(LISTEN, "yes")["gain"]
    ear.evaluate("feel.onChange(() => (window.told = (window.told ?? 0) + 1))")
    ear.evaluate("feel.setVolume(1)")
    assert ear.evaluate(LISTEN, "yes")["gain"] > usual
    ear.evaluate("feel.setMuted(true)")
    assert ear.evaluate("told") == 2
    muted = ear.evaluate(LISTEN, "yes")
    assert (muted["notes"], muted["shaken"]) == ([], [40])
    ear.evaluate("name_ = 'PACK-2'")
    assert ear.evaluate(LISTEN, "yes")["gain"] == usual
    ear.evaluate("feel.setVolume(7)")
    assert ear.evaluate("feel.volume()") == 1
    ear.evaluate("feel.setVolume(0)")
    assert ear.evaluate(LISTEN, "yes")["notes"] == []
    again = """async () => {
      const { createFeel } = await import("/static/scanning/feel.js");
      const feel = createFeel({ station: () => "PACK-1" });
      return [feel.volume(), feel.muted()];
    }"""
    assert ear.evaluate(again) == [1, True]


def test_a_shift_keeps_the_screen_on_and_the_storage(ear: Page):
    assert ear.evaluate("feel.started()") is False
    assert ear.evaluate("feel.start()") is True
    assert ear.evaluate("[feel.started(), locks.length, kept]") == [True, 1, 1]
    show = "document.dispatchEvent(new Event('visibilitychange'))"
    ear.evaluate(show)
    assert ear.evaluate("locks.length") == 1
    ear.evaluate("locks[0].dispatchEvent(new Event('release'))")  # as when the page is hidden
    ear.evaluate(show)
    assert ear.evaluate("locks.length") == 2
    assert ear.evaluate("heard.length") == 1  # the tick that proves that there is sound


def test_nothing_breaks_where_the_browser_has_none_of_it(page: Page):
    page.add_init_script(
        """
        for (const name of ["AudioContext", "webkitAudioContext"]) window[name] = undefined;
        for (const name of ["wakeLock", "storage", "vibrate", "userActivation"])
          Object.defineProperty(navigator, name, { value: undefined });
        Object.defineProperty(window, "localStorage", { get() { throw new Error("none"); } });
        """
    )
    page.goto("/login/")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.mouse.click(5, 5)
    answers = page.evaluate(
        """async () => {
          const { createFeel } = await import("/static/scanning/feel.js");
          const feel = createFeel({ station: () => "PACK-1" });
          const kept = await feel.start();
          feel.setVolume(0.5);
          feel.setMuted(true);
          feel.play("no");
          return [kept, feel.started(), feel.volume(), feel.muted()];
        }"""
    )
    assert answers == [False, True, 0.5, True]
