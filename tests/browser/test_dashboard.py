"""The dashboard in a browser: exact, and true again by itself."""

import pytest
from playwright.sync_api import Page, expect

from scanning.models import Scan
from tests.browser.conftest import Bench, expect_good_looks, label

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_numbers_follow_by_themselves(bench: Bench):
    page = bench.page.context.new_page()
    page.goto("/dashboard/")
    expect(page.locator(".today")).to_contain_text("Nothing was scanned today yet.")
    expect(page.locator(".work")).to_contain_text("No station has scanned")
    expect_good_looks(page)

    bench.wedge("SB00001", label(1), label(2), label(2))
    bench.expect_outcome("already_linked", "again")
    expect(page.locator("[data-total=total_scans]")).to_have_text("4", timeout=8000)
    expect(page.locator("[data-total=child_bags]")).to_have_text("2")
    expect(page.locator(".today h2")).to_contain_text("4")
    expect(page.locator(".chart rect")).to_have_count(1)
    expect(page.locator(".work")).to_contain_text("SB00001 2 of 30")
    expect(page.locator(".scans-table tbody tr")).to_have_count(4)
    expect(page.locator(".scans-table tbody tr").first).to_contain_text("Already in this parent")
    expect_good_looks(page)
    assert Scan.objects.count() == 4


def test_no_connection_is_said(page: Page, dispatcher, enter):
    enter(page.context, dispatcher)
    page.goto("/dashboard/")
    page.context.set_offline(True)
    expect(page.locator(".head")).to_contain_text("No connection. As of", timeout=8000)
    page.context.set_offline(False)
    expect(page.locator(".head")).not_to_contain_text("No connection", timeout=8000)
