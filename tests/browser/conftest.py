"""Chromium on the real pages, with a scanner that types like one."""

import os
import shutil
import time
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from playwright.sync_api import BrowserContext, Locator, Page, expect

# Playwright runs its own event loop in the tests' thread; the ORM there is still synchronous.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
LABEL = "LABEL NO.{:07d} LOT NO.:STAR44GG24611, D.O.T.:30/09/2025"


def label(number: int) -> str:
    return LABEL.format(number)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None:
        skip = pytest.mark.skip(
            reason="no Chromium: apt-get install --no-install-recommends chromium"
        )
        for item in items:
            if "browser" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    switches = ["--disable-gpu", "--no-first-run", "--disable-background-networking"]
    # A name that is not this machine's own: plain http to it is no secure context.
    switches.append("--host-resolver-rules=MAP tracker.test 127.0.0.1")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        switches.append("--no-sandbox")
    return browser_type_launch_args | {"executable_path": CHROMIUM, "args": switches}


@pytest.fixture
def browser_context_args(browser_context_args: dict, live_server) -> dict:
    return browser_context_args | {
        "base_url": live_server.url,
        "viewport": {"width": 1280, "height": 800},
    }


@pytest.fixture
def enter(sign_in) -> Callable:
    """Sign this browser in as a person, without the form."""

    def entered(context: BrowserContext, person) -> None:
        cookie = sign_in(person).cookies[settings.SESSION_COOKIE_NAME]
        context.add_cookies(
            [{"name": cookie.key, "value": cookie.value, "domain": "localhost", "path": "/"}]
        )

    return entered


@pytest.fixture
def page(page: Page) -> Iterator[Page]:
    """A page that opens no dialog of the browser's, breaks no policy and raises no error."""
    wrong = []
    page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on(
        "console",
        lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None,
    )
    yield page
    assert wrong == []


def speak(page: Page, language: str) -> None:
    """The page's language from its next answer on."""
    cookie = {"name": settings.LANGUAGE_COOKIE_NAME, "value": language}
    page.context.add_cookies([cookie | {"domain": "localhost", "path": "/"}])


class Bench:
    """The station page of one tab."""

    def __init__(self, page: Page, station: str = "PACK-1", at: str = "/scan/"):
        self.page = page
        page.goto(at)
        expect(page.locator(".station[data-ready]")).to_be_attached()
        if self.field.is_visible():  # another tab has chosen a station before
            self.part("change").click()
        page.get_by_label("name").fill(station)
        page.get_by_role("button", name="Start").click()
        expect(self.field).to_be_focused()

    @property
    def field(self) -> Locator:
        return self.page.get_by_label("Scan or type a code")

    @property
    def state(self) -> Locator:
        return self.page.locator(".state")

    @property
    def rows(self) -> Locator:
        return self.page.locator(".scan")

    def part(self, name: str) -> Locator:
        return self.page.locator(f"[data-part={name}]")

    def wedge(self, *codes: str) -> None:
        """All keys of all codes, without delay."""
        self.page.keyboard.type("".join(f"{code}\n" for code in codes))

    def expect_outcome(self, outcome: str, tone: str) -> None:
        expect(self.state).to_have_attribute("data-outcome", outcome)
        expect(self.state).to_have_attribute("data-tone", tone)

    def expect_count(self, parent: str, text: str) -> None:
        expect(self.part("parent")).to_have_text(parent)
        expect(self.part("count")).to_have_text(text)

    def eventually(self, deed: Callable, wanted: object) -> None:
        """The database says so within ten seconds. The page and its routes go on meanwhile."""
        end = time.monotonic() + 10
        while (found := deed()) != wanted and time.monotonic() < end:
            self.page.wait_for_timeout(50)
        assert found == wanted

    def expect_packed(self, parent: str, text: str) -> None:
        """The count is what the server says; alone it is also what waits."""
        self.expect_count(parent, text)
        self.expect_all_judged()

    def expect_all_judged(self) -> None:
        expect(self.page.locator("[data-outcome=waiting]")).to_have_count(0, timeout=30_000)


@pytest.fixture
def bench(page: Page, dispatcher, enter) -> Bench:
    """A dispatcher at PACK-1."""
    enter(page.context, dispatcher)
    return Bench(page)


UNREADABLE = """() => {
  const parse = (text) => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (above, below) =>
    [0, 1, 2].map((c) => above[c] * above[3] + below[c] * (1 - above[3])).concat(1);
  const ground = (element) => {
    if (!element) return [255, 255, 255, 1];
    const own = parse(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, ground(element.parentElement));
  };
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = (colour) => {
    const [R, G, B] = colour.map((c) => linear(c / 255));
    return 0.2126 * R + 0.7152 * G + 0.0722 * B;
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const shown = element.checkVisibility({ checkVisibilityCSS: true });
    if (!text || !shown || element.closest(".unseen, :disabled, svg")) continue;
    const style = getComputedStyle(element);
    const below = ground(element);
    const lights = [light(over(parse(style.color), below)), light(below)];
    const [low, high] = lights.sort((a, b) => a - b);
    const size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    const contrast = (high + 0.05) / (low + 0.05);
    const name = element.className || element.tagName;
    if (contrast < needed) found.push(`${name}: ${contrast.toFixed(2)}`);
  }
  return found;
}"""

WIDTHS = (375, 768, 1280, 3840)


def expect_good_looks(page: Page) -> None:
    """Text that is readable (WCAG AA), nothing to scroll sideways, nothing too small to tap."""
    before = page.viewport_size
    page.evaluate("document.getAnimations().forEach((one) => one.finish())")
    assert page.evaluate(UNREADABLE) == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 2160 if width > 2000 else 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for button in page.locator("button:visible, .button:visible").all():
            assert button.bounding_box()["height"] >= 43.9, button.inner_text()
    page.set_viewport_size(before)
