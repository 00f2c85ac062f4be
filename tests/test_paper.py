"""A page for printers: what is wrapped, shaped and drawn on it."""

from billing.tests import pdfs
from tracetrack.paper import BOTTOM, LEFT, SPAN, UNKNOWN, Paper, readable


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
    for text in ("W" * 300, "many words " * 30, "क" * 200, "विश्वविद्यालय " * 20, "ab" + "W" * 40):
        for line in page.lines(text, 30, 9):
            page._look(False, 9)
            with page._shaping():
                assert page.get_string_width(line) <= 30.1, line
        assert "".join(page.lines(text, 30, 9)).replace(" ", "") == text.replace(" ", "")


def test_a_line_narrower_than_a_letter_still_ends():
    assert paper().lines("WWW", 0.5, 9) == ["W", "W", "W"]


def test_what_can_be_read_and_what_can_not():
    known = set(range(0x20, 0x7F)) | {0x200D, 0xE9}
    assert readable("  a\n\tb\x00\x07c ", known) == "a bc"
    assert readable("e\u0301", known) == "é"
    assert readable("a\u202eb\u2066c\u200dd", known) == "abc\u200dd"
    assert readable("日本", known) == UNKNOWN * 2
    assert readable("", known) == ""


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
