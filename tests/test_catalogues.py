"""The Hindi catalogues: complete, compiled, and with the same gaps to fill as the English."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("locale/hi/LC_MESSAGES")
DOMAINS = ["django", "djangojs"]
FRESH = """Mark it, then
  python manage.py makemessages -l hi --no-location --no-obsolete --no-wrap -i .venv -i var
  the same once more with -d djangojs,
translate what is new in locale/hi, and
  python manage.py compilemessages -l hi"""
GAP = re.compile(r"%\(\w+\)[sd]|%%|</?\w+")


def catalogue(domain: str, folder: Path = ROOT / FOLDER) -> dict[tuple, polib.POEntry]:
    entries = polib.pofile(str(folder / f"{domain}.po"))
    return {(entry.msgctxt, entry.msgid): entry for entry in entries if not entry.obsolete}


def texts(entry: polib.POEntry) -> list[str]:
    """What stands there in Hindi."""
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


@pytest.mark.parametrize("domain", DOMAINS)
def test_everything_is_translated(domain: str):
    entries = catalogue(domain).values()
    assert [entry.msgid for entry in entries if entry.fuzzy or not all(texts(entry))] == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_translation_fills_the_same_gaps(domain: str):
    """Names of values, and tags. Of two plural forms, one may leave the number out."""
    for entry in catalogue(domain).values():
        wanted = set(GAP.findall(entry.msgid)) | set(GAP.findall(entry.msgid_plural))
        assert set(GAP.findall(" ".join(texts(entry)))) == wanted, entry.msgid
        for text in texts(entry):
            assert '"' not in text or "<" in text, f"would end an attribute: {text}"


@pytest.mark.parametrize("domain", DOMAINS)
def test_what_is_compiled_is_what_is_written(domain: str):
    compiled = polib.mofile(str(ROOT / FOLDER / f"{domain}.mo"))
    found = {(entry.msgctxt, entry.msgid): texts(entry) for entry in compiled}
    assert found == {key: texts(entry) for key, entry in catalogue(domain).items()}


def test_every_text_of_a_script_is_in_the_catalogue():
    """Read here without xgettext, which overlooks what stands inside of `${…}`."""
    call = re.compile(r'\bn?gettext\(\s*"((?:[^"\\]|\\.)*)"')
    known = {msgid for _, msgid in catalogue("djangojs")}
    for path in ROOT.glob("*/static/**/*.js"):
        used = {text.replace('\\"', '"') for text in call.findall(path.read_text())}
        assert used <= known, f"{path.relative_to(ROOT)}: {used - known}\n{FRESH}"
        assert not re.search(r'(?<!\?\.)(?<!function )\bn?gettext\((?!\s*")', path.read_text()), (
            f"{path}: no plain text"
        )


@pytest.mark.skipif(not shutil.which("xgettext"), reason="no xgettext: apt-get install gettext")
def test_nothing_new_waits_to_be_translated(tmp_path: Path):
    """On a copy: what `makemessages` finds is in the catalogues already."""
    copy = tmp_path / "copy"
    tracked = [
        "accounts",
        "audit",
        "bags",
        "billing",
        "locale",
        "monitoring",
        "scanning",
        "templates",
        "tracetrack",
    ]
    for name in tracked:
        shutil.copytree(
            ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "tests")
        )
    shutil.copy(ROOT / "manage.py", copy)
    for domain in DOMAINS:
        command = [sys.executable, "manage.py", "makemessages", "-l", "hi", "-d", domain]
        subprocess.run([*command, "--no-location", "--no-obsolete"], cwd=copy, check=True)  # noqa: S603
        new = catalogue(domain, copy / FOLDER).keys() - catalogue(domain).keys()
        assert not new, f"{sorted(text for _, text in new)}\n{FRESH}"
