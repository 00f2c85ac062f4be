"""A scanner on a computer whose keyboard has some layout: raw keys, each with a time of its own.

Browsers take a key's time from the device, so a test's timing does not depend on how busy we are.
"""

import time
from collections.abc import Iterable

from playwright.sync_api import Page

Key = tuple[str, str, int]  # what it types, its place, its modifiers
SHIFT, CTRL = 8, 2

ROWS = ["`1234567890-=", "qwertyuiop[]\\", "asdfghjkl;'", "zxcvbnm,./", " "]
UPPER = ["~!@#$%^&*()_+", "QWERTYUIOP{}|", 'ASDFGHJKL:"', "ZXCVBNM<>?", " "]
NAMES = {
    "`": "Backquote",
    "-": "Minus",
    "=": "Equal",
    "[": "BracketLeft",
    "]": "BracketRight",
    "\\": "Backslash",
    ";": "Semicolon",
    "'": "Quote",
    ",": "Comma",
    ".": "Period",
    "/": "Slash",
    " ": "Space",
}


def _place(key: str) -> str:
    if key.isalpha():
        return f"Key{key.upper()}"
    return f"Digit{key}" if key.isdigit() else NAMES[key]


PLACES = [_place(key) for row in ROWS for key in row]


def _layout(plain: Iterable[str], shifted: Iterable[str]) -> dict[tuple[str, int], str]:
    """(place, modifiers) -> what the key types."""
    keys = zip(PLACES, plain, strict=True), zip(PLACES, shifted, strict=True)
    return {(place, SHIFT * n): key for n, row in enumerate(keys) for place, key in row}


US = _layout("".join(ROWS), "".join(UPPER))
AZERTY = _layout("²&é\"'(-è_çà)=azertyuiop^$*qsdfghjklmùwxcvbn,;:! ",
                 "~1234567890°+AZERTYUIOP¨£µQSDFGHJKLM%WXCVBN?./§ ")  # fmt: skip
QWERTZ = _layout("^1234567890ß´qwertzuiopü+#asdfghjklöäyxcvbnm,.- ",
                 "°!\"§$%&/()=?`QWERTZUIOPÜ*'ASDFGHJKLÖÄYXCVBNM;:_ ")  # fmt: skip
INSCRIPT = _layout(
    "ॊ१२३४५६७८९०-ृौैाीूबहगदजड़ॉोे्िुपरकतचटॆंमनवलस,.य ",
    ["ऒ", "ऍ", "ॅ", "्र", "र्", "ज्ञ", "त्र", "क्ष", "श्र", "(", ")", "ः", "ऋ"]
    + list("औऐआईऊभङघधझढञऑओएअइउफऱखथछठऎँणनवळश।:य "),
)  # fmt: skip
RUSSIAN = _layout("ё1234567890-=йцукенгшщзхъ\\фывапролджэячсмитьбю. ",
                  "Ё!\"№;%:?*()_+ЙЦУКЕНГШЩЗХЪ/ФЫВАПРОЛДЖЭЯЧСМИТЬБЮ, ")  # fmt: skip
DVORAK = _layout("`1234567890[]',.pyfgcrl/=\\aoeuidhtns-;qjkxbmwvz ",
                 '~!@#$%^&*(){}"<>PYFGCRL?+|AOEUIDHTNS_:QJKXBMWVZ ')  # fmt: skip

ENDS: dict[str, list[Key]] = {
    "Enter": [("Enter", "Enter", 0)],
    "Tab": [("Tab", "Tab", 0)],
    "CR": [("m", "KeyM", CTRL)],
    "LF": [("j", "KeyJ", CTRL)],
    "CRLF": [("Enter", "Enter", 0), ("j", "KeyJ", CTRL)],
    "Enter Tab": [("Enter", "Enter", 0), ("Tab", "Tab", 0)],
    "": [],
}
GS: Key = ("]", "BracketRight", CTRL)


def keys_of(text: str, computer=US, scanner=US, caps: bool = False) -> list[Key]:
    """The scanner presses the places that type `text` on its own layout."""
    places = {key: place for place, key in reversed(scanner.items())}
    keys = []
    for character in text:
        place, modifiers = places[character]
        key = computer[place, modifiers]
        keys.append((key.swapcase() if caps else key, place, modifiers))
    return keys


class Scanner:
    """Presses keys in one page, `gap` milliseconds apart."""

    def __init__(self, page: Page):
        self.page = page
        self.session = page.context.new_cdp_session(page)
        self.now = time.time()

    def wait(self, ms: float) -> None:
        self.now += ms / 1000

    def press(self, keys: list[Key], gap: float = 4) -> None:
        for key, place, modifiers in keys:
            self.wait(gap)
            event = {"key": key, "code": place, "modifiers": modifiers, "timestamp": self.now}
            text = {"Enter": "\r"}.get(key, key if len(key) < 3 else "")
            if text and not modifiers & CTRL:
                event["text"] = text
            self.session.send("Input.dispatchKeyEvent", event | {"type": "keyDown"})
            self.session.send("Input.dispatchKeyEvent", event | {"type": "keyUp", "text": ""})

    def scan(self, text: str, *, end: str = "Enter", gap: float = 4, **layouts) -> None:
        """A code and its end, after a pause."""
        self.wait(200)
        self.press([*keys_of(text, **layouts), *ENDS[end]], gap)
