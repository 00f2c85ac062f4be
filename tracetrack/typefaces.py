"""The fonts on paper: which letters each of them has, and which of them a text needs.

Latin, Greek and Cyrillic; Devanagari, Bengali, Gurmukhi, Gujarati, Odia, Tamil, Telugu, Kannada and
Malayalam. Letters of other scripts, among them all that run from right to left, such as Urdu, are
printed as a sign for what is not known.
"""

from functools import cache
from pathlib import Path

from fontTools.ttLib import TTFont

FONTS = Path(__file__).resolve().parent / "fonts"
PLAIN, SHARED = "sans", "devanagari"  # SHARED has joiners and marks that several scripts use
# In the order of their blocks in Unicode, of 128 letters each.
FIRST, BLOCK = 0x0900, 0x80
INDIC = (
    *(SHARED, "bengali", "gurmukhi", "gujarati", "oriya"),
    *("tamil", "telugu", "kannada", "malayalam"),
)
WITH_BOLD = {PLAIN, SHARED}


def style_of(family: str, bold: bool) -> str:
    """Bold is "B"; a script without a bold font has its regular one."""
    return "B" if bold and family in WITH_BOLD else ""


def file_of(family: str, style: str = "") -> Path:
    """Where the font is."""
    script = "" if family == PLAIN else family.capitalize()
    return FONTS / f"NotoSans{script}-{'Bold' if style else 'Regular'}.ttf"


def known(letter: str) -> bool:
    """Whether one of the fonts has this letter."""
    return ord(letter) in _letters(_family(ord(letter), PLAIN))


def runs(text: str) -> list[tuple[str, str]]:
    """The font and the text of each part.

    Signs of many scripts stay with what is before them: a joiner alone joins nothing.
    """
    found: list[tuple[str, str]] = []
    family, part = PLAIN, ""
    for letter in text:
        before, family = family, _family(ord(letter), family)
        if part and family != before:
            found.append((before, part))
            part = ""
        part += letter
    return [*found, (family, part)] if part else found


def _family(code: int, beside: str) -> str:
    """The font for it, beside a letter of another."""
    if code in _letters(PLAIN):
        return PLAIN
    if code in _letters(beside):
        return beside
    block = (code - FIRST) // BLOCK
    return INDIC[block] if 0 <= block < len(INDIC) else SHARED


@cache
def _letters(family: str) -> frozenset[int]:
    """Read once, when a text first needs it."""
    with TTFont(file_of(family), lazy=True) as font:
        return frozenset(font.getBestCmap())
