"""What stands on paper, read by programs that did not write it."""

from io import BytesIO

import pypdfium2
import zxingcpp
from pypdf import PdfReader


def pages(body: bytes) -> list[str]:
    """The text of each page."""
    return [page.extract_text() for page in PdfReader(BytesIO(body)).pages]


def lines(body: bytes) -> str:
    """All texts, each word or cell on a line of its own."""
    return "\n".join(["", *" ".join(pages(body)).split(), ""])


def codes(body: bytes, page: int = 0) -> list[str]:
    """The QRs on a page as a phone's camera would see it."""
    picture = pypdfium2.PdfDocument(body)[page].render(scale=2).to_pil()
    return [found.text for found in zxingcpp.read_barcodes(picture)]


def overflows(body: bytes) -> list[str]:
    """Texts that leave the page or stand outside of its margins."""
    outside = []
    for page in pypdfium2.PdfDocument(body):
        text = page.get_textpage()
        width, height = page.get_size()
        for place in range(text.count_rects()):
            left, bottom, right, top = text.get_rect(place)
            if left < 20 or right > width - 20 or bottom < 20 or top > height - 20:
                outside.append(text.get_text_bounded(left, bottom, right, top))
    return outside


def letters(body: bytes, page: int = 0) -> list[tuple[str, tuple]]:
    """Each letter with the box that it stands in; letters of one glyph share theirs."""
    text = pypdfium2.PdfDocument(body)[page].get_textpage()
    return [
        (text.get_text_range(place, 1), tuple(round(edge, 1) for edge in text.get_charbox(place)))
        for place in range(text.count_chars())
    ]
