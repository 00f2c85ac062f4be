"""Look-up in a browser: from whatever was scanned or typed to the bag."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from playwright.sync_api import Page, expect

from tests.browser.conftest import Bench, expect_good_looks, label

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def packed(bench: Bench) -> Page:
    """SB00001 with two children, at the look-up."""
    bench.wedge("SB00001", label(16586), label(16587))
    bench.expect_packed("SB00001", "2 of 30")
    bench.page.goto("/lookup/")
    return bench.page


@pytest.mark.parametrize(
    "code",
    [label(16586), "0016586", "16586", "star44gg24611:0016586", label(16586).replace(" ", "\n")],
)
def test_one_hit_leads_to_its_page(packed: Page, code: str):
    packed.keyboard.type(f"{code}\n")
    expect(packed.locator("h1")).to_have_text("STAR44GG24611:0016586")
    expect(packed.locator(".fill")).to_contain_text(
        re.compile(r"In SB00001\s+since .*, packed by Ravi")
    )
    expect(packed.locator(".facts")).to_contain_text("30 Sep 2025")
    expect(packed.locator(".scans-table tbody tr")).to_have_count(1)
    expect_good_looks(packed)


def test_a_parent_shows_what_it_holds(packed: Page):
    packed.keyboard.type("sb00001\n")
    expect(packed.locator(".fill")).to_have_text("2 of 30 children")
    expect(packed.locator(".children li")).to_have_count(2)
    expect(packed.locator(".facts")).to_contain_text("Mustard")
    expect(packed.locator(".facts")).to_contain_text("2 kg")
    expect(packed.locator(".scans-table tbody tr")).to_have_count(3)
    expect_good_looks(packed)


def test_a_part_finds_several_and_a_scan_looks_up_the_next(packed: Page):
    packed.keyboard.type("star44\n")
    expect(packed.locator("tbody tr")).to_have_count(2)
    expect_good_looks(packed)
    packed.locator("h2").click()
    packed.keyboard.type(f"{label(16587)}\n")
    expect(packed.locator("h1")).to_have_text("STAR44GG24611:0016587")


def test_a_list_costs_the_same_however_long(packed: Page, dispatcher, sign_in):
    client = sign_in(dispatcher)
    with CaptureQueriesContext(connection) as queries:
        answer = client.get("/lookup/?q=STAR44")
    assert len(answer.context["found"]) == 2
    assert len(queries) <= 7, [query["sql"] for query in queries]


def test_nothing_found_is_said_kindly(packed: Page):
    packed.keyboard.type("SB99999\n")
    expect(packed.locator(".none")).to_contain_text("No bag has this code: SB99999")
    expect_good_looks(packed)
    packed.goto("/lookup/?q=x")
    expect(packed.locator(".none")).to_contain_text("at least 3 characters")
    assert packed.goto("/bags/SB99999/").status == 404
    expect_good_looks(packed)


def test_tab_by_hand_leaves_the_field(packed: Page):
    packed.keyboard.type("star")
    packed.wait_for_timeout(100)
    packed.keyboard.press("Tab")
    expect(packed.get_by_role("button", name="Find")).to_be_focused()
