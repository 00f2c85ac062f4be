"""What people and programs see when something can't be served."""

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.test import Client

pytestmark = pytest.mark.django_db


def failing(error):
    def fail(*args, **kwargs):
        raise error

    return fail


@pytest.fixture
def person(sign_in, dispatcher):
    client = sign_in(dispatcher)
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")])
def test_while_the_database_is_away_a_page_is_503_and_says_when_to_come_back(
    person, monkeypatch, error
):
    monkeypatch.setattr("monitoring.views.today_by_hour", failing(error))
    answer = person.get("/dashboard/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert "gone" not in answer.content.decode()


@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")])
def test_while_the_database_is_away_the_api_is_503_busy(person, monkeypatch, error):
    monkeypatch.setattr("monitoring.api.Statistics.objects.get", failing(error))
    answer = person.get("/api/stats")
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert answer.json()["code"] == "busy"


def test_an_error_page_names_the_request_and_nothing_else(person, monkeypatch):
    monkeypatch.setattr("monitoring.views.today_by_hour", failing(RuntimeError("a secret")))
    answer = person.get("/dashboard/")
    assert answer.status_code == 500
    page = answer.content.decode()
    assert answer["X-Request-ID"] in page
    assert "secret" not in page
    assert "Traceback" not in page


def test_an_error_of_the_api_is_problem_json_too(person, monkeypatch):
    monkeypatch.setattr("monitoring.api.Statistics.objects.get", failing(RuntimeError("a secret")))
    answer = person.get("/api/stats")
    assert (answer.status_code, answer.json()["code"]) == (500, "server_error")
    assert "secret" not in answer.content.decode()
    answer = person.get("/api/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer["Content-Type"] == "application/problem+json"


def test_an_unknown_page_names_the_request(person):
    answer = person.get("/nothing/here")
    assert answer.status_code == 404
    assert answer["X-Request-ID"] in answer.content.decode()


def test_a_form_that_was_open_too_long_is_told_in_plain_words(dispatcher):
    answer = Client(enforce_csrf_checks=True).post("/login/", {"username": "x", "password": "y"})
    assert answer.status_code == 403
    assert "open too long" in answer.content.decode()


def test_a_hostile_request_is_a_parse_error_in_the_api(person, monkeypatch):
    monkeypatch.setattr("monitoring.api.Statistics.objects.get", failing(SuspiciousOperation()))
    answer = person.get("/api/stats")
    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")


@pytest.mark.parametrize("url", ["/dashboard/", "/scan/", "/api/stats", "/login/", "/x", "/health"])
def test_every_answer_bears_the_policy_and_the_request_id(person, url):
    answer = person.get(url)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer["X-Request-ID"]
    assert answer["X-Frame-Options"] == "DENY"


def test_a_database_that_is_away_before_the_view_is_503_in_the_api_too(person, monkeypatch):
    monkeypatch.setattr(
        "accounts.middleware.LoginRequired.process_view", failing(OperationalError())
    )
    answer = person.get("/api/stats")
    assert (answer.status_code, answer["Retry-After"], answer.json()["code"]) == (503, "1", "busy")
