"""Keys, pastes and focus: whatever a scanner does becomes codes, each once and whole."""

import json
import random
from dataclasses import asdict
from pathlib import Path

import pytest
from playwright.sync_api import expect

from bags import codes
from bags.models import Bag
from scanning.models import Scan
from tests.browser.conftest import Bench, label

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

L1, L2 = label(1), label(2)
VECTORS = [
    ("SB00001\n" + L1 + "\n", ["SB00001", L1]),
    (f"{L1}\r\n{L2}\t", [L1, L2]),
    ("A-1\rA-2\n\nA-3\t\nrest", ["A-1", "A-2", "A-3"]),
    (
        "LABEL NO.0016586\nLOT NO.:STAR44GG24611,\nD.O.T.:30/09/2025\n",
        ["LABEL NO.0016586\nLOT NO.:STAR44GG24611,\nD.O.T.:30/09/2025"],
    ),
    (
        "LABEL\nNO.\n0016586 LOT NO.:\nSTAR15MD25095(II),\nD.O.T.:\n30/09/\n2025\nSB00001\n",
        ["LABEL\nNO.\n0016586 LOT NO.:\nSTAR15MD25095(II),\nD.O.T.:\n30/09/\n2025", "SB00001"],
    ),
    (f"{L1}\n{L2}\n".replace(" ", "\n"), [L1.replace(" ", "\n"), L2.replace(" ", "\n")]),
    ("LABEL NO.1\nSB00001\n", ["LABEL NO.1", "SB00001"]),
    (
        "LABEL NO.1\nLABEL NO.2 LOT NO.:A, D.O.T.:1/2/2025\n",
        ["LABEL NO.1", "LABEL NO.2 LOT NO.:A, D.O.T.:1/2/2025"],
    ),
    ("LABEL NO.1\nRAVI KUMAR\n", ["LABEL NO.1", "RAVI KUMAR"]),
    (
        "LOT NO.:A,\nLABEL NO.1\nD.O.T.:1/2/2025\nX-1\n",
        ["LOT NO.:A,\nLABEL NO.1\nD.O.T.:1/2/2025", "X-1"],
    ),
]

READ = """async (json) => {
  const { read, normalise, command } = await import("/static/scanning/codes.js");
  const all = (raw) => ({ text: normalise(raw), command: command(raw), ...read(raw) });
  return JSON.parse(json).map(all);
}"""
FORMS = ("qr_id", "form", "label_no", "lot_no")
PIECES = [
    *("LABEL NO", "LOT NO", "D.O.T", "DOT", "DATE OF TEST", "TRKCODE", "UNDO", "OK", "SB00001"),
    *"]Qd1 .:,/-()_AazZ059\t\r\n\x1d\x00\x1c\x85ßéıﬁ",
    *("\u00a0", "\u200b", "\u2028", "\ufeff", "\u0301", "\u0661", "\U0001f600", "\ud800"),
]

SPLIT = """async ([url, text]) => {
  const { split, normalise } = await import(url);
  return split(text, (code) => /^SB\\d{5}$/.test(normalise(code))).codes;
}"""


def test_the_browser_reads_codes_as_the_server_does(bench: Bench):
    """The file that tests bags/codes.py tests codes.js too. (As ASCII: half pairs survive that.)"""
    path = Path(codes.__file__).parent / "tests" / "codes.json"
    vectors = json.loads(path.read_text())
    answers = bench.page.evaluate(READ, json.dumps([vector["raw"] for vector in vectors]))
    for vector, answer in zip(vectors, answers, strict=True):
        assert answer == {key: vector[key] for key in answer}, vector["why"]


def test_the_browser_reads_anything_as_the_server_does(bench: Bench):
    dice = random.Random(20261124)  # noqa: S311
    raws = ["".join(dice.choices(PIECES, k=dice.randint(0, 14))) for _ in range(4000)]
    answers = bench.page.evaluate(READ, json.dumps(raws))
    for raw, answer in zip(raws, answers, strict=True):
        code = asdict(codes.read(raw))
        expected = {"text": codes.normalise(raw), "command": codes.command(raw)}
        assert answer == expected | {name: code[name] for name in FORMS}, ascii(raw)


def test_where_codes_end(bench: Bench):
    for text, expected in VECTORS:
        url = "/static/scanning/wedge.js"
        assert bench.page.evaluate(SPLIT, [url, text]) == expected, text


def test_line_breaks_inside_a_label_as_keys(bench: Bench):
    bench.wedge("SB00001", "LABEL NO.0016586", "LOT NO.:STAR44GG24611,", "D.O.T.:30/09/2025", L1)
    bench.expect_count("SB00001", "2 of 30")
    bag = Bag.objects.get(qr_id="STAR44GG24611:0016586")
    assert str(bag.tested_on) == "2025-09-30"
    assert Scan.objects.count() == 3


def test_a_label_that_stays_short_ends_by_itself(bench: Bench):
    bench.wedge("SB00001", "LABEL NO.0016586")
    bench.expect_count("SB00001", "1 of 30")
    assert Bag.objects.filter(qr_id="0016586").exists()


@pytest.mark.parametrize("end", ["Enter", "Tab", "NumpadEnter", "Control+j", "Control+m"])
def test_every_end_key(bench: Bench, end: str):
    bench.page.keyboard.type("SB00001")
    bench.page.keyboard.press(end)
    bench.expect_outcome("parent_created", "yes")
    expect(bench.field).to_be_focused()


def test_a_slow_hand_and_a_paste(bench: Bench):
    bench.page.keyboard.type("SB00001\n", delay=150)
    bench.expect_outcome("parent_created", "yes")
    bench.page.keyboard.insert_text(L1)
    bench.page.keyboard.press("Enter")
    bench.page.keyboard.insert_text(f"{L2}\n{label(3)}\n")
    bench.expect_count("SB00001", "3 of 30")


def test_focus_comes_back(bench: Bench):
    bench.page.locator(".last h2").click()
    expect(bench.field).to_be_focused()
    bench.field.evaluate("(field) => field.blur()")
    expect(bench.field).to_be_focused()
    bench.page.get_by_role("button", name="Sound is on").click()
    expect(bench.field).to_be_focused()


def test_a_scan_never_presses_the_button_that_has_the_focus(bench: Bench):
    bench.wedge("SB00001", L1)
    bench.expect_count("SB00001", "1 of 30")
    finish = bench.page.get_by_role("button", name="Finish SB00001")
    for prefix in ("", " ", "\n"):
        finish.focus()
        bench.page.wait_for_timeout(100)
        bench.page.keyboard.type(f"{prefix}{L2}\n")
        expect(bench.rows.first).to_contain_text("0000002")
        bench.page.wait_for_timeout(150)
        expect(bench.part("ask")).to_be_hidden()
    bench.expect_all_judged()
    bench.expect_count("SB00001", "2 of 30")
    assert Scan.objects.filter(outcome="bad_code").count() == 0


def test_a_hand_can_use_every_button_by_keyboard(bench: Bench):
    bench.wedge("SB00001", L1)
    bench.expect_count("SB00001", "1 of 30")
    bench.page.wait_for_timeout(200)
    bench.page.keyboard.press("Tab")
    expect(bench.page.get_by_role("button", name="Undo")).to_be_focused()
    bench.page.keyboard.press("Tab")
    expect(bench.page.get_by_role("button", name="Finish SB00001")).to_be_focused()
    bench.page.keyboard.press("Enter")
    yes = bench.page.get_by_role("button", name="Finish", exact=True)
    expect(yes).to_be_focused()
    bench.page.keyboard.press("Space")
    bench.expect_outcome("finished", "done")
    expect(bench.field).to_be_focused()
