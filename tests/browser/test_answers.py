"""Only a verdict for its own id takes an item out of the queue: 22 answers that are none, and 6."""

import gzip
import json
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from bags.models import Link
from scanning.models import Scan
from tests.browser.conftest import Bench, label
from tests.browser.test_queue import BATCH, PROBLEM, kept
from tests.faults.proxy import Proxy

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

JSON, HTML = "application/json", "text/html; charset=utf-8"
OTHER_ID = "11111111-1111-4111-8111-111111111111"
LOGIN = "<title>Sign in · TraceTrack</title><form><input name=username></form>"


def results_for(status: int, outcome: str, **more) -> Callable[[dict], dict]:
    """An answer of the right form, with this result for the first item."""

    def made(request: dict) -> dict:
        result = {"id": request["items"][0]["id"], "status": status, "outcome": outcome}
        shape = {"detail": "", "replayed": False, "parent": None, "child": None}
        return {"device": request["device"], "results": [result | shape | more]}

    return made


def without_results(request: dict) -> dict:
    return {"device": request["device"], "now": "2026-11-24T12:00:00Z"}


def problem(code: str, status: int, **headers: str) -> dict:
    return {"status": status, "content_type": PROBLEM, "json": {"code": code}, "headers": headers}


def page_of(status: int, text: str) -> dict:
    return {"status": status, "content_type": HTML, "body": text}


# What the route says in the server's place; a function makes JSON of the request.
SAID = {
    "408": page_of(408, "<h1>Request Time-out</h1>"),
    "425": problem("too_early", 425),
    "429 with Retry-After": problem("throttled", 429, **{"Retry-After": "50"}),
    "500 HTML": page_of(500, "<h1>Server Error (500)</h1>"),
    "502 of a proxy": page_of(502, "<center><h1>502 Bad Gateway</h1></center><hr>nginx"),
    "503 problem": problem("busy", 503, **{"Retry-After": "1"}),
    "401 auth_required": problem("auth_required", 401),
    "401 other_user": problem("other_user", 401),
    "403 csrf_failed": problem("csrf_failed", 403),
    "403 HTML": page_of(403, "<h1>Access denied by the company's filter</h1>"),
    "409 in_progress": problem("in_progress", 409),
    "captive portal": page_of(200, "<h1>Welcome to our free Wi-Fi</h1>"),
    "login page": page_of(200, LOGIN),
    "204": {"status": 204},
    "another scan's id": results_for(201, "linked", id=OTHER_ID),
    "no results": without_results,
    "302 redirect": {"status": 302, "headers": {"Location": "/login/?next=/scan/"}},
    "result not_tried": results_for(425, "not_tried"),
}


def on_the_wire(status: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


HALF = b'{"device": "x", "results": [{"id": "'
GARBAGE = gzip.compress(b'{"results": []}' * 50)[:-20][::-1]
# What only a real connection can do.
DONE = {
    "network error": {"down": True},
    "truncated JSON": {"portal": on_the_wire("200 OK", HALF, f"Content-Type: {JSON}", length=900)},
    "gzip garbage": {
        "portal": on_the_wire("200 OK", GARBAGE, f"Content-Type: {JSON}", "Content-Encoding: gzip")
    },
}

VERDICTS = {
    "linked": results_for(201, "linked"),
    "already_linked": results_for(200, "already_linked"),
    "linked_elsewhere": results_for(409, "linked_elsewhere"),
    "bad_code": results_for(422, "bad_code"),
    "permission_denied": results_for(403, "permission_denied"),
    "unknown_parent": results_for(404, "unknown_parent"),
}


@pytest.fixture
def proxy(live_server) -> Iterator[Proxy]:
    with Proxy(to=urlsplit(live_server.url).port) as proxy:
        yield proxy


@pytest.fixture
def browser_context_args(browser_context_args: dict, proxy: Proxy) -> dict:
    return browser_context_args | {"base_url": f"http://localhost:{proxy.port}"}


def answer(page: Page, said: dict | Callable, times: int = 1000) -> list[dict]:
    """Say this in the server's place to the first batches with items, and nothing to the others.

    Gives the batches, as they come.
    """
    batches = []

    def fulfill(route: Route) -> None:
        batch = json.loads(route.request.post_data)
        if not batch["items"]:
            route.continue_()
            return
        batches.append(batch)
        if len(batches) > times:
            route.abort()
            return
        given = said(batch) if callable(said) else said
        route.fulfill(**({"json": given} if callable(said) else given))

    page.context.route(BATCH, fulfill)
    return batches


def heal(page: Page) -> None:
    page.context.unroute(BATCH)
    page.evaluate("window.dispatchEvent(new Event('online'))")


def expect_kept_and_sent_later(bench: Bench, code: str, mend: Callable) -> None:
    """Not a verdict: the item stays, is shown as waiting, and arrives once when all is well."""
    expect(bench.part("trouble")).to_be_visible()
    assert [item["code"] for item in kept(bench.page)] == [code]
    expect(bench.rows.first).to_have_attribute("data-outcome", "waiting")
    assert not Scan.objects.filter(raw=code).exists()
    mend()
    expect(bench.rows.first).to_have_attribute("data-outcome", "linked")
    expect(bench.part("trouble")).to_be_hidden()
    assert kept(bench.page) == []
    assert Scan.objects.filter(raw=code, outcome="linked").count() == 1


def open_parent(bench: Bench, code: str = "SB00001") -> None:
    bench.wedge(code)
    bench.expect_outcome("parent_created", "yes")


def test_what_is_no_verdict_removes_nothing(bench: Bench, proxy: Proxy, subtests):
    open_parent(bench)
    for number, (name, said) in enumerate(SAID.items()):
        with subtests.test(name):
            batches = answer(bench.page, said)
            bench.wedge(label(number))
            expect_kept_and_sent_later(bench, label(number), lambda: heal(bench.page))
            assert batches, "the answer was never given"
    assert Link.objects.count() == len(SAID)


def test_a_broken_connection_removes_nothing(bench: Bench, proxy: Proxy, subtests):
    open_parent(bench)

    def mend() -> None:
        proxy.heal()
        heal(bench.page)

    for number, (name, toxics) in enumerate(DONE.items()):
        with subtests.test(name):
            proxy.set(**toxics)
            bench.wedge(label(number))
            expect_kept_and_sent_later(bench, label(number), mend)
    assert Link.objects.count() == len(DONE)


def test_no_answer_in_time_removes_nothing(bench: Bench, proxy: Proxy):
    """The page's clock is ours, so nobody waits five seconds."""
    open_parent(bench)
    bench.page.clock.install()
    proxy.set(black_hole=True)
    with bench.page.expect_request(BATCH):
        bench.wedge(label(1))
    expect(bench.part("trouble")).to_be_hidden()
    bench.page.clock.fast_forward(5100)

    def mend() -> None:
        proxy.heal()
        heal(bench.page)
        bench.page.clock.fast_forward(1000)

    expect_kept_and_sent_later(bench, label(1), mend)


def test_a_verdict_removes_its_own_item_only(bench: Bench, proxy: Proxy, subtests):
    for number, (name, said) in enumerate(VERDICTS.items()):
        with subtests.test(name):
            open_parent(bench, f"SB0000{number}")
            first, second = label(2 * number), label(2 * number + 1)
            with proxy.having(down=True):
                bench.wedge(first, second)
                expect(bench.part("trouble")).to_be_visible()
                expect(bench.part("waits")).to_contain_text("2")
                batches = answer(bench.page, said, times=1)
            bench.part("retry").click()
            expect(bench.part("waits")).to_contain_text("1")
            assert [item["code"] for item in kept(bench.page)] == [second]
            assert [item["code"] for item in batches[0]["items"]] == [first, second]
            heal(bench.page)
            bench.eventually(lambda: len(kept(bench.page)), 0)
            bench.eventually(lambda code=second: Scan.objects.filter(raw=code).count(), 1)
            assert not Scan.objects.filter(raw=first).exists(), "its verdict was final"
