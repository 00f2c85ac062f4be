"""A page for printers: what is wrapped, shaped and drawn on it."""

import pytest

from billing.tests import pdfs
from tracetrack.paper import BOTTOM, LEFT, SPAN, UNKNOWN, Paper, readable
from tracetrack.typefaces import INDIC, runs

# A customer's name and a conjunct in each script.
SCRIPTS = {
    "devanagari": ("किसान बीज भंडार", "क्ष"),
    "bengali": ("কিষাণ বীজ ভাণ্ডার", "ক্ষ"),
    "gurmukhi": ("ਕਿਸਾਨ ਬੀਜ ਭੰਡਾਰ", "ਸ੍ਰ"),
    "gujarati": ("કિસાન બીજ ભંડાર", "ક્ષ"),
    "oriya": ("କିଷାନ ବିହନ ଭଣ୍ଡାର", "କ୍ଷ"),
    "tamil": ("கிசான் விதை நிலையம்", "க்ஷ"),
    "telugu": ("కిసాన్ విత్తన భండారం", "క్ష"),
    "kannada": ("ಕಿಸಾನ್ ಬೀಜ ಭಂಡಾರ", "ಕ್ಷ"),
    "malayalam": ("കർഷക വിത്ത് ഭണ്ഡാരം", "ക്ഷ"),
}


def paper() -> Paper:
    made = Paper("Title", "en")
    made.add_page()
    return made


def test_a_shaped_text_leaves_the_next_one_its_own_size():
    """fpdf forgets to set the font after it has measured a shaped text."""
    page = paper()
    page.put(LEFT, 20, "Large", SPAN, size=30, bold=True)
    page.row(LEFT, 40, ["बोरी", "kx"], [(40, "L"), (40, "L")], size=8)
    boxes = dict(pdfs.letters(bytes(page.output())))
    left, bottom, right, top = boxes["x"]
    assert top - bottom < 6
    assert boxes["L"][3] - boxes["L"][1] > 18


def test_lines_are_no_wider_than_asked():
    page = paper()
    words = [f"{name} " * 6 for name, _ in SCRIPTS.values()]
    for text in (
        "W" * 300,
        "many words " * 30,
        "क" * 200,
        "विश्वविद्यालय " * 20,
        "ab" + "W" * 40,
        *words,
    ):
        for line in page.lines(text, 30, 9):
            page._look(False, 9)
            with page._shaping():
                assert page.get_string_width(line) <= 30.1, line
        assert "".join(page.lines(text, 30, 9)).replace(" ", "") == text.replace(" ", "")


def test_a_line_narrower_than_a_letter_still_ends():
    assert paper().lines("WWW", 0.5, 9) == ["W", "W", "W"]


def test_what_can_be_read_and_what_can_not():
    assert readable("  a\n\tb\x00\x07c ") == "a bc"
    assert readable("e\u0301") == "é"
    assert readable("a\u202eb\u2066c\u200dd") == "abc\u200dd"
    assert readable("日本") == readable("سی") == UNKNOWN * 2
    assert readable("") == ""


@pytest.mark.parametrize("script", INDIC)
def test_each_script_of_india_has_its_font_and_is_shaped(script):
    name, conjunct = SCRIPTS[script]
    assert readable(name) == name
    assert {family for family, part in runs(name) if part.strip()} == {script}
    page = paper()
    page._look(False, 9)
    with page._shaping():
        joined = page.get_string_width(conjunct)
        apart = sum(page.get_string_width(letter) for letter in conjunct)
    assert joined < apart * 0.95
    page.put(LEFT, 20, f"{name} & Sons", SPAN)
    text = "".join(pdfs.pages(bytes(page.output())))
    assert UNKNOWN not in text
    assert "& Sons" in text


def test_scripts_are_mixed_in_one_text():
    text = "Kisan किसान, কিষাণ। Ltd."
    assert runs(text) == [
        ("sans", "Kisan "),
        ("devanagari", "किसान"),
        ("sans", ", "),
        ("bengali", "কিষাণ।"),
        ("sans", " Ltd."),
    ]
    assert runs("") == []


@pytest.mark.parametrize("text", ["क्\u200dष", "ন্\u200dত", "ന്\u200d", "ಕ್\u200cಷ", "ক।"])
def test_what_stands_between_letters_of_a_script_does_not_part_them(text):
    assert [part for _, part in runs(text)] == [text]


def test_a_script_without_a_bold_font_leaves_the_next_text_bold():
    page = paper()
    page.row(LEFT, 40, ["தமிழ்", "kx"], [(40, "L"), (40, "L")], size=8, bold=True)
    assert (page.current_font.fontkey, page.font_style) == ("sansB", "B")


def test_a_font_is_loaded_only_where_a_text_needs_it():
    page = paper()
    page.row(LEFT, 40, ["Grüße Ωμέγα Привет", "kx"], [(40, "L"), (40, "L")], bold=True)
    assert set(page.fonts) == {"sans", "sansB"}
    page.put(LEFT, 60, "தமிழ்", SPAN)
    assert set(page.fonts) == {"sans", "sansB", "tamil"}


def test_pages_of_two_parts_are_numbered_each_for_itself():
    page = paper()
    page.add_page()
    page.number_pages(1, "ONE " * 60, "%(page)s / %(pages)s")
    page.add_page()
    page.number_pages(3, "TWO", "%(page)s / %(pages)s")
    body = bytes(page.output())
    found = pdfs.pages(body)
    assert [text.strip()[-5:] for text in found] == ["1 / 2", "2 / 2", "1 / 1"]
    assert "…" in found[0]
    assert not pdfs.overflows(body)


def test_a_qr_is_read_from_the_page():
    page = paper()
    texts = ["BILL-00001", "A/B (7) _:", "X" * 64]
    for place, text in enumerate(texts):
        page.qr(LEFT, 20 + place * 40, 32, text)
    assert sorted(pdfs.codes(bytes(page.output()))) == sorted(texts)
    assert BOTTOM > 140
