"""The biller's desk in a browser: make a bill, complete it, open it again, find it by a child."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from bags.models import Bag, Link
from billing.models import Bill
from billing.tests.trucks import Truck, dispatch, load
from tests.browser.conftest import UNREADABLE, label, speak

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

BILLS = "/admin/billing/bill/"
LOT = "STAR44GG24611"


def pack(code: str, children: int) -> None:
    """A mustard parent with so many children; their labels begin with its number."""
    parent = Bag.objects.create(qr_id=code, type="parent", capacity=30, kg_per_child=1)
    first = int(code[2:]) * 100
    for number in range(first, first + children):
        child = Bag.objects.create(
            qr_id=f"{LOT}:{number:07d}", type="child", label_no=f"{number:07d}", lot_no=LOT
        )
        Link.objects.create(child=child, parent=parent)


@pytest.fixture
def desk(page: Page, biller, enter) -> Page:
    """A biller, signed in."""
    enter(page.context, biller)
    return page


@pytest.fixture
def truck(biller, sign_in) -> Truck:
    return Truck(sign_in(biller))


@pytest.fixture
def five() -> list[str]:
    for number, children in enumerate((30, 30, 30, 20, 18), start=1):
        pack(f"SB0000{number}", children)
    return [f"SB0000{number}" for number in range(1, 6)]


def the_bill() -> Bill:
    return Bill.objects.with_totals().get()


def goes_to_its_page(page: Page, bill: Bill) -> None:
    page.goto(f"{BILLS}{bill.pk}/change/")
    expect(page.locator("h1").first).to_have_text(bill.number)


def test_from_a_new_bill_to_a_completed_one_and_back(desk: Page, five):
    desk.goto("/lookup/")
    desk.get_by_role("link", name="Bills", exact=True).click()
    desk.get_by_role("link", name="New bill").click()
    number = desk.get_by_label("Number:")
    expect(number).to_be_focused()
    number.press_sequentially("b-2026/7")
    desk.keyboard.press("Enter")  # as the scanner does
    expect(desk.get_by_label("Customer:")).to_be_focused()
    assert not Bill.objects.exists()
    desk.get_by_label("Customer:").fill("Green Fields")
    desk.get_by_label("Vehicle:").fill("DL 1C 4711")
    desk.get_by_label("Capacity:").fill("6")
    desk.get_by_label("Capacity:").press("Enter")  # the last field saves
    desk.wait_for_url(re.compile(r"/admin/billing/bill/\d+/load/"))
    bill = the_bill()
    assert (bill.number, bill.customer, bill.capacity) == ("B-2026/7", "Green Fields", 6)

    expect(desk.locator(".loading[data-ready]")).to_be_attached()
    for number, code in enumerate(five, start=1):
        desk.keyboard.type(f"{code}\n")
        row = desk.locator(f".line[data-bag={code}]:not([data-outcome=waiting])")
        expect(row).to_be_attached(timeout=15_000)
        expect(desk.locator(".state .count")).to_have_text(f"{number} of 6")
    goes_to_its_page(desk, bill)
    sums = desk.locator(".panel")
    for text in ("5 of 6 parents", "128 kg", "150 kg", "−22 kg", "Processing"):
        expect(sums).to_contain_text(text)
    desk.get_by_role("link", name="Complete", exact=True).click()
    expect(desk.locator(".deed")).to_contain_text("5 of 6 parents are on it: 1 fewer")
    expect(desk.locator(".deed")).to_contain_text("2 parents are not full")
    desk.get_by_role("button", name="Complete it all the same").click()
    expect(desk.locator(".messagelist")).to_contain_text("Bill B-2026/7 is completed.")
    expect(sums).to_contain_text("Completed by Meena")
    expect(desk.get_by_role("button", name="Save")).to_have_count(0)
    printed = desk.request.get(desk.get_by_role("link", name="Print").get_attribute("href"))
    assert printed.body().startswith(b"%PDF-")

    desk.get_by_role("link", name="Open again").click()
    reason = desk.get_by_label("Why is it opened again?")
    expect(reason).to_be_focused()
    reason.fill("one more sack")
    desk.get_by_role("button", name="Open the bill again").click()
    expect(sums).to_contain_text("one more sack")
    assert the_bill().status == "processing"

    desk.get_by_role("link", name="Bills").first.click()
    desk.locator("#searchbar").fill(label(503))
    desk.locator("#searchbar").press("Enter")
    rows = desk.locator("#result_list tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("B-2026/7")


def test_a_double_click_makes_one_bill(desk: Page):
    desk.goto(f"{BILLS}add/")
    desk.get_by_label("Capacity:").fill("6")
    desk.get_by_role("button", name="Make the bill").dblclick()
    desk.wait_for_url(re.compile(r"/admin/billing/bill/\d+/load/"))
    desk.go_back()
    desk.wait_for_url(re.compile("/add/"))
    assert Bill.objects.count() == 1


def test_a_line_opens_to_its_children_and_stays_open_while_others_load(desk: Page, five, biller):
    bill = Bill.objects.create(number="B-7", capacity=5, created_by=biller)
    load(bill, "SB00004", "SB00005")
    goes_to_its_page(desk, bill)
    lines = desk.locator(".lines > li")
    expect(lines).to_have_count(2)
    expect(lines.nth(0)).to_contain_text("20 of 30")
    expect(lines.nth(0)).to_contain_text("Not full")
    lines.nth(1).locator("summary").click()
    expect(lines.nth(1).locator(".children li")).to_have_count(18)

    load(bill, "SB00001")  # somebody else
    expect(lines).to_have_count(3, timeout=15_000)
    expect(lines.nth(2)).to_contain_text("SB00001")
    expect(lines.nth(1).locator(".children li")).to_have_count(18)
    expect(lines.nth(1).locator("details")).to_have_attribute("open", "")
    expect(desk.locator(".panel")).to_contain_text("68 kg")

    child = Bag.objects.create(qr_id=f"{LOT}:0000999", type="child", label_no="0000999")
    Link.objects.create(child=child, parent=Bag.objects.get(qr_id="SB00005"))
    expect(lines.nth(1)).to_contain_text("19 of 30", timeout=15_000)
    expect(lines.nth(1).locator(".children li")).to_have_count(19)


def test_what_somebody_types_stays_while_the_page_keeps_itself_true(desk: Page, five, biller):
    bill = Bill.objects.create(number="B-7", capacity=5, created_by=biller)
    goes_to_its_page(desk, bill)
    expect(desk.get_by_text("Nothing is on it yet.")).to_be_visible()
    desk.get_by_label("Vehicle:").fill("DL 1C")
    load(bill, *five)
    expect(desk.locator(".lines > li")).to_have_count(5, timeout=15_000)
    expect(desk.get_by_text("Nothing is on it yet.")).to_be_hidden()
    expect(desk.get_by_label("Vehicle:")).to_have_value("DL 1C")
    expect(desk.get_by_label("Vehicle:")).to_be_focused()


def test_a_lost_connection_is_said_and_passes(desk: Page, five, biller):
    bill = Bill.objects.create(number="B-7", capacity=5, created_by=biller)
    goes_to_its_page(desk, bill)
    desk.route("**/state/", lambda route: route.abort())
    expect(desk.locator(".bill.stale")).to_be_visible(timeout=15_000)
    expect(desk.locator("[data-part=state]")).to_contain_text("No connection")
    desk.unroute("**/state/")
    expect(desk.locator("[data-part=state]")).to_contain_text("up to date", timeout=15_000)


def test_edits_that_cross_are_told_and_saved_on_purpose(
    desk: Page, biller, admin_user, new_context, enter
):
    bill = Bill.objects.create(number="B-7", customer="Green", capacity=5, created_by=biller)
    goes_to_its_page(desk, bill)
    hers = _other(new_context, enter, admin_user)
    goes_to_its_page(hers, bill)
    hers.get_by_label("Customer:").fill("Patel")
    hers.get_by_label("Vehicle:").fill("DL 1C 4711")
    hers.get_by_role("button", name="Save").click()
    expect(hers.locator(".messagelist")).to_contain_text("Saved.")

    desk.get_by_label("Customer:").fill("Kisan")
    desk.get_by_role("button", name="Save").click()
    told = desk.locator(".theirs")
    expect(told).to_contain_text("Asha changed this bill")
    expect(told).to_be_in_viewport()
    expect(desk.get_by_label("Customer:")).to_have_value("Kisan")
    expect(desk.get_by_label("Vehicle:")).to_have_value("DL 1C 4711")
    assert the_bill().customer == "Patel"
    expect_ours_to_look_good(desk)
    desk.get_by_role("button", name="Save").click()
    expect(desk.locator(".messagelist")).to_contain_text("Saved.")
    assert (the_bill().customer, the_bill().vehicle) == ("Kisan", "DL 1C 4711")


def test_who_completes_what_somebody_else_loaded_meanwhile_looks_again(desk: Page, five, biller):
    bill = Bill.objects.create(number="B-7", capacity=5, created_by=biller)
    load(bill, "SB00001")
    desk.goto(f"{BILLS}{bill.pk}/complete/")
    load(bill, "SB00002")
    desk.get_by_role("button", name="Complete it all the same").click()
    expect(desk.get_by_role("alert")).to_have_text(
        "Something on the bill has changed meanwhile. Look at it again."
    )
    expect(desk.locator(".panel")).to_contain_text("2 of 5 parents")
    desk.get_by_role("button", name="Complete it all the same").click()
    expect(desk.locator(".messagelist")).to_contain_text("is completed.")
    assert the_bill().status == "completed"


def _other(new_context, enter, person) -> Page:
    context: BrowserContext = new_context()
    enter(context, person)
    return context.new_page()


def expect_ours_to_look_good(page: Page) -> None:
    """As `expect_good_looks`, of what is ours: the back office's own buttons are small."""
    before = page.viewport_size
    page.evaluate("document.getAnimations().forEach((one) => one.finish())")
    assert page.evaluate(UNREADABLE) == []
    for width in (375, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        ours = ".desk .button:visible, .lines summary:visible, .desk input:visible"
        for button in page.locator(ours).all():
            assert button.bounding_box()["height"] >= 43.9, button.inner_text()
    page.set_viewport_size(before)


@pytest.mark.parametrize(("colours", "language"), [("light", "en"), ("dark", "hi")])
def test_every_page_looks_good(desk: Page, five, biller, truck, colours, language):
    pack("SB00006", 0)
    bill = Bill.objects.create(number="B-7", customer="Green Fields", capacity=7, created_by=biller)
    load(bill, *five, "SB00006")
    pack("SB00007", 30)
    left = dispatch("SB00007")
    ticket = truck.ticket(reason="wet")
    truck.back(ticket, "SB00007")
    desk.emulate_media(color_scheme=colours)
    speak(desk, language)
    for path in (
        *("", "add/", "overview/", f"{bill.pk}/change/", f"{bill.pk}/complete/"),
        *(f"{left.pk}/change/", f"{left.pk}/reopen/"),
        *(f"../returnticket/{page}" for page in ("", "add/", "summary/", f"{ticket}/change/")),
        *(f"../returnticket/{ticket}/{page}/" for page in ("close", "cancel")),
        *("../../", "../../../bags/SB00007/"),
    ):
        desk.goto(f"{BILLS}{path}")
        expect(desk.locator("html")).to_have_attribute("lang", language)
        expect_ours_to_look_good(desk)
