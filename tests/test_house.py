"""Who may import whom, and whose tables whose SQL may name. Left may not know what stands right."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ORDER = ["tracetrack", "audit", "accounts", "bags", "scanning", "billing", "monitoring"]
APPS = ORDER[1:]
BOTH_ENDS = {"tracetrack/settings.py", "tracetrack/urls.py"}  # they name everything
TABLE = re.compile(r"\b(" + "|".join(APPS) + r")_[a-z]+\b")


def files():
    for app in ORDER:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "tests" not in path.parts:
                yield path.relative_to(ROOT)


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def sql_texts(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if re.search(r"\b(SELECT|INSERT|UPDATE|DELETE|TRUNCATE|CREATE|ALTER)\b", text):
                yield re.sub(r"--.*", "", text)


@pytest.mark.parametrize("path", [p for p in files() if str(p) not in BOTH_ENDS], ids=str)
def test_nobody_knows_what_stands_to_the_right(path):
    allowed = set(ORDER[: ORDER.index(path.parts[0]) + 1])
    tree = ast.parse((ROOT / path).read_text())
    assert not {name for name in imports(tree) if name in ORDER} - allowed
    named = {found[1] for text in sql_texts(tree) for found in TABLE.finditer(text)}
    assert not named - allowed


def test_long_functions_are_few():
    """No function over 60 lines."""
    for path in files():
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.FunctionDef):
                length = node.end_lineno - node.lineno + 1
                assert length <= 60, f"{path}: {node.name} has {length} lines"


def test_no_stored_script_or_markup_from_text():
    """Nothing in a page is made from text as markup, and no browser dialog swallows a scan."""
    banned = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|mark_safe|\|safe\b"
        r"|autoescape off|(?<![.\w])(?:window\.)?(?:alert|confirm|prompt)\(|beforeunload"
    )
    for pattern in ("*/static/**/*.js", "templates/**/*.html", "[a-z]*/*.py"):
        for path in ROOT.glob(pattern):
            if path.parts[-2] != "tests":
                found = banned.search(path.read_text())
                assert not found, f"{path.relative_to(ROOT)}: {found[0]}"
