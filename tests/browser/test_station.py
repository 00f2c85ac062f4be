"""The station page, with a real browser against the real server."""

import json
import re

import pytest
from django.conf import settings
from playwright.sync_api import Page, Route, expect

from bags.models import Bag, Link
from scanning.models import Scan
from tests.browser.conftest import Bench, expect_good_looks, label
from tests.browser.keyboards import AZERTY, Scanner

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_pack_two_sacks(page: Page, dispatcher):
    """From signing in to exact numbers: a mustard and a moong parent, and what can go wrong."""
    page.goto("/scan/")
    page.locator("[name=username]").fill("ravi")
    page.locator("[name=password]").fill("Seeds-2026!")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"^[^?]+/scan/$"))
    bench = Bench(page)

    bench.wedge("SB00001", *(label(n) for n in range(1, 31)))
    bench.expect_outcome("completed", "done")
    bench.expect_count("SB00001", "30 of 30")

    bench.wedge("M444-00001", *(label(n) for n in range(101, 115)))
    bench.expect_count("M444-00001", "14 of 15")
    bench.wedge(label(114))
    bench.expect_outcome("already_linked", "again")
    expect(bench.state).to_contain_text("Already there")
    bench.wedge(label(7))
    bench.expect_outcome("linked_elsewhere", "no")
    expect(bench.state).to_contain_text(
        re.compile(r"is in SB00001\. Packed by Ravi at PACK-1 since \d\d:\d\d")
    )
    bench.wedge(label(115))
    bench.expect_outcome("completed", "done")
    bench.expect_count("M444-00001", "15 of 15")

    page.get_by_role("button", name="Undo 0000115").click()
    bench.expect_outcome("undone", "undo")
    bench.expect_count("M444-00001", "14 of 15")
    expect(bench.page.locator(".scan[data-outcome=undone]")).to_contain_text("0000115")

    assert Bag.objects.parents().count() == 2
    assert Bag.objects.children().count() == 45
    assert Link.objects.count() == 44
    page.goto("/dashboard/")
    for name, number in {
        "parent_bags": 2,
        "child_bags": 45,
        "links": 44,
        "total_scans": 2 + 30 + 14 + 2 + 1,
        "total_bills": 0,
        "total_users": 1,
    }.items():
        expect(page.locator(f"[data-total={name}]")).to_have_text(str(number))


def test_every_state_looks_good(bench: Bench):
    bench.wedge("SB00001", label(1), label(2))
    bench.expect_count("SB00001", "2 of 30")
    expect_good_looks(bench.page)
    bench.wedge(label(2))
    bench.expect_outcome("already_linked", "again")
    expect_good_looks(bench.page)
    bench.page.get_by_role("button", name="Finish SB00001").click()
    expect_good_looks(bench.page)
    bench.page.get_by_role("button", name="Go on").click()
    bench.wedge("SB00002", label(1))
    bench.expect_outcome("linked_elsewhere", "no")
    expect_good_looks(bench.page)
    bench.page.get_by_role("button", name="Undo").click()
    bench.expect_outcome("undone", "undo")
    expect_good_looks(bench.page)
    bench.part("change").click()
    expect_good_looks(bench.page)


def test_a_child_without_a_parent_is_red(bench: Bench):
    bench.wedge(label(1))
    bench.expect_outcome("is_child", "no")
    expect(bench.state).to_contain_text("Scan a parent first")
    assert Bag.objects.count() == 0


def test_another_parent_switches_and_a_refused_one_closes(bench: Bench):
    bench.wedge("SB00001", label(1), "SB00002", label(2), "sb00001")
    bench.expect_count("SB00001", "1 of 30")
    Bag.objects.create(qr_id="SB00009", type="child")
    bench.wedge("SB00009", label(3))
    bench.expect_outcome("is_child", "no")
    bench.expect_all_judged()
    assert not Bag.objects.filter(label_no="0000003").exists()


def test_an_old_parent_that_fits_no_product_switches_too(bench: Bench):
    Bag.objects.create(qr_id="OLD SACK 7", type="parent", capacity=400, kg_per_child=1)
    bench.wedge("SB00001", label(1), "OLD SACK 7", label(2))
    bench.expect_count("OLD SACK 7", "1 of 400")
    bench.expect_all_judged()
    assert Link.objects.get(child__label_no="0000002").parent.qr_id == "OLD SACK 7"


def test_finish_asks_once_on_the_page_while_scans_go_on(bench: Bench):
    bench.wedge("SB00001", label(1), label(2))
    bench.expect_count("SB00001", "2 of 30")
    bench.page.get_by_role("button", name="Finish SB00001").click()
    expect(bench.part("question")).to_have_text("Finish SB00001 with 2 of 30?")
    bench.wedge(label(3))
    expect(bench.part("question")).to_have_text("Finish SB00001 with 3 of 30?")
    bench.page.get_by_role("button", name="Go on").click()
    expect(bench.part("ask")).to_be_hidden()
    bench.page.get_by_role("button", name="Finish SB00001").click()
    bench.page.get_by_role("button", name="Finish", exact=True).click()
    bench.expect_outcome("finished", "done")
    assert Bag.objects.get(qr_id="SB00001").status == "completed"
    bench.wedge(label(4))
    bench.expect_outcome("is_child", "no")


def test_the_question_goes_when_its_parent_does(bench: Bench):
    bench.wedge("SB00001", label(1))
    bench.expect_count("SB00001", "1 of 30")
    bench.page.get_by_role("button", name="Finish SB00001").click()
    bench.wedge("SB00002")
    expect(bench.part("ask")).to_be_hidden()


def test_move_here_asks_once(bench: Bench):
    bench.wedge("SB00002", label(1), "SB00001", label(1))
    bench.expect_outcome("linked_elsewhere", "no")
    bench.state.get_by_role("button", name="Move here").click()
    expect(bench.part("question")).to_have_text("Move 0000001 from SB00002 to SB00001?")
    bench.page.get_by_role("button", name="Move", exact=True).click()
    bench.expect_outcome("linked", "yes")
    bench.expect_count("SB00001", "1 of 30")
    assert Link.objects.get().parent.qr_id == "SB00001"
    expect(bench.page.get_by_role("button", name="Move here")).to_have_count(0)


def test_undo_again_and_again(bench: Bench):
    bench.wedge("SB00001", label(1), label(2))
    bench.expect_count("SB00001", "2 of 30")
    bench.page.get_by_role("button", name="Undo 0000002").click()
    bench.page.get_by_role("button", name="Undo 0000001").click()
    bench.expect_count("SB00001", "0 of 30")
    expect(bench.page.get_by_role("button", name="Undo")).to_be_disabled()
    bench.eventually(Link.objects.count, 0)


def test_ten_idle_minutes_close_the_parent(page: Page, dispatcher, enter, monkeypatch):
    monkeypatch.setattr("scanning.views.IDLE_SECONDS", 1)
    enter(page.context, dispatcher)
    bench = Bench(page)
    bench.wedge("SB00001")
    bench.expect_count("SB00001", "0 of 30")
    expect(bench.state).to_contain_text("SB00001 was closed")
    expect(bench.part("phase")).to_have_text("Scan a parent")
    bench.wedge(label(1))
    bench.expect_outcome("is_child", "no")


def test_the_station_is_remembered_and_is_no_bag(bench: Bench):
    bench.part("change").click()
    for wrong in ("SB00001", "a b", "-x", ""):
        bench.part("name").fill(wrong)
        bench.page.keyboard.press("Enter")
        expect(bench.part("problem")).not_to_be_empty()
    bench.part("name").fill("pack-7")
    bench.page.keyboard.press("Enter")
    expect(bench.part("station")).to_have_text("PACK-7")
    bench.page.reload()
    expect(bench.part("station")).to_have_text("PACK-7")
    bench.wedge("SB00001")
    bench.expect_outcome("parent_created", "yes")
    assert Scan.objects.get().station.name == "PACK-7"


def test_a_typed_station_is_taken_whatever_others_are_known(bench: Bench):
    """Enter means the name in the field; a tap means the name on the button."""
    bench.wedge("SB00001")
    bench.expect_outcome("parent_created", "yes")
    bench.page.reload()
    for name, choose in (
        ("PACK-2", lambda: bench.page.keyboard.press("Enter")),
        ("PACK-1", lambda: bench.page.get_by_role("button", name="PACK-1").click()),
    ):
        bench.part("change").click()
        bench.page.get_by_label("name").fill("PACK-2")
        choose()
        expect(bench.part("station")).to_have_text(name)


def test_the_last_scans_are_there_after_a_reload(bench: Bench):
    bench.wedge("SB00001", *(label(n) for n in range(1, 24)))
    bench.expect_packed("SB00001", "23 of 30")
    bench.page.reload()
    bench.expect_count("SB00001", "23 of 30")
    expect(bench.rows).to_have_count(20)
    expect(bench.rows.first).to_contain_text("0000023")
    expect(bench.page.get_by_role("button", name="Undo 0000023")).to_be_enabled()


def test_mute_is_remembered(bench: Bench):
    bench.page.get_by_role("button", name="Sound is on").click()
    expect(bench.page.get_by_role("button", name="Sound is off")).to_be_visible()
    bench.page.reload()
    expect(bench.page.get_by_role("button", name="Sound is off")).to_be_visible()


def test_hostile_text_is_only_text(bench: Bench):
    bench.wedge("SB00001", '<img src=x onerror="window.hit=1">')
    bench.expect_outcome("bad_code", "no")
    expect(bench.rows.first).to_contain_text("<img src=x")
    assert bench.page.evaluate("window.hit") is None


def test_a_packer_needs_no_mouse(bench: Bench):
    """Finish, undo, repeat, help and yes are codes on a sheet."""
    bench.wedge("SB00001", label(1), label(2))
    bench.expect_count("SB00001", "2 of 30")
    bench.wedge("TRKCODEUNDO")
    bench.expect_outcome("undone", "undo")
    bench.expect_count("SB00001", "1 of 30")
    bench.wedge("TRKCODEHELP")
    expect(bench.part("help")).to_be_visible()
    bench.wedge(label(1))
    bench.expect_outcome("already_linked", "again")
    expect(bench.part("help")).to_be_hidden()
    bench.wedge("trkcodefinish")
    expect(bench.part("question")).to_have_text("Finish SB00001 with 1 of 30?")
    bench.wedge("TRKCODEFINISH")  # the same again says yes
    bench.expect_outcome("finished", "done")
    bench.wedge("SB00002", label(1))
    bench.expect_outcome("linked_elsewhere", "no")
    bench.wedge("TRKCODEOK")  # presses Move here ...
    expect(bench.part("question")).to_have_text("Move 0000001 from SB00001 to SB00002?")
    bench.wedge("TRKCODEOK")  # ... and says yes
    bench.expect_outcome("linked", "yes")
    bench.wedge("TRKCODEECHO")
    expect(bench.part("detail")).to_contain_text("is in SB00002")
    bench.eventually(lambda: Link.objects.get().parent.qr_id, "SB00002")
    assert not Bag.objects.filter(qr_id__startswith="TRKCODE").exists()
    assert not Scan.objects.filter(raw__icontains="TRKCODE").exists()


def test_finish_by_code_needs_an_open_parent(bench: Bench):
    bench.wedge("TRKCODEFINISH")
    expect(bench.part("detail")).to_have_text("No parent is open.")
    bench.wedge("TRKCODEUNDO")
    bench.expect_outcome("nothing_to_undo", "again")
    assert not Scan.objects.exists()


def test_volume_is_kept_for_each_station(bench: Bench):
    bench.part("volume").fill("0.2")
    bench.part("change").click()
    bench.part("name").fill("PACK-2")
    bench.page.keyboard.press("Enter")
    expect(bench.part("volume")).to_have_value("0.7")
    bench.part("change").click()
    bench.page.get_by_role("button", name="PACK-1").or_(bench.part("name")).last.fill("PACK-1")
    bench.page.keyboard.press("Enter")
    expect(bench.part("volume")).to_have_value("0.2")


def test_start_shift_stays_until_the_first_tap_or_key(bench: Bench):
    expect(bench.part("shift")).to_be_hidden()  # the tap on Start was one
    bench.page.reload()
    expect(bench.part("shift")).to_be_visible()
    bench.page.get_by_role("button", name="Start shift").click()
    expect(bench.part("shift")).to_be_hidden()
    bench.page.reload()
    bench.wedge("SB00001")
    expect(bench.part("shift")).to_be_hidden()


def test_a_scan_into_another_field_is_still_a_scan(bench: Bench):
    """The person was about to type a password; the code must not end up there."""
    bench.wedge("SB00001")
    bench.expect_outcome("parent_created", "yes")
    bench.page.context.clear_cookies()
    bench.wedge(label(1))
    bench.part("password").click()
    bench.wedge(label(2))
    expect(bench.part("count")).to_have_text("2 of 30")
    expect(bench.part("password")).to_have_value("")
    bench.part("password").fill("Seeds-2026!")
    bench.page.keyboard.press("Enter")
    bench.eventually(Link.objects.count, 2)


def test_what_the_server_has_no_record_of_stays_here_until_somebody_has_seen_it(bench: Bench):
    def refuse(route: Route) -> None:
        batch = json.loads(route.request.post_data)
        said = {"status": 403, "outcome": "permission_denied", "detail": "Your role may not."}
        results = [{"id": item["id"], **said} for item in batch["items"]]
        route.fulfill(json={"device": batch["device"], "results": results})

    bench.page.route("**/api/scans/batch", refuse)
    bench.wedge("SB00001")
    bench.expect_outcome("permission_denied", "no")
    decision = bench.page.locator(".decision")
    expect(decision).to_contain_text("SB00001")
    bench.page.reload()
    expect(decision).to_contain_text("The server did not take this: Your role may not.")
    decision.get_by_role("button", name="Remove from this device").click()
    expect(decision).to_have_count(0)


def test_in_hindi(bench: Bench):
    language = settings.LANGUAGE_COOKIE_NAME
    bench.page.context.add_cookies(
        [{"name": language, "value": "hi", "url": bench.page.url.split("/scan")[0]}]
    )
    bench.page.reload()
    bench.wedge("SB00001", label(1), "!!")
    bench.expect_outcome("bad_code", "no")
    for part in ("phase", "word", "detail", "undo", "finish"):
        assert re.search("[\u0900-\u097f]", bench.part(part).inner_text()), part


def test_a_garbled_keyboard_is_named_and_the_hint_goes_with_the_next_scan(bench: Bench):
    bench.wedge("SB00001")
    bench.expect_outcome("parent_created", "yes")
    Scanner(bench.page).scan("LABEL NO.0000001 LOT NO.:STAR44GG24611", computer=AZERTY)
    expect(bench.part("hint")).to_be_visible()
    expect(bench.part("hint").get_by_role("link")).to_have_attribute("href", "/scan/setup/")
    bench.wedge(label(1))
    expect(bench.part("hint")).to_be_hidden()


def test_yes_overtakes_no_scan(bench: Bench):
    """Five codes come in one moment with the press on Finish: all five are in."""
    bench.wedge("SB00001", label(1))
    bench.expect_count("SB00001", "1 of 30")
    bench.expect_all_judged()
    bench.page.get_by_role("button", name="Finish SB00001").click()
    bench.page.evaluate(
        """() => {
          const field = document.querySelector("[data-part=field]");
          field.value = [1, 2, 3, 4, 5].map((n) => `CHILD ${n}\\n`).join("");
          field.dispatchEvent(new Event("input"));
          document.querySelector("[data-part=yes]").click();
        }"""
    )
    bench.expect_outcome("finished", "done")
    assert Link.objects.filter(parent__qr_id="SB00001").count() == 6
    assert Bag.objects.get(qr_id="SB00001").status == "completed"
