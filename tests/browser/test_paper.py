"""Bills leave the browser: on paper, and in spreadsheets that a person's program opens."""

from pathlib import Path

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Page

from bags.models import Bag
from billing.models import Bill
from billing.tests import pdfs
from billing.tests.trucks import dispatch

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def office(page: Page, biller, enter) -> Page:
    """A biller, and two bills: SB00001 has left on one, SB00002 and SB00003 on the other."""
    for place in (1, 2, 3):
        Bag.objects.create(qr_id=f"SB0000{place}", type="parent", capacity=30, kg_per_child=1)
    dispatch("SB00001")
    dispatch("SB00002", "SB00003")
    enter(page.context, biller)
    return page


def test_a_bill_is_printed_from_its_page(office: Page):
    bill = Bill.objects.first()
    office.goto(f"/admin/billing/bill/{bill.pk}/change/")
    with office.expect_response("**/pdf/") as opened:
        office.get_by_role("link", name="Print").click()
    assert opened.value.headers["content-type"] == "application/pdf"
    body = office.context.request.get(opened.value.url).body()
    assert pdfs.codes(body) == [bill.number]
    assert "2 SB00003" in pdfs.pages(body)[0]


def test_what_is_ticked_in_the_list_is_exported(office: Page, tmp_path: Path):
    office.goto("/admin/billing/bill/")
    for place in (0, 1):
        office.locator("input[name=_selected_action]").nth(place).check()
    office.locator("select[name=action]").select_option(label="Export parents as XLSX")
    with office.expect_download() as sent:
        office.get_by_role("button", name="Go").click()
    assert sent.value.suggested_filename.startswith("parents-")
    sent.value.save_as(tmp_path / "parents.xlsx")
    rows = load_workbook(tmp_path / "parents.xlsx").active.iter_rows(min_row=2, values_only=True)
    assert [row[3] for row in rows] == ["SB00002", "SB00003", "SB00001"]


def test_what_is_ticked_in_the_list_is_printed_together(office: Page, tmp_path: Path):
    office.goto("/admin/billing/bill/")
    office.locator("#action-toggle").check()
    office.locator("select[name=action]").select_option(label="Print as PDF")
    with office.expect_download() as sent:
        office.get_by_role("button", name="Go").click()
    sent.value.save_as(tmp_path / "bills.pdf")
    body = (tmp_path / "bills.pdf").read_bytes()
    numbers = [bill.number for bill in Bill.objects.all()]
    assert [pdfs.codes(body, page) for page in (0, 1)] == [[number] for number in numbers]
