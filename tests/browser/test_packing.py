"""Whatever was scanned, and whenever the verdicts come: children go where the packer meant them."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, Route

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MODEL = Path(__file__).with_name("packing_model.js")
PACKING = Path(__file__).parents[2] / "scanning/static/scanning/packing.js"
SHIFTS = "async () => (await import('/model.js')).shifts('/static/scanning/packing.js', 1, 1500)"


def shifts(page: Page) -> list[str]:
    """What goes wrong in 1,500 random shifts."""
    page.route(
        "**/model.js", lambda route: route.fulfill(path=MODEL, content_type="text/javascript")
    )
    page.goto("/login/")
    return page.evaluate(SHIFTS)


def test_no_child_goes_into_a_parent_that_nobody_meant(page: Page):
    assert shifts(page) == []


@pytest.mark.parametrize(
    ("defence", "without"),
    [
        # Children that came after a parent which only the server knew follow it.
        ("item.parent === null ? item.id : item.opener", "-1"),
        # A parent that is opened again depends on its newest opener.
        ("{ ...known, opener: id, ended: false }", "known"),
        # What only might be a child can still turn out to be a parent.
        ("switch: !isChild", "switch: false"),
        # What did not count after all is taken off the count.
        ('if (one.kind === "scan") release(lane, one);', ";"),
        # Finish means the parent whose children were scanned last.
        ("one.parent = scratch.parent.qr_id;", ";"),
    ],
)
def test_each_defence_is_needed(page: Page, defence: str, without: str):
    text = PACKING.read_text()
    assert defence in text

    def weakened(route: Route) -> None:
        body = text.replace(defence, without)
        route.fulfill(body=body, content_type="text/javascript")

    page.route("**/scanning/packing.js", weakened)
    assert shifts(page) != []
