"""Parents are scanned onto bills and tickets, with a real browser against the real server."""

import json
import re
import time
import uuid
from statistics import median

import pytest
from django.db import transaction
from django.urls import reverse
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from bags.models import Bag, Link
from billing import returns, services
from billing.models import Bill, BillLine, BillScan, ReturnLine
from billing.tests.trucks import dispatch, load
from tests.browser.conftest import Bench, label
from tests.browser.test_looks import TONES, expect_good_looks_everywhere

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LOAD = "**/api/bills/*/load/"
API = "**/api/**"


def parent(code: str, children: int = 30, capacity: int = 30) -> Bag:
    """A parent with so many children."""
    bag = Bag.objects.create(qr_id=code, type="parent", capacity=capacity, kg_per_child=1)
    packed = [Bag(qr_id=f"{code}-{n}", type="child") for n in range(children)]
    Bag.objects.bulk_create(packed)
    Link.objects.bulk_create([Link(parent=bag, child=child) for child in packed])
    return bag


def new_bill(person, capacity: int = 6, **header) -> Bill:
    return services.create_bill(user=person, capacity=capacity, **header)[0]


def on(bill: Bill) -> list[str]:
    """What is on it, in the order of loading."""
    return list(bill.lines.order_by("id").values_list("parent__qr_id", flat=True))


class Dock(Bench):
    """The loading page of one tab."""

    def __init__(self, page: Page, bill: Bill, name: str = "admin:billing_bill_load"):
        self.page = page
        page.goto(reverse(name, args=[bill.pk]))
        self.expect_ready()

    def expect_ready(self) -> None:
        expect(self.page.locator(".loading[data-ready]")).to_be_attached()
        expect(self.field).to_be_focused()

    def row(self, code: str) -> Locator:
        return self.page.locator(f".line[data-bag='{code}']")

    def expect_on(self, *codes: str) -> None:
        """These rows, newest first, and nothing that waits."""
        expect(self.page.locator(".line .code")).to_have_text(list(codes), timeout=10_000)
        self.expect_all_judged()

    def expect_count(self, text: str) -> None:
        expect(self.page.locator(".state .count")).to_have_text(text)


@pytest.fixture
def bill(biller) -> Bill:
    return new_bill(biller, number="TRUCK-7", customer="Kisan Seeds", vehicle="MH 12 AB 1234")


@pytest.fixture
def dock(page: Page, biller, bill, enter) -> Dock:
    """A biller at the truck."""
    enter(page.context, biller)
    return Dock(page, bill)


def test_five_parents_with_128_children(dock: Dock, bill: Bill):
    codes = [f"SB{n:05d}" for n in range(1, 6)]
    for code, children in zip(codes, [30, 30, 30, 30, 8], strict=True):
        parent(code, children)
    for code in codes[:4]:
        dock.wedge(code)
        dock.expect_outcome("loaded", "yes")
    dock.wedge(codes[4])
    dock.expect_outcome("half_full", "again")
    expect(dock.state).to_contain_text("SB00005 is on the bill, but it has only 8 of 30.")
    dock.expect_count("5 of 6")
    for name, text in {
        "actual_kg": "128 kg",
        "expected_kg": "150 kg",
        "variance_kg": "−22 kg",
        "children": "128",
    }.items():
        expect(dock.part(name)).to_have_text(text)
    dock.expect_on(*reversed(codes))
    expect(dock.row("SB00005")).to_contain_text("8 of 30")
    expect(dock.row("SB00005")).to_contain_text("8 kg")
    assert on(bill) == codes


def test_each_colour_and_its_reason(dock: Dock, bill: Bill, biller):
    for code in ("SB00001", "SB00002", "SB00003", "SB00004"):
        parent(code)
    other = new_bill(biller, number="TRUCK-8")
    load(other, "SB00002")
    dock.wedge("SB00001")
    dock.expect_outcome("loaded", "yes")
    dock.wedge("SB00001")
    dock.expect_outcome("already_on_bill", "again")
    dock.wedge("SB00002")
    dock.expect_outcome("on_other_bill", "no")
    expect(dock.state).to_contain_text("SB00002 is on bill TRUCK-8.")
    address = reverse("admin:billing_bill_change", args=[other.pk])
    link = dock.state.get_by_role("link", name="Look at bill TRUCK-8")
    expect(link).to_have_attribute("href", address)
    expect(dock.part("refused").get_by_role("link")).to_have_attribute("href", address)
    dock.wedge("SB77777")
    dock.expect_outcome("unknown_parent", "no")
    dock.wedge(label(1))
    dock.expect_outcome("is_child", "no")
    dock.wedge("?!")
    dock.expect_outcome("bad_code", "no")
    dock.wedge("SB00003")
    dock.expect_outcome("loaded", "yes")
    services.update_bill(bill_id=bill.pk, user=biller, version=1, capacity=2)
    dock.wedge("SB00004")
    dock.expect_outcome("bill_full", "no")
    dock.expect_on("SB00003", "SB00001")
    dock.eventually(BillScan.objects.filter(bill=bill).count, 8)
    expect(dock.page.locator(".decision")).to_have_count(5)
    dock.page.reload()  # the heap beside the truck is still there
    expect(dock.page.locator(".decision")).to_have_count(5)
    dock.page.get_by_role("button", name="Clear the list").click()
    expect(dock.part("refused")).to_be_hidden()


def test_the_last_parent_has_a_tone_of_its_own(dock: Dock, biller):
    parent("SB00001")
    dock = Dock(dock.page, new_bill(biller, 1))
    dock.wedge("SB00001")
    dock.expect_outcome("last", "done")
    expect(dock.part("phase")).to_have_text("The bill is full")


def test_what_is_loaded_later_leaves_the_refused_ones(dock: Dock, bill: Bill, biller):
    parent("SB00002")
    other = new_bill(biller, number="TRUCK-8")
    load(other, "SB00002")
    dock.wedge("SB00002")
    dock.expect_outcome("on_other_bill", "no")
    expect(dock.page.locator(".decision")).to_have_count(1)
    services.unload_parent(
        scan_id=uuid.uuid4(),
        bill_id=other.pk,
        user=biller,
        code="SB00002",
        scanned_at=bill.created_at,
    )
    dock.wedge("SB00002")
    dock.expect_outcome("loaded", "yes")
    expect(dock.part("refused")).to_be_hidden()


@pytest.mark.parametrize("answer", ["button", "command", "list"])
def test_an_empty_parent_is_asked_about_once(dock: Dock, bill: Bill, answer: str):
    parent("SB00009", 0)
    dock.wedge("SB00009")
    dock.expect_outcome("empty_parent", "no")
    expect(dock.part("question")).to_have_text("SB00009 is empty. Load it all the same?")
    assert on(bill) == []
    if answer == "button":
        dock.part("yes").click()
    elif answer == "command":
        dock.wedge("TRKCODEOK")
    else:
        dock.part("no").click()
        dock.part("refused").get_by_role("button", name="Load it").click()
    dock.expect_outcome("empty", "again")
    expect(dock.part("ask")).to_be_hidden()
    expect(dock.part("refused")).to_be_hidden()
    dock.expect_on("SB00009")
    scans = BillScan.objects.order_by("id").values_list("outcome", flat=True)
    assert list(scans) == ["empty_parent", "loaded"]
    assert len(set(BillScan.objects.values_list("scan_id", flat=True))) == 2


def test_the_next_scan_means_no(dock: Dock, bill: Bill):
    parent("SB00009", 0)
    parent("SB00001")
    dock.wedge("SB00009")
    expect(dock.part("ask")).to_be_visible()
    dock.wedge("SB00001")
    expect(dock.part("ask")).to_be_hidden()
    dock.expect_outcome("loaded", "yes")
    dock.wedge("TRKCODEOK")
    dock.wedge("TRKCODEECHO")
    dock.expect_on("SB00001")
    assert on(bill) == ["SB00001"]


def test_half_filled_is_pointed_out_and_taken_off(dock: Dock, bill: Bill):
    parent("SB00001", 12)
    dock.wedge("SB00001")
    dock.expect_outcome("half_full", "again")
    expect(dock.state).to_contain_text("it has only 12 of 30")
    expect(dock.row("SB00001")).to_have_attribute("data-tone", "again")
    dock.wedge("TRKCODEOK")  # yes to the sack, and no press on Take off
    dock.page.get_by_role("button", name="Take off").click()
    dock.expect_outcome("unloaded", "undo")
    dock.expect_on()
    dock.expect_count("0 of 6")
    assert on(bill) == []


def test_undo_remove_and_scan_again(dock: Dock, bill: Bill):
    for n in range(1, 5):
        parent(f"SB{n:05d}")
    load(bill, "SB00004")  # by somebody else: Undo leaves it alone
    dock.wedge("SB00001", "SB00002", "SB00003")
    dock.expect_on("SB00003", "SB00002", "SB00001", "SB00004")
    dock.page.get_by_role("button", name="Undo SB00003").click()
    dock.expect_on("SB00002", "SB00001", "SB00004")
    dock.page.reload()  # this tab still knows what it loaded
    dock.expect_ready()
    dock.wedge("TRKCODEUNDO")
    dock.expect_on("SB00001", "SB00004")
    dock.page.get_by_role("button", name="Remove SB00004").click()
    dock.expect_on("SB00001")
    dock.wedge("TRKCODEUNDO", "TRKCODEUNDO")
    dock.expect_outcome("nothing_to_undo", "again")
    dock.expect_on()
    dock.wedge("SB00003")
    dock.expect_on("SB00003")
    assert on(bill) == ["SB00003"]
    deeds = BillScan.objects.filter(user__username="meena").values_list("deed", flat=True)
    assert sorted(deeds) == ["load"] * 4 + ["unload"] * 4


def test_what_the_page_took_for_loaded_is_loaded(dock: Dock, bill: Bill, admin_user):
    """Somebody else took it off a moment ago: amber at once, and green with the verdict."""
    parent("SB00001")
    load(bill, "SB00001")
    dock.expect_on("SB00001")
    dock.page.context.route("**/state/", lambda route: route.abort())
    services.unload_parent(
        scan_id=uuid.uuid4(),
        bill_id=bill.pk,
        user=admin_user,
        code="SB00001",
        scanned_at=bill.created_at,
    )
    dock.wedge("SB00001")
    dock.expect_outcome("loaded", "yes")
    dock.page.get_by_role("button", name="Undo SB00001").click()
    dock.expect_outcome("unloaded", "undo")
    assert on(bill) == []


def test_undo_of_what_was_not_loaded_takes_nothing_off(dock: Dock, bill: Bill):
    """Offline, the page can't know that the parent was on the bill already."""
    parent("SB00001")
    dock.page.context.route(API, lambda route: route.abort())
    load(bill, "SB00001")
    dock.wedge("SB00001", "TRKCODEUNDO")
    expect(dock.part("waits")).to_have_text("2 wait")
    heal(dock)
    dock.expect_outcome("already_on_bill", "again")
    expect(dock.part("waits")).to_be_hidden()
    assert on(bill) == ["SB00001"]
    assert not BillScan.objects.filter(deed="unload").exists()


def test_undo_of_what_was_scanned_twice(dock: Dock, bill: Bill):
    """Only the first of both is loaded; that is enough for the undo."""
    parent("SB00001")
    dock.page.context.route(API, lambda route: route.abort())
    dock.wedge("SB00001", "SB00001")
    expect(dock.part("waits")).to_have_text("2 wait")
    dock.page.get_by_role("button", name="Undo SB00001").click()
    expect(dock.row("SB00001")).to_contain_text("Taken off, not sent yet")
    heal(dock)
    dock.expect_on()
    expect(dock.part("waits")).to_be_hidden()
    assert on(bill) == []
    scans = BillScan.objects.order_by("id").values_list("outcome", flat=True)
    assert list(scans) == ["loaded", "already_on_bill", "unloaded"]


def test_undo_between_two_verdicts(dock: Dock, bill: Bill):
    """The first is loaded; the second waits when Undo is pressed."""
    parent("SB00001")
    verdicts = []

    def one(route: Route) -> None:
        verdicts.append(route)
        return route.continue_() if len(verdicts) == 1 else route.abort()

    dock.page.context.route(LOAD, one)
    dock.page.keyboard.insert_text("SB00001\nSB00001\n")
    expect(dock.row("SB00001")).to_contain_text("30 of 30")
    expect(dock.part("waits")).to_have_text("1 waits")
    dock.page.get_by_role("button", name="Undo SB00001").click()
    expect(dock.part("waits")).to_have_text("2 wait")
    dock.page.context.unroute(LOAD)
    dock.page.evaluate("window.dispatchEvent(new Event('online'))")
    dock.expect_on()
    assert on(bill) == []


def test_undo_of_what_was_scanned_twice_and_not_loaded(dock: Dock, bill: Bill):
    parent("SB00001")
    dock.page.context.route(API, lambda route: route.abort())
    load(bill, "SB00001")
    dock.wedge("SB00001", "SB00001", "TRKCODEUNDO")
    expect(dock.part("waits")).to_have_text("3 wait")
    heal(dock)
    dock.expect_on("SB00001")
    expect(dock.part("waits")).to_be_hidden()
    assert not BillScan.objects.filter(deed="unload").exists()


def test_a_refused_take_off_is_no_refused_load(dock: Dock, bill: Bill, admin_user):
    parent("SB00001")
    load(bill, "SB00001")
    dock.expect_on("SB00001")
    dock.page.context.route(API, lambda route: route.abort())
    dock.page.get_by_role("button", name="Remove SB00001").click()
    expect(dock.part("waits")).to_have_text("1 waits")
    services.complete_bill(bill_id=bill.pk, user=admin_user, confirmed=True)
    heal(dock)
    told = dock.part("stayed").locator(".decision")
    expect(told).to_contain_text("SB00001 was not taken off: it is on the bill.")
    expect(told).to_contain_text("The bill is completed. It can't change.")
    expect(dock.part("refused")).to_be_hidden()
    dock.page.reload()
    expect(told).to_have_count(1)
    expect_good_looks_everywhere(dock.page)
    dock.part("stayed").get_by_role("button", name="Clear the list").click()
    expect(dock.part("stayed")).to_be_hidden()
    assert on(bill) == ["SB00001"]


def heal(dock: Dock) -> None:
    dock.page.context.unroute(API)
    dock.page.evaluate("window.dispatchEvent(new Event('online'))")


def test_commands_for_help_and_repeat(dock: Dock):
    parent("SB00001")
    dock.wedge("SB00001")
    dock.expect_outcome("loaded", "yes")
    dock.wedge("TRKCODEHELP")
    expect(dock.part("help")).to_be_visible()
    dock.wedge("SB00001")
    expect(dock.part("help")).to_be_hidden()
    dock.expect_outcome("already_on_bill", "again")
    dock.wedge("TRKCODEECHO")
    dock.expect_outcome("already_on_bill", "again")


@pytest.mark.parametrize("by", ["button", "command"])
def test_completing_waits_for_the_last_scans(dock: Dock, bill: Bill, by: str):
    parent("SB00001")
    dock.page.context.route(LOAD, lambda route: route.abort())
    dock.wedge("SB00001")
    expect(dock.part("waits")).to_have_text("1 waits")
    if by == "button":
        dock.page.get_by_role("button", name="Complete the bill").click()
    else:
        dock.wedge("TRKCODEFINISH")
    expect(dock.state).to_contain_text("The last scans are on their way.")
    dock.page.context.unroute(LOAD)
    dock.page.evaluate("window.dispatchEvent(new Event('online'))")
    dock.page.wait_for_url("**" + reverse("admin:billing_bill_complete", args=[bill.pk]))
    assert on(bill) == ["SB00001"]


def test_a_refused_last_scan_keeps_the_page(dock: Dock, bill: Bill):
    dock.page.context.route(LOAD, lambda route: route.abort())
    dock.wedge("SB77777", "TRKCODEFINISH")
    expect(dock.state).to_contain_text("The last scans are on their way.")
    dock.page.context.unroute(LOAD)
    dock.page.evaluate("window.dispatchEvent(new Event('online'))")
    dock.expect_outcome("unknown_parent", "no")
    expect(dock.part("waits")).to_be_hidden()
    assert dock.page.url.endswith("/load/")


# --- Two people ---------------------------------------------------------------------------------


def test_two_billers_see_each_other(
    dock: Dock, bill: Bill, admin_user, browser, browser_context_args, enter
):
    for n in range(1, 5):
        parent(f"SB{n:05d}")
    other_context = browser.new_context(**browser_context_args)
    enter(other_context, admin_user)
    wrong = []
    other_context.on("weberror", lambda error: wrong.append(str(error.error)))
    other = Dock(other_context.new_page(), bill)
    dock.wedge("SB00001")
    dock.expect_outcome("loaded", "yes")
    other.wedge("SB00002")
    for one in (dock, other):
        one.expect_on("SB00002", "SB00001")
        one.expect_count("2 of 6")
        expect(one.part("actual_kg")).to_have_text("60 kg")
    expect(dock.row("SB00002")).to_contain_text("Asha")
    expect(dock.row("SB00002")).to_have_attribute("data-fresh", "")
    expect(dock.part("news")).to_have_text("Asha loaded SB00002.")
    other.page.get_by_role("button", name="Remove SB00001").click()
    dock.expect_on("SB00002")
    dock.wedge("SB00002")
    dock.expect_outcome("already_on_bill", "again")
    dock.wedge("SB00003")
    other.expect_on("SB00003", "SB00002")
    assert on(bill) == ["SB00002", "SB00003"]
    other_context.close()
    assert wrong == []


def unload(bill: Bill, person, code: str) -> None:
    services.unload_parent(
        scan_id=uuid.uuid4(), bill_id=bill.pk, user=person, code=code, scanned_at=bill.created_at
    )


def test_two_people_of_one_name(dock: Dock, bill: Bill, biller, admin_user):
    for code in ("SB00001", "SB00002"):
        parent(code)
    type(admin_user).objects.filter(pk=admin_user.pk).update(full_name=biller.full_name)
    dock.wedge("SB00001")
    dock.expect_on("SB00001")
    expect(dock.row("SB00001")).to_contain_text("30 kg")
    services.load_parent(
        scan_id=uuid.uuid4(),
        bill_id=bill.pk,
        user=admin_user,
        code="SB00002",
        scanned_at=bill.created_at,
    )
    dock.expect_on("SB00002", "SB00001")
    expect(dock.row("SB00002")).to_have_attribute("data-fresh", "")
    expect(dock.part("news")).to_have_text("Meena loaded SB00002.")
    expect(dock.row("SB00001")).not_to_have_attribute("data-fresh", "")


def test_a_child_that_moves_between_two_parents_of_the_bill(dock: Dock, bill: Bill):
    """No figure of the bill is another."""
    parents = [parent(code, 12) for code in ("SB00001", "SB00002")]
    dock.wedge("SB00001", "SB00002")
    for code in ("SB00001", "SB00002"):
        expect(dock.row(code)).to_contain_text("12 kg")  # read
    child = Link.objects.filter(parent=parents[0]).first().child
    with transaction.atomic():
        Link.objects.filter(child=child).delete()
        Link.objects.create(parent=parents[1], child=child)
    expect(dock.row("SB00001")).to_contain_text("11 of 30", timeout=15_000)
    expect(dock.row("SB00002")).to_contain_text("13 of 30")
    expect(dock.part("children")).to_have_text("24")


def test_all_lines_are_read_once_where_scans_come_one_by_one(dock: Dock, bill: Bill):
    """While this page scans, only what is new is read."""
    codes = [f"SB{n:05d}" for n in range(1, 7)]
    for code in codes:
        parent(code)
    load(bill, codes.pop())
    dock.expect_on("SB00006")
    reads = []
    dock.page.on("request", lambda asked: "/lines/" in asked.url and reads.append(asked.url))
    for code in codes:
        dock.wedge(code)
        expect(dock.row(code)).to_contain_text("30 kg")  # read
    whole = [url for url in reads if url.endswith("after=0")]
    assert (len(whole), len(reads)) == (0, 5)
    dock.eventually(lambda: reads[5:] and reads[5].endswith("after=0"), True)
    dock.page.wait_for_timeout(3000)
    assert len(reads) == 6  # then the page looks at the figures alone


def test_what_came_back_is_seen_on_its_bill(dock: Dock, bill: Bill, biller, admin_user):
    parent("SB00001")
    dock.wedge("SB00001")
    dock.expect_on("SB00001")
    services.complete_bill(bill_id=bill.pk, user=admin_user, confirmed=True)
    expect(dock.part("phase")).to_have_text("Completed")
    ticket = returns.open_ticket(user=biller, reason="Wrong address")[0]
    returns.return_parent(
        scan_id=uuid.uuid4(),
        ticket_id=ticket.pk,
        user=biller,
        code="SB00001",
        scanned_at=bill.created_at,
    )
    expect(dock.row("SB00001")).to_contain_text("Came back", timeout=15_000)


def test_an_edited_header_and_a_packed_parent_show(dock: Dock, bill: Bill, admin_user):
    half = parent("SB00001", 12)
    dock.wedge("SB00001")
    dock.expect_outcome("half_full", "again")
    services.update_bill(
        bill_id=bill.pk, user=admin_user, version=1, capacity=9, vehicle="GJ 05 X 9"
    )
    child = Bag.objects.create(qr_id="LATE-1", type="child")
    Link.objects.create(parent=half, child=child)
    dock.expect_count("1 of 9")
    expect(dock.state).to_contain_text("GJ 05 X 9")
    expect(dock.part("news")).to_have_text("Somebody changed the bill.")
    expect(dock.row("SB00001")).to_contain_text("13 of 30")
    expect(dock.part("actual_kg")).to_have_text("13 kg")


def test_completed_by_another_meanwhile(dock: Dock, bill: Bill, admin_user):
    parent("SB00001")
    parent("SB00002")
    dock.wedge("SB00001")
    dock.expect_outcome("loaded", "yes")
    services.complete_bill(bill_id=bill.pk, user=admin_user, confirmed=True)
    dock.expect_outcome("bill_completed", "no")
    expect(dock.state).to_contain_text(re.compile("Completed by Asha, "))
    expect(dock.part("phase")).to_have_text("Completed")
    dock.wedge("SB00002")
    expect(dock.state).to_contain_text("The bill is completed. SB00002 is not on it.")
    expect(dock.part("refused").locator(".decision")).to_contain_text("SB00002")
    scans = BillScan.objects.order_by("id").values_list("raw", "outcome")
    assert list(scans)[1:] == [("SB00002", "bill_completed")]  # every scan is kept
    dock.wedge("SB00001")
    expect(dock.state).to_contain_text("The bill is completed. SB00001 is on it.")
    dock.eventually(BillScan.objects.filter(outcome="bill_completed").count, 2)
    expect(dock.part("waits")).to_be_hidden()
    expect(dock.part("refused").locator(".decision")).to_have_count(1)  # SB00001 is loaded
    services.reopen_bill(bill_id=bill.pk, user=admin_user, reason="one more")
    expect(dock.part("phase")).to_have_text("Loading")
    dock.wedge("SB00002")
    dock.expect_on("SB00002", "SB00001")


def test_a_scan_that_meets_a_completed_bill(dock: Dock, bill: Bill, admin_user):
    """It was scanned before the page could know."""
    parent("SB00001")
    parent("SB00002")
    load(bill, "SB00001")
    dock.page.context.route("**/state/", lambda route: route.abort())
    services.complete_bill(bill_id=bill.pk, user=admin_user, confirmed=True)
    dock.wedge("SB00002")
    dock.expect_outcome("bill_completed", "no")
    expect(dock.page.locator(".decision")).to_contain_text("SB00002")
    assert on(bill) == ["SB00001"]


# --- Whatever happens on the way ----------------------------------------------------------------


def test_cut_and_reload_lose_nothing_and_double_nothing(dock: Dock, bill: Bill):
    for n in range(1, 6):
        parent(f"SB{n:05d}")
    dock.wedge("SB00001")
    dock.expect_on("SB00001")
    dock.page.context.route(API, lambda route: route.abort())
    dock.wedge("SB00002", "SB00003")
    dock.page.get_by_role("button", name="Remove SB00001").click()
    expect(dock.part("trouble")).to_contain_text("No connection. 3 scans wait on this device.")
    dock.expect_outcome("safe", "wait")
    dock.page.reload()
    dock.expect_ready()
    expect(dock.row("SB00003")).to_have_attribute("data-outcome", "waiting")
    dock.wedge("SB00004")
    expect(dock.part("waits")).to_have_text("4 wait")
    heal(dock)
    dock.expect_on("SB00004", "SB00003", "SB00002")
    assert on(bill) == ["SB00002", "SB00003", "SB00004"]
    scans = list(BillScan.objects.order_by("id").values_list("deed", "raw"))
    assert scans == [("load", "SB00001"), ("load", "SB00002"), ("load", "SB00003")] + [
        ("unload", "SB00001"),
        ("load", "SB00004"),
    ]


def test_an_answer_that_is_lost_is_asked_for_again(dock: Dock, bill: Bill):
    """The server has it; then a portal answers; then a proxy. It is shown once, as loaded."""
    parent("SB00001")
    bodies = []

    def unlucky(route: Route) -> None:
        bodies.append(json.loads(route.request.post_data))
        if len(bodies) == 1:
            route.fetch()
            route.abort()
        elif len(bodies) == 2:
            route.fulfill(content_type="text/html", body="<h1>Welcome to our Wi-Fi</h1>")
        elif len(bodies) == 3:
            route.fulfill(status=404, content_type="application/json", body='{"code": "gone"}')
        else:
            route.continue_()

    dock.page.context.route(LOAD, unlucky)
    dock.wedge("SB00001")
    expect(dock.part("trouble")).to_contain_text("No connection. 1 scan waits on this device.")
    dock.expect_outcome("loaded", "yes")
    expect(dock.part("trouble")).to_be_hidden()
    dock.expect_on("SB00001")
    assert [body == bodies[0] for body in bodies] == [True] * 4
    assert BillScan.objects.count() == BillLine.objects.count() == 1


def test_a_verdict_said_again_does_not_blind_the_page(dock: Dock, bill: Bill, admin_user):
    """The watch has read the line before the verdict is there."""
    for code in ("SB00001", "SB00002"):
        parent(code)
    lost = []

    def lose(route: Route) -> None:
        lost.append(route.fetch())
        route.abort()

    dock.page.context.route(LOAD, lose)
    dock.wedge("SB00001")
    expect(dock.row("SB00001")).to_contain_text("30 kg")
    expect(dock.part("waits")).to_have_text("1 waits")
    dock.page.context.unroute(LOAD)
    dock.page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(dock.part("waits")).to_be_hidden()
    expect(dock.row("SB00001")).to_contain_text("30 kg", timeout=1)  # known is known
    load(bill, "SB00002")
    dock.expect_on("SB00002", "SB00001")
    unload(bill, admin_user, "SB00002")
    expect(dock.row("SB00002")).to_have_count(0)
    assert lost


def test_a_verdict_for_another_scan_is_none(dock: Dock, bill: Bill):
    parent("SB00001")
    tries = []

    def wrong(route: Route) -> None:
        tries.append(route)
        if len(tries) > 1:
            return route.continue_()
        answer = {"scan_id": str(uuid.uuid4()), "outcome": "unknown_parent"}
        problem = "application/problem+json"
        return route.fulfill(status=404, content_type=problem, body=json.dumps(answer))

    dock.page.context.route(LOAD, wrong)
    dock.wedge("SB00001")
    dock.expect_outcome("loaded", "yes")
    assert on(bill) == ["SB00001"]


def test_what_the_server_fails_at_does_not_keep_the_others(dock: Dock, bill: Bill):
    parent("SB00001")
    parent("SB00002")

    def choosy(route: Route) -> None:
        if "SB00001" in route.request.post_data:
            body = '{"code": "server_error"}'
            return route.fulfill(status=500, content_type="application/problem+json", body=body)
        return route.continue_()

    dock.page.context.route(LOAD, choosy)
    dock.wedge("SB00001", "SB00002")
    expect(dock.row("SB00002")).to_contain_text("30 kg", timeout=15_000)
    expect(dock.part("trouble")).to_contain_text("Tell your supervisor")
    dock.page.context.unroute(LOAD)
    dock.page.get_by_role("button", name="Try now").click()
    dock.eventually(lambda: on(bill), ["SB00002", "SB00001"])


def test_signing_in_again_in_place(dock: Dock, bill: Bill):
    parent("SB00001")
    parent("SB00002")
    dock.page.context.clear_cookies()
    dock.wedge("SB00001", "SB00002")
    expect(dock.part("trouble")).to_contain_text("Sign in again to send 2 scans.")
    dock.part("password").fill("Seeds-2026!")
    dock.page.keyboard.press("Enter")
    dock.expect_on("SB00002", "SB00001")
    expect(dock.part("signin-form")).to_be_hidden()
    expect(dock.field).to_be_focused()
    assert on(bill) == ["SB00001", "SB00002"]


def test_what_fails_while_somebody_presses_try_now_is_tried_again_at_once(dock: Dock, bill: Bill):
    """By then the pauses are long; a request that was under way already ends in none of them."""
    parent("SB00001")
    held, sent = [], []

    def fail(route: Route) -> None:
        sent.append(time.monotonic())
        if len(sent) == 5:
            held.append(route)
        else:
            route.abort() if len(sent) < 5 else route.continue_()

    dock.page.context.route(LOAD, fail)
    dock.wedge("SB00001")
    while not held:
        dock.page.wait_for_timeout(50)
    dock.page.get_by_role("button", name="Try now").click()
    held[0].abort()
    failed = time.monotonic()
    dock.expect_on("SB00001")
    assert sent[5] - failed < 3  # seconds; the fifth pause is 4.8 at least


def test_a_stale_token_is_renewed(dock: Dock, bill: Bill):
    parent("SB00001")
    dock.page.context.clear_cookies(name="csrftoken")
    dock.wedge("SB00001")
    dock.expect_on("SB00001")


def test_scans_of_another_person_wait_for_that_person(dock: Dock, bill: Bill, admin_user, enter):
    parent("SB00001")
    parent("SB00002")
    dock.page.context.route(API, lambda route: route.abort())
    dock.wedge("SB00001")
    expect(dock.part("waits")).to_have_text("1 waits")
    enter(dock.page.context, admin_user)
    dock.page.context.unroute(API)
    dock.page.reload()
    expect(dock.part("others")).to_contain_text("1 scan of Meena waits on this device.")
    dock.wedge("SB00002")
    dock.expect_on("SB00002")
    assert [scan.user for scan in BillScan.objects.all()] == [admin_user]


def test_scans_are_not_booked_to_who_signed_in_meanwhile(
    dock: Dock, bill: Bill, context: BrowserContext, admin_user, enter
):
    parent("SB00001")
    enter(context, admin_user)
    dock.wedge("SB00001")
    expect(dock.part("trouble")).to_contain_text("Somebody else has signed in")
    dock.part("password").fill("Seeds-2026!")
    dock.page.keyboard.press("Enter")
    dock.expect_on("SB00001")
    assert BillScan.objects.get().user.username == "meena"


def test_two_tabs_of_one_browser(dock: Dock, bill: Bill, context: BrowserContext):
    """Both send for both; each scan is counted once, and both pages show all."""
    for n in range(1, 7):
        parent(f"SB{n:05d}")
    other = Dock(context.new_page(), bill)
    context.route(API, lambda route: route.abort())
    for n in (1, 3, 5):
        dock.wedge(f"SB{n:05d}")
        other.wedge(f"SB{n + 1:05d}")
    expect(dock.part("waits")).to_have_text("6 wait")
    heal(dock)
    for one in (dock, other):
        one.expect_count("6 of 6")
        expect(one.page.locator(".line")).to_have_count(6)
        one.expect_all_judged()
    assert BillScan.objects.count() == BillLine.objects.count() == 6


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


def test_a_burst_of_two_hundred_arrives_in_order_once(dock: Dock, biller):
    """The first twenty by keys; the others at once, as no machine types them evenly enough."""
    bags = [Bag(qr_id=f"SB{n:05d}", type="parent", capacity=30, kg_per_child=1) for n in range(220)]
    Bag.objects.bulk_create(bags)
    children = [Bag(qr_id=f"CHILD-{n:04d}", type="child") for n in range(220)]
    Bag.objects.bulk_create(children)
    pairs = zip(bags, children, strict=True)
    Link.objects.bulk_create([Link(parent=bag, child=child) for bag, child in pairs])
    bill = new_bill(biller, 250)
    dock = Dock(dock.page, bill)
    dock.page.evaluate(WATCH)
    codes = [bag.qr_id for bag in bags]
    for code in codes[:20]:
        dock.wedge(code)
    shown = dock.page.evaluate("window.seen")
    assert median(shown) < 50, shown
    expect(dock.field).to_be_focused()
    dock.page.keyboard.insert_text("".join(f"{code}\n" for code in codes[20:]))
    expect(dock.page.locator(".state .count")).to_have_text("220 of 250", timeout=60_000)
    dock.expect_all_judged()
    expect(dock.part("actual_kg")).to_have_text("220 kg")
    assert on(bill) == codes
    scans = BillScan.objects.filter(bill=bill).order_by("id")
    assert list(scans.values_list("raw", flat=True)) == codes


# --- Taking back --------------------------------------------------------------------------------


@pytest.fixture
def ticket(biller):
    return returns.open_ticket(user=biller, reason="Wrong address")[0]


@pytest.fixture
def yard(page: Page, biller, ticket, enter) -> Dock:
    """A biller where trucks come back."""
    enter(page.context, biller)
    return Dock(page, ticket, "admin:billing_returnticket_scan")


def test_a_parent_comes_back_and_goes_again(yard: Dock, ticket, biller):
    for code in ("SB00001", "SB00002"):
        parent(code)
    parent("SB00003")
    sent = dispatch("SB00001", "SB00002")
    yard.wedge("SB00001")
    yard.expect_outcome("returned", "yes")
    expect(yard.state).to_contain_text(f"SB00001 came back from bill {sent.number}.")
    address = reverse("admin:billing_bill_change", args=[sent.pk])
    expect(yard.row("SB00001").get_by_role("link")).to_have_attribute("href", address)
    expect(yard.part("kg")).to_have_text("30 kg")
    yard.wedge("SB00001")
    yard.expect_outcome("already_returned", "again")
    yard.wedge("SB00003")
    yard.expect_outcome("not_dispatched", "no")
    yard.wedge("SB77777")
    yard.expect_outcome("unknown_parent", "no")
    yard.wedge(label(1))
    yard.expect_outcome("is_child", "no")
    yard.wedge("SB00002")
    yard.expect_on("SB00002", "SB00001")
    yard.expect_count("2")
    yard.page.get_by_role("button", name="Undo SB00002").click()
    yard.expect_outcome("taken_back", "undo")
    yard.expect_on("SB00001")
    open_lines = ReturnLine.objects.filter(ticket=ticket, taken_back_at=None)
    assert [line.parent.qr_id for line in open_lines] == ["SB00001"]


def test_a_changed_parent_is_not_put_back(yard: Dock, ticket):
    bag = parent("SB00001", 12)
    dispatch("SB00001")
    yard.wedge("SB00001")
    yard.expect_outcome("returned", "yes")
    Link.objects.create(parent=bag, child=Bag.objects.create(qr_id="NEW-1", type="child"))
    yard.page.get_by_role("button", name="Put SB00001 back on its bill").click()
    yard.expect_outcome("bag_changed", "no")
    expect(yard.state).to_contain_text("SB00001 has changed since it came back. It stays free.")
    yard.expect_on("SB00001")


def test_a_closed_ticket_takes_no_more(yard: Dock, ticket, admin_user):
    parent("SB00001")
    dispatch("SB00001")
    returns.close_ticket(ticket_id=ticket.pk, user=admin_user)
    expect(yard.state).to_contain_text("Closed by Asha")
    yard.wedge("SB00001")
    yard.expect_outcome("ticket_closed", "no")
    yard.eventually(BillScan.objects.filter(outcome="ticket_closed").count, 1)
    assert not ReturnLine.objects.exists()


# --- How it looks -------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "hi"])
def test_every_state_looks_good(page: Page, biller, bill: Bill, enter, language: str):
    parent("SB00001")
    parent("SB00002", 12)
    parent("SB00003", 0)
    parent("M444-00001", 15, 15)
    load(new_bill(biller, number="TRUCK-8"), "M444-00001")
    cookie = {"name": "language", "value": language, "domain": "localhost", "path": "/"}
    page.context.add_cookies([cookie])
    enter(page.context, biller)
    page.goto(reverse("admin:billing_bill_load", args=[bill.pk]))
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.locator(".loading[data-ready]")).to_be_attached()
    dock = Dock.__new__(Dock)  # its own words are English
    dock.page = page
    dock.wedge("SB00001", "SB00002")
    dock.expect_outcome("half_full", "again")
    expect_good_looks_everywhere(page)
    dock.wedge("M444-00001")
    dock.expect_outcome("on_other_bill", "no")
    expect_good_looks_everywhere(page)
    dock.wedge("TRKCODEHELP")
    dock.wedge("SB00003")
    dock.expect_outcome("empty_parent", "no")
    expect(dock.part("ask")).to_be_visible()
    dock.part("help").evaluate("element => (element.hidden = false)")
    expect_good_looks_everywhere(page)
    page.set_viewport_size({"width": 375, "height": 812})  # where the letters are smallest
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert page.evaluate(TONES) == []
    page.set_viewport_size({"width": 1280, "height": 800})
    page.context.route(API, lambda route: route.abort())
    dock.wedge("SB00003")
    expect(dock.part("trouble")).to_be_visible()
    expect_good_looks_everywhere(page)


def test_the_ticket_looks_good(yard: Dock, ticket):
    parent("SB00001", 12)
    parent("SB00002")
    dispatch("SB00001")
    yard.wedge("SB00001", "SB00002")
    yard.expect_outcome("not_dispatched", "no")
    expect_good_looks_everywhere(yard.page)


def test_by_keyboard_alone(dock: Dock, bill: Bill):
    """Tab leaves the field, Enter presses; a scan meanwhile presses nothing."""
    parent("SB00001")
    parent("SB00002")
    dock.wedge("SB00001")
    dock.expect_on("SB00001")
    undo = dock.page.get_by_role("button", name="Undo SB00001")
    undo.focus()
    dock.wedge("SB00002")
    dock.expect_on("SB00002", "SB00001")
    remove = dock.page.get_by_role("button", name="Remove SB00001")
    remove.focus()
    dock.page.keyboard.press("Enter")
    dock.expect_on("SB00002")
    expect(dock.part("said")).to_have_text("Taken off. SB00001 is off the bill.")
    assert on(bill) == ["SB00002"]
