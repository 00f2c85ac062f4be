"""Signing in and out, and the lock after five wrong passwords."""

from datetime import timedelta

import pytest
from axes.handlers import proxy
from django.contrib.auth import SESSION_KEY
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from accounts.middleware import LoginRequired
from accounts.views import SignIn
from audit.models import Entry
from conftest import PASSWORD

pytestmark = pytest.mark.django_db


def fail(enter, times: int, username: str = "ravi"):
    for _ in range(times):
        answer = enter(username, "wrong")
    return answer


# --- In and out ---------------------------------------------------------------------------------


def test_name_and_password_lead_to_the_dashboard(dispatcher, enter):
    answer = enter("ravi")
    assert answer.status_code == 302
    assert answer["Location"] == reverse("dashboard")
    assert answer.client.session[SESSION_KEY] == str(dispatcher.pk)


@pytest.mark.parametrize("spelling", ["Ravi", " RAVI ", "ｒａｖｉ", "ravi\u00a0"])
def test_any_spelling_of_the_name_signs_in(dispatcher, enter, spelling):
    assert enter(spelling).status_code == 302


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/lookup/?q=SB00001", "/lookup/?q=SB00001"),
        ("https://elsewhere.test/", "/dashboard/"),
        ("//elsewhere.test/", "/dashboard/"),
        ("javascript:alert(1)", "/dashboard/"),
    ],
)
def test_next_leads_back_to_this_site_only(dispatcher, client, wanted, reached):
    page = client.get("/login/", {"next": wanted})
    form = {"username": "ravi", "password": PASSWORD, "next": wanted}
    assert client.post("/login/", form)["Location"] == reached
    assert ("elsewhere" in page.text) is False


def test_the_form_helps_password_stores_and_readers(client):
    page = client.get("/login/").text
    for part in ['autocomplete="username"', 'autocomplete="current-password"', "autofocus"]:
        assert part in page
    assert "style=" not in page
    assert page.count("<script") == page.count('<script src="/')


def test_the_answer_is_the_same_whatever_was_wrong(dispatcher, biller, enter):
    biller.is_active = False
    biller.save()
    answers = [enter("ravi", "wrong"), enter("nobody", "wrong"), enter("meena")]
    texts = {
        answer.text.replace(name, "").split('role="alert"')[1].split("csrf")[0]
        for answer, name in zip(answers, ["ravi", "nobody", "meena"], strict=True)
    }
    assert {answer.status_code for answer in answers} == {200}
    assert len(texts) == 1
    assert "attempt" not in texts.pop()


def test_the_session_key_changes_at_sign_in(dispatcher, enter):
    client = Client()
    client.cookies["sessionid"] = "a-key-that-an-attacker-knows"
    enter("ravi", client=client)
    assert client.session.session_key != "a-key-that-an-attacker-knows"


def test_what_was_under_way_does_not_sign_out_who_signed_in_meanwhile(
    biller, admin_user, sign_in, enter
):
    """A page that looks every few seconds sent the old key just before the new one was there."""
    client = sign_in(admin_user)
    old = client.cookies["sessionid"].value
    enter("meena", client=client)
    late = Client()
    late.cookies["sessionid"] = old
    answer = late.get("/api/bills/")
    assert answer.status_code == 401
    assert "sessionid" not in answer.cookies
    assert client.post("/logout/").cookies["sessionid"].value == ""


@pytest.mark.parametrize("door", ["/logout/", "/admin/logout/"])
def test_sign_out_needs_a_post_and_clears_kept_pages(biller, sign_in, door):
    client = sign_in(biller)
    assert client.get(door).status_code == 405
    answer = client.post(door)
    assert answer["Location"] == reverse("login")
    assert answer["Clear-Site-Data"] == '"cache"'
    assert SESSION_KEY not in client.session


def test_a_deactivated_person_is_out_with_the_next_request(dispatcher, sign_in):
    client = sign_in(dispatcher)
    assert client.get("/").url == reverse("dashboard")
    type(dispatcher).objects.filter(pk=dispatcher.pk).update(is_active=False)
    assert client.get("/").url == "/login/?next=/"


# --- The back office has no sign-in of its own ----------------------------------------------------


def test_the_back_office_sends_to_the_one_sign_in(client):
    assert client.get("/admin/login/?next=/admin/")["Location"] == "/login/?next=/admin/"


def test_a_password_posted_to_the_back_office_is_not_checked(client, admin_user):
    answer = client.post("/admin/login/", {"username": "asha", "password": PASSWORD})
    assert answer.status_code == 302
    assert SESSION_KEY not in client.session


def test_a_dispatcher_is_told_that_the_back_office_is_not_theirs(dispatcher, sign_in):
    assert sign_in(dispatcher).get("/admin/", follow=True).status_code == 403


# --- The lock -------------------------------------------------------------------------------------


def test_four_wrong_passwords_lock_nothing_and_success_forgets_them(dispatcher, enter):
    fail(enter, 4)
    assert enter("ravi").status_code == 302
    fail(enter, 4)
    assert enter("ravi").status_code == 302


def test_five_wrong_passwords_lock_even_the_right_one(dispatcher, enter):
    fail(enter, 5)
    answer = enter("ravi")
    assert answer.status_code == 429
    assert SESSION_KEY not in answer.client.session
    assert "quarter of an hour" in answer.text
    assert answer["Cache-Control"] == "no-store"
    assert answer["Retry-After"] == "900"


def test_the_lock_ends_by_itself_after_a_quarter_of_an_hour(dispatcher, enter, monkeypatch):
    fail(enter, 5)
    start = timezone.now()
    monkeypatch.setattr(proxy, "now", lambda: start + timedelta(minutes=14, seconds=55))
    assert enter("ravi").status_code == 429
    monkeypatch.setattr(proxy, "now", lambda: start + timedelta(minutes=15, seconds=5))
    assert enter("ravi").status_code == 302


def test_trying_while_locked_does_not_prolong_the_lock(dispatcher, enter, monkeypatch):
    fail(enter, 5)
    start = timezone.now()
    for minute in range(1, 15):
        monkeypatch.setattr(proxy, "now", lambda m=minute: start + timedelta(minutes=m))
        assert enter("ravi", "wrong").status_code == 429
    monkeypatch.setattr(proxy, "now", lambda: start + timedelta(minutes=15, seconds=5))
    assert enter("ravi").status_code == 302


def test_one_name_locked_leaves_everybody_else_at_the_same_address_alone(dispatcher, biller, enter):
    fail(enter, 5)
    assert enter("meena").status_code == 302


@pytest.mark.parametrize(
    "spelling", ["RAVI", " ravi", "ravi ", "Ravi", "ｒａｖｉ", "ＲＡＶＩ", "ravi\u2003", "rａvi"]
)
def test_all_spellings_of_a_name_share_one_lock(dispatcher, biller, enter, spelling):
    """S-08"""
    fail(enter, 3, spelling)
    fail(enter, 2)
    assert enter(spelling).status_code == 429
    assert enter("meena").status_code == 302


@pytest.mark.parametrize("name", ["", "x" * 1000, "ra\0vi", " "])
def test_names_that_can_not_be_lock_nobody(dispatcher, enter, name):
    """S-08"""
    fail(enter, 6, name)
    assert enter("ravi").status_code == 302


def test_other_addresses_and_browsers_share_the_lock(dispatcher, enter):
    for number in range(5):
        enter("ravi", "wrong", REMOTE_ADDR=f"10.0.0.{number}", HTTP_USER_AGENT=f"B{number}")
    assert enter("ravi", REMOTE_ADDR="10.0.9.9").status_code == 429


@pytest.mark.parametrize(
    "headers", [{"HTTP_ACCEPT": "application/json"}, {"HTTP_X_REQUESTED_WITH": "XMLHttpRequest"}]
)
def test_no_other_site_may_read_the_locked_answer(dispatcher, enter, headers):
    fail(enter, 5)
    answer = enter("ravi", **headers)
    assert answer.status_code == 429
    assert "Access-Control-Allow-Origin" not in answer
    assert ("HTTP_ACCEPT" in headers) == (answer["Content-Type"] == "application/problem+json")


def test_programs_are_told_locked_out(dispatcher, enter):
    fail(enter, 5)
    body = enter("ravi", HTTP_ACCEPT="application/json").json()
    assert body["code"] == "locked_out"
    assert body["status"] == 429


# --- What is remembered ---------------------------------------------------------------------------


def test_in_out_and_failure_are_entries(dispatcher, enter):
    client = enter("ravi").client
    client.post("/logout/")
    fail(enter, 1)
    fail(enter, 1, "Hunter2!ThisIsAPassword")
    entries = [(e.action, e.actor_name, e.target_label) for e in Entry.objects.order_by("id")]
    assert entries[-4:] == [
        ("user.signed_in", "Ravi", "Ravi"),
        ("user.signed_out", "Ravi", "Ravi"),
        ("user.sign_in_failed", "", "Ravi"),
        ("user.sign_in_failed", "", ""),
    ]


def test_an_entry_says_when_the_name_was_locked(dispatcher, enter):
    fail(enter, 6)
    reasons = Entry.objects.filter(action="user.sign_in_failed").order_by("id")
    assert [bool(entry.reason) for entry in reasons] == [False] * 4 + [True] * 2


# --- What it costs --------------------------------------------------------------------------------


def test_a_signed_in_request_costs_two_queries(dispatcher, sign_in, django_assert_num_queries):
    """The session and the person."""
    client = sign_in(dispatcher)
    with django_assert_num_queries(2) as queries:
        client.get("/")
    assert "django_session" in queries[0]["sql"]
    assert "accounts_user" in queries[1]["sql"]


def test_an_open_view_is_not_asked_who_is_there():
    class Asked(Exception):
        pass

    class Request(type(RequestFactory().get("/"))):
        @property
        def user(self):
            raise Asked

    request = RequestFactory().get("/login/")
    request.__class__ = Request
    middleware = LoginRequired(lambda request: None)
    assert middleware.process_view(request, SignIn.as_view(), (), {}) is None
    with pytest.raises(Asked):  # the control: a closed view has to ask
        middleware.process_view(request, lambda request: None, (), {})


def test_sign_in_hashes_with_scrypt(real_hasher, db, enter):
    """S-07"""
    from accounts.models import User

    user = User.objects.create_user("nila", password=PASSWORD)
    assert user.password.startswith("scrypt$16384$")
    assert enter("nila").status_code == 302


def test_an_old_hash_is_renewed_at_sign_in(real_hasher, db, enter):
    """S-07"""
    from django.contrib.auth.hashers import make_password

    from accounts.models import User

    user = User(username="nila", password=make_password(PASSWORD, hasher="pbkdf2_sha256"))
    user.save()
    enter("nila")
    user.refresh_from_db()
    assert user.password.startswith("scrypt$16384$")
    assert not Entry.objects.filter(action="user.password_changed").exists()
