"""S-02: five wrong passwords, and no more, are looked at, however many arrive at once."""

import time
from collections import Counter

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection, transaction
from django.test import Client

from accounts import signin
from accounts.models import User
from conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


class CountingHasher(MD5PasswordHasher):
    """Counts what was really checked. The status codes look right even when too much was."""

    algorithm = "counting"
    checks: list[str] = []

    def verify(self, password: str, encoded: str) -> bool:
        self.checks.append(password)
        time.sleep(0.03)
        return super().verify(password, encoded)


@pytest.fixture
def checks(settings) -> list[str]:
    settings.PASSWORD_HASHERS = [f"{__name__}.{CountingHasher.__name__}"]
    CountingHasher.checks.clear()
    return CountingHasher.checks


@pytest.fixture
def flood(at_once, enter, checks):
    """30 wrong passwords at the same moment, from 30 browsers and addresses."""

    def flooded(username: str) -> Counter:
        User.objects.create_user(username, password=PASSWORD)
        jobs = [
            lambda n=n: (
                enter(
                    username,
                    f"wrong {n}",
                    client=Client(HTTP_USER_AGENT=f"B{n}", REMOTE_ADDR=f"10.0.0.{n}"),
                ).status_code
            )
            for n in range(30)
        ]
        return Counter(at_once(jobs))

    return flooded


def test_thirty_wrong_passwords_at_once_are_five_checks(flood, checks):
    for number in range(3):
        checks.clear()
        answers = flood(f"ravi{number}")
        assert len(checks) == 5
        assert answers == {200: 4, 429: 26}


@pytest.mark.control
def test_without_waiting_for_each_other_more_are_checked(flood, checks, monkeypatch):
    monkeypatch.setattr(signin, "_wait_for_turn", lambda username: None)
    flood("ravi")
    assert len(checks) > 5


def test_other_names_do_not_wait_and_the_same_name_waits_a_moment_only(at_once, checks):
    def posted(username: str):
        client = Client(raise_request_exception=False)
        return client.post("/login/", {"username": username, "password": PASSWORD})

    for name in ("ravi", "meena"):
        User.objects.create_user(name, password=PASSWORD)
    with transaction.atomic():
        signin._wait_for_turn("ravi")
        [meena, ravi] = at_once([lambda: posted("meena"), lambda: posted("ravi")])
    assert meena.status_code == 302
    assert ravi.status_code == 503
    assert ravi["Retry-After"] == "1"
    assert len(checks) == 1


def test_a_check_uses_one_connection(at_once, enter, checks):
    """Else people who sign in could wait for each other's second one without end."""
    User.objects.create_user("ravi", password=PASSWORD)
    before = connection.pool.get_stats()["requests_num"]
    at_once([lambda: enter("ravi", "wrong")])
    assert connection.pool.get_stats()["requests_num"] - before == 1
