"""The set-up page finds what a scanner does; the sheet of commands prints on one page."""

import re

import pytest
import segno
from django.test import Client
from playwright.sync_api import Page, expect

from accounts import roles
from bags.codes import COMMANDS, read
from scanning.setup import TEST
from tests.browser.conftest import expect_good_looks
from tests.browser.keyboards import (
    AZERTY,
    CTRL,
    ENDS,
    INSCRIPT,
    QWERTZ,
    Scanner,
    keys_of,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

KEPT = "() => JSON.parse(localStorage.getItem('tracetrack.profile.PACK-1'))"


# Other languages need more room.
LONGER = """() => {
  for (const one of document.querySelectorAll(".command p:not(.code)")) {
    one.textContent = `${one.textContent} ${one.textContent}`;
  }
}"""


class SetUp(Scanner):
    """The set-up page of PACK-1, and its scanner."""

    def __init__(self, page: Page):
        page.goto("/scan/setup/")
        expect(page.locator(".setup[data-ready]")).to_be_attached()
        page.get_by_label("Station", exact=True).fill("pack-1")
        page.get_by_role("button", name="Keep").click()
        super().__init__(page)

    def test(self, tone: str, *, prefix: tuple = (), gap=8, end="Enter", **layouts) -> dict:
        """Scan the code of the page, and see the verdict: the profile that was kept."""
        self.page.evaluate("() => { document.querySelector('.result').dataset.tone = 'rest'; }")
        self.wait(1000)
        self.press([*prefix, *keys_of(TEST, **layouts), *ENDS[end]], gap)
        expect(self.page.locator("[data-part=result]")).to_have_attribute("data-tone", tone)
        return self.page.evaluate(KEPT)

    def finding(self, title: str):
        return self.page.locator(".finding", has_text=title)

    def expect_finding(self, title: str, tone: str, text: str) -> None:
        expect(self.finding(title)).to_have_attribute("data-tone", tone)
        expect(self.finding(title)).to_contain_text(text)


@pytest.fixture
def bench_page(page: Page, dispatcher, enter) -> Page:
    enter(page.context, dispatcher)
    return page


@pytest.fixture
def desk(bench_page: Page) -> SetUp:
    return SetUp(bench_page)


def test_a_good_scanner_is_ready_and_its_profile_is_kept(desk: SetUp):
    for focus in ("#came", "h1"):
        desk.page.locator(focus).click()
        kept = desk.test("yes")
        assert kept | {"tested_at": ""} == {
            "end": "Enter", "gap_ms": kept["gap_ms"], "layout": "us", "prefix": "", "tested_at": ""
        }  # fmt: skip
        assert 8 <= kept["gap_ms"] <= 9
        expect(desk.page.locator("[data-part=saved]")).to_contain_text("PACK-1")
        expect(desk.page.locator("#came")).to_have_value(TEST)
    desk.expect_finding("Characters", "yes", "All characters")
    desk.expect_finding("Speed", "yes", "8 ms between keys")
    expect_good_looks(desk.page)
    desk.page.reload()
    expect(desk.page.locator("[data-part=saved]")).to_contain_text("was tested on")
    module = "import('/static/scanning/profile.js').then((m) => m.profile('PACK-1').end)"
    assert desk.page.evaluate(module) == "Enter"


@pytest.mark.parametrize(
    ("end", "name"), [("Tab", "Tab"), ("CR", "CR"), ("LF", "LF"), ("CRLF", "Enter + LF")]
)
def test_every_end_key_is_named(desk: SetUp, end: str, name: str):
    assert desk.test("yes", end=end)["end"] == name
    desk.expect_finding("End of a code", "yes", f"sends {name}.")


def test_a_scanner_without_an_end_key_is_taken_as_it_is(desk: SetUp):
    assert desk.test("again", end="")["end"] == ""
    desk.expect_finding("End of a code", "again", "suffix CR")


def test_speed_is_measured(desk: SetUp):
    assert desk.test("again", gap=60)["gap_ms"] >= 60
    desk.expect_finding("Speed", "again", "60 ms between keys")
    desk.test("no", gap=110)
    desk.expect_finding("Speed", "no", "as slow as a hand")
    expect_good_looks(desk.page)


def test_prefixes_are_found(desk: SetUp):
    aim = (("]", "BracketRight", 0), ("Q", "KeyQ", 8), ("1", "Digit1", 0))
    kept = desk.test("yes", prefix=aim)
    assert kept["prefix"] == "]Q1"
    desk.expect_finding("Around the code", "yes", "]Q1")
    assert desk.test("no", prefix=(("x", "KeyX", 0),))["prefix"] == "x"
    desk.expect_finding("Around the code", "no", "adds x")
    assert desk.test("yes", prefix=(("b", "KeyB", CTRL),))["prefix"] == ""  # STX


def test_caps_lock_is_found(desk: SetUp):
    desk.test("again", caps=True)
    desk.expect_finding("Caps Lock", "again", "Press Caps Lock once")
    desk.expect_finding("Characters", "yes", "All characters")


@pytest.mark.parametrize(
    ("name", "layout"),
    [("French (AZERTY)", AZERTY), ("German (QWERTZ)", QWERTZ), ("Hindi", INSCRIPT)],
)
def test_a_wrong_layout_is_found_and_a_fitting_one_is_not(desk: SetUp, name: str, layout: dict):
    assert desk.test("no", computer=layout)["layout"] == "wrong"
    desk.expect_finding("Keyboard", "no", f"set to {name}.")
    if layout is not INSCRIPT:
        assert desk.test("yes", computer=layout, scanner=layout)["layout"] == "own"
        desk.expect_finding("Keyboard", "yes", "agree")


def test_another_code_is_no_test(desk: SetUp):
    desk.scan("SB00001")
    expect(desk.page.locator("[data-part=verdict]")).to_have_text("This was another code")
    assert desk.page.evaluate(KEPT) is None


def test_characters_that_are_lost_are_named(desk: SetUp):
    keys = [key for key in TEST if key not in "()Q"]
    desk.scan("".join(keys))
    desk.expect_finding("Characters", "no", "Q ( )")


def test_without_a_station_nothing_is_kept(bench_page: Page):
    bench_page.goto("/scan/setup/")
    expect(bench_page.get_by_label("Station", exact=True)).to_be_focused()
    bench_page.get_by_role("button", name="Keep").click()
    expect(bench_page.get_by_role("alert")).to_contain_text("1 to 32 letters")
    bench_page.locator("h1").click()
    scanner = Scanner(bench_page)
    scanner.scan(TEST)
    expect(bench_page.locator("[data-part=saved]")).to_contain_text("Not kept")
    expect_good_looks(bench_page)


def test_the_sheet_prints_on_one_page_and_links_to_the_test(bench_page: Page):
    bench_page.goto("/scan/commands/")
    expect(bench_page.locator(".command img")).to_have_count(len(COMMANDS))
    expect_good_looks(bench_page)
    images = "() => [...document.querySelectorAll('.command img')].map((i) => i.naturalWidth > 0)"
    assert bench_page.evaluate(images) == [True] * len(COMMANDS)
    for language in ("short", "long"):
        pdf = bench_page.pdf(prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1, language
        bench_page.evaluate(LONGER)
    bench_page.get_by_role("link", name="Test the scanner").click()
    bench_page.get_by_role("link", name="Sheet of commands").click()
    expect(bench_page.locator("h1")).to_have_text("Commands to scan")


def test_the_codes_are_what_they_say(dispatcher, sign_in):
    client = sign_in(dispatcher)
    for text, name in [*COMMANDS.items(), (TEST, "test")]:
        answer = client.get(f"/scan/codes/{name}.svg")
        assert answer["Content-Type"] == "image/svg+xml"
        assert drawn(answer.content) == drawn(svg(text))
    assert client.get("/scan/codes/other.svg").status_code == 404
    assert read(TEST).form == "bad"  # scanned at a station, it makes no bag


def svg(text: str) -> bytes:
    return segno.make_qr(text, error="m").svg_inline(border=4, dark="#000", light="#fff").encode()


def drawn(image: bytes) -> bytes:
    """The longest path: the code itself."""
    return max(re.findall(rb' d="([^"]+)"', image), key=len)


@pytest.mark.parametrize("path", ["setup/", "commands/", "codes/test.svg"])
def test_only_who_may_scan_may_look(path: str, sign_in, dispatcher, monkeypatch):
    assert sign_in(dispatcher).get(f"/scan/{path}").status_code == 200
    assert Client().get(f"/scan/{path}").status_code == 302
    monkeypatch.setitem(roles.MAY, "dispatcher", frozenset())
    assert sign_in(dispatcher).get(f"/scan/{path}").status_code == 403
