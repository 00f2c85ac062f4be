"""A4 pages for printers: texts that wrap and never overflow, QRs, page n of m.

Black on white, as laser printers like it. Texts of people are never markup here, and may be of
several scripts; which ones there are stands in `typefaces`.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import segno
from fpdf import FPDF
from fpdf.enums import MethodReturnValue
from fpdf.line_break import Fragment

from tracetrack.typefaces import PLAIN, file_of, known, runs, style_of

WIDTH, HEIGHT, MARGIN = 210, 297, 12  # mm
LEFT, RIGHT, TOP, BOTTOM = MARGIN, WIDTH - MARGIN, MARGIN, HEIGHT - MARGIN - 6
SPAN = RIGHT - LEFT
LINE = 0.48  # mm for each point of the letters' size
BASE = 0.346  # mm from a line's top to the foot of its letters, likewise
JOINERS = "\u200c\u200d"
UNKNOWN = "\ufffd"
GAP = 1.5  # mm, kept free at the right of each column
SOFT = 90  # the grey of labels; 0 is black
# Letters that stand side by side, each for itself. All others are shaped, which is slow.
UNSHAPED = re.compile(r"[ -~\u00a0-\u02ff\u0370-\u0482\u048a-\u04ff\u1e00-\u1eff\u2010-\u22ff]*")
# Not the signs that turn the direction of writing around: a text could look like another.
DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn"}

Column = tuple[float, str]  # width in mm, alignment L, C or R


class Paper(FPDF):
    """One document. `part` begins on a page of its own and counts its own pages."""

    def __init__(self, title: str, language: str) -> None:
        super().__init__(format="A4")
        self.set_auto_page_break(False)
        self.set_margins(LEFT, TOP, MARGIN)
        self.c_margin = 0
        for style in ("", "B"):
            self.add_font(PLAIN, style, file_of(PLAIN, style))
        self.set_title(readable(title))
        self.set_creator("TraceTrack")
        self.set_lang(language)
        self._looks = (False, 0.0, 0)
        # Most texts stand in many places; each is looked at once.
        self.lines = cache(self._lines)

    # --- Texts ----------------------------------------------------------------------------------

    def put(
        self,
        x: float,
        y: float,
        text: str,
        width: float,
        *,
        size: float = 9,
        bold: bool = False,
        align: str = "L",
        grey: int = 0,
    ) -> float:
        """Write `text` from its top left corner; returns the height that it took, in mm."""
        lines = self.lines(text, width, size, bold)
        self._look(bold, size, grey)
        for number, line in enumerate(lines):
            self._line(x, y + number * LINE * size, line, width, size, align)
        return len(lines) * LINE * size

    def row(
        self, x: float, y: float, cells: list[str], columns: list[Column], **looks: Any
    ) -> float:
        """Write texts beside each other; returns the height of the tallest, in mm."""
        heights = [0.0]
        for text, (width, align) in zip(cells, columns, strict=True):
            if text:
                heights.append(self.put(x, y, text, width - GAP, align=align, **looks))
            x += width
        return max(heights)

    def row_height(self, cells: list[str], columns: list[Column], size: float) -> float:
        """The height that `row` would take."""
        columns = zip(cells, columns, strict=True)
        return LINE * size * max(len(self.lines(text, w - GAP, size)) for text, (w, _) in columns)

    def _line(self, x: float, y: float, line: str, width: float, size: float, align: str) -> None:
        if not UNSHAPED.fullmatch(line):
            self.x, self.y = x, y  # set_xy() takes what is less than 0 from the right
            with self._shaping():
                self.cell(width, LINE * size, line, align=align)
            return
        if align != "L":
            room = width - self._width(line, size)
            x += room if align == "R" else room / 2
        self.text(x, y + BASE * size, line)

    def _width(self, line: str, size: float) -> float:
        return self.current_font.get_text_width(line, size, None)[1] / self.k

    def _look(self, bold: bool, size: float, grey: int = 0) -> None:
        """How the next letters look; asking fpdf for what is so already would cost a third."""
        if self._looks != (bold, size, grey):
            self.set_font(PLAIN, "B" if bold else "", size)
            self.set_text_color(grey)
            self._looks = (bold, size, grey)

    def _lines(self, text: str, width: float, size: float, bold: bool = False) -> list[str]:
        """`text` in lines that are no wider than `width`."""
        text = readable(text)
        self._look(bold, size)
        if UNSHAPED.fullmatch(text):
            return self._wrap(text, width, size)
        with self._shaping():
            lines = self.multi_cell(
                width, text=text, dry_run=True, output=MethodReturnValue.LINES, align="L"
            )
        return [line.strip() for line in lines]

    def _wrap(self, text: str, width: float, size: float) -> list[str]:
        """At spaces; a word that is longer than a line anywhere. A hundred times quicker."""
        lines = [""]
        for word in text.split(" "):
            longer = f"{lines[-1]} {word}" if lines[-1] else word
            if self._width(longer, size) <= width:
                lines[-1] = longer
                continue
            if lines[-1]:
                lines.append("")
            while self._width(word, size) > width and len(word) > 1:
                end = self._fitting(word, width, size)
                lines[-1], word = word[:end], word[end:]
                lines.append("")
            lines[-1] = word
        return lines

    def _fitting(self, word: str, width: float, size: float) -> int:
        """How many letters of it a line holds, one at least."""
        lengths = range(1, len(word))
        return max(1, bisect_right(lengths, width, key=lambda n: self._width(word[:n], size)))

    @contextmanager
    def _shaping(self) -> Iterator[None]:
        self.set_text_shaping(True)
        try:
            yield
        finally:
            self.set_text_shaping(False)
            # fpdf takes the font for set, though a dry run wrote nothing on the page
            self.current_font_is_set_on_page = False

    def _parse_chars(self, text: str, *_markup: Any, **_emphasis: Any) -> Iterator[Fragment]:
        """The parts of a text that are shaped, each with its font.

        fpdf itself would cut at joiners, which then join nothing, and would load all fonts first.
        """
        bold = "B" in self.font_style
        for family, part in runs(text):
            look = self._get_current_graphics_state()
            look.font_family, look.font_style = family, style_of(family, bold)
            look.current_font = self.fonts[self._loaded(family, look.font_style)]
            yield Fragment(list(part), look, self.k)

    def _loaded(self, family: str, style: str) -> str:
        """fpdf's key of this font, which most papers do not need."""
        key = family + style
        if key not in self.fonts:
            self.add_font(family, style, file_of(family, style))
            # so that fpdf sets it for one text only
            self.set_fallback_fonts({each.rstrip("B") for each in self.fonts} - {PLAIN})
        return key

    # --- Shapes ---------------------------------------------------------------------------------

    def bar(self, x: float, y: float, width: float, height: float, grey: int = 0) -> None:
        """A filled rectangle."""
        self.set_fill_color(grey)
        self.rect(x, y, width, height, style="F")
        self.set_fill_color(0)

    def rule(self, y: float, grey: int = 0, thick: float = 0.2) -> None:
        """A line across the page."""
        self.bar(LEFT, y, RIGHT - LEFT, thick, grey)

    def qr(self, x: float, y: float, side: float, text: str) -> None:
        """A QR of `text`, drawn as bars, with the white border that scanners need around it."""
        rows = _modules(text)
        module = side / len(rows)
        for row, bars in enumerate(rows):
            for start, length in bars:
                # a hair more than the module, so that no white shows between the rows
                self.rect(
                    x + start * module, y + row * module, length * module, module * 1.02, style="F"
                )

    def watermark(self, text: str) -> None:
        """Large and light behind all that is written on this page afterwards."""
        size = 60
        while size > 20 and len(self.lines(text, 250, size, True)) > 1:
            size -= 5
        with self.rotation(55, WIDTH / 2, HEIGHT / 2):
            top = HEIGHT / 2 - LINE * size / 2
            self.put(WIDTH / 2 - 150, top, text, 300, size=size, bold=True, align="C", grey=228)

    # --- Pages ----------------------------------------------------------------------------------

    def number_pages(self, first: int, left: str, right: str) -> None:
        """At the foot of each page since `first`. In `right` are gaps for page and pages."""
        last = self.page
        for page in range(first, last + 1):
            self.page = page
            self.current_font_is_set_on_page = False
            self.rule(BOTTOM + 2, grey=160)
            numbers = right % {"page": page - first + 1, "pages": last - first + 1}
            self.put(LEFT, BOTTOM + 3, self._cut(left, 100, 8), 100, size=8)
            self.put(LEFT, BOTTOM + 3, numbers, SPAN, size=8, align="R")

    def _cut(self, text: str, width: float, size: float) -> str:
        """One line of it."""
        if len(self.lines(text, width, size)) == 1:
            return text
        return f"{self.lines(text, width - 3, size)[0]}…"


def readable(text: str) -> str:
    """`text` on one line, without control characters; what no font has becomes a sign for it."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = " ".join(unicodedata.normalize("NFC", text).split())
    kept = (c for c in text if c in JOINERS or unicodedata.category(c) not in DROPPED)
    return "".join(c if known(c) else UNKNOWN for c in kept)


def _modules(text: str) -> list[list[tuple[int, int]]]:
    """The dark runs of each row, as start and length, border included."""
    rows = []
    for row in segno.make_qr(text, error="m").matrix_iter(border=4):
        dark = "".join(map(str, row))
        rows.append([(run.start(), len(run[0])) for run in re.finditer("1+", dark)])
    return rows
