"""Where a request came from, what it is called, and who is behind it."""

import logging
import re

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from audit.context import Context, LogFilter, acting_as, client_ip, current, use
from audit.middleware import request_context
from audit.models import Entry
from audit.record import record

PROXY = "10.0.0.1"


def request(peer: str = PROXY, forwarded: str | None = None, path: str = "/", **headers: str):
    if forwarded is not None:
        headers["HTTP_X_FORWARDED_FOR"] = forwarded
    return RequestFactory().get(path, REMOTE_ADDR=peer, **headers)


# --- S-06: addresses ------------------------------------------------------------------------------

# what X-Forwarded-For says; who is asking behind 0, 1 and 2 proxies
FORWARDED = [
    (None, PROXY, PROXY, PROXY),
    ("", PROXY, PROXY, PROXY),
    ("203.0.113.7", PROXY, "203.0.113.7", PROXY),
    ("203.0.113.7, 10.0.0.2", PROXY, "10.0.0.2", "203.0.113.7"),
    ("6.6.6.6, 203.0.113.7", PROXY, "203.0.113.7", "6.6.6.6"),
    ("6.6.6.6, 203.0.113.7, 10.0.0.2", PROXY, "10.0.0.2", "203.0.113.7"),
    ("203.0.113.7:51234", PROXY, "203.0.113.7", PROXY),
    ("2001:DB8::7", PROXY, "2001:db8::7", PROXY),
    ("[2001:db8::7]:443", PROXY, "2001:db8::7", PROXY),
    ("[2001:db8::7]", PROXY, "2001:db8::7", PROXY),
    ("::ffff:203.0.113.7", PROXY, "203.0.113.7", PROXY),
    ("fe80::7%eth0", PROXY, "fe80::7", PROXY),
    ("unknown", PROXY, PROXY, PROXY),
    ("203.0.113.7, <script>", PROXY, PROXY, "203.0.113.7"),
    ("999.1.1.1", PROXY, PROXY, PROXY),
    (",,,", PROXY, PROXY, PROXY),
    ("6.6.6.6, " * 199 + "203.0.113.7", PROXY, "203.0.113.7", "6.6.6.6"),
]


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("row", FORWARDED, ids=lambda row: str(row[0])[:40])
def test_only_what_our_own_proxies_wrote_is_believed(settings, row, count):
    settings.TRUSTED_PROXY_COUNT = count
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert client_ip(request(forwarded=row[0])) == row[1 + count]


@pytest.mark.parametrize("peer", ["192.0.2.9", "2001:db8::9"])
def test_a_stranger_can_not_speak_for_another_address(settings, peer):
    settings.TRUSTED_PROXY_COUNT = 1
    settings.TRUSTED_PROXIES = ["10.0.0.0/8", "::1"]
    assert client_ip(request(peer, forwarded="203.0.113.7")) == peer


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [("10.9.8.7", "10.0.0.0/8"), (PROXY, PROXY), ("::1", "::1"), ("::ffff:10.0.0.1", PROXY)],
)
def test_a_proxy_is_named_by_address_or_network(settings, peer, trusted):
    settings.TRUSTED_PROXY_COUNT = 1
    settings.TRUSTED_PROXIES = [trusted]
    assert client_ip(request(peer, forwarded="203.0.113.7")) == "203.0.113.7"


def test_a_peer_without_an_address_is_none():
    assert client_ip(request("")) is None


# --- Request ids ----------------------------------------------------------------------------------


def test_each_answer_names_its_request(client):
    first, second = (client.get("/login/")["X-Request-ID"] for _ in range(2))
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert first != second


@pytest.mark.parametrize(
    ("peer", "given", "kept"),
    [
        (PROXY, "edge-2026.11_42", True),
        ("192.0.2.9", "edge-2026.11_42", False),
        (PROXY, "short", False),
        (PROXY, "x" * 65, False),
        (PROXY, "new\nline-new-line", False),
        (PROXY, "<b>bold</b>", False),
    ],
)
def test_an_id_is_taken_from_our_proxy_only_and_only_if_it_is_one(settings, peer, given, kept):
    settings.TRUSTED_PROXY_COUNT = 1
    settings.TRUSTED_PROXIES = [PROXY]
    answer = request_context(lambda r: HttpResponse())(request(peer, HTTP_X_REQUEST_ID=given))
    assert (answer["X-Request-ID"] == given) == kept


def test_a_request_costs_no_query_and_does_not_ask_who_it_is(django_assert_num_queries, db):
    seen = []

    def view(r):
        seen.append(current())
        return HttpResponse()

    with django_assert_num_queries(0):
        request_context(view)(request())
    assert seen[0].request_id
    assert current().request_id == ""  # and nothing of it stays behind


@pytest.mark.parametrize(
    ("path", "channel"),
    [("/", "web"), ("/admin/x/", "admin"), ("/api/bag/1", "api"), ("/apiary/", "web")],
)
def test_the_path_says_which_door_it_was(path, channel):
    seen = []
    request_context(lambda r: seen.append(current().channel) or HttpResponse())(request(path=path))
    assert seen == [channel]


def test_log_lines_name_their_request():
    line = logging.LogRecord("name", logging.INFO, "file", 1, "text", None, None)
    assert LogFilter().filter(line)
    assert line.request_id == "-"
    with use(Context(request_id="abc12345")):
        LogFilter().filter(line)
    assert line.request_id == "abc12345"


# --- Commands and jobs ----------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_job_acts_for_a_person(dispatcher):
    with acting_as(dispatcher, channel="job"):
        record("day.closed")
    record("day.closed")
    first, second = Entry.objects.filter(action="day.closed").order_by("id")
    assert (first.actor, first.channel) == (dispatcher, "job")
    assert first.request_id
    assert (second.actor, second.channel, second.request_id) == (None, "command", "")
