"""Keys, pastes and focus: whatever a scanner does becomes codes, each once and whole."""

import json
import random
from dataclasses import asdict
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from bags import codes
from bags.models import Bag
from scanning.models import Scan
from tests.browser.conftest import Bench, label
from tests.browser.keyboards import (
    AZERTY,
    CTRL,
    DVORAK,
    ENDS,
    GS,
    INSCRIPT,
    QWERTZ,
    RUSSIAN,
    Scanner,
    keys_of,
)

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
  const { split } = await import(url);
  const { normalise } = await import("/static/scanning/codes.js");
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
        url = "/static/scanning/lines.js"
        assert bench.page.evaluate(SPLIT, [url, text]) == expected, text


def test_line_breaks_inside_a_label_as_keys(bench: Bench):
    bench.wedge("SB00001", "LABEL NO.0016586", "LOT NO.:STAR44GG24611,", "D.O.T.:30/09/2025", L1)
    bench.expect_count("SB00001", "2 of 30")
    bench.expect_all_judged()
    bag = Bag.objects.get(qr_id="STAR44GG24611:0016586")
    assert str(bag.tested_on) == "2025-09-30"
    assert Scan.objects.count() == 3


def test_a_label_that_stays_short_ends_by_itself(bench: Bench):
    bench.wedge("SB00001", "LABEL NO.0016586")
    bench.expect_count("SB00001", "1 of 30")
    bench.expect_all_judged()
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
    bench.expect_all_judged()


def test_focus_comes_back(bench: Bench):
    bench.page.locator("#last").click()
    expect(bench.field).to_be_focused()
    bench.field.evaluate("(field) => field.blur()")
    expect(bench.field).to_be_focused()
    bench.page.get_by_role("button", name="Sound is on").click()
    expect(bench.field).to_be_focused()


def test_a_scan_never_presses_the_button_that_has_the_focus(bench: Bench):
    bench.wedge("SB00001", L1)
    bench.expect_count("SB00001", "1 of 30")
    bench.expect_all_judged()
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
    bench.expect_all_judged()
    assert Scan.objects.filter(outcome="bad_code").count() == 0


def test_a_hand_can_use_every_button_by_keyboard(bench: Bench):
    bench.wedge("SB00001", L1)
    bench.expect_count("SB00001", "1 of 30")
    bench.expect_all_judged()
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


# --- The engine by itself: a field, another one in a form, a password, a button -----------------

HARNESS = """async (profile) => {
  document.body.replaceChildren();
  const make = (tag, values) => {
    const made = Object.assign(document.createElement(tag), values);
    document.body.append(made);
    return made;
  };
  const field = make("textarea", { id: "field" });
  const form = make("form", {});
  form.append(make("input", { id: "other" }), make("input", { id: "secret", type: "password" }));
  form.append(make("button", { id: "send", textContent: "Send" }));
  Object.assign(window, { got: [], hints: [], sent: 0, pressed: 0, profile });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    window.sent += 1;
  });
  const button = make("button", { id: "press", textContent: "Press" });
  button.addEventListener("click", () => (window.pressed += 1));
  const { listen } = await import("/static/scanning/wedge.js");
  listen({
    field,
    onCode: (code) => window.got.push(code),
    onHint: (hint) => window.hints.push(hint),
    isParent: (code) => /^SB\\d{5}$/i.test(code.trim()),
    profile: () => window.profile,
  });
}"""


class Engine(Scanner):
    """`listen` on an empty page."""

    def __init__(self, page: Page, profile: dict | None = None):
        page.evaluate(HARNESS, profile)
        super().__init__(page)

    def focus(self, name: str) -> None:
        self.page.locator(f"#{name}").focus()

    def value(self, name: str = "field") -> str:
        return self.page.locator(f"#{name}").input_value()

    def got(self) -> list[str]:
        """The codes since the last time."""
        return self.page.evaluate("() => window.got.splice(0)")

    def hints(self) -> list[dict]:
        return self.page.evaluate("() => window.hints.splice(0)")

    def count(self, name: str) -> int:
        return self.page.evaluate(f"() => window.{name}")


@pytest.fixture
def blank(page: Page) -> Page:
    page.goto("/accounts/login/")
    return page


@pytest.fixture
def engine(blank: Page) -> Engine:
    return Engine(blank)


@pytest.mark.parametrize("place", ["field", "other", "press"])
def test_every_end_is_one_end_wherever_the_focus_is(engine: Engine, place: str):
    for end in filter(None, ENDS):
        engine.focus(place)
        for code in ("SB00001", "SB00002", "A-1X"):
            engine.scan(code, end=end)
        assert engine.got() == ["SB00001", "SB00002", "A-1X"]
        assert engine.value() == engine.value("other") == ""
        assert engine.count("sent") == engine.count("pressed") == 0
        expect(engine.page.locator("#field" if place == "press" else f"#{place}")).to_be_focused()
        engine.wait(1000)


def test_what_a_hand_has_begun_stays_when_a_scan_comes(engine: Engine):
    engine.focus("field")
    for end in filter(None, ENDS):
        engine.press(keys_of("half"), gap=350)
        engine.wait(500)
        engine.scan("SB00001", end=end)
        assert engine.got() == ["SB00001"]
        assert engine.value() == "half"
        engine.wait(500)
        engine.press(keys_of("way"), gap=350)
        engine.wait(500)
        engine.press(ENDS["Enter"])
        assert engine.got() == ["halfway"]
        engine.wait(500)


def test_a_code_with_a_pause_in_it_is_one_code(engine: Engine):
    """Radio scanners stop for a moment. Half a code would be another bag's."""
    engine.focus("field")
    for pause in (350, 900, 3000):
        engine.press(keys_of("SB0"))
        engine.wait(pause)
        engine.press([*keys_of("0001"), *ENDS["Enter"]])
        assert engine.got() == ["SB00001"]
        engine.wait(200)


def test_keys_before_the_script_was_there_belong_to_the_code(blank: Page):
    engine = Engine(blank)
    blank.evaluate("() => { document.getElementById('field').value = 'LABEL NO.00165'; }")
    engine.focus("field")
    engine.press([*keys_of("86 LOT NO.:A, D.O.T.:30/09/2025"), *ENDS["Enter"]])
    assert engine.got() == ["LABEL NO.0016586 LOT NO.:A, D.O.T.:30/09/2025"]


def test_a_slow_hand_is_not_cut_off(engine: Engine):
    for profile in (None, {"end": "", "gap_ms": 8}, {"end": "Enter", "gap_ms": 100}):
        engine.page.evaluate("(profile) => { window.profile = profile; }", profile)
        for place in ("field", "other"):
            engine.focus(place)
            engine.press(keys_of("LABEL NO.7"), gap=450)
            engine.page.wait_for_timeout(500)
            assert (engine.got(), engine.value(place)) == ([], "LABEL NO.7")
            engine.wait(450)
            engine.press(ENDS["Enter"])
            engine.page.wait_for_timeout(400)  # a label's other lines do not come
            if place == "field":
                assert engine.got() == ["LABEL NO.7"]
        assert (engine.got(), engine.count("sent")) == ([], 1)
        engine.page.evaluate("() => { window.sent = 0; }")
        engine.page.locator("#other").fill("")
    assert engine.hints() == []


def test_a_scan_in_another_field_is_taken_out_of_it(engine: Engine):
    engine.focus("other")
    engine.press(keys_of("why not"), gap=300)
    engine.wait(400)
    engine.scan("SB00001")
    assert (engine.got(), engine.value("other"), engine.count("sent")) == (
        ["SB00001"],
        "why not",
        0,
    )
    lines = ["LABEL NO.0016586", "LOT NO.:STAR44GG24611,", "D.O.T.:30/09/2025"]
    for line in lines:
        engine.press([*keys_of(line), *ENDS["Enter"]])
    engine.page.wait_for_timeout(150)
    assert engine.got() == ["\n".join(lines)]
    assert (engine.value("other"), engine.count("sent")) == ("why not", 0)


def test_a_password_that_comes_as_fast_as_a_scan_stays_a_password(engine: Engine):
    engine.focus("secret")
    engine.scan("Seeds2026")
    assert (engine.got(), engine.count("sent")) == ([], 1)
    assert engine.value("secret") == "Seeds2026"
    engine.scan("TRKCODEUNDO")
    engine.scan(L1)
    assert (engine.got(), engine.count("sent")) == (["TRKCODEUNDO", L1], 1)
    assert engine.value("secret") == "Seeds2026"


@pytest.mark.parametrize("place", ["field", "other", "press"])
def test_separators_are_no_part_of_a_code(engine: Engine, place: str):
    watch = "document.addEventListener('keydown', (e) => (window.kept = e.defaultPrevented))"
    engine.page.evaluate(f"() => {{ {watch}; }}")
    for separator in (GS, ("+", "BracketRight", CTRL), ("c", "KeyC", CTRL)):
        engine.focus(place)
        engine.wait(1000)
        if separator == GS:
            engine.press([separator])
            assert engine.page.evaluate("window.kept")
        engine.press([*keys_of("SB00"), separator])
        assert engine.page.evaluate("window.kept")
        engine.press([*keys_of("001"), separator, *ENDS["Enter"]])
        assert engine.got() == ["SB00001"]


def test_a_hand_may_still_copy_and_paste(engine: Engine):
    engine.page.evaluate(
        "() => document.addEventListener('keydown', (e) => (window.kept = e.defaultPrevented))"
    )
    engine.focus("field")
    engine.press([*keys_of("abc"), ("c", "KeyC", CTRL)], gap=200)
    assert not engine.page.evaluate("window.kept")


# --- Scanners without an end key ------------------------------------------------------------------


@pytest.mark.parametrize("place", ["field", "other", "press"])
def test_a_scanner_without_an_end_key_works_when_its_profile_says_so(blank: Page, place: str):
    engine = Engine(blank, {"end": "", "gap_ms": 100})
    engine.focus(place)
    for code in ("SB00001", L1, "A-1"):
        engine.scan(code, end="")
        engine.page.wait_for_timeout(500)
        if code != "A-1" or place != "other":
            assert engine.got() == [code]
    if place == "field":
        lines = L1.replace(" ", "\n")
        for line in lines.split("\n")[:-1]:
            engine.press([*keys_of(line), *ENDS["Enter"]])
        engine.press(keys_of(lines.split("\n")[-1]))
        engine.page.wait_for_timeout(500)
        assert engine.got() == [lines]
    assert engine.hints() == []


def test_a_hand_that_rolls_over_keys_is_not_cut_off_there_either(blank: Page):
    engine = Engine(blank, {"end": "", "gap_ms": 8})
    engine.focus("field")
    engine.press(keys_of("SB00001"), gap=45)
    engine.page.wait_for_timeout(300)
    assert (engine.got(), engine.value()) == ([], "SB00001")


def test_a_missing_end_is_reported_where_the_profile_does_not_know_it(engine: Engine):
    engine.focus("field")
    engine.scan("SB00001", end="")
    engine.page.wait_for_timeout(500)
    assert (engine.got(), engine.hints()) == ([], [])
    engine.page.wait_for_timeout(800)
    assert [hint["kind"] for hint in engine.hints()] == ["end"]
    engine.wait(1300)
    engine.press(ENDS["Enter"])
    assert engine.got() == ["SB00001"]


def test_a_slow_scanner_counts_as_one_when_its_profile_says_so(blank: Page):
    engine = Engine(blank, None)
    engine.focus("other")
    engine.scan("SB00001", gap=75)
    assert (engine.got(), engine.count("sent")) == ([], 1)
    engine.page.locator("#other").fill("")
    engine.page.evaluate("() => { window.profile = { end: 'Enter', gap_ms: 75 }; }")
    engine.scan("SB00001", gap=75)
    assert (engine.got(), engine.count("sent"), engine.value("other")) == (["SB00001"], 1, "")


# --- Caps Lock and layouts ------------------------------------------------------------------------


def test_caps_lock_is_said_once_and_the_code_counts(engine: Engine):
    engine.focus("field")
    for code in ("SB00001", L1):
        engine.scan(code, caps=True)
    assert engine.got() == ["sb00001", L1.lower()]
    hints = engine.hints()
    assert [hint["kind"] for hint in hints] == ["caps"]
    assert "Caps Lock" in hints[0]["text"]
    engine.scan(L1)
    engine.scan("SB00001", caps=True)
    assert [hint["kind"] for hint in engine.hints()] == ["caps"]


def test_caps_lock_is_known_from_the_keyboard_too(engine: Engine):
    """Where a scanner does without Shift, only the keyboard's own state tells."""
    engine.page.evaluate("""() => {
      for (const key of ["S", "B", "0", "0", "0", "0", "1", "Enter"]) {
        const event = { key, code: `Key${key}`, modifierCapsLock: true, bubbles: true };
        document.getElementById("press").dispatchEvent(new KeyboardEvent("keydown", event));
      }
    }""")
    assert engine.got() == ["SB00001"]
    assert [hint["kind"] for hint in engine.hints()] == ["caps"]


LAYOUTS = {
    "French (AZERTY)": AZERTY,
    "German (QWERTZ)": QWERTZ,
    "Hindi": INSCRIPT,
    "Russian": RUSSIAN,
    "another language": DVORAK,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_wrong_layout_is_said_and_how_to_mend_it(engine: Engine, name: str):
    for code, place in ((L1, "field"), ("TRKCODEFINISH", "field"), (L1, "press")):
        engine.focus(place)
        engine.scan(code, computer=LAYOUTS[name])
        engine.page.wait_for_timeout(150)  # garbled, it may look like a label that goes on
        hints, got = engine.hints(), engine.got()
        if code == L1:
            assert len(got) == 1
            assert got != [code]  # what came is what is kept
        else:
            assert got == [code]  # a command is known by its keys
        if name in ("French (AZERTY)", "German (QWERTZ)") and code != L1:
            assert hints == []  # no letter of it is elsewhere
        else:
            assert [hint["kind"] for hint in hints] == ["layout"]
            assert f"set to {name}." in hints[0]["text"]
            assert "Set the computer to English (US)." in hints[0]["text"]


def test_keys_that_type_several_characters_are_keys_too(engine: Engine):
    engine.page.evaluate("""() => {
      for (const key of ["ए", "க்ஷ", "०", "०", "१", "Enter"]) {
        const event = { key, code: "KeyB", bubbles: true };
        document.getElementById("press").dispatchEvent(new KeyboardEvent("keydown", event));
      }
    }""")
    assert engine.got() == ["एக்ஷ००१"]


@pytest.mark.parametrize("layout", [AZERTY, QWERTZ, DVORAK], ids=["azerty", "qwertz", "dvorak"])
def test_a_scanner_that_fits_the_computer_is_not_bothered(engine: Engine, layout: dict):
    engine.focus("field")
    texts = [L1, "SB00001", "M444-00001", "YARD-1", "QAZWM", "TRKCODEUNDO", "(A/B):C.D_E"]
    for text in texts:
        engine.scan(text, computer=layout, scanner=layout)
    assert (engine.got(), engine.hints()) == (texts, [])


def test_once_they_were_seen_to_fit_a_foreign_code_is_no_reason_to_blame_the_layout(engine: Engine):
    """On AZERTY, what a US keyboard would have typed for é&" is 213: it looks like a code."""
    engine.focus("field")
    engine.scan("é&\"'", computer=AZERTY, scanner=AZERTY)
    assert [hint["kind"] for hint in engine.hints()] == ["layout"]
    engine.scan("SB00001", computer=AZERTY, scanner=AZERTY)
    engine.scan("é&\"'", computer=AZERTY, scanner=AZERTY)
    assert engine.hints() == []
    engine.scan("SB00001", computer=AZERTY)  # another scanner came: it does not fit
    assert [hint["kind"] for hint in engine.hints()] == ["layout"]


def test_a_code_that_reads_well_either_way_is_doubted_only_by_the_profile(blank: Page):
    engine = Engine(blank)
    engine.focus("field")
    engine.scan("YARD-1".replace("-", " "), computer=QWERTZ)
    assert (engine.got(), engine.hints()) == (["ZARD 1"], [])
    engine.page.evaluate("() => { window.profile = { end: 'Enter', gap_ms: 5, layout: 'wrong' }; }")
    engine.scan("YARD 1", computer=QWERTZ)
    assert [hint["kind"] for hint in engine.hints()] == ["layout"]
    engine.scan("YARD 1")  # it was mended since
    assert engine.hints() == []


def test_an_input_method_is_said(engine: Engine):
    """With a Hindi input method on, keys become letters elsewhere, and no Enter comes."""
    engine.focus("field")
    engine.page.keyboard.insert_text("सब००००१")
    keys = [("Process", code, shift) for _, code, shift in keys_of("SB00001")]
    engine.press([*keys, ("Process", "Enter", 0)])
    engine.page.wait_for_timeout(250)
    assert [hint["kind"] for hint in engine.hints()] == ["layout"]
    assert engine.got() == ["सब००००१"]
    assert engine.value() == ""


def test_a_hand_is_not_told_about_layouts(engine: Engine):
    engine.focus("field")
    engine.press([*keys_of("SB00001", computer=INSCRIPT), *ENDS["Enter"]], gap=200)
    assert len(engine.got()) == 1
    assert engine.hints() == []
