"""What a scanner read, turned into a code. Pure: no database, never raises.

The rules are those of the printed labels:

1. Text with ``LABEL NO`` is a child label; its identity is lot and label number, because label
   numbers start again in every lot.
2. Whether other text is a parent is decided by the products' patterns (data, see `bags.models`).
3. Other text of 3 to 64 plain characters is a plain child code.
4. All else is no code, and neither is a command of the station (``TRKCODE…``).

`scanning/static/scanning/codes.js` does the same in a browser; `tests/codes.json` tests both.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

MAX_LENGTH = 255  # characters, as read
# A scanner's separators (GS, RS, …) are control characters, though Python counts them as spaces.
WHITE_SPACE = re.compile(r"[^\S\x1c-\x1f\x85]+")
PLAIN_CODE = re.compile(r"[A-Z0-9][A-Z0-9 ._/:()-]{2,63}")

# What some scanners put before a code to say of which kind it is (AIM): ]Q1, ]d2, ]C1, …
SYMBOLOGY = re.compile(r"^(?:\][A-Z][A-Z0-9] ?)+")

# Commands to the station. Letters that keyboard layouts swap (A Q Z W M Y) and digits are in none.
RESERVED = re.compile(r"TRKCODE[A-Z]{1,16}")
COMMANDS = {
    "TRKCODEFINISH": "finish",
    "TRKCODEUNDO": "undo",
    "TRKCODEECHO": "echo",
    "TRKCODEHELP": "help",
    "TRKCODEOK": "ok",
}

DOTS = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")

# A label's fields begin with one of these names; a lot ends at a comma or where the next begins.
LABEL_NUMBER = re.compile(r"LABEL NO[ .:]{0,4}([0-9]{1,32})(?![0-9])")
LOT = re.compile(r"LOT NO[ .:]{0,4}([^,]*)")
NEXT_FIELD = re.compile(r" ?(?:LABEL NO|LOT NO|D\.O\.T|DOT ?[.:]|DATE OF TEST)")
TESTED_ON = re.compile(
    r"(?:D\.O\.T|DOT|DATE OF TEST)[ .:]{0,4}([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})(?![0-9])"
)


@dataclass(frozen=True, slots=True)
class Code:
    """One code as read. `qr_id` is its identity, empty where the text is no code.

    `form` is "label", "plain" or "bad"; the label's own fields are empty in the other two.
    """

    qr_id: str
    form: str
    label_no: str = ""
    lot_no: str = ""
    tested_on: date | None = None


BAD = Code("", "bad")


def normalise(raw: str) -> str:
    """Text as read -> one line, single spaces, upper case, without control characters.

    Doing it again changes nothing. A white-space control character (a line break inside a label)
    counts as a space; half a surrogate pair and the like can't be stored and go too. So does what
    a scanner says about the kind of code in front of it.
    """
    spaced = WHITE_SPACE.sub(" ", raw)
    kept = "".join(c for c in spaced if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    upper = unicodedata.normalize("NFC", unicodedata.normalize("NFC", kept).upper())
    return SYMBOLOGY.sub("", WHITE_SPACE.sub(" ", upper).strip(" "))


def command(raw: str) -> str | None:
    """Text as read -> what it tells the station to do: a value of COMMANDS, or None."""
    return COMMANDS.get(normalise(raw)) if len(raw) <= MAX_LENGTH else None


def read(raw: str) -> Code:
    """Text as read -> its code. Whether a plain code is a parent is not known here."""
    if len(raw) > MAX_LENGTH:
        return BAD
    text = normalise(raw)
    if "LABEL NO" in text:
        return _label(text)
    if RESERVED.fullmatch(text):
        return BAD
    return Code(text, "plain") if PLAIN_CODE.fullmatch(text) and _fits(text) else BAD


def _fits(qr_id: str) -> bool:
    """Whether this can be an identity: short enough, ASCII (so its case is the same everywhere),

    and without a path's `.` or `..`, which browsers take out of a bag's address.
    """
    return len(qr_id) <= MAX_LENGTH and qr_id.isascii() and not DOTS.search(qr_id)


def _label(text: str) -> Code:
    number = LABEL_NUMBER.search(text)
    if not number:
        return BAD
    found = LOT.search(text)
    lot = NEXT_FIELD.split(found[1], maxsplit=1)[0].strip() if found else ""
    qr_id = f"{lot}:{number[1]}" if lot else number[1]
    if not _fits(qr_id):
        return BAD
    return Code(qr_id, "label", number[1], lot, _tested_on(text))


def _tested_on(text: str) -> date | None:
    """The date of test, day first. A date that does not exist is left out; the label counts."""
    found = TESTED_ON.search(text)
    if not found:
        return None
    day, month, year = (int(part) for part in found.groups())
    try:
        return date(year, month, day)
    except ValueError:
        return None
